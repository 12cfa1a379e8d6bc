"""Videos: containers of all sorts damaged, headers that lie, files that only look like videos, and strange names.

Labelled with the ONNX file. Right is a probability for each class that adds up to one, for what could be decoded; a
good video beside a bad one keeps its label.
"""

import math
import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import av
import numpy as np
from helpers.support import moving_square, write_video
from hostile.damage import damaged, overwrite_head, truncate
from hostile.material import CONTAINERS, GOOD, encode, predict_words, probabilities_of
from hostile.outcomes import REFUSED, RIGHT, Outcome, judge, run_command

from action_recognition.video.pixel_limit import DEFAULT_MAX_PIXELS

Made = tuple[str, str, str]  # the source as it is named, what it is, what has to become of it

NAMES = (
    b"caf\xe9.avi",
    b"\xff\xfe\xfd.avi",
    b"\xe2\x82.avi",
    b"12:30:00.avi",
    b"file:clip.avi",
    b"http:clip.avi",
    b"concat:a.avi|b.avi",
    b"pipe:0",
    b"line\nfeed.avi",
    b"carriage\rreturn.avi",
    b"\x1b[31mred\x1b[0m.avi",
    b"\x1b]0;title\x07.avi",
    b"bell\x07.avi",
    b"-clip.avi",
    b"--help.avi",
    b"2024",
    b"0",
    b"-1",
    b"1e5",
    b"nan",
    b"None",
    b"True",
    b"[a]",
    b"{a: 1}",
    b"(1,2)",
    b"'quoted'",
    b"key=value.avi",
    b"data=folder",
    b"%d.avi",
    b"%05d.avi",
    b"frame*.avi",
    b"a\\b.avi",
    b"$HOME.avi",
    b"~",
    b"*",
    b"[bold]x[/bold].avi",
    b"[/].avi",
    b"[0:2]",
    b"clip.avi[0:4]",
    b" ",
    b" .avi",
    b".avi",
    b"..avi",
    b"clip.AVI",
    b"clip",
    b"clip.avi.",
    b"\xe2\x80\xaetxt.avi",
    b"\xc2\x9b31m.avi",
    b"x" * 250 + b".avi",
    "кино.avi".encode(),
    "映像.avi".encode(),
    "e\u0301.avi".encode(),
)
PLAYLISTS = {
    "itself.ffconcat": "ffconcat version 1.0\nfile itself.ffconcat\n",
    "other.ffconcat": "ffconcat version 1.0\nfile {good}\n",
    "named.mp4": "ffconcat version 1.0\nfile {good}\n",
    "itself.avi": "ffconcat version 1.0\nfile itself.avi\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{good}\n#EXT-X-ENDLIST\n",
    "itself.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nitself.m3u8\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{good}\n#EXT-X-ENDLIST\n",
    "away.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "manifest.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet><Representation id="1"><BaseURL>{good}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "slides.avi": "file '{good}'\n",
    "tee.avi": "[f=avi]{good}|[f=avi]{good}\n",
    "metadata.mp4": ";FFMETADATA1\ntitle=x\n",
    "subtitles.mkv": "1\n00:00:00,000 --> 00:00:09,000\nhello\n",
    "text.avi": "This is a text, not a video.\n" * 40,
    "script.mp4": "#!/bin/sh\ntouch ran\n",
    "svg.mp4": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{good}"/></svg>',
    "avs.avi": 'AviSource("{good}")\n',
    "vpy.avi": 'import os\nos.system("touch ran")\n',
}


def warm_up(material: Path) -> None:
    """Load what every attempt needs, so that an input's memory is its own."""
    import torch  # noqa: F401

    work = Path(tempfile.mkdtemp(prefix="warm-up-", dir=material))
    run_command(predict_words(material, "onnx", material / "model.onnx", work / "answer.json"), work)


def attempt(chance: Random, number: int, material: Path, work: Path) -> Outcome:
    folder = work / "in"
    folder.mkdir()
    make: Callable[..., Made]
    if number < len(NAMES):
        source, what, must = named(folder, material, NAMES[number])
    elif number < len(NAMES) + len(PLAYLISTS):
        source, what, must = playlist(folder, material, number - len(NAMES))
    else:
        make = SPECIAL[(number // 4) % len(SPECIAL)] if number % 4 == 0 else damaged_video
        source, what, must = make(folder, material, chance)
    beside = chance.random() < 0.2 and must != RIGHT
    good = folder / "good-one.avi"
    if beside:
        good.write_bytes((material / "good" / GOOD).read_bytes())
    output = work / "answer.json"
    sources = (source, str(good)) if beside else (source,)
    said = run_command(predict_words(material, "onnx", material / "model.onnx", output, *sources), folder)
    if (folder / "ran").exists():
        return Outcome(verdict="wrong", what=what, line="ran a program")
    if beside and said.code and not said.trace and not what.startswith("a name"):
        expected = probabilities_of(material / "expected-onnx.json")
        if not output.exists() or probabilities_of(output) != expected:
            return Outcome(verdict="wrong", what=f"{what}, beside a good one", line="the good one's label is lost")
    return judge(said, what, right=lambda: distributions(output), must=must)


def distributions(output: Path) -> str:
    """What is wrong with the probabilities of an answer."""
    answers = probabilities_of(output)
    if not answers:
        return "succeeds without a prediction"
    for answer in answers:
        total = sum(answer.values())
        if not all(math.isfinite(value) and 0 <= value <= 1 for value in answer.values()) or abs(total - 1) > 1e-3:
            return f"no probabilities: {answer}"
    return ""


def damaged_video(folder: Path, material: Path, chance: Random) -> Made:
    name = chance.choice((GOOD, *CONTAINERS))
    content, how = damaged((material / "good" / name).read_bytes(), chance)
    (folder / name).write_bytes(content)
    return str(folder / name), f"{name}: {how}", ""


def named(folder: Path, material: Path, name: bytes) -> Made:
    """A good video under a strange name, given relative to the folder."""
    shown = f"a name: {name[:40]!r}"
    if b"/" in name:
        return str(folder), shown, ""
    Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes((material / "good" / GOOD).read_bytes())
    either = name.startswith(b"-") or not name.strip() or not name.isascii()
    return os.fsdecode(name), shown, "" if either else RIGHT


def playlist(folder: Path, material: Path, number: int) -> Made:
    name, text = list(PLAYLISTS.items())[number]
    (folder / name).write_text(text.replace("{good}", str(material / "good" / GOOD)))
    return str(folder / name), f"a text called {name}", REFUSED


def spliced(folder: Path, material: Path, chance: Random) -> Made:
    """The beginning of one file and the end of another."""
    one, other = chance.sample((GOOD, *CONTAINERS), 2)
    first, second = ((material / "good" / name).read_bytes() for name in (one, other))
    cut, rest = chance.randrange(len(first)), chance.randrange(len(second))
    (folder / one).write_bytes(first[:cut] + second[rest:])
    return str(folder / one), f"{cut} bytes of {one}, then {other} from {rest} on", ""


def other_suffix(folder: Path, material: Path, chance: Random) -> Made:
    name = chance.choice((GOOD, *CONTAINERS))
    path = folder / f"clip{chance.choice(('.avi', '.mp4', '.mkv', '.png', '.txt', '', '.m3u8', '.ffconcat'))}"
    path.write_bytes((material / "good" / name).read_bytes())
    return str(path), f"{name} under the name {path.name}", ""


def header_sizes(folder: Path, material: Path, chance: Random) -> Made:
    """AVI: width and height in the main header and in the stream's."""
    content = bytearray((material / "good" / GOOD).read_bytes())
    sides = chance.choice(((0, 0), (1, 1), (120000, 1), (1, 120000), (65535, 65535), (2**31 - 1, 2**31 - 1), (-1, -1)))
    packed = struct.pack("<ii", *sides)
    at = chance.sample((64, content.index(b"strf") + 12), chance.choice((1, 2)))
    for start in at:
        content[start : start + 8] = packed
    (folder / "sizes.avi").write_bytes(content)
    return str(folder / "sizes.avi"), f"an AVI header of {sides[0]} x {sides[1]} at {at}", ""


def long_side(folder: Path, material: Path, chance: Random) -> Made:
    """Few bytes that hold very many pixels once the short side is scaled up."""
    wide, narrow = chance.choice((16_000, 30_000, 64_000)), chance.choice((1, 2, 16))
    height, width = (wide, narrow) if chance.random() < 0.5 else (narrow, wide)
    frames = np.zeros((8, height, width, 3), dtype=np.uint8)
    kind = chance.choice((("avi", "ffv1", "yuv444p"), ("avi", "mjpeg", "yuvj444p"), ("mkv", "ffv1", "yuv444p")))
    path = folder / f"long.{kind[0]}"
    container = "matroska" if kind[0] == "mkv" else kind[0]
    encode(path, frames, container=container, codec=kind[1], pixels=kind[2])
    return str(path), f"{width} x {height} pixels in {path.stat().st_size} bytes of {kind[1]}", ""


def large_picture(folder: Path, material: Path, chance: Random) -> Made:
    height, width = chance.choice(((4096, 4096), (4320, 8192), (8192, 8192)))
    path = folder / "large.avi"
    # One plane, one thread and PNG (FFV1 takes a gigabyte): what is measured is decoding, not encoding.
    frame = av.VideoFrame.from_ndarray(np.zeros((height, width), dtype=np.uint8), format="gray")
    with av.open(str(path), "w") as out:
        stream = out.add_stream("png", rate=25, options={"threads": "1"})
        stream.height, stream.width, stream.pix_fmt = height, width, "gray"
        for _ in range(2):
            frame.pts = None
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    expected = REFUSED if height * width > DEFAULT_MAX_PIXELS else ""
    return str(path), f"{width} x {height} pixels in {path.stat().st_size} bytes", expected


def free_boxes(folder: Path, material: Path, chance: Random) -> Made:
    count = chance.choice((1, 1000, 2_000_000))
    length = chance.choice((8, 8, 0, 1, 7))
    (folder / "free.mp4").write_bytes((length.to_bytes(4, "big") + b"free") * count)
    return str(folder / "free.mp4"), f"{count} `free` boxes that say they have {length} bytes", REFUSED


def nested_boxes(folder: Path, material: Path, chance: Random) -> Made:
    depth, content = chance.choice((10, 1000, 20_000)), b""
    for _ in range(depth):
        content = (len(content) + 8).to_bytes(4, "big") + chance.choice((b"moov", b"trak", b"meta")) + content
        if len(content) > 200_000:
            break
    head = bytes.fromhex("00000014667479706d703432000000006d703432")
    (folder / "nested.mp4").write_bytes(head + content)
    return str(folder / "nested.mp4"), f"{depth} boxes in each other", REFUSED


def riff_lies(folder: Path, material: Path, chance: Random) -> Made:
    content, how = overwrite_head((material / "good" / GOOD).read_bytes(), chance)
    cut, how_cut = truncate(content, chance) if chance.random() < 0.3 else (content, "whole")
    (folder / "riff.avi").write_bytes(cut)
    return str(folder / "riff.avi"), f"{GOOD}: {how}, {how_cut}", ""


def no_video(folder: Path, material: Path, chance: Random) -> Made:
    what = chance.choice(("empty", "zeros", "noise", "one byte", "bits of a name", "picture", "one frame"))
    path = folder / "clip.avi"
    if what == "one frame":
        write_video(path, moving_square(1))
        return str(path), what, REFUSED
    if what == "picture":
        (_, image), path = (0, (material / "stills/images/Image_0.png").read_bytes()), folder / "picture.avi"
        path.write_bytes(image)
        return str(path), what, ""
    contents = {"empty": b"", "zeros": bytes(5000), "noise": chance.randbytes(5000), "one byte": b"R"}
    path.write_bytes(contents.get(what, b"RIFF\0\0\0\0AVI "))
    return str(path), what, REFUSED


def no_file(folder: Path, material: Path, chance: Random) -> Made:
    what = chance.choice(("folder", "fifo", "loop", "dangling", "missing", "empty name", "device", "null", "socket"))
    path = folder / "clip.mp4"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path)
    elif what == "dangling":
        path.symlink_to(folder / "gone.mp4")
    elif what == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as listening:
            before = Path.cwd()
            os.chdir(folder)
            listening.bind("clip.mp4")
            os.chdir(before)
    sources = {"empty name": "", "device": "/dev/zero", "null": "/dev/null"}
    return sources.get(what, str(path)), what, REFUSED


def strange_folder(folder: Path, material: Path, chance: Random) -> Made:
    """A folder of videos that holds what is none: a FIFO, a loop, a name that is not UTF-8, nothing readable."""
    inside = folder / "inside"
    inside.mkdir()
    (inside / "good.avi").write_bytes((material / "good" / GOOD).read_bytes())
    what = chance.choice(("a FIFO", "a loop", "itself", "no UTF-8", "a hidden file", "an empty one"))
    if what == "a FIFO":
        os.mkfifo(inside / "fifo.mp4")
    elif what == "a loop":
        (inside / "loop.mp4").symlink_to(inside / "loop.mp4")
    elif what == "itself":
        (inside / "again").symlink_to(inside)
    elif what == "no UTF-8":
        Path(os.fsdecode(bytes(inside) + b"/caf\xe9.avi")).write_bytes((material / "good" / GOOD).read_bytes())
    elif what == "a hidden file":
        (inside / ".hidden.avi").write_bytes(b"no video")
    else:
        (inside / "empty.avi").touch()
    return str(inside), f"a folder with {what}", ""


SPECIAL = (
    spliced,
    other_suffix,
    header_sizes,
    long_side,
    free_boxes,
    no_file,
    riff_lies,
    no_video,
    nested_boxes,
    strange_folder,
    large_picture,
    header_sizes,
    no_file,
)
