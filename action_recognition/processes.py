"""Which of several processes of one command this is."""

import os


def is_first_process() -> bool:
    """False in processes that Lightning or torchrun started beside the first: they write and print nothing."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0
