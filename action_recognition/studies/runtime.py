"""How much longer one training took than another, in three numbers, and the settings that explain it.

seconds = epochs x steps per epoch x seconds per step
"""

from collections.abc import Iterator, Sequence

from action_recognition.studies.changes import Change
from action_recognition.studies.records import RunRecord
from action_recognition.studies.significance import times_differ

# Ratios this close to 1 are noise.
TOLERANCE = 0.05
# Which of the three numbers a setting acts on, by key or by prefix.
EPOCHS, STEPS, SECONDS = "epochs", "steps", "s"
ACTS_ON = {
    EPOCHS: ("trainer.max_epochs", "trainer.patience"),
    STEPS: (
        *("data", "data.split", "data.val_fraction", "data.test_fraction", "data.sampling", "data.clips_per_video"),
        *("data.batch_size", "trainer.devices", "trainer.limit_train_batches"),
    ),
    SECONDS: (
        *("data", "data.batch_size", "data.clips_per_video", "data.in_memory", "data.num_workers", "augment."),
        *("clip.frames", "clip.stride", "clip.short_side", "clip.size", "model", "model.args.", "model.input"),
        *("optimizer", "trainer.accumulate", "trainer.compile", "trainer.devices", "trainer.ema_decay"),
        *("trainer.feature_views", "trainer.freeze", "trainer.limit_val_batches", "trainer.unfreeze_every"),
    ),
}
TAGS = {"device": "device", "precision": "precision", "memory_format": "memory format", "read_from": "reading"}


def runtime_change(baseline: RunRecord, run: RunRecord, changed: Sequence[Change]) -> str:
    """`2.0x: 10 epochs x 20 steps x 1 s, baseline 10 epochs x 20 steps x 0.5 s; clip.size 56 -> 64`.

    The numbers are as many as both runs logged. Where nothing moved there is only the ratio; empty where a run has no
    runtime.

    Args:
        changed: every difference of the two configurations; those that act on the runtime are named.
    """
    if not baseline.seconds or not run.seconds:
        return ""
    ratio = times(run.seconds / baseline.seconds)
    if not baseline.epochs or not run.epochs:
        return f"{ratio} (epochs and steps were not logged)"
    with_steps = bool(baseline.steps_per_epoch and run.steps_per_epoch)
    before, after = _factors(baseline, with_steps=with_steps), _factors(run, with_steps=with_steps)
    moved = [name for name in before if abs(after[name] / before[name] - 1) >= TOLERANCE]
    if not moved:
        return ratio
    text = f"{ratio}: {_product(run, after)}, baseline {_product(baseline, before)}"
    if SECONDS in moved and not _times_moved(baseline, run, after[SECONDS] / before[SECONDS]):
        moved.remove(SECONDS)
    elif SECONDS in moved and not with_steps:
        moved.append(STEPS)  # the seconds are those of an epoch
    return f"{text}; {', '.join(_causes(baseline, run, moved, changed)) if moved else 'within the noise'}"


def _causes(baseline: RunRecord, run: RunRecord, moved: Sequence[str], changed: Sequence[Change]) -> list[str]:
    """Changed settings that act on one of the numbers that moved, and what was found out only while training."""
    acting = [key for number in moved for key in ACTS_ON[number]]
    causes = [str(change) for change in changed if any(_is_at(change.key, key) for key in acting)]
    if SECONDS in moved:
        causes += _changed_tags(baseline, run)
    if not causes and EPOCHS in moved and (_planned(baseline) or _planned(run)):
        causes = ["training ended early"]
    return causes or ["nothing logged explains it"]


def _is_at(key: str, place: str) -> bool:
    return key == place or (place.endswith(".") and key.startswith(place))


def _factors(run: RunRecord, *, with_steps: bool) -> dict[str, float]:
    """Epochs, steps per epoch, and the seconds of a step; without steps the seconds of an epoch."""
    epochs, steps = float(run.epochs or 0), float(run.steps_per_epoch or 0)
    seconds = (run.seconds or 0) / epochs
    if not with_steps:
        return {EPOCHS: epochs, SECONDS: seconds}
    return {EPOCHS: epochs, STEPS: steps, SECONDS: seconds / steps}


def _product(run: RunRecord, factors: dict[str, float]) -> str:
    """`10 of 30 epochs x 20 steps x 0.5 s`."""
    texts = [f"{factors[EPOCHS]:.0f}{_planned(run)} epochs"]
    texts += [f"{factors[STEPS]:.0f} steps"] if STEPS in factors else []
    seconds = factors[SECONDS]
    return " x ".join([*texts, f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"])


def _planned(run: RunRecord) -> str:
    """` of 30` where a training ended before the epochs that it was given, otherwise empty."""
    planned = run.params.get("trainer.max_epochs", "")
    return f" of {planned}" if planned.isdigit() and run.epochs and run.epochs < int(planned) else ""


def _times_moved(baseline: RunRecord, run: RunRecord, ratio: float) -> bool:
    before, after = ([seconds / (of.steps_per_epoch or 1) for seconds in of.epoch_seconds] for of in (baseline, run))
    return times_differ(before, after, ratio)


def _changed_tags(baseline: RunRecord, run: RunRecord) -> Iterator[str]:
    for tag, name in TAGS.items():
        before, after = baseline.tags.get(tag), run.tags.get(tag)
        if before and after and before != after:
            yield f"{name} {before} -> {after}"


def times(ratio: float) -> str:
    """`2.1x`, and `0.48x` below one."""
    return f"{ratio:.2f}x" if ratio < 0.95 else f"{ratio:.1f}x"
