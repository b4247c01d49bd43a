"""A disk under SQLite that fails when it is told to, at a chosen write, sync, truncation or place.

The methods of the file system layer (VFS) that SQLite itself uses are exchanged for ones that
count and may refuse. They are those of the very library that CPython's ``sqlite3`` is linked to,
reached with ctypes: nothing is compiled, nothing is preloaded, the station runs in this process and
every operation is met, also those of the shared memory. A library that intercepts system calls
would need a compiler and a process for every case; ``apsw`` brings an SQLite of its own, and the
product would not run on it. A real full disk is tried in ``tests/store/test_full_disk.py``.

A place that cannot be read stays so when its file is renamed, also for whoever reads it without
SQLite. Nobody waits for a disk meanwhile: the pauses of ``store.opening`` take no time.
"""

import _sqlite3
import builtins
import ctypes
import errno
import io
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from chargepoint.store import opening

_CANNOT_OPEN: Final = sqlite3.SQLITE_CANTOPEN
_FULL: Final = sqlite3.SQLITE_FULL
_IO: Final = sqlite3.SQLITE_IOERR
_CREATE: Final = 0x4
_PAGE: Final = 4096
READ: Final = _IO | 1 << 8
CORRUPT_FS: Final = _IO | 33 << 8
_FIELDS: Final = (
    "close",
    "read",
    "write",
    "truncate",
    "sync",
    "file_size",
    "lock",
    "unlock",
    "check_lock",
    "control",
    "sector_size",
    "traits",
    "shm_map",
    "shm_lock",
    "shm_barrier",
    "shm_unmap",
    "fetch",
    "unfetch",
)
_LAST_OF: Final = {1: 12, 2: 16, 3: 18}  # version of the table -> how many of the fields it has

_Pointer = ctypes.c_void_p
_READ_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int)
_SHM_MAP = ctypes.CFUNCTYPE(
    ctypes.c_int, _Pointer, ctypes.c_int, ctypes.c_int, ctypes.c_int, _Pointer
)
_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, _Pointer, ctypes.c_int, _Pointer)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int)


class _Vfs(ctypes.Structure):
    """``sqlite3_vfs``, as far as it is of interest."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", _Pointer),
        ("name", ctypes.c_char_p),
        ("data", _Pointer),
        ("open", _Pointer),
        ("delete", _Pointer),
    )


class _Methods(ctypes.Structure):
    """``sqlite3_io_methods``."""

    _fields_ = (("version", ctypes.c_int), *((name, _Pointer) for name in _FIELDS))


class _File(ctypes.Structure):
    """``sqlite3_file``."""

    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class Ill(StrEnum):
    """What is wrong with the disk."""

    FULL = "ENOSPC"
    BROKEN = "EIO"


_CODES: Final[dict[str, dict[Ill, int]]] = {
    "write": {Ill.FULL: _FULL, Ill.BROKEN: _IO | 3 << 8},
    "sync": {Ill.FULL: _IO | 4 << 8, Ill.BROKEN: _IO | 4 << 8},
    "truncate": {Ill.FULL: _IO | 6 << 8, Ill.BROKEN: _IO | 6 << 8},
    "shm_map": {Ill.FULL: _IO | 19 << 8, Ill.BROKEN: _IO | 19 << 8},
    "delete": {Ill.FULL: _IO | 10 << 8, Ill.BROKEN: _IO | 10 << 8},
    "create": {Ill.FULL: _CANNOT_OPEN, Ill.BROKEN: _CANNOT_OPEN},
    "read": {Ill.FULL: _IO | 1 << 8, Ill.BROKEN: _IO | 1 << 8},
}


@dataclass
class BadPlace:
    """Bytes of a file, from ``begin`` up to ``end``; reading them fails ``times`` times, or ever.

    ``code`` is what SQLite makes of it: an older one says ``READ``, a newer one ``CORRUPTFS``.
    """

    begin: int
    end: int
    times: int | None = None
    code: int = CORRUPT_FS

    def refuses(self, begin: int, end: int) -> bool:
        """Whether reading these bytes fails now."""
        if self.times == 0 or begin >= self.end or end <= self.begin:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class BadDisk:
    """What the disk does next: well until told otherwise.

    ``count`` is the number of writing operations so far, ``refused`` the kinds of those that
    failed. A write that fails has written half of what it was given, as on a real disk.
    """

    count: int = 0
    refused: list[str] = field(default_factory=list)
    places: dict[int, list[BadPlace]] = field(default_factory=dict)
    reads_refused: int = 0
    _at: int = 0  # the operation that fails first; 0 is none
    _ill: Ill = Ill.BROKEN
    _lasting: bool = False
    _reads: bool = False

    def fail(self, at: int, ill: Ill, *, lasting: bool = False, reads: bool = False) -> None:
        """Fail at operation ``at`` counted from now; ``lasting``: at all later ones, too.

        ``reads``: once it lasts, nothing can be read either.
        """
        self._at, self._ill, self._lasting, self._reads = self.count + at, ill, lasting, reads

    def cannot_read(self, path: Path, place: BadPlace) -> None:
        """Some bytes of a file that is there cannot be read."""
        self.places.setdefault(path.stat().st_ino, []).append(place)

    def unread(self, inode: int, begin: int, size: int) -> BadPlace | None:
        """The place that keeps these bytes of a file from being read."""
        for place in self.places.get(inode, ()):
            if place.refuses(begin, begin + size):
                self.reads_refused += 1
                return place
        return None

    def repair(self) -> None:
        """It is as good as new."""
        self._at = 0
        self.places.clear()

    @property
    def ill(self) -> bool:
        """Whether it refuses everything now."""
        return bool(self._at) and self._lasting and self.count >= self._at

    def refuses(self, kind: str) -> int:
        """The error of this operation; 0 if it may go on."""
        if kind == "read":
            return _CODES[kind][self._ill] if self.ill and self._reads else 0
        self.count += 1
        if not self._at or not (self.count == self._at or self.ill):
            return 0
        self.refused.append(kind)
        return _CODES[kind][self._ill]

    def as_error(self) -> OSError:
        """The same for what is written without SQLite."""
        number = errno.ENOSPC if self._ill is Ill.FULL else errno.EIO
        return OSError(number, os.strerror(number))


@contextmanager
def bad_disk() -> Iterator[BadDisk]:
    """All databases that are opened while the context is open are on this disk.

    Also the reserve file of the store. Files that are open stay on it.
    """
    disk = BadDisk()
    layer = _Layer(disk)
    reserve = os.posix_fallocate

    def fallocate(descriptor: int, offset: int, size: int) -> None:
        if disk.ill:
            raise disk.as_error()
        reserve(descriptor, offset, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "posix_fallocate", fallocate)
        patch.setattr(opening, "sleep", lambda _: None)
        _without_sqlite(disk, patch)
        layer.install()
        try:
            yield disk
        finally:
            disk.repair()
            layer.remove()


def _without_sqlite(disk: BadDisk, patch: pytest.MonkeyPatch) -> None:
    """The same places for reading with Python's own means."""
    sendfile, opened = os.sendfile, io.open

    def sending(target: int, source: int, offset: int, size: int) -> int:
        if os.fstat(source).st_ino in disk.places:
            raise _refusal()
        return sendfile(target, source, offset, size)

    def opening_file(file: Any, mode: str = "r", *given: Any, **named: Any) -> Any:
        found = opened(file, mode, *given, **named)
        if mode == "rb" and os.fstat(found.fileno()).st_ino in disk.places:
            found.close()
            return io.BufferedReader(_Raw(file))
        return found

    patch.setattr(os, "pread", partial(_pread, os.pread, disk))
    patch.setattr(os, "sendfile", sending)
    patch.setattr(io, "open", opening_file)
    patch.setattr(builtins, "open", opening_file)


def _pread(
    own: Callable[[int, int, int], bytes], disk: BadDisk, file: int, size: int, offset: int
) -> bytes:
    """As the kernel does it: a page at a time, up to the first one that is bad."""
    inode = os.fstat(file).st_ino
    if inode in disk.places:
        for page in range(offset - offset % _PAGE, offset + size, _PAGE):
            if disk.unread(inode, page, _PAGE):
                if page <= offset:
                    raise _refusal()
                return own(file, page - offset, offset)
    return own(file, size, offset)


def _refusal() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


class _Raw(io.FileIO):
    """A file with bad places."""

    def readinto(self, buffer: Any) -> int:
        text = os.pread(self.fileno(), len(buffer), self.tell())
        buffer[: len(text)] = text
        self.seek(len(text), os.SEEK_CUR)
        return len(text)


class _Layer:
    """The methods that stand between SQLite and its own; a file that is open keeps them."""

    _alive: Final[list[object]] = []  # what C still points to, for the life of the process

    def __init__(self, disk: BadDisk) -> None:
        self._disk = disk
        library: Any = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._vfs = library.sqlite3_vfs_find(None).contents
        self._open, self._delete = self._vfs.open, self._vfs.delete
        self._tables: dict[int, Any] = {}
        self._inodes: dict[int, int] = {}  # of what SQLite has open, by where its file is in memory

    def install(self) -> None:
        opened, deleted = _OPEN(self._opening), _DELETE(self._deleting)
        self._alive.extend((self, opened, deleted))
        self._vfs.open = ctypes.cast(opened, _Pointer).value
        self._vfs.delete = ctypes.cast(deleted, _Pointer).value

    def remove(self) -> None:
        self._vfs.open, self._vfs.delete = self._open, self._delete

    def _opening(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        path = ctypes.string_at(name).decode() if name else ""
        if flags & _CREATE and path and not os.path.exists(path):  # noqa: PTH110 - in a callback
            error = self._disk.refuses("create")
            if error:
                ctypes.cast(file, ctypes.POINTER(_File)).contents.methods = None
                return error
        code = int(_OPEN(self._open)(vfs, name, file, flags, out))
        opened = ctypes.cast(file, ctypes.POINTER(_File)).contents
        if code == 0 and opened.methods:
            opened.methods = self._wrapped(opened.methods)
            self._inodes[file] = os.stat(path).st_ino if path else 0  # noqa: PTH116 - in a callback
        return code

    def _deleting(self, vfs: int, name: int, sync: int) -> int:
        return self._disk.refuses("delete") or int(_DELETE(self._delete)(vfs, name, sync))

    def _wrapped(self, methods: Any) -> Any:
        """The same table with our methods in it; one for each that SQLite has."""
        own = methods.contents
        address = ctypes.addressof(own)
        if address not in self._tables:
            table = _Methods()
            names = _FIELDS[: _LAST_OF[own.version]]
            table.version = own.version
            for name in names:
                setattr(table, name, getattr(own, name))
            for name, kind, method in self._methods(own):
                if name in names and getattr(own, name):
                    callback = kind(method)
                    self._alive.append(callback)
                    setattr(table, name, ctypes.cast(callback, _Pointer).value)
            self._alive.append(table)
            self._tables[address] = ctypes.pointer(table)
        return self._tables[address]

    def _methods(self, own: Any) -> Iterator[tuple[str, Any, Callable[..., int]]]:
        read, write = _READ_WRITE(own.read), _READ_WRITE(own.write)
        truncate, sync = _TRUNCATE(own.truncate), _SYNC(own.sync)
        refuses = self._disk.refuses

        def writing(file: int, data: int, size: int, offset: int) -> int:
            error = refuses("write")
            if not error:
                return int(write(file, data, size, offset))
            write(file, data, size // 2, offset)
            return error

        def reading(file: int, data: int, size: int, offset: int) -> int:
            bad = self._disk.unread(self._inodes.get(file, 0), offset, size)
            if bad is not None:
                return bad.code
            return refuses("read") or int(read(file, data, size, offset))

        yield "write", _READ_WRITE, writing
        yield "read", _READ_WRITE, reading
        yield "truncate", _TRUNCATE, lambda file, size: refuses("truncate") or truncate(file, size)
        yield "sync", _SYNC, lambda file, flags: refuses("sync") or sync(file, flags)
        if own.version > 1 and own.shm_map:
            shm_map = _SHM_MAP(own.shm_map)

            def mapping(file: int, part: int, size: int, extend: int, out: int) -> int:
                error = refuses("shm_map") if extend else 0
                return error or int(shm_map(file, part, size, extend, out))

            yield "shm_map", _SHM_MAP, mapping
