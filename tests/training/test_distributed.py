import os
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from helpers.support import ROOT, latest_of_each_key
from mlflow.tracking import MlflowClient
from torch import nn

from action_recognition.training.callbacks import read_history
from action_recognition.training.distributed import share_batch_norm


def command(*words, cwd):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, str(ROOT / "commands.py"), *latest_of_each_key(words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture
def plain_overrides(tiny_overrides):
    # Dropout draws in each process for itself.
    return [*tiny_overrides, "model.args.dropout=0", "trainer.max_epochs=3", "data.val_fraction=0.3"]


def test_two_processes_train_as_one_with_the_same_global_batch(plain_overrides, tmp_path):
    alone = command("train", *plain_overrides, "data.batch_size=6", "trainer.run_dir=one", cwd=tmp_path)
    both = command(
        "train-ml-flow", *plain_overrides, "data.batch_size=3", "trainer.devices=2", "trainer.run_dir=two", cwd=tmp_path
    )
    assert (alone.returncode, both.returncode) == (0, 0), alone.stderr + both.stderr
    rows = [read_history(tmp_path / name / "history.csv") for name in ("one", "two")]
    for first, second in zip(*rows, strict=True):
        for name in ("train_loss", "train_top1", "val_loss", "val_top1", "val_top5"):
            assert second[name] == pytest.approx(first[name], abs=1e-4), name
    states = [
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    ]
    for name, value in states[0].items():
        assert torch.allclose(value.float(), states[1][name].float(), atol=1e-4), name
    # The second process is silent.
    assert both.stdout.count("best validation top-1") == 1
    assert both.stdout.count("epoch   1/3") == 1
    assert "Error" not in both.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert runs[0].data.tags["device"].startswith("2 x ")


def _normalise(rank, address, given, folder):
    dist.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    network = nn.Sequential(nn.BatchNorm3d(3))
    share_batch_norm(network)
    part = given.chunk(2)[rank].clone().requires_grad_()
    out = network(part)
    (out * torch.arange(out.numel()).view_as(out).float() * (1 + rank)).sum().backward()
    torch.save((out.detach(), part.grad, network.state_dict()), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_batch_norm_over_processes_is_batch_norm_over_the_whole_batch(tmp_path):
    given = torch.randn(4, 3, 2, 5, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_normalise, args=(rank, tmp_path / "rendezvous", given, tmp_path)) for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    whole = given.clone().requires_grad_()
    norm = nn.BatchNorm3d(3)
    out = norm(whole)
    weight = torch.cat([(1 + rank) * torch.arange(out.numel() // 2).float() for rank in range(2)]).view_as(out)
    (out * weight).sum().backward()
    assert torch.allclose(torch.cat([part[0] for part in parts]), out, atol=1e-5)
    gradient = torch.cat([part[1] for part in parts])
    assert torch.allclose(gradient, whole.grad, rtol=1e-3, atol=1e-3 * float(whole.grad.abs().max()))
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.allclose(parts[0][2][f"0.{name}"].float(), norm.state_dict()[name].float(), atol=1e-5)
