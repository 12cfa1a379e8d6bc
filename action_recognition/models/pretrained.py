"""Pretrained weights: found, read, fitted to the network, and a report of what was left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from action_recognition.errors import ConfigError
from action_recognition.models.weight_files import locate_weights, read_state_dict
from action_recognition.models.weight_fitting import FoldedNorm, fit_tensor, folded_norm, last_linear, stem_weight_name


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A tensor whose shapes in the file and in the network differ."""

    name: str
    shape_in_file: tuple[int, ...]
    shape_here: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PretrainedReport:
    """What of a weights file a network took.

    Attributes:
        network_name: as in the configuration, with the part's name behind it where weights are given by part.
        weights: as given: a name, a path or a URL.
        matched: tensors of the network that were set, by their names in the network.
        missing: tensors of the network that the file does not hold.
        unexpected: tensors of the file that the network does not have, by their names in the file.
        mismatched: tensors of both, of different shapes; the network keeps its own.
        adapted: what was changed to fit, by name in the network.
        head_classes: outputs of the file's classifier and of ours, where they differ and it was left out.
        tensors_in_file: how many tensors the file holds.
        parts: the reports that this one sums up, where weights were given by part.
    """

    network_name: str
    weights: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[Mismatch, ...]
    adapted: Mapping[str, str]
    head_classes: tuple[int, int] | None
    tensors_in_file: int
    parts: tuple["PretrainedReport", ...] = ()

    def line(self) -> str:
        """One line for the terminal."""
        if self.parts:
            return " | ".join(part.line() for part in self.parts)
        used = self.tensors_in_file - len(self.unexpected) - len(self.mismatched)
        found = f"weights {self.network_name} {self.weights}: {used} of {self.tensors_in_file} tensors matched"
        return "; ".join([found, *self._remarks()])

    def __str__(self) -> str:
        return self.line()

    def _remarks(self) -> Iterable[str]:
        if self.adapted:
            kinds = Counter(self.adapted.values())
            yield "adapted: " + ", ".join(f"{kind} ({count})" for kind, count in kinds.items())
        others = [mismatch.name for mismatch in self.mismatched]
        if self.head_classes:
            yield f"left out: head ({self.head_classes[0]} classes, here {self.head_classes[1]})"
            others = [name for name in others if not name.startswith("head.")]
        if others:
            yield f"of other shapes: {_some(others)}"
        absent = [name for name in self.missing if not name.startswith("head.")]
        if absent:
            yield f"not in the file: {_some(absent)}"
        if self.unexpected:
            yield f"not in the network: {_some(self.unexpected)}"


def _some(names: Iterable[str]) -> str:
    first, *rest = names
    return f"{first} and {len(rest)} more" if rest else first


def load_pretrained(
    network: nn.Module, weights: str | Mapping[str, str], *, network_name: str, key: str = "model.weights"
) -> PretrainedReport:
    """Load the tensors of a weights file into `network`, and report which ones.

    Keys of published files are looked for under the network's `pretrained_prefix`. A stem of other channels takes the
    mean over the file's, scaled so that an input alike in all channels gives what it gave; position tables of another
    length are interpolated; a convolution with its batch norm folded into it leaves the norm an identity plus bias; a
    classifier of other classes is left out.

    Args:
        network: an `ActionNetwork`, or a part of one.
        weights: a name out of `network.weight_names()`, a path, a `file://` or `http(s)://` URL; or a mapping from
            part (`network.get_submodule(part)`) to one of these.
        network_name: for the report and for errors.
        key: what `weights` are the value of, for errors.

    Raises:
        ConfigError: if there are no such weights, they cannot be downloaded, or none of their tensors fits.
        ContractError: if the file holds anything else than tensors; code in it is not run.
    """
    if isinstance(weights, Mapping):
        return _load_parts(network, weights, network_name=network_name)
    if not isinstance(weights, str) or not weights:
        raise ConfigError(f"{key}={weights}: expected a name, a path, a URL, or a mapping from part to these")
    named = getattr(network, "weight_names", None)  # a part need not be an ActionNetwork
    names: Mapping[str, str] = named() if callable(named) else {}
    path = locate_weights(weights, names, network_name=network_name, key=key)
    fit = _Fit.of(network, read_state_dict(path))
    if not any(network.state_dict()[name].is_floating_point() for name in fit.state):
        raise ConfigError(
            f"{key}={weights}: none of its tensors fits {network_name}; the file has {_first(fit.file)}, "
            f"the network has {_first(network.state_dict())}"
        )
    network.load_state_dict(fit.state, strict=False)
    return fit.report(network, network_name=network_name, weights=weights)


def _first(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:3]) + ", ..."


def _load_parts(network: nn.Module, weights: Mapping[str, str], *, network_name: str) -> PretrainedReport:
    reports = {}
    for part, source in weights.items():
        try:
            module = network.get_submodule(part)
        except AttributeError:
            known = ", ".join(name for name, _ in network.named_children())
            raise ConfigError(f"model.weights.{part}: {network_name} has no such part, but {known}") from None
        if source is not None:
            name, key = f"{network_name}.{part}", f"model.weights.{part}"
            reports[part] = load_pretrained(module, source, network_name=name, key=key)
    if not reports:
        raise ConfigError(f"model.weights={dict(weights)}: no part is given weights; model.weights=null is for none")

    def named(field_name: str) -> tuple[str, ...]:
        return tuple(f"{part}.{name}" for part, report in reports.items() for name in getattr(report, field_name))

    return PretrainedReport(
        network_name=network_name,
        weights=", ".join(f"{part}={report.weights}" for part, report in reports.items()),
        matched=named("matched"),
        missing=named("missing"),
        unexpected=named("unexpected"),
        mismatched=tuple(
            Mismatch(name=f"{part}.{m.name}", shape_in_file=m.shape_in_file, shape_here=m.shape_here)
            for part, report in reports.items()
            for m in report.mismatched
        ),
        adapted={f"{part}.{name}": how for part, report in reports.items() for name, how in report.adapted.items()},
        head_classes=None,
        tensors_in_file=sum(report.tensors_in_file for report in reports.values()),
        parts=tuple(reports.values()),
    )


@dataclass
class _Fit:
    """Tensors of a file on their way into a network; `state` is what the network is given, by its own names."""

    file: Mapping[str, Tensor]
    state: dict[str, Tensor] = field(default_factory=dict)
    adapted: dict[str, str] = field(default_factory=dict)
    mismatched: list[Mismatch] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    head_classes: tuple[int, int] | None = None

    @classmethod
    def of(cls, network: nn.Module, file: Mapping[str, Tensor]) -> "_Fit":
        fit = cls(file=file)
        here = network.state_dict()
        stem, classifier = stem_weight_name(here), last_linear(network)
        names = _names_here(network, file, classifier)
        for name_in_file, tensor in file.items():
            name = names[name_in_file]
            if name in here:
                fit.take(name, tensor, here[name], stem=stem, classifier=classifier)
            elif norm := folded_norm(network, name, taken=set(names.values())):
                fit.unfold(norm, tensor, here)
            else:
                fit.unexpected.append(name_in_file)
        fit.drop_half_a_head(classifier)
        return fit

    def take(self, name: str, tensor: Tensor, here: Tensor, *, stem: str | None, classifier: str | None) -> None:
        fitted = fit_tensor(name, tensor, here, is_stem=name == stem)
        if fitted is None:
            shapes = tuple(tensor.shape), tuple(here.shape)
            self.mismatched.append(Mismatch(name=name, shape_in_file=shapes[0], shape_here=shapes[1]))
            if classifier is not None and name == f"{classifier}.weight":
                self.head_classes = (shapes[0][0], shapes[1][0])
            return
        self.state[name], how = fitted
        if how:
            self.adapted[name] = how

    def unfold(self, norm: FoldedNorm, bias: Tensor, here: Mapping[str, Tensor]) -> None:
        for name, tensor in norm.identity(bias, here).items():
            self.state[name] = tensor
        self.adapted[f"{norm.name}.bias"] = "batch norm unfolded from its convolution"

    def drop_half_a_head(self, classifier: str | None) -> None:
        """A bias without its weight would only shift logits: with the one left out, the other is too."""
        dropped = self.state.pop(f"{classifier}.bias", None) if self.head_classes else None
        if dropped is not None:
            shape = tuple(dropped.shape)
            self.mismatched.append(Mismatch(name=f"{classifier}.bias", shape_in_file=shape, shape_here=shape))

    def report(self, network: nn.Module, *, network_name: str, weights: str) -> PretrainedReport:
        accounted = set(self.state) | {mismatch.name for mismatch in self.mismatched}
        missing = [n for n in network.state_dict() if n not in accounted and not n.endswith("num_batches_tracked")]
        return PretrainedReport(
            network_name=network_name,
            weights=weights,
            matched=tuple(self.state),
            missing=tuple(missing),
            unexpected=tuple(self.unexpected),
            mismatched=tuple(self.mismatched),
            adapted=self.adapted,
            head_classes=self.head_classes,
            tensors_in_file=len(self.file),
        )


def _names_here(network: nn.Module, file: Iterable[str], classifier: str | None) -> dict[str, str]:
    """Name in the file to name in the network: as it is in files of this project, else under the network's prefix."""
    prefix: str = getattr(network, "pretrained_prefix", "")
    theirs: str | None = getattr(network, "classifier_prefix", None)
    file = list(file)
    if prefix and any(name.startswith(prefix) for name in file):
        return {name: name for name in file}

    def here(name: str) -> str:
        if theirs is not None and classifier is not None and name.startswith(theirs):
            return f"{classifier}.{name.removeprefix(theirs)}"
        return prefix + name

    return {name: here(name) for name in file}
