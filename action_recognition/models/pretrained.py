"""Pretrained weights: found, read, fitted to the network, and a report of what was left out."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from action_recognition.errors import ConfigError
from action_recognition.models.weight_files import locate_weights, read_state_dict
from action_recognition.models.weight_fitting import fit_tensor, last_linear, stem_weight_name, unfolded_norm


@dataclass(kw_only=True)
class PretrainedReport:
    """Which tensors of a weights file a network took.

    Attributes:
        network_name: as in the configuration, followed by the part's name if weights are given by part.
        weights: as given: a name, a path or a URL.
        tensors_in_file: how many tensors the file holds.
        matched: tensors of the network that were set, by their names in the network.
        missing: tensors of the network that the file does not hold.
        unexpected: tensors of the file that the network does not have, by their names in the file.
        mismatched: tensors that both have, and their shapes in the file and here; the network keeps its own.
        adapted: what was changed to fit, by name in the network.
        head_classes: outputs of the file's classifier and of ours, if they differ and it was left out.
        parts: a report per part, if weights were given by part; all above but the names are empty then.
    """

    network_name: str
    weights: str
    tensors_in_file: int = 0
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    adapted: dict[str, str] = field(default_factory=dict)
    head_classes: tuple[int, int] | None = None
    parts: list["PretrainedReport"] = field(default_factory=list)

    def line(self) -> str:
        """One line for the terminal."""
        if self.parts:
            return " | ".join(part.line() for part in self.parts)
        used = self.tensors_in_file - len(self.unexpected) - len(self.mismatched)
        found = f"weights {self.network_name} {self.weights}: {used} of {self.tensors_in_file} tensors matched"
        return "; ".join([found, *self._remarks()])

    def _remarks(self) -> Iterator[str]:
        if self.adapted:
            kinds = Counter(self.adapted.values())
            yield "adapted: " + ", ".join(f"{kind} ({count})" for kind, count in kinds.items())
        others = list(self.mismatched)
        if self.head_classes:
            yield f"left out: head ({self.head_classes[0]} classes, here {self.head_classes[1]})"
            others = [name for name in others if not name.startswith("head.")]
        absent = [name for name in self.missing if not name.startswith("head.")]
        lists = {"of other shapes": others, "not in the file": absent, "not in the network": self.unexpected}
        for label, names in lists.items():
            if names:
                yield f"{label}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def load_pretrained(
    network: nn.Module, weights: str | Mapping[str, str], *, network_name: str, key: str = "model.weights"
) -> PretrainedReport:
    """Load the tensors of a weights file into `network`, and report which ones.

    Keys of published files are looked for under the network's `pretrained_prefix`. A stem with other channels takes the
    mean over the file's channels, scaled so that an input alike in all channels gives the same output. Position tables
    of another length are interpolated. If a convolution has its batch norm folded into it, the norm becomes an identity
    plus bias. A classifier for other classes is left out.

    Args:
        network: an `ActionNetwork`, or a part of one.
        weights: a name from `network.weight_names()`, a path, a `file://` or `http(s)://` URL; or a mapping from
            part (`network.get_submodule(part)`) to one of these.
        network_name: for the report and for errors.
        key: what `weights` are the value of, for errors.

    Raises:
        ConfigError: if there are no such weights, they cannot be downloaded, or none of their tensors fits.
        ContractError: if the file holds anything but tensors; code in it is not run.
    """
    if isinstance(weights, Mapping):
        return _load_parts(network, weights, network_name=network_name)
    if not isinstance(weights, str) or not weights:
        raise ConfigError(f"{key}={weights}: expected a name, a path, a URL, or a mapping from part to these")
    named = getattr(network, "weight_names", None)  # a part need not be an ActionNetwork
    names: Mapping[str, str] = named() if callable(named) else {}
    path = locate_weights(weights, names, network_name=network_name, key=key)
    file, here = read_state_dict(path), network.state_dict()
    report = PretrainedReport(network_name=network_name, weights=weights, tensors_in_file=len(file))
    state = _fit(network, file, here, report)
    if not any(here[name].is_floating_point() for name in state):
        theirs, ours = (", ".join([*tensors][:3]) for tensors in (file, here))
        raise ConfigError(
            f"{key}={weights}: none of its tensors fits {network_name}; the file has {theirs}, ..., "
            f"the network has {ours}, ..."
        )
    network.load_state_dict(state, strict=False)
    return report


def _load_parts(network: nn.Module, weights: Mapping[str, str], *, network_name: str) -> PretrainedReport:
    total = PretrainedReport(network_name=network_name, weights=str(dict(weights)))
    for part, given in weights.items():
        try:
            module = network.get_submodule(part)
        except AttributeError:
            known = ", ".join(name for name, _ in network.named_children())
            raise ConfigError(f"model.weights.{part}: {network_name} has no such part, but {known}") from None
        if given is not None:
            name, key = f"{network_name}.{part}", f"model.weights.{part}"
            total.parts.append(load_pretrained(module, given, network_name=name, key=key))
    if not total.parts:
        raise ConfigError(f"model.weights={total.weights}: no part is given weights; model.weights=null is for none")
    return total


def _fit(
    network: nn.Module, file: Mapping[str, Tensor], here: Mapping[str, Tensor], report: PretrainedReport
) -> dict[str, Tensor]:
    """What the network is given of a file, by its own names; `report` is filled in."""
    state: dict[str, Tensor] = {}
    stem, classifier = stem_weight_name(here), last_linear(network)
    names = _names_here(network, file, classifier)
    for name_in_file, tensor in file.items():
        name = names[name_in_file]
        if name not in here:
            norm = unfolded_norm(network, name, tensor, taken=set(names.values()))
            state |= norm
            report.adapted |= {key: "batch norm unfolded from its convolution" for key in norm if key.endswith(".bias")}
            if not norm:
                report.unexpected.append(name_in_file)
        elif fitted := fit_tensor(name, tensor, here[name], is_stem=name == stem):
            state[name], how = fitted
            if how:
                report.adapted[name] = how
        else:
            report.mismatched[name] = tuple(tensor.shape), tuple(here[name].shape)
            if name == f"{classifier}.weight":
                report.head_classes = tensor.shape[0], here[name].shape[0]
    # A bias without its weight would only shift logits: if the weight is left out, so is the bias.
    bias = f"{classifier}.bias"
    if report.head_classes and state.pop(bias, None) is not None:
        report.mismatched[bias] = (tuple(here[bias].shape),) * 2
    report.matched = list(state)
    found = state.keys() | report.mismatched.keys()
    report.missing = [name for name in here if name not in found and not name.endswith("num_batches_tracked")]
    return state


def _names_here(network: nn.Module, file: Mapping[str, Tensor], classifier: str | None) -> dict[str, str]:
    """Name in the file to name in the network: unchanged for files of this project, else below the network's prefix."""
    prefix: str = getattr(network, "pretrained_prefix", "")
    theirs: str | None = getattr(network, "classifier_prefix", None)
    if prefix and any(name.startswith(prefix) for name in file):
        return {name: name for name in file}
    names = {name: prefix + name for name in file}
    if theirs is not None and classifier is not None:
        of_classifier = [name for name in file if name.startswith(theirs)]
        names |= {name: f"{classifier}.{name.removeprefix(theirs)}" for name in of_classifier}
    return names
