"""Model files: checkpoints, ONNX files, engines and their sidecars, damaged, swapped, or made to run code.

Right is what the undamaged model predicts.
"""

import io
import json
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hostile.contracts import mutated
from hostile.damage import damaged, flip_bits, truncate
from hostile.material import GOOD, predict_words, probabilities_of
from hostile.outcomes import REFUSED, WRONG, Outcome, judge, run_command

Made = tuple[str, Path, str, str]  # backend, file, what it is, what has to become of it
TOLERANCE = 2e-3  # of a probability: another order of additions, not another model
SUFFIXES = {"onnx": "model.onnx", "torch": "model.ckpt", "tensorrt": "model.engine"}


def warm_up(material: Path) -> None:
    """Import torch and ONNX Runtime, so that an input's memory is its own."""
    work = Path(tempfile.mkdtemp(prefix="warm-up-", dir=material))
    for backend in ("onnx", "torch"):
        run_command(predict_words(material, backend, material / SUFFIXES[backend], work / "answer.json"), work)


def attempt(chance: Random, number: int, material: Path, work: Path) -> Outcome:
    folder = work / "in"
    folder.mkdir()
    make = MAKERS[number % len(MAKERS)]
    backend, path, what, must = make(folder, material, chance)
    output = work / "answer.json"
    if backend == "torch" and chance.random() < 0.2:
        words = ["index-to-class", f"evaluation.checkpoint={path}"]
        said, right = run_command(words, folder), lambda: same_classes(folder / "index_to_class.csv")
    else:
        said = run_command(predict_words(material, backend, path, output), folder)
        right = lambda: same_answer(output, material / f"expected-{backend}.json")  # noqa: E731
    if (folder / "ran").exists():
        return Outcome(verdict=WRONG, what=what, line="ran code from the file")
    return judge(said, f"{backend}: {what}", right=right, must=must)


def same_answer(answer: Path, expected: Path) -> str:
    """How an answer differs from the undamaged model's."""
    found, wanted = probabilities_of(answer), probabilities_of(expected)
    if [sorted(one) for one in found] != [sorted(one) for one in wanted]:
        return f"other classes: {found} instead of {wanted}"
    for one, other in zip(found, wanted, strict=True):
        if any(not abs(one[label] - other[label]) <= TOLERANCE for label in other):
            return f"predicts {one} instead of {other}"
    return ""


def same_classes(table: Path) -> str:
    text = table.read_text()
    return "" if text.splitlines()[1:] == ["0,run", "1,walk"] else f"other classes: {text!r}"


def damaged_onnx(folder: Path, material: Path, chance: Random) -> Made:
    content, how = damaged((material / "model.onnx").read_bytes(), chance)
    return "onnx", written(folder / "model.onnx", content), how, ""


def flipped_weights_onnx(folder: Path, material: Path, chance: Random) -> Made:
    """Bits of the weights alone: the file still loads."""
    import onnx

    proto = onnx.load(material / "model.onnx")
    tensors = [tensor for tensor in proto.graph.initializer if len(tensor.raw_data) > 8]
    tensor = chance.choice(tensors)
    tensor.raw_data, how = flip_bits(tensor.raw_data, chance)
    return "onnx", written(folder / "model.onnx", proto.SerializeToString()), f"{tensor.name}: {how}", ""


def other_contract_onnx(folder: Path, material: Path, chance: Random) -> Made:
    import onnx

    proto = onnx.load(material / "model.onnx")
    entry = next(entry for entry in proto.metadata_props if entry.key == "clip_contract")
    contract, how = mutated(json.loads(entry.value), chance)
    entry.value = json.dumps(contract)
    return "onnx", written(folder / "model.onnx", proto.SerializeToString()), f"contract: {how}", ""


def damaged_checkpoint(folder: Path, material: Path, chance: Random) -> Made:
    content, how = damaged((material / "model.ckpt").read_bytes(), chance)
    return "torch", written(folder / "model.ckpt", content), how, ""


def flipped_weights_checkpoint(folder: Path, material: Path, chance: Random) -> Made:
    """Bits of a tensor, in a zip whose own checksums are right again."""

    def change(name: str, content: bytes) -> bytes:
        return flip_bits(content, chance)[0] if name == chosen else content

    with zipfile.ZipFile(material / "model.ckpt") as archive:
        tensors = [entry.filename for entry in archive.infolist() if "/data/" in entry.filename and entry.file_size > 8]
    chosen = chance.choice(tensors)
    path = rezipped(material / "model.ckpt", folder / "model.ckpt", change)
    return "torch", path, f"{chosen}: bits flipped, checksums of the zip right", ""


def wrong_members(folder: Path, material: Path, chance: Random) -> Made:
    what = chance.choice(("none", "one left out", "a name outside", "all twice", "a text", "huge", "other byte order"))
    target = folder / "model.ckpt"
    with zipfile.ZipFile(material / "model.ckpt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if what == "one left out":
        del members[chance.choice(list(members))]
    with zipfile.ZipFile(target, "w") as archive:
        if what == "a text":
            archive.writestr("readme.txt", "no model")
        elif what == "huge":
            archive.writestr(zipfile.ZipInfo("archive/data.pkl"), bytes(50_000_000), zipfile.ZIP_DEFLATED)
        elif what != "none":
            for name, content in members.items():
                changed = b"big" if what == "other byte order" and name.endswith("byteorder") else content
                archive.writestr(f"../{name}" if what == "a name outside" else name, changed)
                if what == "all twice":
                    archive.writestr(name, content)
    return "torch", target, f"a zip with {what}", ""


class Runs:
    """What a pickle may ask for: a program is run when it is read."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def pickle_that_runs(folder: Path, material: Path, chance: Random) -> Made:
    command = f"touch {folder}/ran"
    payload = {"state_dict": {}, "hyper_parameters": Runs(command)}
    path, what = folder / "model.ckpt", chance.choice(("plain pickle", "in the zip", "legacy", "as ONNX"))
    if what == "in the zip":
        target = io.BytesIO()
        pickle.dump(payload, target, protocol=2)
        rezipped(
            material / "model.ckpt",
            path,
            lambda name, content: target.getvalue() if name.endswith("data.pkl") else content,
        )
    elif what == "legacy":
        import torch

        torch.save(payload, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(payload))
    return "onnx" if what == "as ONNX" else "torch", path, f"a pickle that runs a program, {what}", REFUSED


def swapped(folder: Path, material: Path, chance: Random) -> Made:
    backend = chance.choice(("onnx", "torch", "tensorrt"))
    wrong = chance.choice([name for other, name in SUFFIXES.items() if other != backend] + ["good/" + GOOD])
    path = written(folder / SUFFIXES[backend], (material / wrong).read_bytes())
    if backend == "tensorrt":
        (folder / "model.engine.json").write_bytes((material / "model.engine.json").read_bytes())
    return backend, path, f"{wrong} in its place", REFUSED


def strange_checkpoint(folder: Path, material: Path, chance: Random) -> Made:
    """A dictionary that torch reads, with something in it that is not what it is called."""
    import torch

    values = torch.load(material / "model.ckpt", weights_only=True)
    key = chance.choice(("state_dict", "hyper_parameters", "all"))
    nonsense: Any = chance.choice(
        (None, 5, "text", [], {}, torch.zeros(3), {"clip_contract": 3}, {"a": torch.zeros(2)})
    )
    if key == "all":
        values = nonsense
    else:
        values[key] = nonsense
    torch.save(values, folder / "model.ckpt")
    return "torch", folder / "model.ckpt", f"{key} is {str(nonsense)[:40]}", ""


def strange_parameters(folder: Path, material: Path, chance: Random) -> Made:
    """Hyper-parameters of a checkpoint changed one by one, its contract among them; or weights that are no numbers."""
    import torch

    values = torch.load(material / "model.ckpt", weights_only=True)
    parameters = values["hyper_parameters"]
    key = chance.choice([*parameters, "weights"])
    if key == "weights":
        name = chance.choice([name for name, tensor in values["state_dict"].items() if tensor.is_floating_point()])
        values["state_dict"][name] = torch.full_like(values["state_dict"][name], chance.choice((float("nan"), 1e38)))
        how = f"{name} is no number"
    elif isinstance(parameters[key], dict):
        parameters[key], how = mutated(parameters[key], chance)
    else:
        parameters[key] = chance.choice((None, 5, "text", [], {}))
        how = f"is {parameters[key]}"
    torch.save(values, folder / "model.ckpt")
    return "torch", folder / "model.ckpt", f"{key}: {how}", ""


def sidecar(folder: Path, material: Path, chance: Random) -> Made:
    path = written(folder / "model.engine", (material / "model.engine").read_bytes())
    text = (material / "model.engine.json").read_text()
    if chance.random() < 0.4:
        content, how = damaged(text.encode(), chance)
    else:
        values, how = mutated(json.loads(text), chance)
        content = json.dumps(values).encode()
    written(folder / "model.engine.json", content)
    return "tensorrt", path, f"sidecar: {how}", REFUSED


def engine(folder: Path, material: Path, chance: Random) -> Made:
    content, how = damaged((material / "model.engine").read_bytes(), chance)
    (folder / "model.engine.json").write_bytes((material / "model.engine.json").read_bytes())
    return "tensorrt", written(folder / "model.engine", content), how, REFUSED


def no_model(folder: Path, material: Path, chance: Random) -> Made:
    backend = chance.choice(("onnx", "torch", "tensorrt"))
    what, path = chance.choice(("a folder", "empty", "missing", "a FIFO")), folder / SUFFIXES[backend]
    if what == "a folder":
        path.mkdir()
    elif what == "empty":
        path.touch()
    elif what == "a FIFO":
        os.mkfifo(path)
    return backend, path, what, REFUSED


def cut(folder: Path, material: Path, chance: Random) -> Made:
    backend = chance.choice(("onnx", "torch"))
    content, how = truncate((material / SUFFIXES[backend]).read_bytes(), chance)
    return backend, written(folder / SUFFIXES[backend], content), how, REFUSED


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def rezipped(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The same zip with changed members, stored as torch stores them."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


MAKERS: tuple[Callable[[Path, Path, Random], Made], ...] = (
    damaged_onnx,
    flipped_weights_onnx,
    other_contract_onnx,
    damaged_checkpoint,
    flipped_weights_checkpoint,
    wrong_members,
    pickle_that_runs,
    swapped,
    strange_checkpoint,
    strange_parameters,
    sidecar,
    damaged_onnx,
    damaged_checkpoint,
    engine,
    no_model,
    cut,
)
