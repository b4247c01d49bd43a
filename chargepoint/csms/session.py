"""Life on one connection: announce the station, be accepted, tell what waits, stay in touch.

Before the CSMS accepted the station nothing is sent but BootNotification and what it asked for
(OCPP 1.6 section 4.2, 2.0.1 B01 to B03). A connection that comes back needs none of it again.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.authorization import Known
from chargepoint.core.contract import Contract
from chargepoint.core.facts import StatusChanged
from chargepoint.core.model import IdToken
from chargepoint.csms.adapter import Adapter, BootAnswer, Csms, Delivery, Registration
from chargepoint.csms.outbox import Outbox, answers, is_dead
from chargepoint.csms.rpc import CallError, Connection, Endpoint, Handler, Payload, Reply
from chargepoint.csms.schemas import Schemas
from chargepoint.csms.words import TIME_DIGITS
from chargepoint.errors import CsmsRejected, CsmsUnavailable, StoreError
from chargepoint.store.sqlite import Entry, Store

log = logging.getLogger(__name__)

FAREWELL_S = 3.0  # how long a station that stops may still tell what it has to say
OWN_INTERVAL = timedelta(seconds=60)  # if the CSMS leaves the choice to us
STATUS_ATTEMPTS = 2
UNANSWERED_BOOT = timedelta(seconds=30)
TRIGGERS = {"TriggerMessage", "ExtendedTriggerMessage"}


@dataclass(frozen=True, slots=True)
class Timing:
    """The settings a session depends on."""

    call_timeout: timedelta
    offline_threshold: timedelta
    heartbeat: timedelta


class StationView(Protocol):
    """What a session asks of the station."""

    def statuses(self) -> list[StatusChanged]:
        """The status of every connector and of the station itself, now."""
        ...

    def timing(self) -> Timing:
        """The settings as they are now."""
        ...

    def accepted(self, interval: timedelta) -> None:
        """The CSMS accepted the station; ``interval`` zero leaves the heartbeat as it is."""
        ...

    def frame(self, direction: str, text: str) -> None:
        """A frame was "sent" or "received"; the text is unmasked."""
        ...


class Session:
    """Everything about the CSMS that outlives one connection.

    ``online`` is true while the station may send what it wants; ``on_invalid`` is told of illegal
    messages, ``on_replay`` of one that came twice, ``on_rejected`` of a BootNotification that was
    rejected or not answered; it must not wait. ``unproven`` says whether the connection shows or
    trusts something new: then it only is good once the CSMS has answered something on it.
    """

    def __init__(
        self,
        *,
        store: Store,
        outbox: Outbox,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        good: Callable[[], None] = lambda: None,
    ) -> None:
        self.registration = Registration.UNKNOWN
        self.boot_reason = "PowerUp"
        self.adapter: Adapter | None = None
        self.on_invalid: Callable[[str], None] = lambda _: None
        self.on_replay: Callable[[str], None] = lambda _: None
        self.on_rejected: Callable[[], None] = lambda: None
        self.unproven: Callable[[], bool] = lambda: False
        self._adapters: Mapping[str, Adapter] = {}
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._spawn = spawn
        self._good = good
        self._endpoint: Endpoint | None = None
        self._boot_now = asyncio.Event()
        self._left_at: float | None = None
        self._statuses_owed = False  # the CSMS must still be told how all connectors are
        self._statuses_told: set[tuple[int, int]] = set()  # of those owed: EVSE and connector
        self._sent_at = 0.0

    def attach(self, station: StationView, adapters: Mapping[str, Adapter]) -> None:
        """Say whom this session speaks for, and in which versions, by subprotocol."""
        self._station = station
        self._adapters = adapters

    @property
    def online(self) -> bool:
        """Connected and accepted."""
        return self._endpoint is not None and self.registration is Registration.ACCEPTED

    @property
    def csms(self) -> Csms | None:
        """The open connection, if there is one."""
        return self._endpoint

    async def authorize(self, token: IdToken, contract: Contract | None = None) -> Known:
        """Ask the CSMS about a token, or about the contract that it is the id of.

        Raises:
            CsmsUnavailable: not connected, not accepted yet, no answer, or it refused to say.
        """
        if not self.online or self.adapter is None or self._endpoint is None:
            raise CsmsUnavailable("not connected")
        try:
            return await self.adapter.authorize(self._endpoint, token, contract)
        except CsmsRejected as error:
            raise CsmsUnavailable(f"no word about the token: {error}") from error

    def retime(self) -> None:
        """The settings in ``Timing`` are others now: they hold for the open connection too."""
        if self._endpoint is not None:
            self._endpoint.timeout = self._station.timing().call_timeout

    def boot_again(self) -> bool:
        """Announce the station now; False if it is accepted already (1.6 errata, 2.0.1 F06)."""
        if self.registration is Registration.ACCEPTED:
            return False
        self.boot_reason = "Triggered"
        self._boot_now.set()
        return True

    def forget(self, reason: str) -> None:
        """The station restarts: the next connection announces it again, for this reason."""
        self.registration = Registration.UNKNOWN
        self.boot_reason = reason

    def moved(self) -> None:
        """Another CSMS is tried: one that never saw the station must be told (2.0.1 B10.FR.10)."""
        if self.registration is Registration.ACCEPTED:
            self.forget("Unknown")
        self.registration = Registration.UNKNOWN  # what one CSMS said binds no other one

    async def tell_statuses(self) -> None:
        """Tell how everything is, from memory: what cannot be stored must be known all the same.

        If nobody listens the next connection does it.
        """
        self._statuses_owed = True
        self._statuses_told.clear()
        if self.online and self.adapter is not None and self._endpoint is not None:
            try:
                await self._tell_statuses(self._endpoint, self.adapter)
            except CsmsUnavailable as error:
                log.debug("statuses are told later: %s", error)

    async def take_leave(self) -> None:
        """Tell what waits before the station stops; what is not told in time stays in the journal.

        Without it a restart would cut off the end of a transaction on its way, and tell it twice.
        """
        if self.online:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._outbox.idle()

    async def serve(self, connection: Connection, subprotocol: str) -> None:
        """Live on this connection until it is gone, or nobody answers on it any more."""
        adapter = self._adapters[subprotocol]
        if adapter is not (self.adapter or adapter):
            self.moved()  # whoever speaks another version has not seen the station in it
        TIME_DIGITS.set(adapter.profile.time_digits)
        endpoint = Endpoint(
            connection,
            schemas=Schemas(adapter.version),
            handlers={
                name: self._gate(handler, trigger=name in TRIGGERS)
                for name, handler in adapter.handlers.items()
            },
            timeout=self._station.timing().call_timeout,
            spawn=self._spawn,
            spacing=adapter.profile.spacing,
            on_frame=self._frame,
            on_invalid=self._invalid,
            on_replay=self.on_replay,
            busy=adapter.profile.busy,
        )
        self.adapter, self._endpoint = adapter, endpoint
        try:
            async with asyncio.TaskGroup() as tasks:
                life = tasks.create_task(self._live(endpoint, adapter))
                line = tasks.create_task(endpoint.run())
                await asyncio.wait({life, line}, return_when=asyncio.FIRST_COMPLETED)
                life.cancel()
                line.cancel()
        finally:
            self._endpoint = None
            self._left_at = self._clock.monotonic()

    # --- the course of a connection ---------------------------------------------------------

    async def _live(self, endpoint: Endpoint, adapter: Adapter) -> None:
        try:
            booted = await self._be_accepted(endpoint, adapter)
            if booted or self._was_away_for_long():
                self._owe_statuses()
            unheard = not booted and self.unproven()
            if not unheard:
                self._good()
            if self._statuses_owed:
                await self._tell_statuses(endpoint, adapter)
            async with asyncio.TaskGroup() as tasks:
                if unheard:
                    tasks.create_task(self._prove(endpoint, adapter))
                tasks.create_task(Schemas(adapter.version).warm(adapter.ahead))
                tasks.create_task(self._outbox.drain(adapter, endpoint))
                tasks.create_task(self._beat(endpoint, adapter))
        except* CsmsUnavailable:
            log.debug("connection gone")
        except* StoreError as errors:
            log.error("nothing can be sent: %s", errors.exceptions[0])  # noqa: TRY400 - the disk

    async def _be_accepted(self, endpoint: Endpoint, adapter: Adapter) -> bool:
        """Announce the station until it is accepted. True if that was needed."""
        if self.registration is Registration.ACCEPTED:
            return False
        while True:
            self._boot_now.clear()
            answer = await self._announce(endpoint, adapter)
            if answer is not None:
                self.registration = answer.registration
            if answer is not None and answer.registration is Registration.ACCEPTED:
                log.info("accepted by the CSMS (%s)", adapter.subprotocol)
                self.boot_reason = "Unknown"
                self._station.accepted(answer.interval)
                return True
            wait = UNANSWERED_BOOT if answer is None else answer.interval or OWN_INTERVAL
            log.warning("not accepted by the CSMS yet (%s), again in %s", self.registration, wait)
            if answer is None or answer.registration is Registration.REJECTED:
                self.on_rejected()
            await sleep_unless(self._clock, wait, self._boot_now)

    async def _prove(self, endpoint: Endpoint, adapter: Adapter) -> None:
        """The connection is good once the CSMS answers; some open one and then look who it is.

        One that leaves the question unanswered and is there all the same is asked again.
        """
        while True:
            try:
                await adapter.heartbeat(endpoint)
                break
            except CsmsRejected as error:
                log.debug("heartbeat refused: %s", error)
                break
            except CsmsUnavailable:
                if is_dead(endpoint):
                    raise
        self._good()

    async def _announce(self, endpoint: Endpoint, adapter: Adapter) -> BootAnswer | None:
        try:
            return await adapter.boot(endpoint, self.boot_reason)
        except CsmsRejected as error:
            log.warning("BootNotification refused: %s", error)
        except CsmsUnavailable:
            if is_dead(endpoint):
                raise
        return None

    def _was_away_for_long(self) -> bool:
        if self._left_at is None:
            return False
        gone = timedelta(seconds=self._clock.monotonic() - self._left_at)
        return gone > self._station.timing().offline_threshold

    def _owe_statuses(self) -> None:
        """After a boot or a long time offline every status, else what the journal holds (B04)."""
        try:
            self._store.forget_statuses()
        except StoreError as error:
            log.error("old statuses are forgotten later: %s", error)  # noqa: TRY400 - the disk
            self._outbox.note(self._store.forget_statuses)  # before any of them is told
        self._statuses_owed = True
        self._statuses_told.clear()

    async def _tell_statuses(self, endpoint: Endpoint, adapter: Adapter) -> None:
        """All that are owed; a connection that breaks in between leaves the rest to the next one.

        None is told twice, or connections that last for a few messages would never get beyond the
        statuses. One that changes after it was told comes from the journal.
        """
        for fact in self._station.statuses():
            place = (fact.evse_id, fact.connector_id)
            if place in self._statuses_told:
                continue
            await self._tell_status(fact, endpoint, adapter)
            self._statuses_told.add(place)
        self._statuses_owed = False

    async def _tell_status(self, fact: StatusChanged, endpoint: Endpoint, adapter: Adapter) -> None:
        """A CSMS that leaves it unanswered, but not others, is not left because of that."""
        entry = Entry(0, str(uuid.uuid4()), "", fact, offline=False, attempts=0)
        for attempt in range(STATUS_ATTEMPTS):
            try:
                await adapter.deliver(Delivery(entry, endpoint, repeated=attempt > 0))
            except CsmsRejected as error:
                log.warning("status refused: %s", error)
            except CsmsUnavailable as error:
                if is_dead(endpoint) and not await answers(adapter, endpoint):
                    raise
                log.warning("status not answered: %s", error)
                continue
            return

    async def _beat(self, endpoint: Endpoint, adapter: Adapter) -> None:
        """A heartbeat after every interval in which nothing else was sent."""
        while True:
            interval = self._station.timing().heartbeat or timedelta(days=1)
            quiet = timedelta(seconds=self._clock.monotonic() - self._sent_at)
            if quiet < interval:
                await self._clock.sleep(min(interval - quiet, timedelta(seconds=10)))
                continue
            try:
                await adapter.heartbeat(endpoint)
            except CsmsRejected as error:
                log.warning("heartbeat refused: %s", error)
            except CsmsUnavailable:
                if is_dead(endpoint):
                    raise

    # --- inside -----------------------------------------------------------------------------

    def _frame(self, direction: str, text: str) -> None:
        if direction == "sent":
            self._sent_at = self._clock.monotonic()
        self._station.frame(direction, text)

    def _invalid(self, what: str) -> None:
        self.on_invalid(what)

    def _gate(self, handler: Handler, *, trigger: bool) -> Handler:
        """A station that was rejected answers nothing but that (2.0.1 B03.FR.08).

        One that waits tells what it is asked for (B02.FR.02, 1.6 section 4.2).
        """

        async def gated(payload: Payload) -> Payload | Reply:
            if self.registration is Registration.REJECTED:
                raise CallError("SecurityError", "the station is not accepted")
            reply = await handler(payload)
            pending = self.registration is Registration.PENDING
            if trigger and pending and isinstance(reply, Reply) and reply.after is not None:
                return Reply(reply.payload, partial(self._asked, reply.after))
            return reply

        return gated

    async def _asked(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do what was asked for, and tell what comes of it although nothing else may be told."""
        try:
            newest = self._store.journal.newest()
            await work()
            adapter, endpoint = self.adapter, self._endpoint
            pending = self.registration is Registration.PENDING
            if pending and adapter is not None and endpoint is not None:
                await self._outbox.tell_asked(newest, adapter, endpoint)
        except CsmsUnavailable:
            log.debug("connection gone")
        except StoreError as error:
            log.error("what was asked for is told later: %s", error)  # noqa: TRY400 - the disk
