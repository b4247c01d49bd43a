"""The WebSocket to the CSMS: opened, watched, given up and opened again, for ever.

Why at least a second lies between two connections, whatever the settings say: there are systems
that still tidy up the old connection when the new one comes, and then lose the new one, or every
station's (seen when coming back within 20 ms; 50 ms were enough).

Why the negotiated subprotocol is checked here although both sides must: there are systems that
accept a connection without one and then never answer.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from chargepoint.clock import Clock
from chargepoint.csms.opening import open_connection
from chargepoint.csms.outage import Cause, Outage
from chargepoint.csms.tls import anchor
from chargepoint.errors import ConfigError, CsmsError
from chargepoint.station.validity import own_time

if TYPE_CHECKING:
    from chargepoint.csms.revocation import Revocation

log = logging.getLogger(__name__)

PAUSE: Final = timedelta(seconds=1)
"""Between the end of one connection and the next attempt, always; a CSMS profile may want more."""

LONGEST: Final = timedelta(hours=1)
"""Of the steady and of the random part of a wait. The settings have no bound in the standard, and a
CSMS that chose them too great can put them right only once the station is back. An hour spreads
a hundred thousand stations over 28 a second, twice that is the most that a station stays away.
"""
_DOUBLINGS_MOST: Final = 12  # a second becomes more than an hour

# Characters of an identifier that a path may hold as they are; some systems decode nothing.
_PLAIN_IN_PATH: Final = "*=+@"

Serve: TypeAlias = Callable[[ClientConnection, str], Awaitable[None]]


class LinkState(StrEnum):
    """Where the link stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"  # for the next attempt
    DISCONNECTED = "disconnected"  # on purpose, until ``connect``


@dataclass(frozen=True, slots=True)
class BackOff:
    """Settings RetryBackOffWaitMinimum, RandomRange and RepeatTimes (OCPP 2.0.1 part 4 5.3).

    Neither part of a wait is ever longer than ``LONGEST``, whatever was set.
    """

    wait_minimum: timedelta
    random_range: timedelta
    repeat_times: int

    def delay(self, number: int, random: Random) -> timedelta:
        """Before attempt ``number`` (from 0) since the last good connection; at least ``PAUSE``."""
        doubled = 1 << min(number, self.repeat_times, _DOUBLINGS_MOST)
        base = min(min(self.wait_minimum, LONGEST) * doubled, LONGEST)
        return max(base + min(self.random_range, LONGEST) * random.random(), PAUSE)


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """Where and how to connect.

    ``url`` lacks the station id, which is appended as last path segment. ``subprotocols`` are in
    order of preference, ``password`` is sent as HTTP Basic with the station id as user name.
    ``ping_interval`` zero switches the WebSocket ping off, ``pause`` lies between two connections,
    at least ``PAUSE``. ``wildcards``: the CSMS may have a certificate for *.its.domain.
    ``revocation``: how to find out whether it was revoked; None does not.

    Raises:
        ConfigError: ``url`` is none of a CSMS.
    """

    url: str
    station_id: str
    subprotocols: tuple[str, ...]
    password: bytes | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    ping_interval: timedelta = timedelta(0)
    pong_timeout: timedelta = timedelta(seconds=20)
    open_timeout: timedelta = timedelta(seconds=30)
    close_timeout: timedelta = timedelta(seconds=5)
    max_message_size: int = 2**20
    compression: bool = False
    wildcards: bool = True
    pause: timedelta = PAUSE
    revocation: "Revocation | None" = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise ConfigError("csms.url: expected ws://HOST[:PORT]/PATH or wss://...")
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError("csms.url: no user name, query or fragment is allowed in it")

    @property
    def station_url(self) -> str:
        """The URL that is opened, with the identity percent-encoded."""
        return f"{self.url.rstrip('/')}/{quote(self.station_id, safe=_PLAIN_IN_PATH)}"


class Link:
    """Keeps one connection to the CSMS.

    Args:
        config: read for each attempt; assigning ``link.config`` takes effect with the next one.
        clock: for every wait, so that a test need not wait.
        random: for the random part of the back-off.
        back_off: asked before each wait, since the CSMS may change the settings.
        on_change: told after every change of ``state``, ``failures`` or ``outage``; must not
            wait or raise.

    Attributes:
        state: where the link stands; ``since`` that moment.
        subprotocol: of the open connection, else None.
        outage: why the last attempt or connection failed; None while a good one lasts.
        failures: attempts in a row that brought no good connection.
        opened_with: the ``config`` of the last connection.
        works: whether the open connection was called ``good``.
    """

    def __init__(
        self,
        config: LinkConfig,
        *,
        clock: Clock,
        random: Random,
        back_off: Callable[[], BackOff],
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.config = config
        self.state = LinkState.CONNECTING
        self.since: datetime = clock.now()
        self.subprotocol: str | None = None
        self.outage: Outage | None = None
        self.failures = 0
        self.opened_with: LinkConfig | None = None
        self.works = False
        self._clock = clock
        self._random = random
        self._back_off = back_off
        self._on_change = on_change
        self._ping_interval = config.ping_interval
        self._ping_changed = asyncio.Event()
        self._wanted = asyncio.Event()  # cleared while the network is gone on purpose
        self._wanted.set()
        self._at_once = False  # the next wait is left out
        self._round: asyncio.Task[None] | None = None
        self._opening: LinkConfig | None = None
        self._connection: ClientConnection | None = None
        self._closed_at: float | None = None  # monotonic
        self._waits = 0  # since the last good connection
        self._said: set[Cause] = set()  # in this outage

    @property
    def last_error(self) -> str | None:
        """The sentence of ``outage``."""
        return None if self.outage is None else str(self.outage)

    @property
    def anchor(self) -> str:
        """The fingerprint of the root that the open connection rests on; empty without TLS."""
        return anchor(self._connection)

    @property
    def ping_interval(self) -> timedelta:
        """Between two WebSocket pings; zero is off. A new value holds at once."""
        return self._ping_interval

    @ping_interval.setter
    def ping_interval(self, interval: timedelta) -> None:
        self._ping_interval = interval
        self._ping_changed.set()

    def good(self) -> None:
        """The session works on this connection: the outage is over, the back-off starts anew.

        To be called for every connection, also where no boot is needed after a mere reconnect.
        """
        if self.failures:
            log.info("the CSMS is back after %s failed attempts", self.failures)
        self.outage = None
        self.works = True
        self.failures = 0
        self._waits = 0
        self._said.clear()
        self._changed()

    def disconnect(self) -> None:
        """The network is gone: no close handshake, no new attempt until ``connect``."""
        self._wanted.clear()
        if self._connection is not None:
            self._connection.transport.abort()
        elif self._round is not None:
            self._round.cancel()
        self._set(LinkState.DISCONNECTED)

    def connect(self) -> None:
        """Connect without further waiting (but for ``PAUSE``); the back-off starts anew.

        Does nothing to a connection that is open or being opened.
        """
        self._waits = 0
        waiting = self.state is LinkState.WAITING
        self._at_once = not self._wanted.is_set()
        self._wanted.set()
        if waiting and self._round is not None:
            self._round.cancel()

    async def reconnect(self) -> None:
        """Close in an orderly way and connect anew after ``PAUSE``, for a changed ``config``.

        An attempt with another ``config`` is given up. Does nothing while disconnected on purpose.
        """
        if not self._wanted.is_set():
            return
        self.connect()
        if self._connection is not None:
            self._at_once = True
            await self._connection.close()
        elif self._round is not None and self._opening not in (None, self.config):
            self._round.cancel()  # what it would open is not wanted any more

    async def run(self, serve: Serve) -> NoReturn:
        """Hand each new connection and its subprotocol to ``serve``, for ever.

        ``serve`` returns when the connection is closed, or to have it closed; a CsmsError that it
        raises counts as the reason. Cancelling ``run`` closes the connection in an orderly way.
        """
        while True:
            await self._wanted.wait()
            try:
                async with asyncio.TaskGroup() as tasks:
                    # A task of its own, so that disconnect() and connect() can end the wait in it.
                    self._round = tasks.create_task(self._connect_once(serve), name="csms link")
            except Exception:
                self._set(LinkState.WAITING)  # for whoever starts it again after a defect
                raise

    async def _connect_once(self, serve: Serve) -> None:
        self._at_once = False
        self._set(LinkState.CONNECTING)
        await self._pause()
        config = self._opening = self.config
        try:
            connection = await open_connection(config, own_time(self._clock))
        except Outage as outage:
            self._fail(outage)
        else:
            self.opened_with = config
            await self._hold(connection, serve)
        finally:
            self._opening = None
            self._closed_at = self._clock.monotonic()
        if self._wanted.is_set() and not self._at_once:
            await self._wait()

    async def _pause(self) -> None:
        if self._closed_at is not None:
            since = timedelta(seconds=self._clock.monotonic() - self._closed_at)
            pause = max(self.config.pause, PAUSE)
            if since < pause:
                await self._clock.sleep(pause - since)

    async def _wait(self) -> None:
        delay = self._back_off().delay(self._waits, self._random)
        self._waits += 1
        self._set(LinkState.WAITING)
        log.debug("next attempt to connect in %.1f s", delay.total_seconds())
        await self._clock.sleep(delay)

    async def _hold(self, connection: ClientConnection, serve: Serve) -> None:
        self._connection = connection
        self.subprotocol = str(connection.subprotocol)
        self._set(LinkState.CONNECTED)
        log.info("connected to the CSMS with %s", self.subprotocol)
        reason = ""
        try:
            async with asyncio.TaskGroup() as tasks:
                keeper = tasks.create_task(self._keep_alive(connection), name="csms ping")
                try:
                    await serve(connection, self.subprotocol)
                except CsmsError as error:
                    reason = str(error)
                keeper.cancel()
        finally:
            # Bounded by close_timeout; at once if the connection is gone.
            await connection.close()
            self._connection = None
            self.subprotocol = None
            self.works = False
        self._fail(Outage(Cause.LOST, reason or _farewell(connection)))

    async def _keep_alive(self, connection: ClientConnection) -> None:
        """Ping, and cut off a peer that does not answer: its TCP may stay open for hours."""
        while True:
            if await self._ping_interval_changed():
                continue
            try:
                async with asyncio.timeout(self.config.pong_timeout.total_seconds()):
                    await (await connection.ping())
            except TimeoutError:
                log.debug("no answer to a WebSocket ping: cutting the connection off")
                connection.transport.abort()
                return
            except ConnectionClosed:
                return

    async def _ping_interval_changed(self) -> bool:
        """False once the interval has passed undisturbed."""
        self._ping_changed.clear()
        if not self._ping_interval:
            return await self._ping_changed.wait()
        async with asyncio.TaskGroup() as tasks:
            elapsed = tasks.create_task(self._clock.sleep(self._ping_interval))
            changed = tasks.create_task(self._ping_changed.wait())
            await asyncio.wait((elapsed, changed), return_when=asyncio.FIRST_COMPLETED)
            elapsed.cancel()
            changed.cancel()
        return self._ping_changed.is_set()

    def _fail(self, outage: Outage) -> None:
        """Say it once per cause and outage; an end that was asked for is no outage."""
        if self._at_once or not self._wanted.is_set():
            log.info("disconnected from the CSMS on purpose")
            return
        new = outage.cause not in self._said
        self._said.add(outage.cause)
        log.log(logging.WARNING if new else logging.DEBUG, "%s", outage)
        self.outage = outage
        self.failures += 1
        self._changed()

    def _set(self, state: LinkState) -> None:
        if state is not self.state:
            self.state = state
            self.since = self._clock.now()
            self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()


def _farewell(connection: ClientConnection) -> str:
    sentence = "the connection to the CSMS was lost"
    if connection.close_code is None or connection.protocol.close_rcvd is None:
        return sentence
    return f"{sentence}: closed with {connection.close_code} {connection.close_reason or ''}"
