"""`load`: every name of a model leads to the file that was meant, or to one line that says what is wrong."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import mlflow
import numpy as np
import pytest
from helpers.mirror_server import Server
from helpers.support import ROOT, moving_square
from helpers.tiny_models import exported_bytes, save_checkpoint, tiny_model

import action_recognition
from action_recognition.errors import UserError
from action_recognition.inference.backends.onnx import OnnxBackend
from action_recognition.inference.backends.torch import TorchBackend
from action_recognition.inference.batch.jobs import Setup
from action_recognition.inference.inputs.base import InputSettings
from action_recognition.inference.load import load
from action_recognition.inference.temporal.segments import RECOMMENDED_SEGMENTS
from action_recognition.serving.servable import save_servable

MakeVideo = Callable[..., Path]
REPO, FILE = "owner/repo", "video_action_model.onnx"


@pytest.fixture(autouse=True)
def no_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training in the same process leaves its own behind."""
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def last_run(here: Path) -> Path:
    """A run with a best and a last checkpoint of different weights."""
    folder = here / "plots/runs/one/checkpoints"
    folder.mkdir(parents=True)
    (here / "plots/last_run").write_text("plots/runs/one\n")
    for seed, name in enumerate(("best", "last")):
        save_checkpoint(tiny_model(seed=seed), folder / f"{name}.ckpt")
    return folder


def logits(predictor: object) -> np.ndarray:
    clip_BCTHW = np.random.default_rng(0).integers(0, 256, size=(2, 3, 4, 32, 32), dtype=np.uint8)
    return predictor.backend(clip_BCTHW)  # type: ignore[attr-defined]


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """But for the order of sums: torch runs in whichever memory format is faster at the moment."""
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("as_given", [str, Path])
def test_the_files_name_says_the_backend(as_given, onnx_file: Path, last_run: Path, make_video: MakeVideo) -> None:
    by_onnx, by_torch = load(as_given(onnx_file)), load(as_given(last_run / "best.ckpt"), device="cpu")
    assert isinstance(by_onnx.backend, OnnxBackend)
    assert isinstance(by_torch.backend, TorchBackend)
    video = make_video(onnx_file.parent / "video.avi", moving_square(30))
    found, expected = by_onnx.predict(as_given(video)), by_torch.predict(as_given(video))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    renamed = Path(shutil.copy(onnx_file, "model.bin"))
    assert isinstance(load(renamed, backend="onnx").backend, OnnxBackend)


def test_best_and_last_are_of_the_last_run(last_run: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("best", "last"):
        assert_same(logits(load(name)), logits(load(last_run / f"{name}.ckpt")))
    assert_same(logits(load()), logits(load("best")))
    assert np.abs(logits(load("best")) - logits(load("last"))).max() > 0.1
    (here / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    (here / "plots/last_run").write_text(f"{here}/plots/runs/one\n")
    assert_same(logits(load(plots_dir=here / "plots")), logits(load(last_run / "best.ckpt")))


def test_settings_reach_the_predictor(onnx_file: Path) -> None:
    predictor = load(onnx_file, batch_size=3, overlap=0.5, threshold=0.4, min_seconds=1, merge_seconds=2)
    assert (predictor.batch_size, predictor.overlap) == (3, 0.5)
    assert (predictor.segments.threshold, predictor.segments.min_seconds) == (0.4, 1.0)
    assert predictor.segments.merge_seconds == 2.0
    assert load(onnx_file).segments == RECOMMENDED_SEGMENTS
    assert load(onnx_file).inputs == InputSettings()
    assert load(onnx_file, fps=12, max_seconds=3).inputs == InputSettings(fps=12.0, max_seconds=3.0)


def test_the_models_own_threshold_counts_unless_another_is_given(tmp_path: Path) -> None:
    path = save_checkpoint(tiny_model(temperature=3.0, threshold=0.45), tmp_path / "m.ckpt")
    assert load(path).segments == replace(RECOMMENDED_SEGMENTS, threshold=0.45)
    assert load(path, threshold=0.0).segments == RECOMMENDED_SEGMENTS
    assert Setup(model=path, kind="torch", segments=RECOMMENDED_SEGMENTS).predictor().segments.threshold == 0.45
    given = Setup(model=path, kind="torch", segments=RECOMMENDED_SEGMENTS, threshold=0.2)
    assert given.predictor().segments == replace(RECOMMENDED_SEGMENTS, threshold=0.2)
    assert given.lasting() != replace(given, threshold=None).lasting()


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_models_of_mlflow(kind, onnx_file: Path, last_run: Path, empty_store: Path, here: Path) -> None:
    """The database of the project, a named version, an alias, and a run's artifacts."""
    shutil.copy(empty_store, here / "plots/mlflow.db")
    best = last_run / "best.ckpt"
    packed = save_servable(here / "packed", onnx_path=onnx_file if kind == "onnx" else None, checkpoint=best)
    client = mlflow.MlflowClient(f"sqlite:///{here}/plots/mlflow.db")
    run = client.create_run(client.create_experiment("one", artifact_location=(here / "artifacts").as_uri()))
    client.log_artifacts(run.info.run_id, str(packed), "model")
    client.log_artifact(run.info.run_id, str(best), "checkpoints")
    client.create_registered_model("mine")
    client.create_model_version("mine", f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    client.set_registered_model_alias("mine", "champion", "1")
    expected = logits(load(onnx_file if kind == "onnx" else best))
    before = mlflow.get_tracking_uri()
    for name in ("mine@champion", "mine/1", "mine/latest"):
        assert_same(logits(load(f"models:/{name}")), expected)
    assert_same(logits(load(f"runs:/{run.info.run_id}/model")), expected)
    checkpoint = load(f"runs:/{run.info.run_id}/checkpoints/best.ckpt")
    assert_same(logits(checkpoint), logits(load(best)))
    assert mlflow.get_tracking_uri() == before


def test_what_mlflow_does_not_have(here: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^models:/x@y: no MLflow database plots/mlflow.db; set MLFLOW_TRACKING_URI"):
        load("models:/x@y")
    shutil.copy(empty_store, here / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{here}/other.db")
    for name, reason in {
        "models:/x@y": "Registered Model with name=x not found",
        "models:/x/1": "Registered Model with name=x not found",
        "models:/": "Not a proper models:/ URI",
        "runs:/0123/model": "Run with id=0123 not found",
    }.items():
        with pytest.raises(UserError, match=rf"^{name}: MLflow at sqlite:///.*other.db has no such model .*{reason}"):
            load(name)
    # A model of someone else: a folder with an MLmodel that names a file outside of it, or none.
    client = mlflow.MlflowClient()
    run = client.create_run(client.create_experiment("one", artifact_location=(here / "artifacts").as_uri()))
    outside = "flavors: {python_function: {artifacts: {model: {path: ../../../secret.onnx}}}}"
    for number, text in enumerate(("flavors: {sklearn: {}}", outside, "[", "a: &a [*a]")):
        client.log_text(run.info.run_id, text, f"model{number}/MLmodel")
        with pytest.raises(UserError, match="no model that this project packed"):
            load(f"runs:/{run.info.run_id}/model{number}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^MLFLOW_TRACKING_URI=http://127.0.0.1:9: no MLflow server answers"):
        load("models:/x@y")


@pytest.fixture
def hub(server: Server, here: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(here / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    return server


def put(hub: Server, *files: str, revision: str = "main") -> None:
    """A repository that has the tiny model under these names."""
    about = {"ETag": '"0123"', "X-Repo-Commit": "a" * 40}
    for file in files:
        hub.add(f"/{REPO}/resolve/{revision}/{file}", exported_bytes(), headers=about)
    listing = [{"type": "file", "path": file, "size": 1, "oid": "0"} for file in (*files, "README.md")]
    hub.add(f"/api/models/{REPO}/tree/{revision}", json.dumps(listing).encode())


def refuse(hub: Server, code: str, file: str = FILE, revision: str = "main") -> None:
    """What the hub answers where there is no such thing."""
    hub.add(f"/{REPO}/resolve/{revision}/{file}", statuses=[404] * 9, headers={"X-Error-Code": code})


def test_models_of_the_hub(hub: Server, onnx_file: Path) -> None:
    expected = logits(load(onnx_file))
    put(hub, FILE, "other.onnx")
    put(hub, "deep/er/other.onnx", revision="v1")
    for name in ("", f"/{FILE}", "/other.onnx", "@v1/deep/er/other.onnx"):
        assert_same(logits(load(f"hf://{REPO}{name}")), expected)
    seen = len(hub.seen)
    assert_same(logits(load(f"hf://{REPO}")), expected)
    assert [request.path for request in hub.seen[seen:]] == [f"/{REPO}/resolve/main/{FILE}"]  # whether it is the newest
    hub.routes.clear()
    assert_same(logits(load(f"hf://{REPO}/{FILE}")), expected)


def test_the_only_model_of_a_repository_needs_no_name(hub: Server, onnx_file: Path) -> None:
    refuse(hub, "EntryNotFound")
    put(hub, "only.onnx")
    assert_same(logits(load(f"hf://{REPO}")), logits(load(onnx_file)))
    put(hub, "one.onnx", "two.ckpt")
    with pytest.raises(UserError, match=r"^hf://owner/repo: name one file: .*; there is one.onnx, two.ckpt$"):
        load(f"hf://{REPO}")
    put(hub)
    with pytest.raises(UserError, match=r"it has no ONNX file and no checkpoint$"):
        load(f"hf://{REPO}")


def test_what_the_hub_does_not_have(hub: Server) -> None:
    put(hub, "one.onnx")
    refuse(hub, "EntryNotFound", "no.onnx")
    with pytest.raises(UserError, match=r"^hf://owner/repo/no.onnx: no file no.onnx .*; there is one.onnx$"):
        load(f"hf://{REPO}/no.onnx")
    refuse(hub, "RevisionNotFound", revision="v9")
    with pytest.raises(UserError, match=r"^hf://owner/repo@v9: the repository has no revision v9$"):
        load(f"hf://{REPO}@v9")
    refuse(hub, "RepoNotFound")
    with pytest.raises(UserError, match=r"^hf://owner/repo: no such repository, or a private one: HF_TOKEN"):
        load(f"hf://{REPO}")
    for name in ("hf://", "hf://owner", "hf://owner/", "hf://a/b/c.pkl", "hf://a/../c.onnx", "hf://o o/r/c.onnx"):
        with pytest.raises(UserError, match=r"^hf://.*: "):
            load(name)
    hub.add(f"/{REPO}/resolve/main/{FILE}", b"<html>sorry</html>", headers={"ETag": '"1"', "X-Repo-Commit": "b" * 40})
    with pytest.raises(UserError, match=FILE):
        load(f"hf://{REPO}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bst", r"^'bst': no such model; expected best, last, a model file, models:/NAME@ALIAS or hf://OWNER/REPO$"),
        ("", r"^'': no such model"),
        ("models:x", r"^'models:x': no such model"),
        ("\0.onnx", "no such model file"),
        (".", "no such model"),
        ("best", r"^no run in plots yet: .*train makes one; or give a checkpoint's path$"),
        ("gone.onnx", r"^gone.onnx: no such model file; make one: .*export-onnx$"),
        ("notes.txt", r"^notes.txt: which backend runs it cannot be told from its name"),
        ("notes.onnx", r"^notes.onnx: "),
    ],
)
def test_what_is_no_model(name: str, said: str, here: Path) -> None:
    for file in ("notes.txt", "notes.onnx"):
        (here / file).write_text("no model")
    with pytest.raises(UserError, match=said):
        load(name)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"overlap": 1.0}, "overlap=1.0: expected a number, at least 0, below 1"),
        ({"batch_size": 0}, "batch_size=0: expected"),
        ({"threshold": 1.5}, "threshold=1.5: expected"),
        ({"min_seconds": float("nan")}, "min_seconds=nan: expected"),
        ({"device": "gpu"}, "device=gpu: expected one of auto, cpu, cuda"),
        ({"backend": "onx"}, "backend=onx: expected one of torch, onnx, tensorrt .did you mean 'onnx'"),
    ],
)
def test_settings_out_of_range(setting: dict, said: str, onnx_file: Path) -> None:
    with pytest.raises(UserError, match=said):
        load(onnx_file, **setting)


def test_an_onnx_file_costs_no_torch(onnx_file: Path, make_video: MakeVideo) -> None:
    video = make_video(onnx_file.parent / "video.avi", moving_square(30))
    code = (
        "import sys, action_recognition; model = action_recognition.load(sys.argv[1]); print(model.predict(sys.argv[2])"
        ".label, {'torch', 'lightning', 'hydra', 'mlflow', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, onnx_file, video], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{action_recognition.load(onnx_file).predict(video).label} set()\n"
