"""Ways to damage bytes, shared by all kinds of files."""

from random import Random


def flip_bits(content: bytes, chance: Random, *, most: int = 20) -> tuple[bytes, str]:
    damaged, count = bytearray(content), chance.randint(1, most)
    for _ in range(count):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged), f"{count} bits flipped"


def truncate(content: bytes, chance: Random) -> tuple[bytes, str]:
    length = chance.randrange(len(content))
    return content[:length], f"cut after {length} of {len(content)} bytes"


def overwrite(content: bytes, chance: Random) -> tuple[bytes, str]:
    start = chance.randrange(len(content))
    length = min(chance.choice((1, 4, 16, 256, 4096)), len(content) - start)
    filler = chance.choice((b"\0" * length, b"\xff" * length, chance.randbytes(length)))
    return content[:start] + filler + content[start + length :], f"{length} bytes at {start} overwritten"


def overwrite_head(content: bytes, chance: Random) -> tuple[bytes, str]:
    """Where formats keep sizes and counts."""
    damaged, start = bytearray(content), chance.randrange(min(512, len(content)))
    number = chance.choice((0, 1, 0x7F, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 120000, 65535))
    order = chance.choice(("big", "little"))
    damaged[start : start + 4] = number.to_bytes(4, order)  # type: ignore[arg-type]
    return bytes(damaged[: len(content)]), f"{number} written at {start}, {order} end first"


def remove_piece(content: bytes, chance: Random) -> tuple[bytes, str]:
    start = chance.randrange(len(content))
    length = chance.randint(1, max(1, len(content) // 4))
    return content[:start] + content[start + length :], f"{length} bytes at {start} taken out"


def repeat_piece(content: bytes, chance: Random) -> tuple[bytes, str]:
    start = chance.randrange(len(content))
    length, times = chance.randint(1, max(1, len(content) // 4)), chance.choice((2, 10))
    piece = content[start : start + length]
    return content[:start] + piece * times + content[start + length :], f"{length} bytes at {start} {times} times"


def append_garbage(content: bytes, chance: Random) -> tuple[bytes, str]:
    length = chance.choice((1, 100, 100_000))
    return content + chance.randbytes(length), f"{length} random bytes at the end"


DAMAGES = (flip_bits, flip_bits, truncate, truncate, overwrite, overwrite_head, overwrite_head)
DAMAGES += (remove_piece, repeat_piece, append_garbage)


def damaged(content: bytes, chance: Random) -> tuple[bytes, str]:
    """`content` with one or two kinds of damage, and what was done to it."""
    done = []
    for _ in range(chance.choice((1, 1, 1, 2))):
        if content:
            content, how = chance.choice(DAMAGES)(content, chance)
            done.append(how)
    return content, ", ".join(done)
