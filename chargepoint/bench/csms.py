"""A small CSMS for trying a station: it checks everything and answers by script.

Both versions on one port, told apart by the subprotocol; the last path segment is the station.
Nothing is stored beyond the process.
"""

import asyncio
import base64
import binascii
import hmac
import json
import logging
import os
import ssl
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Final, Self
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from chargepoint.bench.csms_answers import Answers, Boot, Payload
from chargepoint.bench.csms_check import Direction, Frame, SchemaViolation
from chargepoint.bench.csms_faults import Fault, FaultKind, Faults
from chargepoint.bench.csms_ledger import StationView, TransactionView
from chargepoint.bench.csms_likes import BOTH, LIKES
from chargepoint.bench.csms_talk import OnCall, Script, Talk
from chargepoint.csms.rpc import CallError
from chargepoint.errors import ChargePointError

__all__ = [
    "Boot",
    "CallError",
    "Direction",
    "Fault",
    "FaultKind",
    "Frame",
    "SchemaViolation",
    "SmallCsms",
    "StationAway",
    "StationView",
    "TransactionView",
]

# The library's own logger prints headers, hence passwords, at debug.
_library_log = logging.getLogger("chargepoint.bench.websocket")
_library_log.setLevel(logging.WARNING)

_PREFIX: Final = "ocpp"
_MAX_MESSAGE: Final = 16 * 2**20
_CALL: Final = 2
_PATIENCE: Final = timedelta(seconds=10)


class StationAway(ChargePointError):  # noqa: N818 - reads as a state
    """The station to be called is not connected."""


class SmallCsms:
    """Listens while it is entered (``async with``).

    Args:
        host: address to listen on.
        port: 0 takes a free one, see ``port`` and ``url``.
        versions: which OCPP versions are spoken; all, or those of the system that it is like.
        like: the system of the field that it treats signed values as; see ``csms_likes``.
        password: that every station must give; None asks for none. See also ``passwords``.
        trace: file that gets one JSON object per frame; it holds tokens in the clear (mode 0600).
        tls: to listen with TLS.
        keep: how many frames are remembered; None remembers all.
        on_frame: is told every frame; ``on_violation`` everything that is wrong.

    Attributes:
        answers: what is answered; ``faults``: what goes wrong.
        frames: every frame in both directions, in order.
        violations: everything that broke a schema or a rule; empty is the only good value.
        stations: what is known of each station, also after it has left.
        passwords: of single stations; they come before ``password``.
        known: if not None, other stations are refused with 404.
        refuse: if not None, every handshake is refused with that HTTP status.
        like: what it makes of signed values, if it was told whom to be like.
        mute: accept connections without a subprotocol and then say nothing.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        versions: Sequence[str] = (),
        like: str | None = None,
        password: bytes | None = None,
        trace: Path | None = None,
        tls: ssl.SSLContext | None = None,
        keep: int | None = None,
        on_frame: Callable[[Frame], None] | None = None,
        on_violation: Callable[[SchemaViolation], None] | None = None,
    ) -> None:
        self.frames: list[Frame] = []
        self.violations: list[SchemaViolation] = []
        self.stations: dict[str, StationView] = {}
        self.passwords: dict[str, bytes] = {}
        self.known: set[str] | None = None
        self.refuse: int | None = None
        self.mute = False
        self.host = host
        self.port = port
        self.like = None if like is None else LIKES[like]
        self._versions = tuple(versions) or (self.like.versions if self.like else BOTH)
        self._password = password
        self._trace_file = trace
        self._trace: IO[str] | None = None
        self._tls = tls
        self._keep = keep
        self._on_frame = on_frame
        self._on_violation = on_violation
        self._script = Script(record=self._record, blame=self._blame, like=self.like)
        if self.like is not None:
            self._script.record_most = self.like.record_most
        self._talks: dict[str, Talk] = {}
        self._server: Server | None = None
        self._news = asyncio.Event()  # replaced whenever something happened

    async def __aenter__(self) -> Self:
        if self._trace_file is not None:
            self._trace = os.fdopen(
                os.open(self._trace_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a"
            )
        self._server = await serve(
            self._serve,
            self.host,
            self.port,
            select_subprotocol=self._select,
            process_request=self._admit,
            compression=None,
            ssl=self._tls,
            max_size=_MAX_MESSAGE,
            ping_interval=None,
            close_timeout=1,
            logger=_library_log,
            server_header="chargepoint csms" if self.like is None else self.like.server,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._trace is not None:
            self._trace.close()

    @property
    def url(self) -> str:
        """Where stations connect to; they append their id."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ws' if self._tls is None else 'wss'}://{host}:{self.port}/ocpp"

    @property
    def answers(self) -> Answers:
        """What is answered."""
        return self._script.answers

    @property
    def record_most(self) -> int:
        """Characters of a signed record that are taken, if more than the schema says."""
        return self._script.record_most

    @record_most.setter
    def record_most(self, most: int) -> None:
        self._script.record_most = most

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self._script.faults

    def inject(self, kind: FaultKind, action: str = "", **options: Any) -> Fault:
        """Put a fault in force; options are the fields of ``Fault``."""
        fault = Fault(kind, action, **options)
        self.faults.add(fault)
        return fault

    def think(self, duration: timedelta) -> None:
        """Wait this long before each answer, as real systems do."""
        self._script.think = duration

    def on(self, action: str, handler: OnCall | None) -> None:
        """Let ``handler(station, payload)`` answer an action; None gives it back to the script.

        It returns the answer or a ``CallError``, or raises one, or is a coroutine that does.
        """
        if handler is None:
            self._script.handlers.pop(action, None)
        else:
            self._script.handlers[action] = handler

    async def call(
        self, station: str, action: str, payload: Payload, *, within: timedelta = _PATIENCE
    ) -> Payload:
        """Call a station and return its answer.

        Raises:
            StationAway: it is not connected, or left before it answered.
            CallError: it answered CALLERROR.
            TimeoutError: it did not answer.
        """
        try:
            return await self._talk(station).call(action, payload, within=within)
        except (ConnectionError, ConnectionClosed) as error:
            raise StationAway(str(error)) from error

    async def send_raw(self, station: str, text: str) -> None:
        """Send a station what is no proper message."""
        await self._talk(station).send_raw(text)

    async def close(self, station: str, code: int = 1000, reason: str = "") -> None:
        """Close a station's connection in an orderly way."""
        await self._talk(station).connection.close(code, reason)

    def drop(self, station: str) -> None:
        """Cut a station's TCP connection without a word."""
        self._talk(station).connection.transport.abort()

    def freeze(self, station: str) -> None:
        """Read nothing more from a station: the connection is half open."""
        self._talk(station).connection.transport.pause_reading()

    def messages(self, action: str, *, station: str | None = None) -> list[Payload]:
        """The payloads of every such request that came from stations, repetitions included."""
        return [frame.payload for frame in self._requests(action, station, 0)]

    def mark(self) -> int:
        """A point in ``frames`` for ``wait_for(after=...)``."""
        return len(self.frames)

    async def wait_for(
        self,
        action: str,
        predicate: Callable[[Payload], bool] = lambda _: True,
        *,
        station: str | None = None,
        after: int = 0,
        within: timedelta = _PATIENCE,
    ) -> Payload:
        """The first such request of a station since ``after``, also if it came already.

        Raises:
            TimeoutError: none came; says how many of that action did not match.
        """

        def found() -> Payload | None:
            requests = self._requests(action, station, after)
            return next((f.payload for f in requests if predicate(f.payload)), None)

        try:
            async with asyncio.timeout(within.total_seconds()):
                while (payload := found()) is None:
                    await self._news.wait()
                return payload
        except TimeoutError:
            seen = sum(1 for _ in self._requests(action, station, after))
            raise TimeoutError(f"no matching {action}; {seen} did not match") from None

    async def wait_until(
        self, condition: Callable[[], bool], *, within: timedelta = _PATIENCE
    ) -> None:
        """Return once ``condition`` holds; it is tried after every frame, come and go.

        Raises:
            TimeoutError: it did not.
        """
        async with asyncio.timeout(within.total_seconds()):
            while not condition():
                await self._news.wait()

    async def wait_connected(self, station: str, *, within: timedelta = _PATIENCE) -> StationView:
        """Return once the station is connected."""
        await self.wait_until(lambda: station in self._talks, within=within)
        return self.stations[station]

    def _requests(self, action: str, station: str | None, after: int) -> Iterable[Frame]:
        for frame in self.frames[after:]:
            if (
                frame.kind == _CALL
                and frame.action == action
                and frame.direction is Direction.FROM_STATION
                and station in {None, frame.station}
            ):
                yield frame

    def _talk(self, station: str) -> Talk:
        talk = self._talks.get(station)
        if talk is None:
            raise StationAway(f"{station} is not connected")
        return talk

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        station = _station_id(request)
        if self.refuse is not None:
            return connection.respond(HTTPStatus(self.refuse), "")
        if not station or (self.known is not None and station not in self.known):
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        expected = self.passwords.get(station, self._password)
        if expected is not None and not _authorized(request, station, expected):
            response = connection.respond(HTTPStatus.UNAUTHORIZED, "")
            response.headers["WWW-Authenticate"] = 'Basic realm="csms"'
            return response
        return None

    def _select(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        if self.mute:
            return None
        ours = {_PREFIX + version for version in self._versions}
        return next((name for name in offered if name in ours), None)

    async def _serve(self, connection: ServerConnection) -> None:
        if self.mute:
            await connection.wait_closed()
            return
        if connection.subprotocol is None or connection.request is None:
            await connection.close(1002, "no OCPP version in common")
            return
        station_id = _station_id(connection.request)
        station = self.stations.setdefault(station_id, StationView(station_id))
        station.version = connection.subprotocol.removeprefix(_PREFIX)
        station.connections += 1
        talk = Talk(connection, station=station, script=self._script)
        self._talks[station_id] = talk
        station.connected = True
        self._happened()
        try:
            await talk.run()
        finally:
            if self._talks.get(station_id) is talk:  # else the station has come back already
                del self._talks[station_id]
                station.connected = False
            self._happened()

    def _record(self, frame: Frame) -> None:
        self.frames.append(frame)
        if self._keep is not None and len(self.frames) > 2 * self._keep:
            del self.frames[: -self._keep]
        if self._trace is not None:
            line = {
                "time": frame.time.isoformat(),
                "station": frame.station,
                "direction": frame.direction,
                "frame": frame.text,
            }
            self._trace.write(json.dumps(line) + "\n")
            self._trace.flush()
        if self._on_frame is not None:
            self._on_frame(frame)
        self._happened()

    def _blame(self, violation: SchemaViolation) -> None:
        self.violations.append(violation)
        if self._on_violation is not None:
            self._on_violation(violation)

    def _happened(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _station_id(request: Request) -> str:
    return unquote(urlsplit(request.path).path.rpartition("/")[2])


def _authorized(request: Request, station: str, password: bytes) -> bool:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(given, station.encode() + b":" + password)
