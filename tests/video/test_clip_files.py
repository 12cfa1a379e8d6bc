"""Reading stills and sequences, against Pillow, which knows nothing of OpenCV."""

import hashlib

import cv2
import numpy as np
import pytest
from helpers.clips import probe, read_all, read_at
from helpers.support import moving_square
from PIL import Image

from action_recognition.errors import VideoError
from action_recognition.video.clip_files import clip_files, clip_md5, frame_files, natural_key, open_clip
from action_recognition.video.frames import FrameFormat
from action_recognition.video.image_sequence import read_image

DEPTH = {"channels": 1, "bits": 16}


def write_frames(folder, count, *, names="{}.png", dtype=np.uint16, size=(10, 14)):
    """`[count, H, W]` random values, the frames numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(count).integers(0, np.iinfo(dtype).max + 1, size=(count, *size)).astype(dtype)
    for number, value in enumerate(values, start=1):
        Image.fromarray(value).save(folder / names.format(number))
    return values


def test_numbers_in_names_sort_as_numbers():
    names = ["T10-a2", "T2-a10", "T2-a9", "T1", "b1", "T02-a9", "10", "9", ""]
    assert sorted(names, key=natural_key) == ["", "9", "10", "T1", "T02-a9", "T2-a9", "T2-a10", "T10-a2", "b1"]


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    values = write_frames(tmp_path / "wave", 12)
    (tmp_path / "wave" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "wave" / "notes.txt").write_text("x")
    assert [path.name for path in frame_files(tmp_path / "wave")] == [f"{n}.png" for n in range(1, 13)]
    found = read_at(tmp_path / "wave", [9, 1, 1, 0], **DEPTH)
    assert found.dtype == np.uint16
    assert np.array_equal(found[..., 0], values[[9, 1, 1, 0]])


def test_a_star_stands_for_the_number_and_for_nothing_else(tmp_path):
    values = write_frames(tmp_path, 11, names="S4-G1-T{}-depth.bin.png")
    write_frames(tmp_path, 11, names="S4-G11-T{}-depth.bin.png")
    (tmp_path / "S4-G1-Tx-depth.bin.png").write_bytes(b"x")
    path = tmp_path / "S4-G1-T*-depth.bin.png"
    assert np.array_equal(read_all(path, **DEPTH)[..., 0], values)
    part = tmp_path / "S4-G1-T*-depth.bin.png[8:11]"
    assert len(clip_files(part)) == 3
    with open_clip(part, FrameFormat(short_side=5, **DEPTH)) as clip:
        about = clip.metadata
        assert clip.probe() == about
    assert (about.frames, about.fps, about.width, about.height) == (3, 0.0, 14, 10)
    assert np.array_equal(read_at(part, [0, 2], **DEPTH)[..., 0], values[[8, 10]])


def test_frames_that_come_later_are_seen(tmp_path):
    for count in (2, 3):
        write_frames(tmp_path / "a", count)
        assert len(frame_files(tmp_path / "a")) == count


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_a_still_is_the_picture_that_pillow_sees(tmp_path, suffix):
    picture = cv2.GaussianBlur(moving_square(1)[0], (9, 9), 3)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture).save(path, quality=95)
    expected = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert np.abs(read_image(path).astype(int) - expected).max() <= 2  # JPEG decoders round differently
    assert read_at(path, [0]).shape == (1, 48, 64, 3)


def test_a_still_is_turned_as_its_exif_data_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    Image.fromarray(moving_square(1)[0]).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (64, 48, 3)
    assert (probe(tmp_path / "a.jpg").width, probe(tmp_path / "a.jpg").height) == (48, 64)


def test_grey_in_colour_is_depth_and_colour_is_not(tmp_path):
    values = write_frames(tmp_path, 1, dtype=np.uint8)[0]
    Image.fromarray(values).convert("RGBA").save(tmp_path / "grey.png")
    assert np.array_equal(read_image(tmp_path / "grey.png", FrameFormat(channels=1))[..., 0], values)
    Image.fromarray(moving_square(1)[0]).save(tmp_path / "colour.png")
    with pytest.raises(VideoError, match=r"colour\.png: a colour image"):
        read_image(tmp_path / "colour.png", FrameFormat(channels=1))


def test_resizing_keeps_sixteen_bits(tmp_path):
    Image.fromarray(np.full((20, 30), 40_000, np.uint16)).save(tmp_path / "a.png")
    small = read_image(tmp_path / "a.png", FrameFormat(short_side=10, **DEPTH))
    assert (small.shape, small.dtype, small.min(), small.max()) == ((10, 15, 1), np.uint16, 40_000, 40_000)


def test_a_video_is_no_sequence(tmp_path, make_video):
    path = make_video(tmp_path / "a.avi", moving_square(7))
    assert frame_files(path) is None
    assert clip_files(path) == (path,)
    assert clip_md5(path) == hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(VideoError, match="expected a folder of depth images"):
        read_at(path, [0], channels=1)


def test_the_checksum_changes_with_names_and_bytes(tmp_path):
    write_frames(tmp_path / "a", 3)
    write_frames(tmp_path / "b", 3)
    first = clip_md5(tmp_path / "a")
    assert first == clip_md5(tmp_path / "b")
    (tmp_path / "b" / "3.png").rename(tmp_path / "b" / "4.png")
    assert clip_md5(tmp_path / "b") != first
    Image.fromarray(np.zeros((10, 14), np.uint16)).save(tmp_path / "a" / "2.png")
    assert clip_md5(tmp_path / "a") != first
    still = tmp_path / "a" / "1.png"
    assert clip_md5(still) == hashlib.md5(still.read_bytes()).hexdigest()


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "2.png").write_bytes(b""), r"2\.png: empty file"),
        (lambda folder: (folder / "2.png").write_bytes(b"no picture"), r"2\.png: not an image"),
        (lambda folder: cut(folder / "2.png", 0.6), r"2\.png: truncated"),
        (
            lambda folder: Image.fromarray(np.zeros((10, 14), np.uint8)).save(folder / "2.png"),
            "8 bits per value, .* 16",
        ),
        (
            lambda folder: Image.fromarray(np.zeros((5, 5), np.uint16)).save(folder / "2.png"),
            r"2\.png has another size",
        ),
        (lambda folder: (folder / "4.png").unlink(), "ends after 3 frames, frame 3 was asked for"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "no images in this folder"),
        (lambda folder: folder.rename(folder.with_name("away")), "no such file"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_it(tmp_path, harm, words):
    write_frames(tmp_path / "wave", 4)
    harm(tmp_path / "wave")
    with pytest.raises(VideoError, match=words) as caught:
        read_at(tmp_path / "wave", range(4), **DEPTH)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_still_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(moving_square(1)[0]).save(path)
    cut(path, 0.7)
    with pytest.raises(VideoError, match="truncated"):
        read_image(path)
