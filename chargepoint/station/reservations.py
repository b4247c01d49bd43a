"""Reservations as they are now: made, used, expired; the rules are in ``core.reservation``."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.facts import Fact, ReservationEnded, ReservationEnding, ReservationUsed
from chargepoint.core.inputs import ReservationsChanged
from chargepoint.core.model import IdToken
from chargepoint.core.reservation import Answer, Outlet, Reservation, Use, answer, entitled, lost
from chargepoint.core.reservation import use as use_of
from chargepoint.core.variables import RESERVATION_ENABLED, RESERVATION_NON_EVSE_SPECIFIC
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.evse import EvseRunner
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

CLOCK_CHECK = timedelta(seconds=10)  # a clock that was set is noticed this soon
_LARGEST_ID = 2**31 - 1


class Reservations:
    """All reservations of the station; ``types`` are the connector types of each EVSE.

    What an EVSE is reserved for is an input of its rules. It follows from all EVSEs together, so it
    is worked out anew whenever anything happened, and at the start.
    """

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        types: Mapping[int, tuple[str, ...]],
        *,
        model: DeviceModel,
        store: Store,
        clock: Clock,
        record: Callable[[Fact], None],
    ) -> None:
        self._runners = runners
        self._types = types
        self._model = model
        self._store = store
        self._clock = clock
        self._record = record
        self._known = store.reservations.load()
        self.given: set[int] = set()  # EVSEs that somebody is just getting
        self._arranging = asyncio.Lock()  # what the EVSEs are told of reservations
        self._happened = asyncio.Event()

    @property
    def known(self) -> tuple[Reservation, ...]:
        """All that can be used, oldest first."""
        now = self._clock.now()
        return tuple(r for r in self._known if now < r.expires)

    # --- what the CSMS asks -----------------------------------------------------------------

    def reserve(self, wanted: Reservation) -> Answer:
        """Keep an EVSE from now on; ``arrange`` follows. Stored once this returns.

        Raises:
            StoreError: it could not be stored; nothing is reserved.
        """
        if not self._model[RESERVATION_ENABLED] or wanted.expires <= self._clock.now():
            return Answer.REJECTED
        if wanted.evse_id is None and not self._model[RESERVATION_NON_EVSE_SPECIFIC]:
            return Answer.REJECTED
        if abs(wanted.reservation_id) > _LARGEST_ID:
            return Answer.REJECTED
        said = answer(wanted, self.known, self._outlets(self.given))
        if said is Answer.ACCEPTED:
            self._store.reservations.put(wanted)
            ids = [known.reservation_id for known in self._known]
            place = ids.index(wanted.reservation_id) if wanted.reservation_id in ids else len(ids)
            self._known[place : place + 1] = [wanted]
            self._happened.set()
            log.info("reservation %d until %s", wanted.reservation_id, wanted.expires.isoformat())
        return said

    def cancel(self, reservation_id: int) -> bool:
        """Forget a reservation; ``arrange`` follows. False if there is none of that id.

        Raises:
            StoreError: it could not be stored; it stays reserved.
        """
        if all(known.reservation_id != reservation_id for known in self.known):
            return False
        self._store.reservations.cancel(reservation_id)
        self._forget(reservation_id)
        self._happened.set()
        log.info("reservation %d cancelled", reservation_id)
        return True

    # --- who may use what -------------------------------------------------------------------

    def use(self, evse_id: int, token: IdToken, group: IdToken | None) -> Use:
        """What a token may do at an EVSE, as far as reservations are concerned."""
        return use_of(token, group, evse_id, self.known, self._outlets(self.given))

    def admitting(
        self,
        runners: Iterable[EvseRunner],
        token: IdToken,
        group: IdToken | None,
    ) -> list[EvseRunner]:
        """Those of the EVSEs that a token may use, first the ones where it has reserved."""
        used = [(runner, self.use(runner.evse_id, token, group)) for runner in runners]
        allowed = [(runner, what) for runner, what in used if what.allowed]
        return [r for r, _ in sorted(allowed, key=lambda pair: pair[1].reservation_id is None)]

    def admitting_a_group(self, runners: Iterable[EvseRunner], token: IdToken) -> list[EvseRunner]:
        """Those of the EVSEs that a token may use if it is of a group that has reserved."""
        groups = {known.group for known in self.known if known.group is not None}
        return [
            runner
            for runner in runners
            if any(self.use(runner.evse_id, token, group).allowed for group in groups)
        ]

    # --- what follows from what happened ----------------------------------------------------

    def heard(self, facts: Iterable[Fact]) -> None:
        """Something was stored: a reservation may be used up, given up, or in danger."""
        if not self._known:
            return
        for fact in facts:
            if isinstance(fact, ReservationUsed):
                self._forget(fact.reservation_id)
                log.info("reservation %d used", fact.reservation_id)
            elif isinstance(fact, ReservationEnded):
                self._forget(fact.reservation_id)
        self._happened.set()

    async def run(self) -> None:
        """Arrange whenever something happened or a reservation expires; ends by cancellation."""
        while True:
            self._happened.clear()
            await self.arrange()
            if not self._known:
                await self._happened.wait()
                continue
            left = min(known.expires for known in self._known) - self._clock.now()
            if left > timedelta(0):
                await sleep_unless(self._clock, min(left, CLOCK_CHECK), self._happened)

    async def arrange(self) -> None:
        """End what expired or cannot be kept, then tell the EVSEs what they are reserved for."""
        async with self._arranging:
            now = self._clock.now()
            for known in [known for known in self._known if known.expires <= now]:
                self._end(known, ReservationEnding.EXPIRED)
            for known in lost(self.known, self._outlets()):
                self._end(known, ReservationEnding.REMOVED)
            for evse_id, runner in self._runners.items():
                wanted = entitled(evse_id, self.known, self._outlets())
                if wanted != runner.state.reserved_for:
                    await runner.feed(ReservationsChanged(wanted))

    def _end(self, known: Reservation, ending: ReservationEnding) -> None:
        log.info("reservation %d: %s", known.reservation_id, ending)
        self._forget(known.reservation_id)
        self._record(ReservationEnded(known.reservation_id, self._clock.now(), ending))

    def _forget(self, reservation_id: int) -> None:
        self._known = [known for known in self._known if known.reservation_id != reservation_id]

    def _outlets(self, given: Collection[int] = ()) -> list[Outlet]:
        return [
            Outlet(runner.state, self._types[evse_id], given=evse_id in given)
            for evse_id, runner in self._runners.items()
        ]
