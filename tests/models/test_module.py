import dataclasses

import pytest
import torch
from helpers.tiny_models import TINY_NETWORK, save_checkpoint

from action_recognition.config import ModelConfig
from action_recognition.errors import ContractError
from action_recognition.models.module import VideoActionModel


@pytest.fixture
def model(tiny_contract):
    torch.manual_seed(0)
    return VideoActionModel(tiny_contract.to_dict(), ModelConfig(**TINY_NETWORK)).eval()


@pytest.fixture
def clip():
    return torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_normalising_happens_inside(model, clip):
    by_hand = model.network((clip.float() - model.mean) / model.std)
    assert torch.allclose(model(clip), by_hand, atol=1e-5)
    assert model(clip).shape == (2, 3)
    assert torch.allclose(model(clip), model(clip.float()), atol=1e-6)


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last_3d"])
def test_memory_format_changes_nothing_but_the_layout(model, clip, tiny_contract, memory_format):
    other = VideoActionModel(tiny_contract.to_dict(), TINY_NETWORK, memory_format=memory_format).eval()
    other.load_state_dict(model.state_dict())
    assert torch.allclose(other(clip), model(clip), atol=1e-4)


def test_logits_are_float32_under_autocast(model, clip):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(clip).dtype == torch.float32


def test_the_network_sees_the_order_of_frames(model, clip):
    assert not torch.allclose(model(clip), model(clip.flip(2)), atol=1e-4)


def test_a_single_frame_passes(tiny_contract):
    contract = dataclasses.replace(tiny_contract, frames=1)
    model = VideoActionModel(contract.to_dict(), TINY_NETWORK).eval()
    assert model(torch.zeros(2, 3, 1, 32, 32, dtype=torch.uint8)).shape == (2, 3)


def test_a_checkpoint_loads_without_running_code_and_gives_the_same_logits(model, clip, tmp_path):
    loaded = VideoActionModel.from_checkpoint(save_checkpoint(model, tmp_path / "m.ckpt"))
    assert loaded.contract == model.contract
    assert torch.equal(loaded(clip), model(clip))


class Malicious:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_checkpoint_that_wants_to_run_code_is_refused(tmp_path, capsys):
    torch.save({"hyper_parameters": Malicious(), "state_dict": {}}, tmp_path / "bad.ckpt")
    with pytest.raises(ContractError, match=r"bad\.ckpt"):
        VideoActionModel.from_checkpoint(tmp_path / "bad.ckpt")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_what_is_no_checkpoint_is_refused_by_name(tmp_path, content):
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(ContractError, match=r"x\.ckpt: not a checkpoint"):
        VideoActionModel.from_checkpoint(tmp_path / "x.ckpt")


def test_a_checkpoint_of_another_contract_version_is_refused(model, tmp_path):
    path = save_checkpoint(model, tmp_path / "m.ckpt")
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"]["contract"]["version"] = 99
    torch.save(content, path)
    with pytest.raises(ContractError, match="version 99, expected 4"):
        VideoActionModel.from_checkpoint(path)
