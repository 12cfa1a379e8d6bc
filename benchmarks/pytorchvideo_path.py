"""The peer of `input_pipeline.py`: how PyTorchVideo reads a clip, up to the same batch.

Its release on PyPI (0.1.5) does not run here whole: `pytorchvideo.transforms` imports
`torchvision.transforms.functional_tensor`, which torchvision has removed. So these are the calls that its
`EncodedVideo.from_path(...).get_clip(...)` makes of PyAV, and the steps of its `UniformTemporalSubsample`,
`ShortSideScale` and `CenterCrop`, in the same order.
"""

import io
import math
from fractions import Fraction
from pathlib import Path

import av
import torch
import torch.nn.functional as F
from torch import Tensor

SEEK_MARGIN_PTS = 1024
# Tags of HMDB51's files are not UTF-8; from PyAV 19 on that is no error.
LENIENT = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}


def get_clip(path: Path, start_seconds: Fraction, end_seconds: Fraction) -> Tensor:
    """All frames of a span of time, float32 `[C, T, H, W]`, 0-255."""
    with av.open(io.BytesIO(path.read_bytes()), **LENIENT) as container:
        stream = container.streams.video[0]
        begin = stream.start_time or 0
        start_pts = math.ceil(start_seconds / stream.time_base) + begin
        end_pts = math.ceil(end_seconds / stream.time_base) + begin
        container.seek(max(start_pts - SEEK_MARGIN_PTS, 0), any_frame=False, backward=True, stream=stream)
        frames = {}
        for frame in container.decode(video=0):
            if start_pts <= frame.pts < end_pts:
                frames[frame.pts] = frame
            elif frame.pts >= end_pts:
                break
        decoded = [torch.from_numpy(frames[pts].to_rgb().to_ndarray()) for pts in sorted(frames)]
    return torch.stack(decoded).permute(3, 0, 1, 2).to(torch.float32)


def uniform_temporal_subsample(clip_CTHW: Tensor, frames: int) -> Tensor:
    places = torch.linspace(0, clip_CTHW.shape[1] - 1, frames).clamp(0, clip_CTHW.shape[1] - 1).long()
    return torch.index_select(clip_CTHW, 1, places)


def short_side_scale(clip_CTHW: Tensor, size: int) -> Tensor:
    height, width = clip_CTHW.shape[-2:]
    scaled = (size, int(width / height * size)) if height <= width else (int(height / width * size), size)
    return F.interpolate(clip_CTHW, size=scaled, mode="bilinear", align_corners=False)


def center_crop(clip_CTHW: Tensor, size: int) -> Tensor:
    height, width = clip_CTHW.shape[-2:]
    top, left = round((height - size) / 2), round((width - size) / 2)
    return clip_CTHW[..., top : top + size, left : left + size]


def read_clip(path: Path, *, start: int, span: int, fps: float, frames: int, size: int) -> Tensor:
    """uint8 `[C, frames, size, size]` of `span` frames of video from frame `start` on."""
    rate = Fraction(fps).limit_denominator(1001)
    clip_CTHW = get_clip(path, start / rate, (start + span) / rate)
    clip_CTHW = short_side_scale(uniform_temporal_subsample(clip_CTHW, frames), size)
    return center_crop(clip_CTHW, size).to(torch.uint8)
