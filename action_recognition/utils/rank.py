"""Which of several processes of one command this is, and who has started it."""

import os


def is_first_process() -> bool:
    """False in processes that Lightning or torchrun started beside the first: they write and print nothing."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def in_dvc_stage() -> bool:
    """Whether `dvc repro` or `dvc exp run` has started this command: what comes next is in `dvc.yaml` then."""
    return "DVC_STAGE" in os.environ
