"""The description of an MLflow run: named parts that later commands can replace, and what a person wrote."""

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

# The parts of a description in their order. Each is one line, so that a later command can replace its own.
PARTS = ("Training", "Search", "Evaluation", "Command", "Validation", "Test")
TRAINING, SEARCH, EVALUATION, COMMAND, VALIDATION, TEST = PARTS


def add_to_note(client: MlflowClient, run_id: str, parts: Mapping[str, str]) -> None:
    """Set these parts of a run's description and keep the others and what a person wrote."""
    note = client.get_run(run_id).data.tags.get(MLFLOW_RUN_NOTE, "")
    client.set_tag(run_id, MLFLOW_RUN_NOTE, merge_note(note, parts)[:MAX_TAG_VAL_LENGTH])


def merge_note(note: str, parts: Mapping[str, str]) -> str:
    """A description with these parts, each a paragraph that begins with its name in bold."""
    heads = {part: f"**{part}:** " for part in PARTS}
    paragraphs = [paragraph for paragraph in note.split("\n\n") if paragraph]
    known = {part: text for part, head in heads.items() for text in paragraphs if text.startswith(head)}
    known |= {part: f"{heads[part]}{text}" for part, text in parts.items()}
    others = [text for text in paragraphs if not text.startswith(tuple(heads.values()))]
    return "\n\n".join([*(known[part] for part in PARTS if part in known), *others])
