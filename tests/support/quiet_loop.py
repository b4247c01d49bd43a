"""A loop whose time is a fake clock's, and which knows when nothing is going on any more.

Real sockets and threads work as ever. What the code under test gives a deadline by the loop, like
the wait for an answer of the CSMS, comes due when a test lets time pass, in order with everything
that sleeps on the clock.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from fake_clock import FakeClock

T = TypeVar("T")

PATIENCE_S = 5.0  # real time in which everything must have come to rest
_LOOKS = 500  # at least so often, on a machine that is busy with something else
_CALM = 3  # turns without any event in which nothing was ready
_IN_FLIGHT_S = 0.001  # what left one socket of this process has reached the other one by then
_OWN_SOCKETS = 4  # listener and two ends of the WebSocket, and the loop's own


class QuietClock(FakeClock):
    """A fake clock that also drives the loop; ``settle`` waits for sockets and threads.

    ``busy`` says what is on its way although nothing happens at this moment, else "".
    """

    def __init__(self) -> None:
        super().__init__()
        self.busy: Callable[[], str] = lambda: ""
        self.known = self.provisional = False
        self.kept_right = False  # by NTP or the like
        self.ahead = timedelta(0)  # of the machine's own clock
        self._watch: _Watch | None = None

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Be the time of the running loop until the context is left."""
        with _watched(self) as watch:
            self._watch = watch
            try:
                yield
            finally:
                self._watch = None
                self.busy = lambda: ""

    async def settle(self) -> None:
        """Return once everything has gone on that needs no time.

        Raises:
            AssertionError: it did not come to rest; says what was still going on.
        """
        if self._watch is None:
            await super().settle()
            return
        async with self._watch.turn:
            patience = _Patience(self.busy)
            await self._watch.calm(patience)
            # Of who sleeps until this very moment and was not woken yet, nothing can be expected.
            while self.busy() and self._next_due() > self.elapsed:
                await self._watch.linger()
                await self._watch.calm(patience)

    async def done(self, work: Coroutine[Any, Any, T]) -> T:
        """What a piece of work gives that must not need time, once all has come to rest."""
        task = asyncio.ensure_future(work)
        await self.settle()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            raise AssertionError("not done, and nothing is going on any more")
        return task.result()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what happens in its own real time: a process, a thread of somebody else's."""
        patience = _Patience(lambda: "it did not come about")
        while not condition():
            patience.look()
            await moment()
        await self.settle()

    async def advance(self, seconds: float) -> None:
        """Let time pass; who sleeps, or has a deadline, is woken at its own moment, in order."""
        if self._watch is None:
            await super().advance(seconds)
            return
        await self.settle()
        end = self.elapsed + seconds
        while (due := self._next_due()) <= end:
            self._move(due)
            self._wake()
            await self.settle()
        self._move(end)
        await self.settle()

    def correct(self, by: timedelta) -> None:
        """The station's own wall time is put right."""
        self.wall += by
        self.ahead += by

    def machine(self) -> datetime:
        return self.wall - self.ahead

    def disciplined(self) -> bool:
        return self.kept_right

    def follow(self) -> None:
        self.correct(-self.ahead)

    def set_machine(self, moment: datetime) -> None:
        """Somebody sets the machine's clock; what becomes of that is for the station."""
        self.ahead = self.wall - moment

    def lose(self, moment: datetime) -> None:
        """The power is gone, and the clock begins anew here."""
        self.known = self.provisional = False
        self.ahead = timedelta(0)
        self.set_wall(moment)

    def _next_due(self) -> float:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        assert self._watch is not None
        sleeper = self._sleepers[0][0] if self._sleepers else float("inf")
        return min(sleeper, self._watch.next_timer())

    def _wake(self) -> None:
        """Who sleeps until now; one at a time if several do, as with the plain fake clock."""
        if self._sleepers and self._sleepers[0][0] <= self.elapsed:
            _, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                sleeper.set_result(None)


async def moment() -> None:
    """Let a moment of real time pass, whoever drives the loop."""
    watch: _Watch | None = getattr(asyncio.get_running_loop(), "watch", None)
    if watch is None:
        await asyncio.sleep(0.002)
    else:
        async with watch.turn:
            await watch.linger()


class _Patience:
    """How long a test waits in real time."""

    def __init__(self, busy: Callable[[], str]) -> None:
        self._busy = busy
        self._until = time.monotonic() + PATIENCE_S
        self._looks = 0

    def look(self, more: Callable[[], str] = lambda: "") -> None:
        self._looks += 1
        if self._looks > _LOOKS and time.monotonic() > self._until:
            what = "; ".join(filter(None, [self._busy(), more()]))
            raise AssertionError(f"no rest after {PATIENCE_S:g} s: {what}")


class _Watch:
    """What happens in a loop, seen through its selector and its threads."""

    def __init__(self, loop: Any) -> None:
        self.turn = asyncio.Lock()  # of who looks: two would keep each other awake
        self._loop = loop
        self._select = loop._selector.select
        self._submit = loop.run_in_executor
        self._events = 0
        self._threads = 0
        self._lingers = False
        loop.watch = self
        loop._selector.select = self._watched_select
        loop.run_in_executor = self._watched_submit

    def end(self) -> None:
        del self._loop.watch
        del self._loop._selector.select
        del self._loop.run_in_executor

    async def calm(self, patience: "_Patience") -> None:
        """Return once nothing is ready and no thread is at work."""
        calm = 0
        while calm < _CALM:
            patience.look(self._going_on)
            before = self._events
            strangers = len(self._loop._selector.get_map()) > _OWN_SOCKETS
            if calm == _CALM - 1 and (strangers or self._threads):
                await self.linger()
            else:
                await asyncio.sleep(0)
            quiet = self._events == before and not self._loop._ready and not self._threads
            calm = calm + 1 if quiet else 0

    async def linger(self) -> None:
        """Give the other side of a socket, or a thread, a moment of real time."""
        self._lingers = True
        await asyncio.sleep(0)

    def next_timer(self) -> float:
        """When the next deadline of the loop comes, by its time."""
        timers = [timer.when() for timer in self._loop._scheduled if not timer.cancelled()]
        return max(min(timers, default=float("inf")), self._loop.time())

    def _going_on(self) -> str:
        """The threads at work and the tasks that want to go on."""
        tasks = [
            task.get_coro().__qualname__
            for task in asyncio.all_tasks(self._loop) - {asyncio.current_task()}
            if task._fut_waiter is None or task._fut_waiter.done()
        ]
        return f"{self._threads} threads at work, tasks that go on: {', '.join(tasks) or 'none'}"

    def _watched_select(self, timeout: float | None = None) -> Any:
        if self._lingers:
            self._lingers = False
            timeout = _IN_FLIGHT_S
        found = self._select(timeout)
        self._events += len(found)
        return found

    def _watched_submit(self, executor: Any, func: Any, *args: Any) -> Any:
        future = self._submit(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self._threads -= 1


@contextmanager
def _watched(clock: FakeClock) -> Iterator[_Watch]:
    loop: Any = asyncio.get_running_loop()
    loop.time = clock.monotonic
    watch = _Watch(loop)
    try:
        yield watch
    finally:
        watch.end()
        left, at = clock.elapsed, time.monotonic()
        loop.time = lambda: left + time.monotonic() - at  # real time again, from here on
