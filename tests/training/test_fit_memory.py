"""Memory of extracting features: what a few clips take, however many there are in a batch and in all passes."""

import subprocess
import sys

import pytest
import torch
from helpers.support import ROOT

from action_recognition.config import load_config
from action_recognition.transforms.augment import ClipAugment

# A batch of 32 augmented clips of this size takes 308 MB as float32, and augmenting them several times that.
BOUND_MB = 450
PROGRAM = """
import resource, torch
from action_recognition.config import load_config
from action_recognition.contract import ClipContract
from action_recognition.data.dataset import (ClipBatch)
from action_recognition.utils.malloc import keep_freed_memory
from action_recognition.models.module import VideoActionModel
from action_recognition.training.feature_cache import _features_of
from action_recognition.training.step_plan import StepPlan

torch.set_num_threads(1)
keep_freed_memory()
contract = ClipContract(frames=16, stride=1, short_side=240, size=224, mean=(0.0,) * 3, std=(1.0,) * 3,
                        class_names=("a", "b"))
network = {"network": "cnn3d", "args": {"widths": [2, 2, 2]}}
model = VideoActionModel(contract.to_dict(), network, augment=load_config(["data=hmdb51"]).augment).eval()
clip_BCTHW = torch.zeros(32, 16, 240, 240, 3, dtype=torch.uint8).permute(0, 4, 1, 2, 3)
batch = ClipBatch(clip_BCTHW, torch.zeros(32, dtype=torch.int64), torch.arange(32), ())
peak_mb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
plan = StepPlan(precision="32-true", memory_format="contiguous")
before = peak_mb()
for number in range(2):
    with torch.inference_mode():
        parts = list(_features_of(model, batch, plan, augmented=True, seed=number))
    assert sum(map(len, parts)) == 32
    print(peak_mb() - before)
"""


def test_extraction_takes_the_memory_of_a_few_clips() -> None:
    pytest.importorskip("resource")
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    first_mb, second_mb = map(float, done.stdout.split())
    assert first_mb < BOUND_MB
    assert second_mb < first_mb + BOUND_MB / 10


@pytest.mark.parametrize("few", [1, 2, 3, 7])
def test_a_batch_augmented_in_parts_is_what_it_is_as_a_whole(few: int) -> None:
    config = load_config(["data=hmdb51"]).augment
    augment = ClipAugment(config, size=24, class_names=("a", "b"))
    generator = torch.Generator().manual_seed(0)
    clip_BCTHW = torch.randint(0, 256, (7, 3, 4, 32, 32), dtype=torch.uint8, generator=generator)
    label_B = torch.tensor([0, 1, 0, 1, 1, 0, 0])
    whole = augment(clip_BCTHW, label_B, seed=5)
    parts = [
        augment(clip_BCTHW[first : first + few], label_B[first : first + few], seed=5, first=first, of=7)
        for first in range(0, 7, few)
    ]
    torch.testing.assert_close(torch.cat(parts), whole)
