"""How the C library hands out memory, where that can be chosen (glibc, mallopt(3))."""

import ctypes
from typing import Final

_ARENA_MAX: Final = -8  # M_ARENA_MAX of malloc.h


def one_arena() -> bool:
    """Let all threads share one arena; whether the library does.

    Each thread has one of its own otherwise, and what is free in it is of no use to others. A
    station's threads wait for disks and names, hardly ever for each other's memory: this saves it
    about a megabyte. To be called before there are threads.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_ARENA_MAX, 1))
