"""The description of an MLflow run: named parts that later commands can replace, beside what a person wrote."""

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

# Parts of a description, in their order. Each is one line, so that a later command can replace its own.
TRAINING, SEARCH, EVALUATION, COMMAND, VALIDATION, TEST = PARTS = (
    "Training",
    "Search",
    "Evaluation",
    "Command",
    "Validation",
    "Test",
)


def add_to_note(client: MlflowClient, run_id: str, parts: Mapping[str, str]) -> None:
    """Set these parts of a run's description; the others, and what a person wrote there, stay."""
    note = client.get_run(run_id).data.tags.get(MLFLOW_RUN_NOTE, "")
    client.set_tag(run_id, MLFLOW_RUN_NOTE, merge_note(note, parts)[:MAX_TAG_VAL_LENGTH])


def merge_note(note: str, parts: Mapping[str, str]) -> str:
    """A description with these parts in it, each a paragraph that begins with its name in bold."""
    paragraphs = [paragraph for paragraph in note.split("\n\n") if paragraph]
    known = {part: paragraph for part in PARTS for paragraph in paragraphs if paragraph.startswith(f"**{part}:** ")}
    known |= {part: f"**{part}:** {text}" for part, text in parts.items()}
    others = [
        paragraph for paragraph in paragraphs if not paragraph.startswith(tuple(f"**{part}:** " for part in PARTS))
    ]
    return "\n\n".join([*(known[part] for part in PARTS if part in known), *others])
