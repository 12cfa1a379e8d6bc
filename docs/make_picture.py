"""The README's picture: evenly spaced frames of labelled videos, one video a row.

python docs/make_picture.py docs/labelled.jpg plots/labelled/*.mp4
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat

COLUMNS = 3


def main(picture: Path, *videos: Path) -> None:
    rows = []
    for video in videos:
        with open_clip(video, FrameFormat(short_side=240)) as clip:
            last = clip.probe().frames - 1
            frames_THWC = clip.frames_at(np.linspace(0.1 * last, 0.9 * last, COLUMNS).astype(np.int64))
        rows.append(np.concatenate(list(frames_THWC), axis=1))
    cv2.imwrite(str(picture), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
