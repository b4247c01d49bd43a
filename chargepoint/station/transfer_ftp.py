"""Files over FTP and FTPS, by the standard library in a thread.

FTPS is explicit (AUTH TLS, RFC 4217) but on port 990, where TLS comes first. The data connection
is encrypted, too, and resumes the session of the control connection, which many servers insist on.
"""

import asyncio
import ftplib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from chargepoint.core.reach import Reach
from chargepoint.core.transfer import Location, Scheme, Trouble
from chargepoint.station.transfer import (
    BLOCK,
    CONNECT_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    Partial,
    Sink,
    TransferFailed,
    Trust,
)
from chargepoint.station.transfer_reach import connected

log = logging.getLogger(__name__)

_IMPLICIT = 990
_LINES_MOST = 1000  # of answers in one session, which needs a dozen
_NOT_LOGGED_IN, _NO_ACCESS, _NOT_ALLOWED = "530", "550", "553"
_SYNTAX = ("500", "501")
_NO_COMMAND = ("502", "504")


async def download(
    place: Location, target: Path, most: int, trust: Trust, _so_far: Partial
) -> None:
    """RETR the file.

    Raises:
        TransferFailed: it is not whole.
    """

    def fetch(ftp: ftplib.FTP, stop: threading.Event) -> None:
        sink = Sink(target, most)

        def take(block: bytes) -> None:
            if stop.is_set():
                raise TransferFailed("cancelled")
            sink.write(block)

        try:
            ftp.voidcmd("TYPE I")
            with suppress(ftplib.error_perm):  # a server need not know SIZE
                sink.expect(ftp.size(place.path))
            ftp.retrbinary(f"RETR {place.path}", take, BLOCK)
            sink.finish()
        finally:
            sink.close()

    await _in_thread(place, trust, fetch)


async def upload(place: Location, source: Path, trust: Trust) -> None:
    """STOR the file, under its own name if the location is a folder.

    Raises:
        TransferFailed: the server did not take it.
    """

    def put(ftp: ftplib.FTP, stop: threading.Event) -> None:
        def sent(_block: bytes) -> None:
            if stop.is_set():
                raise TransferFailed("cancelled")

        with source.open("rb") as file:
            ftp.storbinary(f"STOR {_target(ftp, place, source.name)}", file, BLOCK, sent)

    await _in_thread(place, trust, put)


def _target(ftp: ftplib.FTP, place: Location, name: str) -> str:
    """Where to put a file: a path that is a folder, with or without slash, gets the name added."""
    if place.is_folder:
        return place.path + name
    try:
        ftp.cwd(place.path)
    except ftplib.error_perm:
        return place.path
    return name


async def _in_thread(
    place: Location, trust: Trust, work: Callable[[ftplib.FTP, threading.Event], None]
) -> None:
    """Do the work on connections of its own; cancelling cuts them and waits for the thread.

    Only a connection that is being opened cannot be cut: its own time-out bounds the wait.
    """
    ftp = _client(place, trust)
    stop = threading.Event()
    thread = asyncio.ensure_future(asyncio.to_thread(_session, ftp, place, work, stop))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        for connection in (getattr(ftp, "data", None), ftp.sock):
            if connection is not None:
                with suppress(OSError):  # the socket's own method: TLS must not be touched here
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        with suppress(TransferFailed):
            await thread
        raise


def _session(
    ftp: ftplib.FTP,
    place: Location,
    work: Callable[[ftplib.FTP, threading.Event], None],
    stop: threading.Event,
) -> None:
    try:
        ftp.connect(place.host, place.port, timeout=CONNECT_TIMEOUT_S)
        ftp.login(place.user or "anonymous", place.password or "anonymous@")
        if isinstance(ftp, ftplib.FTP_TLS):
            ftp.prot_p()
        if stop.is_set():
            return
        ftp.sock.settimeout(IDLE_TIMEOUT_S)  # type: ignore[union-attr]
        ftp.timeout = IDLE_TIMEOUT_S
        work(ftp, stop)
        with suppress(ftplib.Error, OSError, EOFError):
            ftp.quit()
    except ftplib.Error as error:
        raise _failed(error) from None  # its text may quote the command that was sent
    except ssl.SSLError as error:
        raise TransferFailed("the server's certificate is not trusted, or TLS failed") from error
    except ValueError as error:  # a number that is none, or bytes that are no text
        raise TransferFailed("the server's answer is none of FTP") from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "the connection broke"
        raise TransferFailed(str(reason)) from error
    finally:
        ftp.close()


def _failed(error: ftplib.Error) -> TransferFailed:
    code = str(error)[:3]
    trouble = Trouble.FAILED
    if code in {_NOT_LOGGED_IN, _NO_ACCESS, _NOT_ALLOWED}:
        trouble = Trouble.DENIED
    elif code in _SYNTAX:
        trouble = Trouble.UNFIT
    elif code in _NO_COMMAND:
        trouble = Trouble.UNSUPPORTED
    words = f"FTP {code}" if code.isdecimal() else "the server does not speak FTP"
    return TransferFailed(words, trouble)


def _client(place: Location, trust: Trust) -> "_Ftp":
    if place.scheme is Scheme.FTP:
        ftp = _Ftp(encoding="utf-8")
    else:
        kind = _ImplicitFtps if place.port == _IMPLICIT else _Ftps
        ftp = kind(context=trust.tls(), encoding="utf-8")
    ftp.reach = trust.reach
    return ftp


class _Ftp(ftplib.FTP):
    """FTP to permitted addresses, that remembers its data connection, for whoever has to cut it.

    Data connections go where the control connection went, whatever the server says (``ftplib``).
    """

    reach = Reach()
    data: socket.socket | None = None
    lines = 0

    def connect(
        self,
        host: str = "",
        port: int = 0,
        timeout: float = CONNECT_TIMEOUT_S,
        source_address: tuple[str, int] | None = None,  # noqa: ARG002 - of the library
    ) -> str:
        self.host, self.port, self.timeout = host, port, timeout
        self.sock = self.begun(connected(host, port, self.reach, timeout))
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def begun(self, plain: socket.socket) -> socket.socket:
        """The control connection, as it begins."""
        return plain

    def getline(self) -> str:
        """One line of an answer; a server that never comes to an end is left."""
        self.lines += 1
        if self.lines > _LINES_MOST:
            raise ftplib.error_proto(f"more than {_LINES_MOST} lines")  # noqa: S321
        return super().getline()

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        self.data, size = super().ntransfercmd(cmd, rest)
        return self.data, size


class _Ftps(_Ftp, ftplib.FTP_TLS):
    """FTPS whose data connections resume the session of the control connection."""

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        self.data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - encrypted next
        if self._prot_p:  # type: ignore[attr-defined]
            control: Any = self.sock
            self.data = self.context.wrap_socket(
                self.data, server_hostname=self.host, session=control.session
            )
        return self.data, size


class _ImplicitFtps(_Ftps):
    """FTPS that begins with TLS."""

    def begun(self, plain: socket.socket) -> socket.socket:
        return self.context.wrap_socket(plain, server_hostname=self.host)
