"""Putting another clip contract into a checkpoint that is there."""

import io
import os
from pathlib import Path

import torch

from action_recognition.contract import ClipContract
from action_recognition.errors import UserError, first_line
from action_recognition.models.stored_settings import DIGEST_KEY, checkpoint_digest
from action_recognition.models.weight_files import load_plain
from action_recognition.utils.files import replace_file


def check_rewritable(path: Path) -> None:
    """Refuse a checkpoint beside which nothing can be written, before anything that takes long.

    Raises:
        UserError: with what to do instead.
    """
    if not os.access(path.parent, os.W_OK):
        raise UserError(_not_written(path, "its folder is read-only"))


def rewrite_contract(path: Path, contract: ClipContract) -> None:
    """Put `contract` into a checkpoint that `VideoActionModel.from_checkpoint` reads; the rest of it stays.

    The new file is written beside the old one, which is whole until the new one takes its place.

    Raises:
        UserError: if it cannot be written.
    """
    checkpoint = load_plain(path)
    checkpoint["hyper_parameters"]["contract"] = contract.to_dict()
    checkpoint[DIGEST_KEY] = checkpoint_digest(checkpoint)
    content = io.BytesIO()
    torch.save(checkpoint, content)
    try:
        replace_file(path, content.getvalue())
    except OSError as error:
        raise UserError(_not_written(path, error.strerror or first_line(error))) from None


def _not_written(path: Path, reason: str) -> str:
    return (
        f"{path}: cannot be rewritten ({reason}); copy it to a folder with room that is your own: "
        "python commands.py calibrate evaluation.checkpoint=COPY"
    )
