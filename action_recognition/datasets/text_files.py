"""Reading text files that people edit: split files, and tables of labels.

Editors and spreadsheets put a byte-order mark before the first line, end lines in other ways, or save another
encoding. The first two are read as they are meant; the last is refused in one line.
"""

import codecs
import re
import unicodedata
from pathlib import Path

from action_recognition.errors import DataError

LINE_END = re.compile(r"\r\n|\r|\n")
AGAIN = "save the file as UTF-8 text"


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte-order mark.

    Raises:
        FileNotFoundError: if there is none.
        DataError: if it cannot be read, has another encoding, or holds control characters.
    """
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise DataError(f"{path}: cannot be read (not a file)")
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        text = content.decode()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        what = f"byte {error.object[error.start]:#04x} at {error.start}"
        raise DataError(f"{path}: not UTF-8 ({what}); {AGAIN}") from None
    for number, line in enumerate(split_lines(text), start=1):
        strange = [char for char in line if char != "\t" and unicodedata.category(char) == "Cc"]
        if strange:
            raise DataError(f"{path}:{number}: not text (control character {ord(strange[0]):#04x}); {AGAIN}")
    return text


def split_lines(text: str) -> list[str]:
    """Lines as files have them: other characters that `str.splitlines` splits at may stand in names."""
    return LINE_END.split(text)


def read_list(path: Path) -> list[tuple[str, str]]:
    """The lines of a list that are not blank, stripped, each with where it stands, `<path>:<number>`.

    Raises:
        FileNotFoundError: if there is none.
        DataError: as `read_text`, or if no line is left.
    """
    lines = [(f"{path}:{number}", line.strip()) for number, line in enumerate(split_lines(read_text(path)), start=1)]
    kept = [(place, line) for place, line in lines if line]
    if not kept:
        raise DataError(f"{path}: empty; put the original list back, or: python commands.py download-data")
    return kept
