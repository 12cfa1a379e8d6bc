import psutil
import pytest

from action_recognition.config import load_config
from action_recognition.data.preconditions import batch_bytes, check_batches_fit, machine_bytes
from action_recognition.errors import ConfigError


def test_a_batch_is_what_is_read_and_what_the_network_is_given():
    clip = load_config(["clip.frames=2", "clip.short_side=10", "clip.size=5"]).clip
    assert batch_bytes(clip, clips=3) == 3 * 3 * 2 * (10 * 10 + 5 * 5 * 4)


def test_batches_beyond_the_machine_are_refused_with_both_sizes(run_cli):
    large = ["clip.size=4096", "clip.short_side=4096", "clip.frames=4096"]
    with pytest.raises(ConfigError, match=r"^data.batch_size=65536, .*one batch takes .* GB, this machine has"):
        check_batches_fit(load_config([*large, "data.batch_size=65536"]))
    assert run_cli("train", *large, "data.batch_size=65536").code == 1
    check_batches_fit(load_config([]))
    assert 0 < machine_bytes() <= psutil.virtual_memory().total
