"""Reading text files that people edit: split files and tables of labels.

Editors and spreadsheets add a byte-order mark, change line ends, which is accepted, or the encoding, which is refused.
"""

import codecs
import re
from pathlib import Path

from action_recognition.errors import DataError

AGAIN = "save the file as UTF-8 text"


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte-order mark.

    Raises:
        FileNotFoundError: if it does not exist.
        DataError: if it cannot be read, has another encoding, or holds control characters.
    """
    if path.exists() and not path.is_file():  # reading a pipe would wait forever
        raise DataError(f"{path}: cannot be read (not a file)")
    try:
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8).decode()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        what = f"byte {error.object[error.start]:#04x} at {error.start}"
        raise DataError(f"{path}: not UTF-8 ({what}); {AGAIN}") from None
    for number, line in enumerate(split_lines(text), start=1):
        if strange := re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", line):
            raise DataError(f"{path}:{number}: not text (control character {ord(strange[0]):#04x}); {AGAIN}")
    return text


def split_lines(text: str) -> list[str]:
    """Lines of a file; unlike for `str.splitlines`, other separators may be part of names."""
    return re.split(r"\r\n|\r|\n", text)


def read_list(path: Path) -> list[tuple[str, str]]:
    """Place (`<path>:<number>`) and stripped text of the lines that are not blank.

    Raises:
        FileNotFoundError: if the file does not exist.
        DataError: as `read_text`, or if every line is blank.
    """
    lines = enumerate(split_lines(read_text(path)), start=1)
    kept = [(f"{path}:{number}", line.strip()) for number, line in lines if line.strip()]
    if not kept:
        raise DataError(f"{path}: empty; restore the original list, or: python commands.py download-data")
    return kept
