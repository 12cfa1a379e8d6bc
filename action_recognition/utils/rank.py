"""Which of a command's processes this is, and what started it."""

import os


def is_first_process() -> bool:
    """False in further processes of Lightning or torchrun, which must write and print nothing."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def in_dvc_stage() -> bool:
    """Whether `dvc repro` or `dvc exp run` started this command; `dvc.yaml` then says what comes next."""
    return "DVC_STAGE" in os.environ
