"""How the process treats memory that tensors have freed."""

import ctypes

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Keep memory that large tensors have freed for the next ones, instead of returning it to the system.

    On a CPU, glibc otherwise maps every activation anew, and touching new pages can take as long as filling them:
    this halved the time to extract frozen features. Only for a process that ends with its job: its memory never
    shrinks.

    Returns:
        False if there is no glibc, and nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))
