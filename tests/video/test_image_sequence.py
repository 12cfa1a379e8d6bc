"""The size in an image's header is the size that Pillow finds, for every way to write it; damage gives no size."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from action_recognition.video.image_sequence import image_size, read_image

WIDTH, HEIGHT = 301, 77
WAYS = {
    "png": {"format": "PNG"},
    "jpeg": {"format": "JPEG"},
    "progressive jpeg": {"format": "JPEG", "progressive": True, "exif": b"Exif\0\0" + bytes(500)},
    "bmp": {"format": "BMP"},
    "tiff": {"format": "TIFF"},
    "lzw tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    "big tiff": {"format": "TIFF", "big_tiff": True},
    "webp": {"format": "WEBP"},
    "lossless webp": {"format": "WEBP", "lossless": True},
    "extended webp": {"format": "WEBP", "exif": b"Exif\0\0" + bytes(20)},
    "gif": {"format": "GIF"},
    "ppm": {"format": "PPM"},
}


def written(way: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, **WAYS[way])
    return file.getvalue()


@pytest.mark.parametrize("way", WAYS)
def test_the_size_is_the_one_that_is_decoded(way, tmp_path):
    content = written(way)
    assert image_size(content) == (WIDTH, HEIGHT)
    path = tmp_path / "image.png"  # the suffix decides nothing
    path.write_bytes(content)
    assert read_image(path).shape == (HEIGHT, WIDTH, 3)


def test_stray_bytes_between_segments_are_passed_over(tmp_path):
    content = written("jpeg")
    segment = 2 + 2 + int.from_bytes(content[4:6], "big")
    sloppy = content[:segment] + b"\0\1\2" + content[segment:]
    assert image_size(sloppy) == (WIDTH, HEIGHT)
    (tmp_path / "a.jpg").write_bytes(sloppy)
    assert read_image(tmp_path / "a.jpg").shape == (HEIGHT, WIDTH, 3)


def test_comments_in_a_pgm_are_no_numbers():
    assert image_size(b"P5\n# 9 9 by a scanner\n12 # wide\n7\n255\n" + bytes(84)) == (12, 7)


def test_pixels_of_which_no_memory_has_enough_have_a_size():
    """2 kB of PNG can claim 3.6 billion pixels; Pillow alone would refuse to tell."""
    header = struct.pack(">4sIIBBBBB", b"IHDR", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    limit = Image.MAX_IMAGE_PIXELS
    assert image_size(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))) == (
        60000,
        60000,
    )
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    "content", [b"", b"text", b"P5", b"P6\nx y", b"BM", b"GIF89a", bytes(100), b"\xff\xd8\xff\xe0"]
)
def test_what_is_no_image_has_no_size(content):
    assert image_size(content) is None
