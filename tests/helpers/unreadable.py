"""Files that cannot be read, for many reasons, and a process without root's right to read everything."""

import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

VERSION_3 = 0x20080522
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
PLAYLISTS = {
    "itself.avi": "ffconcat version 1.0\nfile {name}\n",
    "other.mkv": "ffconcat version 1.0\nfile {good}\n",
    "playlist.ts": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{good}\n#EXT-X-ENDLIST\n",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "manifest.webm": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period/></MPD>",
}


@contextmanager
def permissions_that_count() -> Iterator[None]:
    """Drop root's right to ignore permissions in the block; tests often run as root."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = struct.pack("Ii", VERSION_3, 0), ctypes.create_string_buffer(24)
    if not hasattr(libc, "capget") or libc.capget(header, data) != 0:
        pytest.skip("permissions cannot be made to count here")
    before = data.raw
    numbers = list(struct.unpack("6I", before))
    numbers[0] &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)  # the effective ones, which can be restored
    if libc.capset(header, struct.pack("6I", *numbers)) != 0:
        pytest.skip("permissions cannot be made to count here")
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


def put_unreadable(folder: Path, good: Path, *, latin1: bool = False) -> list[str]:
    """Fill `folder` with files that have a video's suffix and cannot be read; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "folder.avi").mkdir()
    os.mkfifo(folder / "pipe.avi")
    (folder / "nowhere.avi").symlink_to("gone.avi")
    (folder / "circle.avi").symlink_to("circle.avi")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket may have about 100 bytes
        listener.bind("socket.avi")
        os.chdir(here)
    (folder / "forbidden.avi").write_bytes(good.read_bytes())
    (folder / "forbidden.avi").chmod(0)
    (folder / "empty.avi").touch()
    (folder / "red\x1b[31m\n.avi").write_bytes(b"text")
    if latin1:
        (folder / "caf\udce9.avi").write_bytes(good.read_bytes()[:-500])
    for name, content in PLAYLISTS.items():
        (folder / name).write_text(content.format(name=name, good=good))
    return sorted(path.name for path in folder.iterdir())
