"""A training step as the project takes it against Lightning's defaults, in one run on this machine.

    python benchmarks/train_step.py [--models cnn3d r3d_18 r2plus1d_18] [--batch 4] [--rounds 5]

A step is what `Trainer.fit` does with a batch of uint8 clips: forward, loss, backward, optimizer. Lightning's defaults
are float32 and contiguous memory, in a process that knows nothing of this project's settings; the project's step is the
plan that `train` chooses (precision and memory format, measured once a machine), with freed memory kept. Each side has
a process of its own, and rounds alternate, so that neither has the quieter machine.

On a GPU the share of time in which it waits for data is measured too, with the raw clip store feeding it
(--sample ../shared/hmdb51_sample). About five minutes on two cores.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from report import ROOT, report
from rich.console import Console

from action_recognition.config import load_config
from action_recognition.contract import ClipContract
from action_recognition.models.module import VideoActionModel
from action_recognition.training.step import choose_step
from action_recognition.training.step_plan import StepPlan, autocast
from action_recognition.utils.devices import training_device
from action_recognition.utils.malloc import keep_freed_memory

CLASSES = tuple(f"class{number:02d}" for number in range(51))
DEFAULT = StepPlan(precision="32-true", memory_format="contiguous")


def main() -> None:
    options = parse_options()
    if options.one:
        print(json.dumps(measure(options.one, options)))
        return
    console = Console(soft_wrap=True)
    rows: list[tuple[str, ...]] = []
    figures: dict[str, float] = {}
    for name in options.models:
        plan = plan_of(name, options)
        seconds: dict[str, list[float]] = {"default": [], "project": []}
        for _ in range(options.rounds):
            for side, chosen in (("default", DEFAULT), ("project", plan)):
                seconds[side].append(in_own_process(name, side, chosen, options))
        ratios = [a / b for a, b in zip(seconds["default"], seconds["project"], strict=True)]
        ours = statistics.median(seconds["project"])
        figures |= {
            f"{name}_speedup": statistics.median(ratios),
            f"{name}_speedup_low": min(ratios),
            f"{name}_speedup_high": max(ratios),
            f"{name}_default_seconds": statistics.median(seconds["default"]),
            f"{name}_project_seconds": ours,
            f"{name}_clips_per_second": options.batch / ours,
        }
        how = f"{plan.precision}, {plan.memory_format}"
        spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
        rows.append(
            (
                name,
                f"{statistics.median(seconds['default']):.2f} s",
                f"{ours:.2f} s",
                f"{figures[f'{name}_speedup']:.2f}",
                spread,
                how,
            )
        )
        console.print("  ".join(rows[-1]), highlight=False)
    if training_device("auto").type == "cuda":
        figures |= gpu_waiting(options, console)
    report(
        __file__,
        title=f"One training step of {options.batch} clips 3x{options.frames}x{options.size}x{options.size}",
        columns=("model", "Lightning's defaults", "project", "times", "range", "how"),
        rows=rows,
        figures=figures,
        settings={name: getattr(options, name) for name in ("batch", "frames", "size", "rounds")},
        console=console,
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--models", nargs="+", default=["cnn3d", "r3d_18", "r2plus1d_18"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of processes, alternating")
    parser.add_argument("--steps", type=int, default=3, help="timed steps a process; the fastest counts")
    parser.add_argument("--sample", type=Path, default=ROOT.parent / "shared" / "hmdb51_sample")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--plan", help=argparse.SUPPRESS)
    return parser.parse_args()


def contract_of(options: argparse.Namespace) -> ClipContract:
    return ClipContract(
        frames=options.frames,
        stride=2,
        short_side=options.size,
        size=options.size,
        mean=(127.5,) * 3,
        std=(63.75,) * 3,
        class_names=CLASSES,
    )


def plan_of(name: str, options: argparse.Namespace) -> StepPlan:
    """What `train` would choose here, measured anew."""
    config = load_config([f"model={name}"])
    contract = contract_of(options)
    keep_freed_memory()

    def build(memory_format: str) -> VideoActionModel:
        return VideoActionModel(contract.to_dict(), config.model, memory_format=memory_format)

    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "plans.json"
        return choose_step(build, config.trainer, clip_shape=contract.clip_shape, label=name, cache=cache)


def in_own_process(name: str, side: str, plan: StepPlan, options: argparse.Namespace) -> float:
    words = [sys.executable, __file__, "--one", name, "--side", side, "--steps", str(options.steps)]
    words += ["--plan", json.dumps([plan.precision, plan.memory_format])]
    for key in ("batch", "frames", "size"):
        words += [f"--{key}", str(getattr(options, key))]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT / "benchmarks")
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure(name: str, options: argparse.Namespace) -> float:
    """Seconds of the fastest of some steps, after two that are not counted."""
    precision, memory_format = json.loads(options.plan)
    plan = StepPlan(precision=precision, memory_format=memory_format)
    if options.side == "project":
        keep_freed_memory()
    device = training_device("auto")
    config = load_config([f"model={name}"])
    model = VideoActionModel(contract_of(options).to_dict(), config.model, memory_format=memory_format)
    model = model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "16-mixed")
    shape = (options.batch, 3, options.frames, options.size, options.size)
    clip = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    label = torch.arange(options.batch, device=device) % len(CLASSES)
    fastest = float("inf")
    for number in range(2 + options.steps):
        start = time.perf_counter()
        with autocast(plan, device):
            loss = torch.nn.functional.cross_entropy(model(clip), label)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= 2:
            fastest = min(fastest, time.perf_counter() - start)
    return fastest


def gpu_waiting(options: argparse.Namespace, console: Console) -> dict[str, float]:
    """Clips a second of an epoch of r3d_18 out of the raw clip store, and the share of it spent waiting for batches."""
    from action_recognition.cli.cache_data import cache_data
    from action_recognition.data.datamodule import ClipDataModule, make_contract
    from action_recognition.data.load import load_manifest

    with tempfile.TemporaryDirectory() as scratch:
        places = [f"data.videos_dir='{options.sample / 'videos'}'", f"data.splits_dir='{options.sample / 'splits'}'"]
        store = [f"data.cache.dir='{scratch}/store'", "data.cache.codec=raw", "data.batch_size=32"]
        config = load_config(["data=hmdb51", "model=r3d_18", *places, *store])
        cache_data(config, console=console)
        manifest = load_manifest(config, console)
        contract = make_contract(config, manifest)
        datamodule = ClipDataModule(config, manifest, contract, seed=0)
        device, plan = training_device("auto"), plan_of("r3d_18", options)
        model = VideoActionModel(contract.to_dict(), config.model, augment=config.augment)
        model = model.to(device, memory_format=torch.channels_last_3d).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(2):  # the second epoch counts: the first one starts workers and chooses algorithms
            waited, clips, begin = 0.0, 0, time.perf_counter()
            mark = begin
            for batch in datamodule.train_dataloader():
                clip, label = (t.to(device, non_blocking=True) for t in (batch.clip_BCTHW, batch.label_B))
                waited += time.perf_counter() - mark
                with autocast(plan, device):
                    augmented = model.augment_clips(batch._replace(clip_BCTHW=clip), seed=clips)
                    loss = torch.nn.functional.cross_entropy(model(augmented), label)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                torch.cuda.synchronize(device)
                clips += len(label)
                mark = time.perf_counter()
            total = time.perf_counter() - begin
    return {"gpu_clips_per_second": clips / total, "gpu_waiting_share": waited / total}


if __name__ == "__main__":
    main()
