"""Pretrained weights: every form they come in, what is adapted, what is left out, and files that must be refused."""

import hashlib
import io
import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from helpers.mirror_server import Server, running_server
from helpers.network_checks import noise, stir
from torch import Tensor, nn

from action_recognition.errors import ConfigError, ContractError
from action_recognition.models.networks import NETWORKS, build_network
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.pretrained import PretrainedReport, load_pretrained
from action_recognition.models.weight_files import read_state_dict


class Published(nn.Module):
    """What somebody published: a backbone and its classifier `fc`."""

    def __init__(self, *, channels: int = 3, classes: int = 7, positions: int = 6, bias: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(channels, 4, 3, padding=1, bias=bias), nn.BatchNorm3d(4), nn.ReLU())
        self.conv2 = nn.Conv3d(4, 5, 1, bias=bias)
        self.bn2 = nn.BatchNorm3d(5)
        self.pos_embedding = nn.Parameter(torch.zeros(1, positions, 5))
        self.fc = nn.Linear(5, classes)

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        maps = self.bn2(self.conv2(self.stem(clip_BCTHW))).mean(dim=(3, 4)).transpose(1, 2)
        features_BD: Tensor = self.fc((maps + self.pos_embedding[:, : maps.shape[1]]).amax(dim=1))
        return features_BD


class Tiny(ActionNetwork):
    """The same backbone with a head of ours."""

    pretrained_prefix = "backbone."
    classifier_prefix = "fc."

    def __init__(self, *, channels: int = 3, classes: int = 7, positions: int = 6) -> None:
        super().__init__()
        self.backbone = Published(channels=channels, positions=positions)
        self.backbone.fc = nn.Identity()
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, classes))

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        features_BD: Tensor = self.backbone(clip_BCTHW)
        return features_BD

    def stages(self) -> list[nn.Module]:
        return [self.backbone]


CLIP = (3, 6, 5, 4)


@pytest.fixture
def theirs() -> Published:
    torch.manual_seed(1)
    network = Published().eval()
    stir(network)
    nn.init.normal_(network.pos_embedding)
    return network


@pytest.fixture
def path(theirs: Published, tmp_path: Path) -> Path:
    return saved(theirs.state_dict(), tmp_path / "theirs.pth")


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def load(network: nn.Module, weights: object) -> PretrainedReport:
    return load_pretrained(network, weights, network_name="tiny")  # type: ignore[arg-type]


def one_line(error: type[Exception], network: nn.Module, weights: object) -> str:
    with pytest.raises(error) as raised:
        load(network, weights)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def assert_same(ours: nn.Module, theirs: nn.Module) -> None:
    clip_BCTHW = noise(3, *CLIP)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(clip_BCTHW), theirs.eval()(clip_BCTHW))


def lightning(state: Mapping[str, Tensor]) -> dict[str, object]:
    return {"state_dict": {f"network.{name}": tensor for name, tensor in state.items()}, "hyper_parameters": {"lr": 1}}


WRAPPED = {
    "plain": dict,
    "state_dict": lambda state: {"epoch": 3, "state_dict": dict(state)},
    "model": lambda state: {"model": dict(state), "optimizer": {}},
    "parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled": lambda state: {"state_dict": {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}},
}


@pytest.mark.parametrize("form", WRAPPED)
def test_published_file_in_any_wrapping(form: str, theirs: Published, tmp_path: Path) -> None:
    ours = Tiny()
    report = load(ours, str(saved(WRAPPED[form](theirs.state_dict()), tmp_path / "weights.pth")))
    assert_same(ours, theirs)
    assert set(report.matched) == set(ours.state_dict())
    assert (report.missing, report.unexpected, report.mismatched, dict(report.adapted)) == ((), (), (), {})
    assert str(report) == f"weights tiny {tmp_path}/weights.pth: 15 of 15 tensors matched"


def test_checkpoint_of_this_project(tmp_path: Path) -> None:
    trained, ours = Tiny(), Tiny()
    stir(trained)
    report = load(ours, str(saved(lightning(trained.state_dict()), tmp_path / "best.ckpt")))
    assert_same(ours, trained)
    assert len(report.matched) == 15


def test_classifier_of_other_classes_is_left_out_whole(path: Path, theirs: Published) -> None:
    ours = Tiny(classes=4)
    before = ours.head[1].weight.clone()
    report = load(ours, str(path))
    assert torch.equal(ours.head[1].weight, before)
    assert report.head_classes == (7, 4)
    assert [mismatch.name for mismatch in report.mismatched] == ["head.1.weight", "head.1.bias"]
    assert (report.mismatched[0].shape_in_file, report.mismatched[0].shape_here) == ((7, 5), (4, 5))
    assert report.line() == f"weights tiny {path}: 13 of 15 tensors matched; left out: head (7 classes, here 4)"
    theirs.fc = nn.Identity()
    assert_same(ours.backbone, theirs)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_stem_takes_other_channels(channels: int, path: Path, theirs: Published) -> None:
    ours = Tiny(channels=channels)
    report = load(ours, str(path))
    weight = theirs.stem[0].weight
    by_hand = (weight[:, :1] + weight[:, 1:2] + weight[:, 2:3]) / 3 * 3 / channels
    for channel in range(channels):
        torch.testing.assert_close(ours.backbone.stem[0].weight[:, channel : channel + 1], by_hand)
    assert dict(report.adapted) == {"backbone.stem.0.weight": f"stem from 3 to {channels} channels"}
    assert f"stem from 3 to {channels} channels (1)" in report.line()


def test_only_the_stem_takes_other_channels(theirs: Published, tmp_path: Path) -> None:
    state = theirs.state_dict() | {"conv2.weight": torch.zeros(5, 9, 1, 1, 1)}
    report = load(Tiny(), str(saved(state, tmp_path / "other.pth")))
    assert [mismatch.name for mismatch in report.mismatched] == ["backbone.conv2.weight"]
    assert "of other shapes: backbone.conv2.weight" in report.line()


def test_positions_are_interpolated_linearly(theirs: Published, tmp_path: Path) -> None:
    line = torch.arange(6.0).view(1, 6, 1).expand(1, 6, 5)
    state = theirs.state_dict() | {"pos_embedding": line.contiguous()}
    ours = Tiny(positions=3)
    report = load(ours, str(saved(state, tmp_path / "other.pth")))
    # Three places over six: each in the middle of two.
    assert ours.backbone.pos_embedding[0, :, 0].tolist() == [0.5, 2.5, 4.5]
    assert dict(report.adapted) == {"backbone.pos_embedding": "positions interpolated"}


def test_half_becomes_float(theirs: Published, tmp_path: Path) -> None:
    ours = Tiny()
    report = load(ours, str(saved(theirs.half().state_dict(), tmp_path / "half.pth")))
    assert {weight.dtype for weight in ours.parameters()} == {torch.float32}
    assert set(report.adapted.values()) == {"half to float"}
    assert_same(ours, theirs.float())


def test_folded_batch_norm_becomes_an_identity_plus_bias(tmp_path: Path) -> None:
    folded = Published(bias=True)
    folded.stem[1], folded.bn2 = nn.Identity(), nn.Identity()
    ours = Tiny()
    stir(ours)
    report = load(ours, str(saved(folded.state_dict(), tmp_path / "folded.pth")))
    assert_same(ours, folded)
    assert dict(report.adapted) == dict.fromkeys(
        ["backbone.stem.1.bias", "backbone.bn2.bias"], "batch norm unfolded from its convolution"
    )
    assert (report.missing, report.unexpected) == ((), ())


def test_a_norm_that_the_file_holds_is_not_overwritten(theirs: Published, tmp_path: Path) -> None:
    state = theirs.state_dict() | {"stem.0.bias": torch.full((4,), 9.0)}
    ours = Tiny()
    report = load(ours, str(saved(state, tmp_path / "both.pth")))
    assert report.unexpected == ("stem.0.bias",)
    torch.testing.assert_close(ours.backbone.stem[1].running_mean, theirs.stem[1].running_mean)


def test_what_is_missing_and_unexpected_is_named(theirs: Published, tmp_path: Path) -> None:
    state = dict(theirs.state_dict())
    state["extra.weight"] = state.pop("conv2.weight")
    del state["bn2.num_batches_tracked"]
    report = load(Tiny(), str(saved(state, tmp_path / "other.pth")))
    assert report.missing == ("backbone.conv2.weight",)
    assert report.unexpected == ("extra.weight",)
    assert "not in the file: backbone.conv2.weight; not in the network: extra.weight" in report.line()


def test_nothing_that_fits_names_both_sides(tmp_path: Path) -> None:
    ours = Tiny()
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    line = one_line(ConfigError, ours, str(saved({"a.w": torch.ones(2), "b.w": torch.ones(3)}, tmp_path / "x.pth")))
    assert "a.w, b.w" in line
    assert "backbone.pos_embedding" in line
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.state_dict().items())


class Hostile:
    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.made),)


@pytest.mark.parametrize("form", ["torch", "legacy", "pickle"])
def test_code_in_a_file_is_not_run(form: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    content, bad, made = {"stem.0.weight": Hostile(tmp_path / "made")}, tmp_path / "bad.pth", tmp_path / "made"
    if form == "pickle":
        bad.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, bad, _use_new_zipfile_serialization=form == "torch")
    line = one_line(ContractError, Tiny(), str(bad))
    assert line.startswith(f"{bad}: refused")
    assert not made.exists()
    assert not recwarn.list  # torch's own notes on such files are nothing for a user
    if form == "pickle":  # it would have been made, had it been read otherwise
        pickle.loads(bad.read_bytes())
        assert made.exists()


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", b"PK\x03\x04cut short"], ids=["empty", "page", "cut"]
)
def test_a_file_that_is_no_weights_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(content)
    assert "refused" in one_line(ContractError, Tiny(), str(tmp_path / "bad.pth"))


def test_a_file_without_tensors_is_one_line(tmp_path: Path) -> None:
    bad = saved({"state_dict": {}, "epoch": 3}, tmp_path / "bad.pth")
    assert "holds no named tensors" in one_line(ContractError, Tiny(), str(bad))
    with pytest.raises(ContractError):
        read_state_dict(saved([torch.ones(1)], tmp_path / "list.pth"))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("nowhere/x.pth", ["nowhere/x.pth", "no such file"]),
        ("x.pth", ["x.pth", "no such file"]),
        ("file:///nowhere/x.pth", ["no such file"]),
        (".", ["model.weights=."]),
        ("/", ["folder"]),
        ("KINETICS", ["KINETICS", "no named weights", "a path or a URL"]),
        ("", ["model.weights="]),
        (3, ["model.weights=3"]),
        (["a"], ["model.weights=['a']"]),
        ({}, ["no part is given weights"]),
        ({"tail": "x.pth"}, ["model.weights.tail", "backbone, head"]),
        ({"backbone": None}, ["no part is given weights"]),
    ],
    ids=str,
)
def test_weights_that_are_not_there(weights: object, words: list[str]) -> None:
    line = one_line(ConfigError, Tiny(), weights)
    assert all(word in line for word in words), line


def test_file_url_and_home(path: Path, theirs: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    spaced = path.rename(path.with_name("my weights #1.pth"))
    ours = Tiny()
    load(ours, spaced.as_uri())
    assert_same(ours, theirs)
    monkeypatch.setenv("HOME", str(spaced.parent))
    assert len(load(Tiny(), "~/my weights #1.pth").matched) == 15


def test_parts_are_given_each_their_own(tmp_path: Path, path: Path) -> None:
    class Two(ActionNetwork):
        def __init__(self) -> None:
            super().__init__()
            self.appearance, self.motion = Tiny(classes=2), Tiny(classes=7)
            self.head = nn.Linear(10, 2)

    ours = Two()
    other = Published(classes=9)
    report = load(ours, {"appearance": str(saved(other.state_dict(), tmp_path / "other.pth")), "motion": str(path)})
    assert torch.equal(ours.appearance.backbone.conv2.weight, other.conv2.weight)
    assert not torch.equal(ours.motion.backbone.conv2.weight, other.conv2.weight)
    assert "motion.head.1.weight" in report.matched
    assert "appearance.head.1.weight" not in report.matched
    assert [part.network_name for part in report.parts] == ["tiny.appearance", "tiny.motion"]
    assert report.line().count("tensors matched") == 2
    assert "\n" not in str(report)


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's cache, empty and of this test."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def as_bytes(network: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return buffer.getvalue()


def test_url_is_fetched_once(server: Server, hub: Path, theirs: Published) -> None:
    url = server.add("/of/weights.pth", as_bytes(theirs))
    for _ in range(2):
        ours = Tiny()
        load(ours, url)
        assert_same(ours, theirs)
    assert [seen.path for seen in server.seen] == ["/of/weights.pth"]
    # The same file name elsewhere is another file.
    other = Published()
    load(ours, server.add("/other/weights.pth", as_bytes(other)))
    assert_same(ours, other)
    assert len(list(hub.iterdir())) == 2


def named(url: str) -> ActionNetwork:
    class Named(Tiny):
        @classmethod
        def weight_names(cls) -> Mapping[str, str]:
            return {"KINETICS400_V1": url, "DEFAULT": url}

    return Named()


@pytest.mark.parametrize("name", ["KINETICS400_V1", "DEFAULT"])
def test_name_is_fetched_and_its_hash_checked(name: str, server: Server, hub: Path, theirs: Published) -> None:
    content = as_bytes(theirs)
    file_name = f"tiny-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    ours = named(server.add(f"/models/{file_name}", content))
    report = load(ours, name)
    assert_same(ours, theirs)
    assert report.weights == name
    assert [entry.name for entry in hub.iterdir()] == [file_name]


def test_name_with_another_hash_is_refused_and_not_kept(server: Server, hub: Path, theirs: Published) -> None:
    ours = named(server.add("/models/tiny-00000000.pth", as_bytes(theirs)))
    assert "hash" in one_line(ConfigError, ours, "DEFAULT")
    assert list(hub.iterdir()) == []


def test_a_name_misspelt_is_told_the_right_ones(hub: Path) -> None:
    line = one_line(ConfigError, named("http://127.0.0.1:1/x.pth"), "KINETICS400")
    assert "expected one of KINETICS400_V1, DEFAULT, a path or a URL (did you mean 'KINETICS400_V1'?)" in line


def test_download_that_is_cut_short_or_no_weights_is_not_kept(server: Server, hub: Path, theirs: Published) -> None:
    url = server.add("/weights.pth", as_bytes(theirs), drops=[2000])
    with pytest.raises((ConfigError, ContractError), match=r"weights\.pth") as raised:
        load(Tiny(), url)
    assert "\n" not in str(raised.value)
    assert list(hub.iterdir()) == []
    assert len(load(Tiny(), url).matched) == 15, "the next try starts afresh"
    assert "refused" in one_line(ContractError, Tiny(), server.add("/page.pth", b"<html>"))


def test_server_without_the_file_or_no_server(server: Server, hub: Path) -> None:
    for url in (f"{server.url}/none.pth", "http://127.0.0.1:1/none.pth"):
        line = one_line(ConfigError, Tiny(), url)
        assert line.startswith(f"{url}: could not be downloaded (")
        assert line.endswith("download it elsewhere and give its path: model.weights=PATH")
    assert list(hub.iterdir()) == []


TORCHVISION = ["r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t"]


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_networks_know_their_weights(name: str) -> None:
    assert NETWORKS[name][0] == "torchvision_video"
    shape = (3, 16, 224, 224)
    with torch.device("meta"):
        names = build_network(name, clip_shape=shape, num_classes=2).weight_names()
    assert names["DEFAULT"] == names["KINETICS400_V1"]
    assert names["DEFAULT"].startswith(f"https://download.pytorch.org/models/{name}-")
    assert names["DEFAULT"].endswith(".pth")


def test_real_folded_mobilenet(shared_dir: Path) -> None:
    """ImageNet's MobileNetV2 with its norms folded away, against a network that never had any."""
    from torchvision.models import mobilenet_v2

    class Frames(ActionNetwork):
        pretrained_prefix = "backbone."
        classifier_prefix = "classifier.1."

        def __init__(self) -> None:
            super().__init__()
            self.backbone = mobilenet_v2()
            self.backbone.classifier = nn.Identity()
            self.head = nn.Linear(1280, 1000)

        def features(self, clip_BCTHW: Tensor) -> Tensor:
            features_BD: Tensor = self.backbone(clip_BCTHW[:, :, 0])
            return features_BD

    path = shared_dir / "weights" / "mobilenet_v2_imagenet_bnfolded_fp16.pt"
    ours = Frames().eval()
    report = load(ours, str(path))
    assert (report.missing, report.unexpected, report.mismatched) == ((), (), ())
    assert "106 of 106 tensors matched" in report.line()
    folded = mobilenet_v2(norm_layer=lambda channels: nn.Identity()).eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
    folded.load_state_dict({name: tensor.float() for name, tensor in torch.load(path, weights_only=True).items()})
    clip_BCTHW = noise(2, 3, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(clip_BCTHW), folded(clip_BCTHW[:, :, 0]), rtol=1e-3, atol=1e-3)
