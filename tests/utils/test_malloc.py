import subprocess
import sys

import pytest
from helpers.support import ROOT

SCRIPT = """
import resource, sys, torch
sys.path.insert(0, {root!r})
from action_recognition.utils.malloc import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
for number in range(16):
    if number == 12:  # the heap has grown by then
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(24_000_000).fill_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_freed_memory_is_used_again_without_touching_new_pages():
    scripts = [SCRIPT.format(root=str(ROOT), keep=keep) for keep in (False, True)]
    faults = [int(subprocess.check_output([sys.executable, "-c", script])) for script in scripts]
    assert faults[0] > 50_000, "each of four tensors of 96 MB is mapped anew"
    assert faults[1] < 5_000
