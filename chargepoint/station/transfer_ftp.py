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

log = logging.getLogger(__name__)

_IMPLICIT = 990
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
    return TransferFailed(f"FTP {code}", trouble)


def _client(place: Location, trust: Trust) -> ftplib.FTP:
    if place.scheme is Scheme.FTP:
        return _Ftp(encoding="utf-8")
    kind = _ImplicitFtps if place.port == _IMPLICIT else _Ftps
    return kind(context=trust.tls(), encoding="utf-8")


class _Ftp(ftplib.FTP):
    """FTP that remembers its data connection, for whoever has to cut it."""

    data: socket.socket | None = None

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        self.data, size = super().ntransfercmd(cmd, rest)
        return self.data, size


class _Ftps(ftplib.FTP_TLS):
    """FTPS whose data connections resume the session of the control connection."""

    data: socket.socket | None = None

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

    def connect(
        self,
        host: str = "",
        port: int = 0,
        timeout: float = CONNECT_TIMEOUT_S,
        source_address: tuple[str, int] | None = None,
    ) -> str:
        self.host, self.port, self.timeout = host, port, timeout
        plain = socket.create_connection((host, port), timeout, source_address)
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome
