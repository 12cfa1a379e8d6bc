"""Servable models: packed, logged, registered, and answering over HTTP."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import cv2
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import torch
from helpers.support import moving_square, write_video
from helpers.tiny_models import tiny_contract
from mlflow import MlflowClient
from mlflow.pyfunc import scoring_server

from action_recognition.config import load_config
from action_recognition.contract import ClipContract
from action_recognition.errors import ConfigError, ContractError
from action_recognition.export.onnx import export_onnx
from action_recognition.models.module import VideoActionModel
from action_recognition.serving.servable import log_servable, save_servable
from action_recognition.tracking.mlflow_run import open_run

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

CONTRACT = tiny_contract(
    class_names=("run", "shoot_ball", "walk"), data_hash="0123456789abcdef", temperature=0.25, threshold=0.9
)
FRAMES = 7  # as many as one clip spans: one window


@pytest.fixture(scope="module")
def model() -> VideoActionModel:
    torch.manual_seed(0)
    tiny = {"network": "cnn3d", "args": {"widths": [4, 4, 4], "dropout": 0.0}}
    return VideoActionModel(CONTRACT.to_dict(), tiny).eval()


@pytest.fixture(scope="module")
def checkpoint(model: VideoActionModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "best.ckpt"
    torch.save({"hyper_parameters": dict(model.hparams), "state_dict": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def onnx_path(model: VideoActionModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path, clip_BCTHW=None, opset=20, tolerance=1e-3)
    return path


@pytest.fixture(scope="module")
def servable(checkpoint: Path, onnx_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_servable(tmp_path_factory.mktemp("a run") / "servable", onnx_path=onnx_path, checkpoint=checkpoint)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "clip.avi", moving_square(FRAMES, height=36, width=50))


@pytest.fixture(scope="module")
def expected(model: VideoActionModel, video: Path) -> dict[str, float]:
    """What the model says about `video`, by hand: every second frame, the centre square, softmax at the temperature."""
    capture = cv2.VideoCapture(str(video))
    frames_THWC = np.stack([capture.read()[1][:, :, ::-1] for _ in range(FRAMES)])[::2, 2:34, 9:41]
    clip_BCTHW = torch.from_numpy(frames_THWC.copy()).permute(3, 0, 1, 2)[None]
    with torch.inference_mode():
        probabilities = (model(clip_BCTHW) / CONTRACT.temperature).softmax(dim=1)[0]
    return dict(zip(CONTRACT.class_names, probabilities.tolist(), strict=True))


@pytest.fixture(scope="module")
def client(servable: Path) -> "TestClient":
    """MLflow's own scoring server, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the name of its HTTP client's next version
        from fastapi.testclient import TestClient
    return TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(servable))))


def body(*videos: bytes, **params: int) -> dict[str, object]:
    rows = [[base64.b64encode(video).decode()] for video in videos]
    return {"dataframe_split": {"columns": ["video"], "data": rows}} | ({"params": params} if params else {})


def check(answer: dict[str, object], expected: dict[str, float]) -> None:
    assert answer["label"] == max(expected, key=lambda name: expected[name])
    assert answer["none_of_these"] is (max(expected.values()) < CONTRACT.threshold)
    probabilities = answer["probabilities"]
    assert isinstance(probabilities, dict)
    assert probabilities == pytest.approx(expected, abs=1e-4)
    assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)


def test_serving_an_onnx_file_needs_no_torch(servable: Path, tmp_path: Path) -> None:
    """And runs the code that lies in the model, not this checkout."""
    code = (
        f"import mlflow.pyfunc, sys; mlflow.pyfunc.load_model({str(servable)!r}); import action_recognition\n"
        "print('torch' in sys.modules, action_recognition.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split(maxsplit=1) == ["False", f"{servable / 'code/action_recognition/__init__.py'}\n"]
    assert not any(line.startswith("torch") for line in (servable / "requirements.txt").read_text().splitlines())


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_a_loaded_model_agrees_with_the_checkpoint(
    kind: str, checkpoint: Path, onnx_path: Path, video: Path, expected: dict[str, float], tmp_path: Path
) -> None:
    onnx = onnx_path if kind == "onnx" else None
    loaded = mlflow.pyfunc.load_model(str(save_servable(tmp_path / "m", onnx_path=onnx, checkpoint=checkpoint)))
    answer = loaded.predict(pd.DataFrame({"video": [video.read_bytes()]}))
    check(answer.to_dict("records")[0], expected)
    assert ClipContract.from_dict(loaded.metadata.metadata["clip_contract"], origin="MLmodel") == CONTRACT


def test_a_client_gets_a_label_and_a_probability_for_each_class(
    client: "TestClient", video: Path, expected: dict[str, float]
) -> None:
    answer = client.post("/invocations", json=body(video.read_bytes(), video.read_bytes()))
    assert answer.status_code == 200, answer.text
    rows = answer.json()["predictions"]
    assert len(rows) == 2
    for row in rows:
        check(row, expected)


def test_records_and_top_k(client: "TestClient", video: Path, expected: dict[str, float]) -> None:
    text = base64.b64encode(video.read_bytes()).decode()
    question = {"dataframe_records": [{"video": text}], "params": {"top_k": 2}}
    (row,) = client.post("/invocations", json=question).json()["predictions"]
    best = sorted(expected, key=lambda name: -expected[name])[:2]
    assert list(row["probabilities"]) == best
    assert row["label"] == best[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "row 1: empty file"),
        (b"This is a text file, not a video.\n" * 20, "row 1: not a video"),
        (None, "row 1: truncated"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "row 1: not a video"),
        (b"ffconcat version 1.0\nfile video\n", "row 1: not a video"),  # itself
        (
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n",
            "row 1: not a video",
        ),
    ],
)
def test_bytes_that_are_no_video_are_a_clear_400(
    client: "TestClient", video: Path, content: bytes | None, message: str
) -> None:
    good = video.read_bytes()
    answer = client.post("/invocations", json=body(good, good[:2000] if content is None else content))
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert "Traceback" not in answer.text
    assert "/tmp" not in answer.text.split("Error:")[-1]


@pytest.mark.parametrize(
    "question",
    [
        {"dataframe_split": {"columns": ["video"], "data": [[5]]}},
        {"dataframe_split": {"columns": ["video"], "data": [[None]]}},
        {"dataframe_split": {"columns": ["clip"], "data": [["AAAA"]]}},
        body(b"", top_k=-1),
        {"video": "AAAA"},
    ],
)
def test_other_mistakes_of_a_client_are_a_400(client: "TestClient", question: dict[str, object]) -> None:
    assert client.post("/invocations", json=question).status_code == 400


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (b'{"dataframe_split": {"columns": ["video"], "data": [["AAAA"]]}, "params": {"top_k": null}}', "top_k=null"),
        (b'{"dataframe_split": {"columns": ["video"], "data": [["AAAA"]]}, "params": {"top_k": "x"}}', "top_k"),
        (b'{"dataframe_split": {"columns": ["video"], "data": [["AAA"]]}}', "Incorrect padding"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"dataframe_split": ' + b"9" * 100_000 + b"}", "4300 digits"),
        (b'{"dataframe_split": {"columns": ["video"], "da', "JSONDecodeError"),
        (b"\xff", "UnicodeDecodeError"),
    ],
)
def test_bodies_that_a_parser_gives_up_on_are_a_400_of_one_line_without_paths(
    client: "TestClient", servable: Path, question: bytes, says: str
) -> None:
    answer = client.post("/invocations", content=question, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["message"]
    assert set(answer.json()) <= {"error_code", "message", "sqlstate", "error_class"}
    assert len(answer.json()["message"].splitlines()) == 1
    assert not any(word in answer.text for word in ("Traceback", "site-packages", str(servable.parent)))


def test_a_request_without_content_type_is_refused(client: "TestClient") -> None:
    assert client.post("/invocations", content=b"{}").status_code == 415


def test_a_body_that_is_too_large_is_a_413(client: "TestClient", monkeypatch: pytest.MonkeyPatch, video: Path) -> None:
    # The model brings its own copy of the package, which is what the server runs.
    guard = sys.modules["action_recognition.serving.request_guard"]
    question = body(video.read_bytes())
    monkeypatch.setattr(guard, "MAX_BODY_BYTES", len(json.dumps(question)))
    assert client.post("/invocations", content=json.dumps(question)).status_code == 415  # read, but of no type
    answer = client.post("/invocations", json=question | {"params": {"top_k": 1}})
    assert answer.status_code == 413
    assert "larger than" in answer.json()["message"]


def test_packing_is_quiet(checkpoint: Path, onnx_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_servable(tmp_path / "servable", onnx_path=onnx_path, checkpoint=checkpoint)
    assert capfd.readouterr() == ("", "")


def test_a_model_file_without_contract_is_refused_and_the_old_servable_stays(
    checkpoint: Path, onnx_path: Path, tmp_path: Path
) -> None:
    directory = save_servable(tmp_path / "servable", onnx_path=onnx_path, checkpoint=checkpoint)
    before = sorted(path.relative_to(directory) for path in directory.rglob("*"))
    assert not any("__pycache__" in str(path) for path in before)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ContractError):
        save_servable(directory, onnx_path=broken, checkpoint=checkpoint)
    assert sorted(path.relative_to(directory) for path in directory.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.onnx", "servable"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory for runs; its database is made once."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def test_log_registers_each_version_and_moves_the_alias(
    project: Path, servable: Path, video: Path, expected: dict[str, float]
) -> None:
    uri = f"sqlite:///{project}/plots/mlflow.db"
    for number in ("1", "2"):
        with open_run(load_config(["tracking.system_metrics=false"]), tags={}) as tracker:
            model_uri = log_servable(tracker, servable, "video_action_model")
        (made,) = MlflowClient(uri).get_run(tracker.run_id).outputs.model_outputs
        assert (project / "plots/mlruns/demo" / tracker.run_id / "artifacts/model/MLmodel").is_file()
        assert (project / "plots/mlruns/demo/models" / made.model_id / "artifacts/MLmodel").is_file()
        assert model_uri == "models:/video_action_model@champion"
        champion = MlflowClient(uri).get_model_version_by_alias("video_action_model", "champion")
        assert (str(champion.version), champion.run_id) == (number, tracker.run_id)
        registered = json.loads(MlflowClient(uri).get_logged_model(made.model_id).tags["mlflow.modelVersions"])
        assert registered == [{"name": "video_action_model", "version": champion.version}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        try:
            addresses = (model_uri, f"models:/{made.model_id}", f"runs:/{tracker.run_id}/model")
            for address in (*addresses, "models:/video_action_model/1"):
                answer = mlflow.pyfunc.load_model(address).predict(pd.DataFrame({"video": [video.read_bytes()]}))
                check(answer.to_dict("records")[0], expected)
        finally:
            mlflow.set_tracking_uri(None)


def test_log_without_registry_and_with_a_bad_name(project: Path, servable: Path) -> None:
    with open_run(load_config(["tracking.system_metrics=false"]), tags={}) as tracker:
        assert log_servable(tracker, servable, None) == f"models:/{tracker.model_id}"
        with pytest.raises(ConfigError, match=r"tracking\.registered_model=a/b"):
            log_servable(tracker, servable, "a/b")


@pytest.fixture
def served(servable: Path, tmp_path: Path) -> Iterator[str]:
    """`mlflow models serve` as the README has it, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = f"models serve --host 127.0.0.1 --port {port} --env-manager local -m"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words.split(), str(servable)],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "20"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            try:
                urlopen(f"{address}/ping", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


@pytest.mark.skipif(os.name == "nt", reason="ends the server by its process group")
def test_mlflow_models_serve_answers_a_post_while_a_slow_body_is_given_up(
    served: str, video: Path, expected: dict[str, float]
) -> None:
    host, port = served.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        question = Request(
            f"{served}/invocations",
            data=json.dumps(body(video.read_bytes())).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(question, timeout=60) as answer:
            (row,) = json.load(answer)["predictions"]
        check(row, expected)
        said = slow.recv(4096)  # half of the 20 s that a request has, for the body
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"within 10 s" in said + slow.recv(4096)
        assert slow.recv(4096) == b""
