"""The time: what the machine's clock says, unless the CSMS says otherwise (2.0.1 B01.FR.06, G02).

At a start the time is not known. A clock that cannot be right (it stands before what was recorded
last, or outside the years that there are) is replaced by a provisional one that goes on from there,
so that nothing is recorded twice at one moment or before its cause. Once somebody who should know
has confirmed the time, by his word or by what he put right, everything that was recorded since it
was lost and is still to be told moves by the same step, in one commit. The CSMS says the time in
its first answer, and nothing is told before that.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chargepoint.clock import Clock, CorrectableClock
from chargepoint.core import timekeeping as rules
from chargepoint.core.security import Event, clock_was_set
from chargepoint.core.timekeeping import Told, Verdict
from chargepoint.core.variables import TIME_ADJUSTMENT_REPORTING_THRESHOLD, TIME_SOURCE
from chargepoint.errors import StoreError
from chargepoint.station.device_model import DeviceModel
from chargepoint.store.timeline import Timeline
from meters.model import Reading

log = logging.getLogger(__name__)

_CHECK: Final = timedelta(seconds=10)
_AFTER: Final = timedelta(hours=1)  # from the last fact, to what was read or done because of it
_NOTED_EVERY_S: Final = 3600.0  # between two notes in the store that the time is known


class Source(StrEnum):
    """Where the time may come from; words of ClockCtrlr.TimeSource."""

    CSMS = "Heartbeat"
    SYSTEM = "NTP"


class TimeSource:
    """Puts the station's clock right, and what was recorded before it was.

    ``moved`` is called after recorded times were moved in the store. A clock that cannot be put
    right is taken for right.
    """

    def __init__(
        self, clock: Clock, model: DeviceModel, timeline: Timeline, moved: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._model = model
        self._timeline = timeline
        self._moved = moved
        self._doubted: Told | None = None
        self._noted_at = float("-inf")
        self._step: tuple[datetime, datetime, timedelta] | None = None  # from, to, moved by
        self._began: datetime | None = None  # also if the disk did not take it
        self._complained = False

    @property
    def known(self) -> bool:
        """Whether the time was confirmed since the program started."""
        clock = self._clock
        return not isinstance(clock, CorrectableClock) or clock.known

    def begin(self) -> None:
        """A life of the station begins: choose the time that it goes by until the time is known.

        A disk that refuses costs what was recorded before the time is known, not the start.
        """
        clock = self._clock
        if isinstance(clock, CorrectableClock) and not clock.known:
            try:
                self._begin(clock)
            except StoreError as error:
                log.error("times cannot be put right later: %s", error)  # noqa: TRY400 - the disk
            self._began = clock.now()
            self.look()

    def _begin(self, clock: CorrectableClock) -> None:
        shown, newest = clock.now(), self._timeline.newest()
        begins = rules.first_moment(shown, self._timeline.known, newest)
        if abs(begins - shown) > rules.TOLERANCE:
            log.warning(
                "the clock says %s, which cannot be: times are provisional until somebody tells"
                " the time",
                shown.isoformat(timespec="seconds"),
            )
            clock.provisional = True
        elif self._timeline.wrong and newest is not None and not clock.provisional:
            self._timeline.put_right(rules.moved_up(newest, begins), newest + _AFTER)
        clock.correct(begins - shown)
        self._timeline.begin(begins, wrong=clock.provisional)

    def told(self, moment: datetime, took: timedelta = timedelta(0)) -> None:
        """The CSMS has just said what time it is, ``took`` after it was asked."""
        clock = self._clock
        if not isinstance(clock, CorrectableClock):
            return
        told = Told.of(moment, clock.now(), took)
        source = self._first == Source.CSMS or clock.provisional
        verdict = rules.judge(told, moment, known=clock.known, source=source, before=self._doubted)
        self._doubted = told if verdict is Verdict.DOUBTED else None
        seconds = told.ahead.total_seconds()
        match verdict:
            case Verdict.AGREES:
                self._confirm(timedelta(0))
            case Verdict.PUT_RIGHT:
                log.info("the clock is put right by %+.1f s, as the CSMS says", seconds)
                self._confirm(told.ahead)
            case Verdict.DOUBTED:
                log.warning(
                    "the CSMS says %s, %+.0f s from a clock that is known to be right: believed if"
                    " it says so again",
                    moment.isoformat(timespec="seconds"),
                    seconds,
                )
            case Verdict.ABSURD if not self._complained:
                self._complained = True
                log.warning("the CSMS says %s, which cannot be", moment.isoformat())
            case _:
                pass

    def look(self) -> None:
        """Look at the machine's clock, and go by it if whoever set it should know.

        A machine whose clock is kept right by others is believed as soon as they say so. Somebody
        who sets it by hand, or a script at a start, is believed only while the time is not known:
        it stays so.
        """
        clock = self._clock
        if isinstance(clock, CorrectableClock):
            if not clock.known and not clock.provisional:
                self._go_along(clock)
            self._follow(clock)

    def straight(self, reading: Reading) -> Reading:
        """A reading that was under way while recorded times were moved, moved like them."""
        return replace(reading, taken_at=self.right(reading.taken_at))

    def right(self, moment: datetime) -> datetime:
        """A moment that was not stored yet while those that were were moved, moved like them."""
        if self._step is None:
            return moment
        since, until, by = self._step
        return moment + by if since <= moment <= until else moment

    async def watch(self, event: Callable[[Event, str], None]) -> None:
        """Compare the time with one that never jumps; whoever set the clock, it is told."""
        while True:
            wall, ticks = self._clock.now(), self._clock.monotonic()
            await self._clock.sleep(_CHECK)
            self.look()
            passed = self._clock.now() - wall
            real = timedelta(seconds=self._clock.monotonic() - ticks)
            if clock_was_set(passed, real, self._model[TIME_ADJUSTMENT_REPORTING_THRESHOLD]):
                event(Event.TIME_SET, f"by {_s(passed - real):+.0f} s")

    # --- inside -----------------------------------------------------------------------------

    @property
    def _first(self) -> str:
        return self._model[TIME_SOURCE][0]

    def _go_along(self, clock: CorrectableClock) -> None:
        """Somebody has set the machine's clock while the time is not known."""
        machine = clock.machine()
        by = machine - clock.now()
        if abs(by) <= rules.TOLERANCE or not rules.believable(machine, self._timeline.known):
            return
        try:
            self._put_right(by, known=False)
        except StoreError as error:
            log.error("the time is put right later: %s", error)  # noqa: TRY400 - the disk
        else:
            clock.correct(by)

    def _follow(self, clock: CorrectableClock) -> None:
        """Go by the machine's clock if it is kept right, and comes first or is all there is."""
        if clock.known and self._first != Source.SYSTEM:
            return
        machine = clock.machine()
        if not (rules.believable(machine) and clock.disciplined()):
            return
        by = machine - clock.now()
        if abs(by) <= rules.TOLERANCE and clock.known:
            return
        if self._settle(by):
            clock.follow()
            log.info("the clock is that of the machine, which is kept right (%+.1f s)", _s(by))

    def _confirm(self, by: timedelta) -> None:
        clock = self._clock
        if isinstance(clock, CorrectableClock) and self._settle(by):
            clock.correct(by)

    def _settle(self, by: timedelta) -> bool:
        """The time is known, and ours is wrong by this; whether the store agreed."""
        clock = self._clock
        if not isinstance(clock, CorrectableClock):
            return False
        try:
            if not clock.known and abs(by) > rules.TOLERANCE:
                self._put_right(by, known=True)
            elif clock.monotonic() - self._noted_at >= _NOTED_EVERY_S:
                self._timeline.confirm(clock.now() + by)
                self._noted_at = clock.monotonic()
        except StoreError as error:
            log.error("the time is put right later: %s", error)  # noqa: TRY400 - the disk
            return False
        clock.known, clock.provisional = True, False
        return True

    def _put_right(self, by: timedelta, *, known: bool) -> None:
        """Move what was recorded; raises StoreError as it is, with nothing moved."""
        now, since = self._clock.now(), self._timeline.unsure_since or self._began
        right = now + by if known else None
        count = self._timeline.put_right(by, now, now=right)
        if known:
            self._noted_at = self._clock.monotonic()
        if since is not None and by > timedelta(0):
            self._step = (since, now, by)
        if count:
            log.warning("%d recorded times are put right by %+.1f s", count, _s(by))
        self._moved()


def _s(duration: timedelta) -> float:
    return duration.total_seconds()
