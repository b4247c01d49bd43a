"""The shell around the rules of one EVSE: apply an input, store, carry out the orders.

Inputs of one EVSE never overlap, and an input that was begun is finished even if whoever gave it is
cancelled: handlers of CSMS calls live in the connection, and a connection that drops while the
meter is signing must not leave the EVSE half closed.

An input that fails by a defect leaves the EVSE half done as well. Then ``run`` fails, whoever keeps
it running opens the contactor, and what the state says is still to be done is done anew: a closed
contactor is never left to nobody.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.evse import Step, advance
from chargepoint.core.inputs import (
    BeginFailed,
    BeginTaken,
    DeadlinePassed,
    EndTaken,
    FaultRaised,
    Input,
    LimitChanged,
    PowerRestored,
    ReadingTaken,
    StopRequested,
    TokenAccepted,
    Unplugged,
)
from chargepoint.core.model import (
    CONNECTOR_LOCK_FAILURE,
    POWER_SWITCH_FAILURE,
    Cause,
    EvseState,
    Fault,
    Policy,
    Stage,
    StopReason,
)
from chargepoint.core.orders import (
    CloseContactor,
    LockCable,
    OpenContactor,
    Order,
    ReleaseRecord,
    SetLimit,
    TakeBegin,
    TakeEnd,
    UnlockCable,
)
from chargepoint.errors import HardwareFault, StoreError
from chargepoint.hardware.api import EvseHardware
from chargepoint.station.evse_ports import BillingMeter, Reporter, Spawn, moved
from chargepoint.store.patience import pauses
from chargepoint.store.sqlite import Store

if TYPE_CHECKING:
    from meters.model import Reading

log = logging.getLogger(__name__)

HARDWARE_TIMEOUT_S = 5.0
LOOK = timedelta(seconds=10)
"""Between two turns of the supervision at most; the watchdog looks for them."""
STOPPED = StopRequested(StopReason.OTHER, Cause.ABNORMAL_CONDITION)
_TO_THE_BOARD = (CloseContactor, OpenContactor, SetLimit, LockCable, UnlockCable)


class InputFailed(Exception):  # noqa: N818 - reads as a state
    """An input of an EVSE could not be carried out to the end, by a defect. The log has it."""


class EvseRunner:
    """The only writer of one EVSE's state.

    ``turned_at`` is when ``run`` last went round, ``busy_since`` when the input in work was begun,
    both monotonic; None while there is none, or while one waits for the disk.
    """

    def __init__(
        self,
        evse_id: int,
        *,
        store: Store,
        outlet: EvseHardware,
        clock: Clock,
        policy: Callable[[], Policy],
        spawn: Spawn,
        reporter: Reporter,
        online: Callable[[], bool],
        connectors: tuple[str, ...] = ("cType2",),
    ) -> None:
        self.evse_id = evse_id
        self.connectors = len(connectors)  # numbered from 1
        self.sockets = frozenset(n for n, kind in enumerate(connectors, 1) if is_socket(kind))
        self.state: EvseState = store.load(evse_id)
        self.outlet = outlet
        self.meter: BillingMeter | None = None
        self.opened = asyncio.Event()  # the contactor is known to be open
        self.straight: Callable[[Reading], Reading] = lambda reading: reading  # see TimeSource
        self.supervised = True  # no contactor is closed while nobody looks after it
        self.lost = StopReason.POWER_LOSS  # why a session cannot go on when it is looked afresh
        self.turned_at: float | None = None
        self._begun_at: float | None = None  # the input in work
        self._failed = ""  # the input that could not be carried out
        self._store = store
        self._clock = clock
        self._policy = policy
        self._spawn = spawn
        self._reporter = reporter
        self._online = online
        self._lock = asyncio.Lock()  # one input of this EVSE at a time
        self._coming: list[Input] = []  # what waits for the input in work
        self._disk_refuses = False  # an input waits for the disk and holds the lock
        self._times_moved = False  # while one waited
        self._deadline_changed = asyncio.Event()
        self._timed: tuple[datetime, float] | None = None  # the deadline, and when it passes

    async def feed(self, given: Input) -> None:
        """Apply one input and everything that follows; finishes even if the caller is cancelled.

        Raises:
            StoreError: a new session was asked for and cannot be stored; nothing happened.
        """
        if error := await asyncio.shield(self._spawn(self._whole(given))):
            raise error

    @property
    def waits_for_disk(self) -> bool:
        """Whether an input waits until it can be stored."""
        return self._disk_refuses

    @property
    def busy_since(self) -> float | None:
        """See above; a disk that refuses is looked after elsewhere."""
        return None if self._disk_refuses else self._begun_at

    async def recover(self) -> None:
        """Somebody supervises from now on: ends what a power cut left open.

        After a failure a session that charged ends with a reason that says so.
        """
        failed, self._failed = self._failed, ""
        self.supervised = True
        if failed and self.state.stage is Stage.CHARGING:
            await self.feed(STOPPED)
        await self.look_afresh()

    async def look_afresh(self) -> None:
        """Say what the board sees, as after a start."""
        seen, lost = self.outlet.seen(), self.lost
        await self.feed(PowerRestored(seen.plugged, seen.connector_id, seen.asks, seen.bay, lost))
        self.lost = StopReason.OTHER

    async def run(self) -> None:
        """Feed DeadlinePassed when its time has come; ends only by cancellation.

        Raises:
            InputFailed: an input was left half done.
        """
        while True:
            self.turned_at = self._clock.monotonic()
            self._deadline_changed.clear()
            if self._failed:
                raise InputFailed(f"EVSE {self.evse_id}: {self._failed} was left half done")
            due, now = self._due(), self._clock.monotonic()
            left = LOOK if due is None else min(timedelta(seconds=due - now), LOOK)
            if left <= timedelta(0):
                await self.feed(DeadlinePassed())
            else:
                await sleep_unless(self._clock, left, self._deadline_changed)

    def _due(self) -> float | None:
        """When the deadline passes, in time that never jumps; None without one.

        Worked out once for each deadline, and never longer than one is ever ahead: the clock may
        have been set back while the station was without power.
        """
        deadline = self.state.deadline
        if deadline is None:
            self._timed = None
        elif self._timed is None or self._timed[0] != deadline:
            left = max(deadline - self._clock.now(), timedelta(0))
            left = min(left, self._policy().connection_timeout)
            self._timed = (deadline, self._clock.monotonic() + left.total_seconds())
        return None if self._timed is None else self._timed[1]

    def reload(self) -> None:
        """The store has changed times in the state."""
        self.state = replace(self._store.load(self.evse_id), limit_a=self.state.limit_a)
        self._times_moved = self._disk_refuses

    async def make_safe(self) -> None:
        """Open the contactor, for nobody looks after it from now on; bounded, never fails.

        Whether it really opened is found by the order that ``recover`` gives again.
        """
        self.supervised = False
        self._failed = self._failed or "its supervision"
        if self.opened.is_set():
            return
        try:
            async with asyncio.timeout(HARDWARE_TIMEOUT_S):
                await self.outlet.open_contactor()
        except Exception as error:  # noqa: BLE001 - of a board, which is code of others
            log.critical(
                "EVSE %d: the contactor may be closed: %s", self.evse_id, type(error).__name__
            )
        else:
            self.opened.set()

    async def _whole(self, given: Input) -> StoreError | None:
        """The same as ``_apply``; notes if it was left in the middle."""
        done = False
        try:
            error = await self._apply(given)
            done = True
        finally:
            if not done:
                self._failed = type(given).__name__
                self._deadline_changed.set()
        return error

    async def _apply(self, given: Input) -> StoreError | None:
        """Everything that follows from an input. A refusal is a result: the task must not fail."""
        if self._disk_refuses:
            if isinstance(given, TokenAccepted):  # a driver does not wait for it, or has left
                return StoreError("something else waits for the disk already")
            if isinstance(given, LimitChanged):
                failed = await self._limit_unstored(given)
                return await self._apply(failed[0]) if failed else None
            await self._open_ahead(self._advance(given))  # others wait for the disk before this one
        self._coming.append(given)
        async with self._lock:
            self._coming.remove(given)
            self._begun_at = self._clock.monotonic()
            try:
                return await self._apply_alone(given)
            finally:
                self._begun_at = None

    async def _apply_alone(self, given: Input) -> StoreError | None:
        pending = deque([given])
        while pending:
            now = pending.popleft()
            log.debug("EVSE %d: %s", self.evse_id, type(now).__name__)
            step = self._advance(now)
            try:
                step = await self._keep(now, step)
            except StoreError as error:
                if not isinstance(now, LimitChanged):
                    return error
                pending.extend(await self._limit_unstored(now))
                continue
            if step.facts:
                self._reporter.recorded(self.evse_id, step.facts)
            pending.extend(await self._carry_out_all(step.orders))
        return None

    def _advance(self, given: Input) -> Step:
        if isinstance(given, BeginTaken | EndTaken | ReadingTaken):
            given = replace(given, reading=self.straight(given.reading))
        policy = replace(
            self._policy(),
            connectors=self.connectors,
            sockets=self.sockets,
            reading=self.meter.recent() if self.meter is not None else None,
        )
        return advance(self.state, given, self._clock.now(), policy)

    async def _keep(self, given: Input, step: Step) -> Step:
        """Store the step, then let it count. Nothing may be done that is not stored.

        A disk that refuses must not keep the contactor closed, so that one order goes first, nor a
        limit from being kept. A new session is refused, already when the disk is nearly full;
        everything else waits for the disk: it has happened.
        """
        new = isinstance(given, TokenAccepted) and step.state != self.state
        limit = isinstance(given, LimitChanged)
        if new and not self._store.takes_sessions():
            raise StoreError("the disk is too full for a new session")
        waits = pauses()
        while step.state != self.state or step.facts:
            if self._times_moved:  # those in the step were not
                step, self._times_moved = self._advance(given), False
            if not limit:  # another one may be in force since
                step = replace(step, state=replace(step.state, limit_a=self.state.limit_a))
            try:
                self._store.commit(step.state, step.facts, offline=not self._online())
                break
            except StoreError as error:
                if new or limit:
                    raise
                if not self._disk_refuses:
                    what = type(given).__name__
                    log.error("EVSE %d: %s cannot be stored: %s", self.evse_id, what, error)  # noqa: TRY400 - the disk, not a defect
                self._disk_refuses = True
                await self._open_ahead(step)
                await self._clock.sleep(next(waits))
        if self._disk_refuses:  # what it waited for the disk is no sign of a defect
            self._disk_refuses, self._begun_at = False, self._clock.monotonic()
        if step.state.deadline != self.state.deadline:
            self._deadline_changed.set()
        self.state = step.state
        return step

    async def _limit_unstored(self, given: LimitChanged) -> list[Input]:
        """Be within the limit, whatever the disk says; it is stored and told with the next step."""
        self.state = replace(self.state, limit_a=given.limit_a)
        return await self._carry_out(SetLimit(given.limit_a))

    async def _open_ahead(self, step: Step) -> None:
        """Open the contactor before the step is stored; a fault is found again when it is."""
        for order in step.orders:
            if isinstance(order, OpenContactor):
                await self._carry_out(order)

    def _opens_next(self) -> bool:
        """Whether the contactor opens again with what waits: a fault, a stop, while a meter began.

        Then it is not closed at all: energy must not flow into a fault that is known.
        """
        return any(not self._advance(given).state.powered for given in self._coming)

    async def _carry_out_all(self, orders: tuple[Order, ...]) -> list[Input]:
        """No meter begins behind a cable that is not held."""
        answers: list[Input] = []
        loose = False
        for order in orders:
            if loose and isinstance(order, TakeBegin):
                answers.append(BeginFailed(order.transaction.transaction_id))
                continue
            answers += await self._carry_out(order)
            loose |= isinstance(order, LockCable) and bool(answers)
        return answers

    async def _carry_out(self, order: Order) -> list[Input]:
        """What came of it: a vehicle that left while the meter began is told before the begin."""
        there = self.outlet.seen().plugged
        answer = await self._confirmed(order)
        left = isinstance(order, TakeBegin) and there and not self.outlet.seen().plugged
        return [*([Unplugged()] if left else []), *([answer] if answer else [])]

    async def _confirmed(self, order: Order) -> Input | None:
        try:
            async with asyncio.timeout(None) as deadline:
                if isinstance(order, _TO_THE_BOARD):
                    deadline.reschedule(asyncio.get_running_loop().time() + HARDWARE_TIMEOUT_S)
                return await self._do(order)
        except (HardwareFault, TimeoutError) as error:
            reason = str(error) or f"no confirmation within {HARDWARE_TIMEOUT_S:g} s"
        except Exception as error:
            if not isinstance(order, _TO_THE_BOARD):
                raise
            log.exception("EVSE %d: defect of the board in %s", self.evse_id, type(order).__name__)
            reason = f"defect of the board: {type(error).__name__}"
        return self._not_confirmed(order, reason)

    def _not_confirmed(self, order: Order, reason: str) -> Input:
        log.warning("EVSE %d: %s: %s", self.evse_id, type(order).__name__, reason)
        lock = isinstance(order, LockCable | UnlockCable)
        code = CONNECTOR_LOCK_FAILURE if lock else POWER_SWITCH_FAILURE
        return FaultRaised(Fault(code, reason[:50]))

    async def _do(self, order: Order) -> Input | None:
        meter = self.meter
        match order:
            case CloseContactor() if self.supervised and not self._opens_next():
                self.opened.clear()
                await self.outlet.close_contactor()
                if not self.supervised:  # any more: it was opened before it had closed
                    self.opened.clear()
                    await self.make_safe()
            case OpenContactor():
                await self.outlet.open_contactor()
                self.opened.set()
            case SetLimit(limit):
                await self.outlet.set_current_limit(limit)
            case LockCable(connector_id):
                await moved(self.outlet.lock(connector_id), "not locked")
            case UnlockCable(connector_id):
                await moved(self.outlet.unlock(connector_id), "not unlocked")
            case TakeBegin(transaction) if meter is not None:
                return await meter.take_begin(transaction)
            case TakeEnd(transaction_id) if meter is not None:
                return await meter.take_end(transaction_id)
            case ReleaseRecord(transaction_id) if meter is not None:
                await meter.release(transaction_id)
        return None


def is_socket(kind: str) -> bool:
    """Whether a connector type is one whose cable the driver brings (2.0.1 ConnectorEnumType)."""
    return kind.startswith("s")
