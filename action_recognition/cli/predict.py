"""The prediction commands."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import print_next
from action_recognition.errors import ConfigError, ReportedError, VideoError
from action_recognition.utils.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config
    from action_recognition.config.schema import PredictConfig
    from action_recognition.inference.batch.jobs import Setup
    from action_recognition.inference.batch.results import Record
    from action_recognition.inference.batch.targets import Outputs

# The suggested next command repeats at most this many inputs; a shell pattern may have given thousands.
MOST_REPEATED = 3
FURTHER = {"predict.video_dir": "labelled", "predict.output": "labels.json"}


@command(
    groups=("predict", "export"),
    takes_inputs=True,
    usage="INPUT ... [key=value ...]",
    fixed=("predict.backend=onnx",),
    instead="predict",
)
def infer_from_onnx(call: Call) -> None:
    """Label videos with the ONNX model: infer-from-onnx INPUT ... [key=value ...]

    INPUT is what `predict` takes.
    """
    _label("infer-from-onnx", call)


@command(groups=("predict", "evaluation", "export"), takes_inputs=True, usage="INPUT ... [key=value ...]")
def predict(call: Call) -> None:
    """Label videos on any backend: predict INPUT ... [predict.backend=torch|onnx|tensorrt]

    INPUT is a file, folder, quoted pattern, URL, list (.txt), number of a camera, or - for stdin; see docs/inputs.md.
    """
    _label("predict", call)


def _label(name: str, call: Call) -> None:
    from action_recognition.config import key_of

    if not run_prediction(call.config, call.inputs, console=call.console):
        return
    given = {key_of(override) for override in call.overrides}
    named = call.inputs if len(call.inputs) <= MOST_REPEATED else ["INPUT"]
    again = [
        shlex.join([name, *named, *call.overrides, f"{key}={value}"])
        for key, value in FURTHER.items()
        if key not in given
    ]
    if call.config.predict.cut:
        from action_recognition.inference.labelled_video.cut import next_command

        again = [next_command(Path(call.config.predict.cut))]
    print_next(call.console, *(f"python commands.py {line}" for line in again[:1]))


def run_prediction(config: "Config", inputs: Sequence[str], *, console: "Console") -> "list[Record]":
    """Label `inputs` with the model of `model_of`; see `predict_inputs`.

    Nothing is returned of a camera or a stream, see `report_live`.

    Raises:
        ConfigError: without inputs, or without a model.
        VideoError: at the end, if some video could not be read; each is named when it fails.
    """
    from action_recognition.inference.batch.growing_results import fingerprint_of_run
    from action_recognition.inference.batch.jobs import ready
    from action_recognition.inference.batch.report import predict_inputs
    from action_recognition.inference.batch.results import check_output
    from action_recognition.inference.inputs.expand import ALLOWED, expand_inputs
    from action_recognition.inference.inputs.open import is_live
    from action_recognition.inference.live.live_report import report_live

    if not inputs:
        raise ConfigError(f"no input given; expected {ALLOWED}: python commands.py predict INPUT ...")
    outputs = outputs_of(config.predict)
    if outputs.results:
        check_output(outputs.results, inputs=len(inputs))
    given = expand_inputs(inputs)
    with ExitStack() as stack:
        path, kind = stack.enter_context(model_of(config))
        setup = setup_of(config.predict, path, kind)
        if len(given) == 1 and is_live(given[0]):
            report_live(setup.predictor(), given[0], top_k=setup.top_k, outputs=outputs, console=console)
            return []
        labelling, clips = stack.enter_context(ready(setup, given, workers=config.predict.workers))
        if outputs.results:
            check_output(outputs.results, inputs=len(clips))
        run = fingerprint_of_run(path, setup.lasting())
        records, errors = predict_inputs(labelling, clips, outputs=outputs, run=run, console=console)
    written = [str(outputs.results)] if outputs.results and outputs.results.is_file() else []
    folders = {"labelled videos": outputs.video_dir, "timelines": outputs.timeline_dir, "clips": outputs.cut}
    written += [f"{what}: {folder}/" for what, folder in folders.items() if folder and len(errors) < len(clips)]
    if written:
        console.print(printable("; ".join(written)))
    if errors and len(clips) == 1:
        raise ReportedError(errors[0])
    if errors:
        raise VideoError(f"{len(errors)} of {len(clips)} videos could not be read or written")
    return records


def setup_of(settings: "PredictConfig", model: Path, kind: str) -> "Setup":
    """What makes the predictor that `predict.*` describes, in any process."""
    from action_recognition.inference.batch.jobs import Setup
    from action_recognition.inference.inputs.base import InputSettings
    from action_recognition.inference.temporal.segments import SegmentSettings

    of_segments = {field.name for field in fields(SegmentSettings)} - {"threshold"}  # which the model may say
    return Setup(
        model=model,
        kind=kind,
        device=settings.device,
        batch_size=settings.batch_size,
        overlap=settings.overlap,
        segments=SegmentSettings(**{name: getattr(settings, name) for name in of_segments}),
        threshold=settings.threshold,
        inputs=InputSettings(**{field.name: getattr(settings, field.name) for field in fields(InputSettings)}),
        top_k=settings.top_k,
    )


def outputs_of(settings: "PredictConfig") -> "Outputs":
    from action_recognition.inference.batch.targets import Outputs

    given = (settings.output, settings.video_dir, settings.timeline_dir, settings.cut)
    results, video_dir, timeline_dir, cut = (Path(path) if path else None for path in given)
    return Outputs(results=results, video_dir=video_dir, timeline_dir=timeline_dir, cut=cut)


@contextmanager
def model_of(config: "Config") -> Iterator[tuple[Path, str]]:
    """The model's file and its kind of backend: `predict.model`, or what the backend's export command writes.

    Raises:
        ConfigError: if `predict.model` is a file of no known kind, and `predict.backend` does not say.
    """
    from action_recognition.inference.backends import backend_of
    from action_recognition.inference.load import model_file
    from action_recognition.tracking.run_folders import resolve_checkpoint

    settings = config.predict
    if settings.model:
        with model_file(settings.model, plots_dir=config.plots_dir) as path:
            yield path, settings.backend or backend_of(path)
    elif settings.backend == "onnx":
        yield Path(config.export.onnx), "onnx"
    elif settings.backend == "tensorrt":
        yield Path(config.export.engine_path), "tensorrt"
    else:
        yield resolve_checkpoint(config.evaluation.checkpoint, plots_dir=config.plots_dir), "torch"
