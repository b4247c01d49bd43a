"""Taking turns on a line, and waiting exactly.

How a line is shared. One request is on the line at a time, and each says what it is: a command (a
step of a begin, an end, a release), a part of a long read (a signed record takes up to 17 requests)
or a poll of live values.

* Commands go first, then long reads, then polls; among equals whoever waits longest. So two records
  that are read at once get alternate turns, and so do two meters that are commanded at once.
* The choice is made as late as possible: behind the silence that must follow every frame, not at
  the end of the frame. Whoever has just got an answer has asked its next question by then, and so
  a record is read without a poll between two of its parts, and no driver must hold the line for it.
* Polls would starve behind two long reads at 9600 baud. So the patience of a poll ends
  ``patience_s`` after it came, or a second later than that after the meter's last answer: with a
  poll each second, readings become 4 s old. When those that wait could only just be served in
  time, one after the other, they go before long reads, and take turns with commands. As late as
  that, because most records are read before: one of 4 kB at 19200 baud takes 2.3 s, and no poll
  must come between.
* Where even that is too much for the line, nobody starves: of ``_MOST_IN_A_ROW`` turns that polls
  take from a long read the next one is the read's again, and readings become older instead.
* Requests of a meter that follow each other at once are one visit, and wait as one: its reading is
  of one moment, its age counts from the first of them. The same question twice makes two visits,
  and a request without a good answer ends one, so that a dead meter queues again, behind the
  others, before it costs another time-out.
"""

import asyncio
import contextlib
import time
from bisect import insort
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import Final

PATIENCE_S: Final = 3.0
_MOST_IN_A_ROW: Final = 8
_INTERVAL_S: Final = 1.0  # at which meters are polled
_FOLLOWS_S: Final = 0.05  # what a driver may take from an answer to its next question
_MOST_IN_A_VISIT: Final = 6
_LONGEST_VISIT_S: Final = 0.5
_FIRST_GUESS_S: Final = 0.1  # line time of a visit, before any was seen
_SMOOTHED: Final = 8
_TIMER_S: Final = 0.001  # asyncio's timers end on whole milliseconds


class Rank(IntEnum):
    """What a request is for, the most urgent first."""

    COMMAND = 0
    LONG = 1
    POLL = 2


@dataclass(slots=True, eq=False)
class _Place:
    """One request that waits, or has the line.

    ``number`` orders all requests, so that of two of one visit each lets the same one go first.
    """

    rank: Rank
    unit: int
    visit: "_Visit"
    number: int
    held: bool = False
    given: asyncio.Future[None] | None = None


@dataclass(slots=True)
class _Visit:
    """Requests of one unit that follow each other.

    ``since`` is when it began to wait, ``due`` when its patience ends; ``number`` counts visits.
    """

    since: float
    number: int
    due: float
    asked: set[object]
    line_s: float = 0.0
    ended: float = field(default=float("inf"))


class Turns:
    """Protects the line; see the module for the order. ``patience_s`` is the longest poll's wait.

    Attributes:
        longest_wait_s: the longest that a poll has waited so far.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.patience_s = patience_s
        self.longest_wait_s = 0.0
        self._taken = False
        self._numbers = count()
        self._waiting: dict[Rank, list[_Place]] = {rank: [] for rank in Rank}
        self._visits: dict[int, _Visit] = {}
        self._visit_s = _FIRST_GUESS_S
        self._polls_in_a_row = 0

    @contextlib.asynccontextmanager
    async def turn(
        self, unit: int = 0, *, rank: Rank = Rank.POLL, asked: object = None
    ) -> AsyncIterator["Turn"]:
        """Hold the line for the duration of the block, for one request to this unit.

        ``asked`` tells the question from others, hashable.
        """
        place = _Place(rank, unit, self._visit(unit, rank, asked), next(self._numbers))
        await self._line(place)
        turn = Turn(self, place)
        try:
            yield turn
        except BaseException:
            self._visits.pop(unit, None)
            raise
        finally:
            if place.held:
                self._served(turn)
                self._pass_on()

    async def give_way(self, place: _Place) -> bool:
        """Let somebody go first who should; True if so, when the line was given back."""
        if place.rank is Rank.COMMAND and not self._waiting[Rank.POLL]:
            return False
        if place.rank is Rank.POLL:
            await asyncio.sleep(0)  # for those who have just got an answer
        if not any(self._waiting.values()):
            return False
        self._enqueue(place)
        if self._first() is place:
            self._waiting[place.rank].remove(place)
            return False
        place.held = False
        self._pass_on()
        await self._given(place)
        place.held = True
        return True

    def goes(self, place: _Place) -> None:
        """Note that this request is sent now."""
        now = asyncio.get_running_loop().time()
        if place.rank is Rank.POLL:
            self.longest_wait_s = max(self.longest_wait_s, now - place.visit.since)
            urgent = self._waiting[Rank.COMMAND] or self._waiting[Rank.LONG]
            self._polls_in_a_row = self._polls_in_a_row + 1 if urgent else 0
        else:
            self._polls_in_a_row = 0

    def _visit(self, unit: int, rank: Rank, asked: object) -> _Visit:
        """The visit that a new request belongs to."""
        now = asyncio.get_running_loop().time()
        fresh = _Visit(now, next(self._numbers), now + self.patience_s, {asked})
        if rank is not Rank.POLL:
            return fresh
        visit = self._visits.get(unit)
        if visit is not None:
            short = len(visit.asked) < _MOST_IN_A_VISIT and visit.line_s < _LONGEST_VISIT_S
            if short and now - visit.ended <= _FOLLOWS_S and asked not in visit.asked:
                visit.asked.add(asked)
                return visit
            self._visit_s += (visit.line_s - self._visit_s) / _SMOOTHED
            fresh.due = max(fresh.due, min(visit.ended, now) + self.patience_s + _INTERVAL_S)
        self._visits[unit] = fresh
        return fresh

    def _served(self, turn: "Turn") -> None:
        visit = self._visits.get(turn.place.unit)
        if visit is not None and turn.place.rank is Rank.POLL:
            visit.ended = asyncio.get_running_loop().time()
            visit.line_s += visit.ended - turn.began

    async def _line(self, place: _Place) -> None:
        if self._taken:
            self._enqueue(place)
            await self._given(place)
        self._taken = place.held = True

    def _enqueue(self, place: _Place) -> None:
        place.given = asyncio.get_running_loop().create_future()
        insort(self._waiting[place.rank], place, key=_order)

    async def _given(self, place: _Place) -> None:
        if place.given is None:
            return
        try:
            await place.given
        except asyncio.CancelledError:
            if place.given.cancelled():
                with contextlib.suppress(ValueError):
                    self._waiting[place.rank].remove(place)
            else:
                self._pass_on()  # the turn came at the same moment
            raise

    def _pass_on(self) -> None:
        while (place := self._first()) is not None:
            self._waiting[place.rank].remove(place)
            if place.given is not None and not place.given.done():  # else about to give up
                place.given.set_result(None)
                return
        self._taken = False

    def _first(self) -> _Place | None:
        """Who goes next of those who wait."""
        commands, reads, polls = (self._waiting[rank] for rank in Rank)
        most = 1 if commands else _MOST_IN_A_ROW if reads else 0
        if self._polls_in_a_row < most and self._urgent():
            return polls[0]
        return next((queue[0] for queue in (commands, reads, polls) if queue), None)

    def _urgent(self) -> bool:
        """Whether the polls that wait can only just be served before their patience ends."""
        now, work = asyncio.get_running_loop().time(), 0.0
        for place in self._waiting[Rank.POLL]:
            work += self._visit_s
            if now + work >= place.visit.due:
                return True
        return False


def _order(place: _Place) -> tuple[float, int, int]:
    return place.visit.since, place.visit.number, place.number


@dataclass(slots=True)
class Turn:
    """The line is held."""

    turns: Turns
    place: _Place
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def still_first(self) -> bool:
        """To be asked behind the silence, until it is True: then the request must be sent.

        False: somebody else was first, and has had the line meanwhile.
        """
        if await self.turns.give_way(self.place):
            self.began = asyncio.get_running_loop().time()
            return False
        self.turns.goes(self.place)
        return True


async def pause(seconds: float) -> None:
    """Wait exactly: in the loop up to the last whole millisecond, then a short real sleep.

    The loop's timers are late by up to a millisecond, half of the silence between two frames.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    if (whole := int(seconds / _TIMER_S)) > 0:
        await asyncio.sleep((whole - 0.1) * _TIMER_S)
    _sleep_exactly(end - loop.time())


def _sleep_exactly(seconds: float) -> None:
    if seconds > 0:
        time.sleep(min(seconds, _TIMER_S))
