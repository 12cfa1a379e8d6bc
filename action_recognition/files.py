"""Writing files so that an interruption or a full disk leaves the old file, never half of the new one."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# No space on the disk, none left of a quota, a file larger than this user may write.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes `path`'s place if the block ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: some writers choose the format by it.
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.errno in NO_ROOM and error.filename is None:  # a write, unlike opening, does not say to which file
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step."""
    with replacing(path) as partial:
        partial.write_bytes(content)
