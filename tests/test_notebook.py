"""notebooks/quickstart.ipynb runs from its first to its last cell, and is committed without outputs."""

from pathlib import Path
from shutil import copytree

import nbformat
import pytest
from helpers.support import ROOT
from helpers.tiny_models import save_checkpoint, tiny_model
from nbclient import NotebookClient

NOTEBOOK = ROOT / "notebooks/quickstart.ipynb"


@pytest.fixture
def project(tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As after `make demo`, but with a tiny model and a tiny set, so that the notebook trains nothing."""
    checkpoints = tmp_path / "plots/runs/one/checkpoints"
    checkpoints.mkdir(parents=True)
    save_checkpoint(tiny_model(fps=30.0), checkpoints / "best.ckpt")
    (tmp_path / "plots/last_run").write_text("plots/runs/one\n")
    (tmp_path / "commands.py").touch()
    copytree(tiny_set, tmp_path / "data/demo")
    (tmp_path / "notebooks").mkdir()
    for name, value in {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_all_cells_run(project: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(project / "notebooks")}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    printed = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "truth: run walk\n" in printed
    assert "torch.uint8 loss " in printed.splitlines()[-1]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert shown.count("image/png") == 2, "a plot of the prediction, and one of the table"
    html = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert any("data:video/mp4;base64," in text for text in html)
    assert any("display:flex" in text for text in html), "the prediction itself"
    assert (project / "plots/quickstart.mp4").stat().st_size > 1000
    errors = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stderr")
    assert errors == ""


def test_it_is_committed_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert NOTEBOOK.stat().st_size < 20_000
