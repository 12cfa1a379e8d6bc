import numpy as np
import pytest

from action_recognition.errors import VideoError
from action_recognition.video.clip_sampling import apply_short_clip_policy, random_clip, uniform_clips


@pytest.mark.parametrize("jitter", [False, True])
@pytest.mark.parametrize("num_frames", [1, 5, 7, 8, 30])
def test_random_clips_stay_inside_and_in_order(num_frames, jitter):
    for seed in range(50):
        clip = random_clip(
            num_frames,
            frames=4,
            stride=2,
            policy="repeat_last",
            generator=np.random.default_rng(seed),
            jitter=jitter,
        )
        assert clip.shape == (4,)
        assert clip.min() >= 0
        assert clip.max() < num_frames
        assert (np.diff(clip) >= 0).all()


def test_random_clips_reach_every_place():
    starts = {
        int(random_clip(10, frames=4, stride=2, policy="error", generator=np.random.default_rng(seed))[0])
        for seed in range(200)
    }
    assert starts == {0, 1, 2, 3}  # 10 frames, a clip spans 7


def test_one_uniform_clip_is_the_centre():
    assert uniform_clips(11, frames=3, stride=2, policy="error").tolist() == [[3, 5, 7]]


def test_uniform_clips_run_from_first_to_last_frame():
    clips = uniform_clips(20, frames=3, stride=2, policy="error", clips=3)
    assert clips[0, 0] == 0
    assert clips[-1, -1] == 19


@pytest.mark.parametrize(("policy", "expected"), [("repeat_last", [0, 1, 2, 2, 2, 2]), ("wrap", [0, 1, 2, 0, 1, 2])])
def test_short_clip_policies(policy, expected):
    assert apply_short_clip_policy(np.arange(6), num_frames=3, policy=policy).tolist() == expected


def test_policy_error_names_the_numbers():
    with pytest.raises(VideoError, match="3 frames are too few for a clip that spans 6"):
        apply_short_clip_policy(np.arange(6), num_frames=3, policy="error")


def test_no_frames_no_clip():
    with pytest.raises(VideoError):
        uniform_clips(0, frames=2, stride=1, policy="wrap")
