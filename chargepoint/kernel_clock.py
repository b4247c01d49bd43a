"""Whether somebody keeps the kernel's clock right: NTP, PTP, a receiver (Linux, adjtimex(2))."""

import ctypes
import sys
from functools import lru_cache
from typing import Any, Final

_UNSYNCHRONISED: Final = 5  # TIME_ERROR
_BUFFER: Final = 512  # struct timex is 208 bytes on 64-bit machines, 128 on others


def disciplined() -> bool:
    """True only if the kernel says so; a look costs about a microsecond and needs no right."""
    call = _adjtimex()
    if call is None:
        return False
    buffer = ctypes.create_string_buffer(_BUFFER)  # modes, the first member, is 0: nothing is set
    state = int(call(buffer))
    return 0 <= state < _UNSYNCHRONISED


@lru_cache(maxsize=1)
def _adjtimex() -> Any:  # noqa: ANN401 - a function of libc
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
