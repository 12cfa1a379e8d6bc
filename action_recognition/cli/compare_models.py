"""`compare-models`: whether one model is better than another."""

from pathlib import Path

from action_recognition.cli.command import Call, command
from action_recognition.errors import ConfigError


@command(groups=("compare", "evaluation", "data"), takes_inputs=True, usage="A B [key=value ...]")
def run(call: Call) -> None:
    """Compare two models on the same test clips: compare-models A B [key=value ...]

    A and B are checkpoints (best, last or a path), ONNX files, engines, folders or names of runs, models:/NAME@ALIAS or
    hf://OWNER/REPO. Writes plots/compare_models/<A>_vs_<B>/ with a page, tables and pictures.
    """
    from action_recognition.config import key_of
    from action_recognition.utils.text import first_names

    if len(call.inputs) != 2:
        given = f"{len(call.inputs)} ({first_names(call.inputs)})" if call.inputs else "none"
        raise ConfigError(f"models given: {given}; expected two: python commands.py compare-models A.ckpt B.ckpt")
    if any(key_of(override) == "evaluation.checkpoint" for override in call.overrides):
        raise ConfigError("evaluation.checkpoint: here the models are given as words: compare-models A.ckpt B.ckpt")
    from action_recognition.studies.compare_models import compare_models
    from action_recognition.studies.compare_models_files import show_comparison, write_comparison

    found = compare_models(call.config, *call.inputs, console=call.console)
    settings = call.config.compare
    directory = write_comparison(found, Path(settings.models_dir), examples=settings.examples)
    show_comparison(found, call.console)
    written = ", ".join(sorted(path.name for path in directory.iterdir()))
    call.console.print(f"{directory}/: {written}", highlight=False, markup=False)
