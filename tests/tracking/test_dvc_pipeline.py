"""`dvc.yaml`: its stages in order, and the first two of them run by DVC on the tiny set."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from helpers.dvc_repos import git
from helpers.support import ROOT, moving_square, write_video
from test_rooms import import_graph, room_of

from action_recognition.config import flatten, load_config

# For each stage, the module of its command in `cli`, and the modules of other rooms that do the command's work.
WORK = {
    "check": ("check_data", {"checks.examine", "checks.report"}),
    "cache": ("cache_data", {"data.load", "readers.store.build"}),
    "train": ("train", {"training.preparation", "training.fit", "evaluation.calibration.calibrate"}),
    "evaluate": ("infer", {"evaluation.evaluate"}),
    "export": ("export", {"export.checkpoint"}),
}


@pytest.fixture
def project(tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project in which DVC pins the tiny set in place of the demo set."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    copy = tmp_path / "project"
    for name in ("action_recognition", "conf"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("commands.py", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(tiny_set, copy / "data/demo")
    git(copy, "init", "-q", ".")
    monkeypatch.chdir(copy)
    with Repo.init(str(copy)) as dvc:
        dvc.add("data")
    return copy


def test_the_order_of_stages_and_their_parameters(project: Path) -> None:
    with Repo() as dvc:
        stages = {stage.name: stage for stage in dvc.index.stages if hasattr(stage, "name")}
        needs = {name: {s.addressing for s in dvc.index.graph.successors(stage)} for name, stage in stages.items()}
    assert list(stages) == ["check", "cache", "train", "evaluate", "export"]
    assert needs["check"] == {"data.dvc"}
    assert "check" in needs["cache"]
    assert "cache" in needs["train"]
    assert {"cache", "train"} <= needs["evaluate"]
    # `dvc repro` trains what `experiment=demo` does, until a key of params.yaml is changed.
    assert flatten(load_config(["experiment=demo", "@params.yaml"])) == flatten(load_config(["experiment=demo"]))
    tracked = {name: {key for dep in stage.params for key in dep.params} for name, stage in stages.items()}
    assert set().union(*tracked.values()) == set(yaml.safe_load(Path("params.yaml").read_text()))
    assert tracked["train"] == {"augment", "clip", "data", "model", "optimizer", "trainer"}
    assert tracked["evaluate"] == {"clip", "data", "evaluation"}
    for stage in stages.values():
        assert "@params.yaml" in stage.cmd
        for dep in stage.deps:
            made_here = Path(dep.fs_path).is_relative_to(project / "plots") or "store" in dep.def_path
            assert made_here or Path(dep.fs_path).exists(), f"{stage.name} depends on {dep}, which does not exist"
        for out in stage.outs:
            assert out.def_path.startswith(("plots/runs/dvc/", "store/")), f"{stage.name} writes {out}"
            # DVC has to keep metrics, because git ignores plots/ and other experiments are compared with them.
            assert out.use_cache or not out.metric


def rooms_used_by(start: set[str], graph: dict[str, set[str]]) -> set[str]:
    used, found = set[str](), start
    while found := found - used:
        used |= found
        found = {target for module in found for target in graph[module]}
    return {room_of(module).partition(".")[0] for module in used}


@pytest.mark.parametrize("stage", WORK)
def test_a_stage_depends_on_the_rooms_that_its_work_imports(stage: str) -> None:
    """A change in `download` does not repeat the training, and one in `models` does."""
    command, work = WORK[stage]
    graph = import_graph(for_types=False)
    assert work <= graph[f"cli.{command}"]
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    rooms = {Path(dep).stem for dep in deps if Path(dep).parent.name == "action_recognition"}
    assert rooms == rooms_used_by(work, graph)
    assert rooms.isdisjoint({"download", "synthetic", "inference", "serving", "studies", "cli"})


def clip_times() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path("store/demo").rglob("*.clip")}


@pytest.mark.slow
def test_dvc_runs_check_and_cache_once(project: Path) -> None:
    with Repo() as dvc:
        assert [stage.addressing for stage in dvc.reproduce("cache")] == ["check", "cache"]
        assert Path("plots/runs/dvc/data_report.md").exists()
        clips = clip_times()
        assert len(clips) == 24
        assert dvc.reproduce("cache") == []
    # A new video adds its clip to the store and leaves the others as they are.
    write_video(Path("data/demo/videos/run/Film_9_run_f_nm_np1_ri_goo_0.avi"), moving_square(12, seed=99))
    with Repo() as dvc:
        dvc.add("data")
        assert "cache" in [stage.addressing for stage in dvc.reproduce("cache")]
    assert len(clip_times()) == 25
    assert clips.items() <= clip_times().items()
