"""The size of an image by its header, known before a decoder takes memory for all of its pixels."""

import io
import threading
import warnings

from PIL import Image

# What OpenCV decodes too. A format is told by its first bytes, not by a suffix.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_LIMIT = threading.Lock()


def image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height as the header has them; None for what has no header of a known format."""
    # Pillow refuses large images without telling their size. Ours is the limit that counts.
    with _LIMIT, warnings.catch_warnings(action="ignore"):
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                return image.size
        except Exception:  # a damaged header raises whatever its format's reader meets
            return None
        finally:
            Image.MAX_IMAGE_PIXELS = limit
