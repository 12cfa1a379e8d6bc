"""Lists: official split files, manifests, and the CSV of stills, damaged and written by other programs.

What is only written in another way is read alike; what contradicts itself or is empty is refused.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from random import Random

from hostile.damage import damaged
from hostile.material import data_words
from hostile.outcomes import REFUSED, RIGHT, Outcome, judge, run_command

BOM = b"\xef\xbb\xbf"
Made = tuple[bytes, str, str]  # content, what it is, what has to become of it


def warm_up(material: Path) -> None:
    """Import what `check-data` needs, and remember what it says of the good set."""
    # `run_command` writes beside the folder, and other workers warm up at the same time.
    folder = Path(tempfile.mkdtemp(prefix="warm-up-", dir=material)) / "in"
    folder.mkdir()
    said = run_command(["check-data", *data_words(material)], folder)
    _expected["table"] = class_rows(said.out)
    _expected["manifest"] = next((folder / ".cache/manifests").glob("*.csv")).read_text()
    said = run_command(still_words(material, material / "stills/labels.csv"), folder)
    _expected["stills"] = class_rows(said.out)
    assert all(_expected.values()), (said, _expected)


_expected: dict[str, str] = {}


def attempt(chance: Random, number: int, material: Path, work: Path) -> Outcome:
    return (split_files, manifests, stills, split_files)[number % 4](chance, material, work)


def class_rows(out: str) -> str:
    """The table's rows: class, clips of each split, sources and lengths."""
    rows = [re.sub(r"[\s|\u2500-\u257f]+", " ", line).strip() for line in out.splitlines()]
    return "\n".join(row for row in rows if re.match(r"(run|walk|sit|clap) \d", row))


def same_table(out: str, expected: str, must: str) -> str:
    if must == RIGHT and class_rows(out) != expected:
        return f"counts {class_rows(out)!r} instead of {expected!r}"
    return ""


def split_files(chance: Random, material: Path, work: Path) -> Outcome:
    folder, splits = work / "in", work / "splits"
    folder.mkdir()
    shutil.copytree(material / "set/splits", splits)
    path = splits / "run_test_split1.txt"
    content, what, must = changed_split(path.read_bytes(), chance)
    if what == "a folder":
        path.unlink()
        path.mkdir()
    elif what == "missing":
        path.unlink()
    else:
        path.write_bytes(content)
    said = run_command(["check-data", *data_words(material, splits_dir=splits)], folder)
    what = f"split file: {what}"
    return judge(said, what, right=lambda: same_table(said.out, _expected["table"], must), must=must)


def changed_split(content: bytes, chance: Random) -> Made:
    if chance.random() < 0.25:
        changed, how = damaged(content, chance)
        return changed, how, ""
    text = content.decode()
    lines = text.splitlines()
    name = lines[0].split()[0]
    same = {
        "a byte-order mark": BOM + content,
        "CRLF": text.replace("\n", "\r\n").encode(),
        "CR": text.replace("\n", "\r").encode(),
        "blank lines": text.replace("\n", "\n\n  \n").encode(),
        "no end of line": content.rstrip(),
        "other order": "\n".join(reversed(lines)).encode(),
        "byte-order mark and CRLF": BOM + text.replace("\n", "\r\n").encode(),
    }
    refused = {
        "empty": b"",
        "blank": b" \n\n",
        "only a byte-order mark": BOM,
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without mark": text.encode("utf-16-le"),
        "UTF-32": text.encode("utf-32"),
        "Latin-1": text.replace("Film_0", "Fílm_0").encode("latin-1"),
        "NUL": text.replace("Film_0", "Fi\0lm_0").encode(),
        "zeros": bytes(len(content)),
        "a label of 3": text.replace(" 1 ", " 3 ").encode(),
        "a label of -1": text.replace(" 1 ", " -1 ").encode(),
        "no label": text.replace(" 1 ", "").encode(),
        "a wide digit": text.replace(" 1 ", " \uff11 ").encode(),
        "train and test at once": content + f"{name} 2\n".encode(),
        "twice as two labels": content + text.replace(" 1 ", " 2 ").encode(),
        "only test": text.replace(" 1 ", " 2 ").encode(),
        "a folder": b"",
        "missing": b"",
        "a CSV": text.replace(" 1 ", ",1").replace(" 2 ", ",2").encode(),
        "HTML": b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n",
        "an escape in a line": text.replace("Film_0", "\x1b[31mFilm_0").replace(" 1 ", " x ").encode(),
        "a line of a megabyte": b"x" * 1_000_000,
    }
    how = chance.choice([*same, *refused])
    return (same | refused)[how], how, RIGHT if how in same else REFUSED


def manifests(chance: Random, material: Path, work: Path) -> Outcome:
    folder, data_dir = work / "in", work / "data"
    folder.mkdir()
    data_dir.mkdir()
    content, what, must = changed_manifest(_expected["manifest"], chance)
    (data_dir / "manifest.csv").write_bytes(content)
    said = run_command(["check-data", *data_words(material, dir=data_dir)], folder)
    what = f"manifest: {what}"
    return judge(said, what, right=lambda: same_table(said.out, _expected["table"], must), must=must)


def changed_manifest(text: str, chance: Random) -> Made:
    content = text.encode()
    if chance.random() < 0.3:
        changed, how = damaged(content, chance)
        return changed, how, ""
    lines = text.splitlines()
    cells = lines[1].split(",")
    column, value = chance.randrange(len(cells)), chance.choice(("", "x", "-1", "nan", "1e999", "9" * 5000, "\x1b[2J"))
    other = ",".join([*cells[:column], value, *cells[column + 1 :]])
    unread = {  # rows whose checksum or numbers cannot be believed are made again, or refused
        "an over-long field": "\n".join([lines[0], '"' + "x" * 200_000 + '"' + lines[1]]).encode(),
        "a quote never closed": "\n".join([lines[0], '"' + lines[1], *lines[2:]]).encode(),
        "NUL": text.replace("avi", "av\0i", 1).encode(),
        "UTF-16": text.encode("utf-16"),
        "empty": b"",
        "only the header": f"{lines[0]}\n".encode(),
        "other columns": text.replace("md5", "sha", 1).encode(),
        "a column less": "\n".join(line.rsplit(",", 1)[0] for line in lines).encode(),
        "a column more": "\n".join(f"{line},more" for line in lines).encode(),
        "all rows twice": (text + "\n".join(lines[1:])).encode(),
        f"column {lines[0].split(',')[column]} is {value[:20]!r}": "\n".join([lines[0], other, *lines[2:]]).encode(),
        "a path outside": text.replace("run/", "../../run/").encode(),
    }
    same = {"CRLF": text.replace("\n", "\r\n").encode()}
    how = chance.choice([*same, *unread])
    return (same | unread)[how], how, RIGHT if how in same else ""


def still_words(material: Path, labels: Path) -> list[str]:
    given = [f"data.videos_dir={material}/stills/images", f"data.labels_csv={labels}", "data.num_workers=0"]
    return ["check-data", "data=stills", *given, "clip.short_side=36", "clip.size=32"]


def stills(chance: Random, material: Path, work: Path) -> Outcome:
    folder, labels = work / "in", work / "labels.csv"
    folder.mkdir()
    content, what, must = changed_labels((material / "stills/labels.csv").read_text(), chance)
    if what == "a folder":
        labels.mkdir()
    elif what == "a FIFO":
        os.mkfifo(labels)
    else:
        labels.write_bytes(content)
    said = run_command(still_words(material, labels), folder)
    what = f"labels: {what}"
    return judge(said, what, right=lambda: same_table(said.out, _expected["stills"], must), must=must)


def changed_labels(text: str, chance: Random) -> Made:
    if chance.random() < 0.25:
        changed, how = damaged(text.encode(), chance)
        return changed, how, ""
    rows = text.splitlines()
    same: dict[str, bytes] = {
        "a byte-order mark": BOM + text.encode(),
        "CRLF": text.replace("\n", "\r\n").encode(),
        "CR": text.replace("\n", "\r").encode(),
        "quoted": "\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in rows).encode(),
        "a column more": "\n".join(f"{row},{n}" for n, row in enumerate(rows)).encode(),
        "blank lines": text.replace("\n", "\n\n").encode(),
        "a row twice": (text + rows[1] + "\n").encode(),
    }
    refused: dict[str, bytes] = {
        "empty": b"",
        "only the header": f"{rows[0]}\n".encode(),
        "UTF-16": text.encode("utf-16"),
        "Latin-1": text.replace("sit", "s\xedt").encode("latin-1"),
        "no header": "\n".join(rows[1:]).encode(),
        "other header": text.replace("label", "class", 1).encode(),
        "semicolons": text.replace(",", ";").encode(),
        "no labels": text.replace("sit", "").encode(),
        "no file names": text.replace("Image_0.png", "").encode(),
        "two labels of one image": (text + "Image_0.png,clap\n").encode(),
        "a folder": b"",
        "a FIFO": b"",
        "zeros": bytes(500),
        "only images that are not there": text.replace("Image", "Gone").encode(),
    }
    either: dict[str, bytes] = {
        "an over-long field": (text + "x" * 200_000 + ".png,sit\n").encode(),
        "NUL": text.replace("sit", "s\0it").encode(),
        "a quote never closed": (text + '"Image_1.png,sit\n').encode(),
        "a name outside": text.replace("Image_0.png", "../images/Image_0.png").encode(),
        "an absolute name": text.replace("Image_0.png", "/dev/zero").encode(),
        "a folder as image": text.replace("Image_0.png", ".").encode(),
        "an escape": text.replace("sit", "\x1b[31msit").encode(),
        "one class": text.replace("sit", "run").replace("clap", "run").encode(),
        "a class a row": "\n".join([rows[0], *(f"{row}{n}" for n, row in enumerate(rows[1:]))]).encode(),
        "a slash in a label": text.replace("sit", "a/b").encode(),
        "markup in a label": text.replace("sit", "[/red]").encode(),
        "a name too long": (text + "x" * 300 + ".png,sit\n").encode(),
    }
    how = chance.choice([*same, *refused, *either])
    return (same | refused | either)[how], how, RIGHT if how in same else REFUSED if how in refused else ""
