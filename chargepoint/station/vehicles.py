"""Vehicles that talk: their needs go to the CSMS, its schedule to them, and their choice back.

A module that speaks with the vehicle (ISO 15118) hands over what it says and gets what to answer;
it is not part of the station. OCPP 2.0.1 K15 to K17.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.facts import Fact, NeedsStated, ScheduleChosen, Status, StatusChanged
from chargepoint.core.model import Stage
from chargepoint.core.profiles_model import Schedule, Unit, epoch
from chargepoint.core.vehicle import Needs, NeedsAnswer, check_choice, check_needs
from chargepoint.errors import Refused
from chargepoint.station.evse import EvseRunner
from chargepoint.station.profiles import LONGEST, Expected, Profiles

log = logging.getLogger(__name__)

ANSWER = timedelta(seconds=60)  # for the answer, and then for the schedule (K15.FR.07)
DAY_S = 86_400
_GONE = {Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a vehicle may have; ``answer`` None means that the CSMS said nothing in time."""

    answer: NeedsAnswer | None
    expected: Expected


@dataclass(slots=True)
class _Talk:
    """What is known of one vehicle, from its needs on."""

    at: datetime
    answer: NeedsAnswer | None = None
    offered: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    scheduled: asyncio.Event = field(default_factory=asyncio.Event)


class Vehicles:
    """Negotiates for the vehicles at the EVSEs.

    ``renegotiate`` is called with an EVSE whose limits the CSMS changed after its vehicle had an
    offer: the vehicle should be asked to negotiate again (K16). It must not wait or raise.
    """

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        profiles: Profiles,
        *,
        clock: Clock,
        record: Callable[[Fact], None],
        online: Callable[[], bool],
    ) -> None:
        self.renegotiate: Callable[[int], None] = lambda _: None
        self._runners = runners
        self._profiles = profiles
        self._clock = clock
        self._record = record
        self._online = online
        self._talks: dict[int, _Talk] = {}
        profiles.session_limited = self._limited

    async def needs(
        self, evse_id: int, needs: Needs, *, unit: Unit = Unit.AMPERE, duration: int = DAY_S
    ) -> Offer:
        """Tell the CSMS what the vehicle needs, and give it what it may have.

        Waits for the schedule if the CSMS promises one, two minutes at most; offline, or while
        smart charging is off, the vehicle gets at once what the installed profiles allow.

        Raises:
            Refused: no such EVSE, no vehicle there, or the needs cannot be.
        """
        check_needs(needs, self._outlet_phases(evse_id))
        talk = self._talks[evse_id] = _Talk(self._clock.now())
        if self._profiles.enabled and self._online():
            self._record(NeedsStated(evse_id, talk.at, needs))
            await sleep_unless(self._clock, ANSWER, talk.answered)
            if talk.answer is NeedsAnswer.ACCEPTED:
                await sleep_unless(self._clock, ANSWER, talk.scheduled)
        talk.offered = True
        return Offer(talk.answer, self._profiles.expected(evse_id, duration, unit))

    def choose(self, evse_id: int, chosen: Schedule) -> None:
        """The vehicle chose a schedule, which counts from ``chosen.start``, else from now.

        It is told if it stays within the limits, whatever the CSMS makes of it (K15.FR.09, .10).

        Raises:
            Refused: no such EVSE, no vehicle there, or it wants more than it may have: then it has
                to negotiate again.
        """
        self._outlet_phases(evse_id)
        now = self._clock.now()
        begin, length = chosen.start or now, chosen.duration or DAY_S
        late = epoch(begin) - epoch(now)  # what is over already is measured by the limit of now
        ahead = min(max(late, 0) + length, int(LONGEST.total_seconds()))
        (_, first), *others = self._profiles.expected(evse_id, ahead, chosen.unit).periods
        allowed = [(0, first), *((max(offset - late, 0), limit) for offset, limit in others)]
        check_choice(chosen, allowed, length)
        self._record(ScheduleChosen(evse_id, begin, chosen))

    def asks(self, fact: NeedsStated) -> bool:
        """Whether these needs are still the vehicle's last word, and somebody waits."""
        talk = self._talks.get(fact.evse_id)
        return talk is not None and talk.at == fact.at and not talk.offered

    def answered(self, fact: NeedsStated, answer: NeedsAnswer) -> None:
        """What the CSMS said to these needs."""
        if self.asks(fact):
            talk = self._talks[fact.evse_id]
            talk.answer = answer
            talk.answered.set()

    def judged(self, fact: ScheduleChosen, *, accepted: bool) -> None:
        """What the CSMS said to a chosen schedule; one that it minds it will limit (K15.FR.13)."""
        if not accepted:
            log.info("the CSMS minds the schedule of the vehicle at EVSE %d", fact.evse_id)

    def happened(self, evse_id: int, facts: Iterable[Fact]) -> None:
        """Facts of an EVSE were stored: a vehicle that left has no needs any more."""
        for fact in facts:
            if isinstance(fact, StatusChanged) and fact.status in _GONE:
                talk = self._talks.pop(evse_id, None)
                if talk is not None:
                    talk.answered.set()
                    talk.scheduled.set()

    def _limited(self, evse_id: int) -> None:
        talk = self._talks.get(evse_id)
        if talk is None:
            return
        talk.scheduled.set()
        if talk.offered:
            self.renegotiate(evse_id)

    def _outlet_phases(self, evse_id: int) -> int:
        if evse_id not in self._runners:
            raise Refused(f"no EVSE {evse_id}", reason="UnknownEvse")
        if self._runners[evse_id].state.stage is Stage.AVAILABLE:
            raise Refused(f"no vehicle at EVSE {evse_id}", reason="InvalidValue")
        return self._profiles.outlets[evse_id].phases
