"""The picture of a report: the page on a screen, in two columns, and on a phone. Needs Chromium.

python docs/make_report_picture.py docs/report.jpg plots/runs/<run>/test_best/report.html
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from action_recognition.utils.files import replace_file

SCREEN, PHONE, HEIGHT, GAP = 1280, 390, 2350, 24
WIDTH = 1500  # of the picture
QUALITY = 62


def main(picture: Path, report: Path) -> None:
    # Panels: width, and how far down the page they begin.
    panels = ((SCREEN, 0), (SCREEN, HEIGHT), (PHONE, 0))
    address = report.resolve().as_uri()
    sizes = [f"width:{width}px;height:{top + HEIGHT}px;margin-top:-{top}px;border:0" for width, top in panels]
    frames = "".join(f'<div><iframe src="{address}" style="{size}"></iframe></div>' for size in sizes)
    body = f"body{{margin:0;display:flex;gap:{GAP}px;background:#888}}"
    style = f"{body}div{{height:{HEIGHT}px;overflow:hidden}}"
    total = sum(width for width, _ in panels) + GAP * (len(panels) - 1)
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        page.write_text(f"<style>{style}</style>{frames}")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        size = [f"--window-size={total},{HEIGHT}", f"--user-data-dir={folder}/profile"]
        subprocess.run(["chromium", *options, *size, f"--screenshot={shot}", page.as_uri()], check=True, timeout=120)
        image_HWC = cv2.imread(str(shot))
    small_HWC = cv2.resize(image_HWC, (WIDTH, round(HEIGHT * WIDTH / total)), interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", np.asarray(small_HWC), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    replace_file(picture, jpeg.tobytes())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
