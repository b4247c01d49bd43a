"""Reads files of which a disk cannot read some places: copies all the rest of them.

A cell of a memory that died makes every read of its place fail (EIO), often after seconds. So a bad
place is read as seldom as can be: what follows it is tried in steps that double until something can
be read, and from there back to the bad place. After ``_REFUSED_MOST`` refusals, or ``_REFUSED_S``
spent on them, the rest of the file is left out: a start must come to an end. What is left out is
in the copy as bytes that are no page of a database, no text and no JSON, so that no row of them is
taken for one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Final

BLOCK: Final = 4096
"""What is read at least: a page of the kernel, and of the database."""
_CHUNK: Final = 1 << 18
_STEP_MOST: Final = 1 << 20
_REFUSED_MOST: Final = 200
_REFUSED_S: Final = 30.0  # a service has two minutes for its start
_LEFT_OUT: Final = b"\xff"


def is_refused(path: Path) -> bool:
    """Whether the disk cannot read some place of a file; ends at the first one."""
    with suppress(FileNotFoundError), _opened(path, os.O_RDONLY) as file:
        size, place = os.fstat(file).st_size, 0
        while place < size:
            try:
                text = os.pread(file, _CHUNK, place)
            except OSError:
                return True
            if not text:
                break
            place += len(text)
    return False


def copy(source: Path, target: Path) -> int:
    """Copy what can be read; how many bytes were left out.

    Raises:
        OSError: the copy cannot be written.
    """
    with _opened(source, os.O_RDONLY) as old, _opened(target, os.O_RDWR | os.O_CREAT) as new:
        size, end = os.fstat(old).st_size, 0
        left_out = size
        for place, text in _pieces(old, size):
            _fill(new, end, place)
            _write(new, text, place)
            left_out -= len(text)
            end = place + len(text)
        _fill(new, end, size)
    return left_out


def check(folder: Path) -> None:
    """Write a file into a folder and read it back, past all memory there is in between.

    Raises:
        OSError: the disk is not there, or takes nothing.
    """
    path = folder / "probe"
    text = os.urandom(BLOCK)
    try:
        with _opened(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as file:
            os.posix_fallocate(file, 0, BLOCK)
            _write(file, text, 0)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            if os.pread(file, BLOCK, 0) != text:
                raise OSError(f"{path}: what was written is not what is read")
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _pieces(file: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The pieces that can be read and their places, from the begin to the end."""
    place = bad_until = 0
    step, refused, spent = BLOCK, 0, 0.0
    while place < size and refused < _REFUSED_MOST and spent < _REFUSED_S:
        began = monotonic()
        try:
            text = os.pread(file, _CHUNK, place)
        except OSError:
            text = b""
        if len(text) < min(_CHUNK, size - place):
            spent += monotonic() - began  # also where it came up to a bad place
        if text:
            if step > BLOCK:
                yield from _back(file, bad_until, place)
                refused += place > bad_until
            step = BLOCK
            yield place, text
            place += len(text)
        else:
            refused += 1
            bad_until = place + BLOCK
            place += step
            step = min(2 * step, _STEP_MOST)
            if place >= size > bad_until:
                yield from _back(file, bad_until, -(-size // BLOCK) * BLOCK)


def _back(file: int, low: int, high: int) -> Iterator[tuple[int, bytes]]:
    """What can be read before ``high`` without a gap, at most from ``low`` on; in its order."""
    found = []
    for place in range(high - BLOCK, low - 1, -BLOCK):
        try:
            text = os.pread(file, BLOCK, place)
        except OSError:
            break
        found.append((place, text))
    yield from reversed(found)


def _fill(file: int, begin: int, end: int) -> None:
    for place in range(begin, end, _CHUNK):
        _write(file, _LEFT_OUT * min(_CHUNK, end - place), place)


def _write(file: int, text: bytes, place: int) -> None:
    while text:
        written = os.pwrite(file, text, place)
        text, place = text[written:], place + written


@contextmanager
def _opened(path: Path, how: int) -> Iterator[int]:
    descriptor = os.open(path, how | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
