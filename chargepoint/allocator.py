"""How the C library hands out memory, where that can be chosen (glibc, mallopt(3))."""

import ctypes
from typing import Final

# Of malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8

LARGE: Final = 128 * 1024  # bytes


def be_thrifty() -> bool:
    """Have the library keep little memory that nobody uses; whether it does.

    All threads share one arena: what is free in that of one thread is of no use to another, and a
    station's threads wait for disks and names, hardly ever for each other's memory. A block that is
    ``LARGE`` is memory of its own and goes back to the machine when it is free. Otherwise the
    library takes such blocks from the heap once it has met one, and what a single giant message
    took stays, with whatever came to lie above it. To be called before there are threads.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    taken = [
        mallopt(name, value)
        for name, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, LARGE), (_TRIM_THRESHOLD, LARGE))
    ]
    return all(taken)
