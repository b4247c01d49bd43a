"""Raw answers of an FTP server: to a download, and with the first byte odd to an upload.

What is said on the control connection, and behind the byte 0x1E what comes as data.
"""

import atexit
import io
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from unittest import mock

from loopback import LOOPBACK

from chargepoint.core.transfer import Location, Scheme, parse_location
from chargepoint.station import transfer_ftp
from chargepoint.station.transfer import TransferFailed, Trust

MODULES = ("chargepoint.station.transfer_ftp", "chargepoint.station.transfer")
LONGEST = 1024
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-ftp-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
MOST = 10_000
HERE = Trust(reach=LOOPBACK)
BETWEEN = b"\x1e"
WORDS = (
    "220 hello\r\n", "230 in\r\n", "331 who\r\n", "200 fine\r\n", "213 5\r\n", "150 here\r\n",
    "227 Passive (127,0,0,1,4,1)\r\n", "229 Extended (|||1025|)\r\n", "226 done\r\n",
    "250 cwd\r\n", "221 bye\r\n", "530 no\r\n", "550 no\r\n", "500 what\r\n", "502 not\r\n",
    "220-more\r\n", "999999", "-1", "|||", "150 here (5 bytes)\r\n", "\u001e",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    login = b"220 hello\r\n331 who\r\n230 in\r\n"
    data = b"227 Passive (127,0,0,1,4,1)\r\n150 here\r\n226 done\r\n221 bye\r\n"
    extended = b"229 Extended (|||1025|)\r\n150 here (5 bytes)\r\n226 done\r\n221 bye\r\n"
    for kind in (b"\x00", b"\x01"):
        yield kind + login + b"200 fine\r\n213 5\r\n" + data + BETWEEN + b"hello"
        yield kind + login + b"250 in\r\n200 fine\r\n" + data + BETWEEN
        yield kind + login + b"200 fine\r\n550 no\r\n" + extended + BETWEEN + b"hello"
        yield kind + b"220-hello\r\n more\r\n220 end\r\n530 no\r\n"
        yield kind + b"500 what\r\n"


class _Wire:
    """A socket to the server; what is sent to it is thrown away."""

    family = socket.AF_INET6

    def __init__(self, said: bytes) -> None:
        self._said = io.BytesIO(said)

    def makefile(self, _mode: str, encoding: str, **_: Any) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._said, encoding=encoding, newline="\n")

    def recv(self, size: int) -> bytes:
        return self._said.read(size)

    def sendall(self, data: bytes) -> None:
        assert data

    def settimeout(self, _: float) -> None:
        pass

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 21

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def run(data: bytes) -> str:
    said, _, content = data[1:].partition(BETWEEN)
    wires = [_Wire(said), _Wire(content)]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> _Wire:
        if not 0 <= address[1] <= 0xFFFF:
            raise socket.gaierror(-8, "Servname not supported for ai_socktype")
        if not wires:
            raise ConnectionRefusedError(111, "Connection refused")
        return wires.pop(0)

    place = parse_location("ftp://user:secret@127.0.0.1/pub/file", frozenset(Scheme))

    def control(host: str, port: int, *_: Any) -> _Wire:
        return connect((host, port))

    with (
        mock.patch.object(transfer_ftp, "connected", control),
        mock.patch.object(socket, "create_connection", connect),
    ):
        try:
            (_upload if data[:1] and data[0] & 1 else _download)(place)
        except TransferFailed as failed:
            assert "secret" not in str(failed)
            return f"{failed.trouble}: {failed}"[:60]
    return "fine"


def _download(place: Location) -> None:
    """What ``transfer_ftp.download`` does in its thread."""
    work: list[Any] = []

    async def here(_place: Location, _trust: Trust, fetch: Any) -> None:
        work.append(fetch)

    _drive(
        transfer_ftp.download,
        (place, FOLDER / "file.part", MOST, HERE, None),
        here,
        work,
    )
    _session(place, work[0])
    assert (FOLDER / "file.part").stat().st_size <= MOST


def _upload(place: Location) -> None:
    source = FOLDER / "log.tgz"
    source.write_bytes(b"log")
    work: list[Any] = []

    async def here(_place: Location, _trust: Trust, put: Any) -> None:
        work.append(put)

    _drive(transfer_ftp.upload, (place, source, HERE), here, work)
    _session(place, work[0])


def _drive(way: Any, given: tuple[Any, ...], here: Any, work: list[Any]) -> None:
    with mock.patch.object(transfer_ftp, "_in_thread", here):
        try:
            way(*given).send(None)
        except StopIteration:
            assert work


def _session(place: Location, work: Any) -> None:
    transfer_ftp._session(transfer_ftp._client(place, HERE), place, work, threading.Event())
