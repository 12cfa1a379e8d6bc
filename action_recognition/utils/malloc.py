"""How the process treats memory that tensors gave back."""

import ctypes

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Keep memory that large tensors gave back, for the next ones, instead of returning it to the system.

    Computing on a CPU, glibc otherwise maps every activation anew, and touching new pages can take as long as filling
    them does: extracting frozen features took half the time without. For a process that ends with its job; in a server
    memory would never shrink.

    Returns:
        False where there is no glibc, and nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))
