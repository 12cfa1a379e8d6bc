"""How much longer one training took than another, in three numbers, and the settings that explain it.

seconds = epochs x steps per epoch x seconds per step
"""

from collections.abc import Sequence

import numpy as np

from action_recognition.studies.changes import Change
from action_recognition.studies.records import RunRecord

# Ratios this close to 1 are noise.
TOLERANCE = 0.05
# Fewer epochs than this show no spread; times then have to differ by a wide margin.
FEWEST_EPOCHS = 3
TOLERANCE_OF_FEW = 1.25
MIDDLE = (0.1, 0.9)
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

    Where nothing moved there is only the ratio; the text is empty where a run has no runtime.

    Args:
        changed: every difference of the two configurations; those that act on the runtime are named.
    """
    if not baseline.seconds or not run.seconds:
        return ""
    ratio = run.seconds / baseline.seconds
    text = f"{ratio:.2f}x" if ratio < 0.95 else f"{ratio:.1f}x"
    if not baseline.epochs or not run.epochs:
        return f"{text} (epochs and steps were not logged)"
    with_steps = bool(baseline.steps_per_epoch and run.steps_per_epoch)
    before, after = _factors(baseline, with_steps=with_steps), _factors(run, with_steps=with_steps)
    moved = [name for name in before if abs(after[name] / before[name] - 1) >= TOLERANCE]
    if not moved:
        return text
    text += f": {_product(run, after)}, baseline {_product(baseline, before)}"
    if SECONDS in moved and not _steps_differ(baseline, run, after[SECONDS] / before[SECONDS]):
        moved.remove(SECONDS)
    elif SECONDS in moved and not with_steps:
        moved.append(STEPS)  # the seconds are those of an epoch
    return f"{text}; {', '.join(_causes(baseline, run, moved, changed)) if moved else 'within the noise'}"


def _causes(baseline: RunRecord, run: RunRecord, moved: Sequence[str], changed: Sequence[Change]) -> list[str]:
    """Changed settings that act on one of the numbers that moved, and what was known only while training."""
    acting = [key for number in moved for key in ACTS_ON[number]]
    sections = tuple(key for key in acting if key.endswith("."))
    causes = [str(change) for change in changed if change.key in acting or change.key.startswith(sections)]
    for tag, name in TAGS.items() if SECONDS in moved else ():
        before, after = baseline.tags.get(tag), run.tags.get(tag)
        if before and after and before != after:
            causes.append(f"{name} {before} -> {after}")
    if not causes and EPOCHS in moved and (_planned(baseline) or _planned(run)):
        causes = ["training ended early"]
    return causes or ["nothing logged explains it"]


def _factors(run: RunRecord, *, with_steps: bool) -> dict[str, float]:
    """Epochs, steps per epoch, and seconds per step; without steps the seconds of an epoch."""
    epochs, steps = float(run.epochs or 0), float(run.steps_per_epoch or 0)
    seconds = (run.seconds or 0) / epochs
    return (
        {EPOCHS: epochs, STEPS: steps, SECONDS: seconds / steps} if with_steps else {EPOCHS: epochs, SECONDS: seconds}
    )


def _product(run: RunRecord, factors: dict[str, float]) -> str:
    """`10 of 30 epochs x 20 steps x 0.5 s`."""
    steps = f"{factors[STEPS]:.0f} steps x " if STEPS in factors else ""
    seconds = factors[SECONDS]
    return f"{run.epochs}{_planned(run)} epochs x {steps}{f'{seconds:.3g}' if seconds < 100 else f'{seconds:.0f}'} s"


def _planned(run: RunRecord) -> str:
    """` of 30` where a training ended before the epochs that it was given, otherwise empty."""
    planned = run.params.get("trainer.max_epochs", "")
    return f" of {planned}" if planned.isdigit() and run.epochs and run.epochs < int(planned) else ""


def _steps_differ(baseline: RunRecord, run: RunRecord, ratio: float) -> bool:
    """Whether the middle four fifths of the two runs' seconds per step lie apart.

    Other work on the machine slows down several epochs in a row. An interval of the mean would take these for
    independent measurements; the spread itself does not. With too few epochs, the ratio alone decides.
    """
    before, after = (np.array(of.epoch_seconds) / (of.steps_per_epoch or 1) for of in (baseline, run))
    if min(len(before), len(after)) < FEWEST_EPOCHS:
        return not 1 / TOLERANCE_OF_FEW <= ratio <= TOLERANCE_OF_FEW
    (low_before, high_before), (low_after, high_after) = (np.quantile(times, MIDDLE) for times in (before, after))
    return bool(high_before < low_after or high_after < low_before)
