"""Why one training took longer than another: its runtime as a product of factors that were logged.

    seconds = epochs x steps an epoch x seconds a step

A ratio of two runtimes is then the product of three ratios, and each configuration change acts on one of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from action_recognition.studies.changes import Change
from action_recognition.studies.noise import times_differ
from action_recognition.studies.records import RunRecord

# Ratios this close to 1 are noise.
TOLERANCE = 0.05
ON_EPOCHS = ("trainer.max_epochs", "trainer.patience")
ON_STEPS = (
    "data",
    "data.split",
    "data.batch_size",
    "data.val_fraction",
    "data.test_fraction",
    "data.clips_per_video",
    "data.sampling",
    "trainer.devices",
    "trainer.limit_train_batches",
)
ON_STEP = (
    "data",
    "clip.frames",
    "clip.stride",
    "clip.size",
    "clip.short_side",
    "data.batch_size",
    "data.num_workers",
    "data.clips_per_video",
    "data.in_memory",
    "augment.",
    "model",
    "model.input",
    "model.args.",
    "optimizer",
    "trainer.devices",
    "trainer.accumulate",
    "trainer.compile",
    "trainer.ema_decay",
    "trainer.freeze",
    "trainer.unfreeze_every",
    "trainer.feature_views",
    "trainer.limit_val_batches",
)
TAGS = (("device", "device"), ("precision", "precision"), ("memory_format", "memory format"), ("read_from", "reading"))


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One ratio against the baseline and what was logged that acts on it; no `causes` where it did not move."""

    name: str
    ratio: float
    causes: tuple[str, ...] = ()

    def __str__(self) -> str:
        causes = f" ({', '.join(self.causes)})" if self.causes else ""
        return f"{times(self.ratio)} {self.name}{causes}"


@dataclass(frozen=True, kw_only=True)
class RuntimeChange:
    """`ratio` is the product of the factors; without factors nothing was logged that would tell."""

    ratio: float
    factors: tuple[Factor, ...]

    def __str__(self) -> str:
        if not self.factors:
            return f"{times(self.ratio)} (epochs and steps were not logged)"
        if all(map(_still, (self.ratio, *(factor.ratio for factor in self.factors)))):
            return times(self.ratio)
        return f"{times(self.ratio)}: {', '.join(map(str, self.factors))}"


def runtime_change(baseline: RunRecord, run: RunRecord, changed: Sequence[Change]) -> RuntimeChange | None:
    """The runtime against the baseline's, taken apart as far as both runs logged what it takes; None without one."""
    if not baseline.seconds or not run.seconds:
        return None
    ratio = run.seconds / baseline.seconds
    if not baseline.epochs or not run.epochs:
        return RuntimeChange(ratio=ratio, factors=())
    epochs = run.epochs / baseline.epochs
    factors = [_factor("epochs", epochs, _on_epochs(baseline, run, changed))]
    on_step = [*_named(changed, ON_STEP), *_computed(baseline, run)]
    if baseline.steps_per_epoch and run.steps_per_epoch:
        steps = run.steps_per_epoch / baseline.steps_per_epoch
        factors.append(_factor("steps an epoch", steps, _named(changed, ON_STEPS)))
        factors.append(_time_factor("a step", ratio / epochs / steps, on_step, baseline, run))
    else:
        causes = [*_named(changed, ON_STEPS), *on_step]
        factors.append(_time_factor("an epoch", ratio / epochs, causes, baseline, run))
    return RuntimeChange(ratio=ratio, factors=tuple(factors))


def _factor(name: str, ratio: float, causes: Sequence[str]) -> Factor:
    if _still(ratio):
        return Factor(name=name, ratio=ratio)
    return Factor(name=name, ratio=ratio, causes=tuple(dict.fromkeys(causes)) or ("nothing logged explains it",))


def _time_factor(name: str, ratio: float, causes: Sequence[str], baseline: RunRecord, run: RunRecord) -> Factor:
    """As `_factor`, of a measured time: nothing is a cause where the times of the epochs do not lie apart."""
    before, after = ([seconds / _steps(of) for seconds in of.epoch_seconds] for of in (baseline, run))
    if not _still(ratio) and not times_differ(before, after, ratio):
        return Factor(name=name, ratio=ratio, causes=("within the noise",))
    return _factor(name, ratio, causes)


def _steps(run: RunRecord) -> float:
    return run.steps_per_epoch or 1.0


def _named(changed: Sequence[Change], keys: tuple[str, ...]) -> list[str]:
    prefixes = tuple(key for key in keys if key.endswith("."))
    return [str(change) for change in changed if change.key in keys or change.key.startswith(prefixes)]


def _on_epochs(baseline: RunRecord, run: RunRecord, changed: Sequence[Change]) -> list[str]:
    return [
        *_named(changed, ON_EPOCHS),
        *(f"stopped early after {text}" for text in _stopped(run)),
        *(f"the baseline stopped early after {text}" for text in _stopped(baseline)),
    ]


def _stopped(run: RunRecord) -> Iterator[str]:
    planned = run.params.get("trainer.max_epochs", "")
    if planned.isdigit() and run.epochs and run.epochs < int(planned):
        yield f"{run.epochs} of {planned}"


def _computed(baseline: RunRecord, run: RunRecord) -> Iterator[str]:
    """What follows from several settings at once, and what was found out only while training."""
    for tag, name in TAGS:
        before, after = baseline.tags.get(tag), run.tags.get(tag)
        if before and after and before != after:
            yield f"{name} {before} -> {after}"
    pixels = _ratio(_pixels(baseline), _pixels(run))
    if pixels and not _still(pixels):
        yield f"{times(pixels)} pixels"
    for fact, name in (("parameters", "parameters"), ("parameters_trained", "parameters trained")):
        ratio = _ratio(baseline.facts.get(fact), run.facts.get(fact))
        if ratio and not _still(ratio):
            yield f"{times(ratio)} {name}"
            return


def _pixels(run: RunRecord) -> float | None:
    """Pixels that the network is given in one step."""
    try:
        frames, size, batch = (int(run.params[f"data.{key}"]) for key in ("frames", "size", "batch_size"))
    except (KeyError, ValueError):
        return None
    return frames * size**2 * batch


def _ratio(before: float | None, after: float | None) -> float | None:
    return after / before if before and after else None


def _still(ratio: float) -> bool:
    return abs(ratio - 1) < TOLERANCE


def times(ratio: float) -> str:
    """`2.1x`, and `0.48x` below one."""
    return f"{ratio:.2f}x" if ratio < 0.95 else f"{ratio:.1f}x"
