"""What an evaluation found, as plain values: the terminal, CSV and JSON files, the report and MLflow all read these."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from action_recognition.evaluation.intervals import Estimate, caution_of
from action_recognition.evaluation.metrics import Metrics, flat_estimates

MOST_MISTAKES = 100


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """Scores of one class.

    Attributes:
        clips, sources: test clips of the class, and their source videos.
        predicted: clips that the model gives this class.
        correct: clips of the class that it gives this class.
        accuracy, precision, f1: accuracy is the class's recall. None where it is not defined: accuracy without clips,
            precision without predictions.
    """

    name: str
    clips: int
    sources: int
    predicted: int
    correct: int
    accuracy: Estimate | None
    precision: Estimate | None
    f1: Estimate | None

    @property
    def caution(self) -> str:
        """Why the intervals say less than they seem to, in a few words; otherwise empty."""
        return caution_of(self.accuracy, self.sources) if self.clips else "no clips"


@dataclass(frozen=True, kw_only=True)
class TagFigures:
    """Top-1 of the clips with one value of a tag of HMDB51, such as `camera` = `cm`, which means "moving"."""

    tag: str
    value: str
    meaning: str
    clips: int
    sources: int
    top1: Estimate

    @property
    def caution(self) -> str:
        """As `ClassFigures.caution`."""
        return caution_of(self.top1, self.sources)


@dataclass(frozen=True, kw_only=True)
class ConfusedPair:
    """How often clips of the class `label` are taken for `predicted`; `share` is of the class's clips."""

    label: str
    predicted: str
    clips: int
    share: float


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Clips whose likeliest class has a probability above `low` and up to `high`; means are 0.0 without clips."""

    low: float
    high: float
    clips: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How far probabilities can be taken at their word, at the contract's temperature and at temperature 1.

    Attributes:
        error, uncalibrated_error: expected calibration error (Guo et al. 2017), a share of 1.
        log_loss, uncalibrated_log_loss: mean over clips of the negative natural logarithm of the label's probability.
    """

    temperature: float
    error: Estimate
    uncalibrated_error: Estimate
    log_loss: Estimate
    uncalibrated_log_loss: Estimate
    bins: tuple[ReliabilityBin, ...]
    uncalibrated_bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, kw_only=True)
class RiskPoint:
    """Answering only where the likeliest class has at least `threshold`: the share answered, and how much is wrong."""

    threshold: float
    coverage: float
    risk: float


@dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """The risk-coverage curve (El-Yaniv and Wiener 2010), and where the contract's threshold lies on it.

    Attributes:
        threshold: of the contract, chosen on validation clips; 0.0 answers always.
        coverage: share of clips that are answered at it.
        risk: share of wrong labels among the answered; None if none is answered.
        area: under the curve, the mean risk over all coverages (Geifman and El-Yaniv 2017); lower is better.
        points: from full coverage to the smallest; of many, some hundreds that are evenly spread.
    """

    threshold: float
    coverage: Estimate
    risk: Estimate | None
    area: Estimate
    points: tuple[RiskPoint, ...]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A clip with a wrong label: its place in the evaluated clips, and the probabilities of both labels."""

    index: int
    path: str
    label: str
    predicted: str
    predicted_probability: float
    label_probability: float


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationFigures:
    """All figures of one evaluation. Intervals are 95 %, bootstrapped over source videos.

    Attributes:
        class_names: K labels.
        metrics: of videos; the probabilities of a video's views are averaged.
        clip_metrics: of single views (`views` per video), each judged alone.
        confusion_KK: counts of clips, rows true, columns predicted.
        confused_pairs: all wrong pairs, the most frequent first.
        mistakes: the surest first, up to `MOST_MISTAKES`.
        tags: empty for data without HMDB51's tags.
    """

    class_names: tuple[str, ...]
    views: int
    metrics: Metrics
    clip_metrics: Metrics
    classes: tuple[ClassFigures, ...]
    tags: tuple[TagFigures, ...]
    confusion_KK: NDArray[np.int64]
    confused_pairs: tuple[ConfusedPair, ...]
    calibration: Calibration
    risk_coverage: RiskCoverage
    mistakes: tuple[Mistake, ...]

    def flat(self) -> dict[str, float | int]:
        """The numbers of `metrics.json`.

        Metrics by name, with `_low` and `_high`; those of single views begin with `clip_`. A figure that is not
        defined, such as the risk where no clip is answered, is left out.
        """
        calibration, risks = self.calibration, self.risk_coverage
        more = {
            "uncalibrated_log_loss": calibration.uncalibrated_log_loss,
            "uncalibrated_calibration_error": calibration.uncalibrated_error,
            "coverage": risks.coverage,
            "risk": risks.risk,
            "risk_coverage_area": risks.area,
        }
        fixed = {"temperature": calibration.temperature, "threshold": risks.threshold}
        of_views = {f"clip_{name}": estimate for name, estimate in self.clip_metrics.estimates.items()}
        defined = {name: estimate for name, estimate in more.items() if estimate is not None}
        return {
            **self.metrics.flat(),
            "views": self.views,
            **fixed,
            **flat_estimates(defined),
            **flat_estimates(of_views),
        }
