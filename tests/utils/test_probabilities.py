import numpy as np
import pytest
import torch

from action_recognition.utils.probabilities import softmax


@pytest.mark.parametrize("temperature", [0.001, 0.3, 1.0, 2.5, 1000.0])
def test_equals_torch_for_small_and_large_logits(temperature: float) -> None:
    logits_BK = np.array([[1000.0, 999.0], [-1000.0, -1000.0], [3e38, -3e38], [0.1, -0.2]], dtype=np.float32)
    wanted_BK = (torch.from_numpy(logits_BK).double() / temperature).softmax(dim=1).numpy()
    np.testing.assert_allclose(softmax(logits_BK, temperature), wanted_BK, rtol=1e-12)


def test_any_number_of_axes_before_the_classes() -> None:
    logits_NVK = np.random.default_rng(0).normal(size=(3, 2, 5)).astype(np.float32)
    found_NVK = softmax(logits_NVK, 1.5)
    assert found_NVK.dtype == np.float64
    for video in range(3):
        np.testing.assert_array_equal(found_NVK[video], softmax(logits_NVK[video], 1.5))
