"""Keeps the parts of the station running: one that fails is logged and started again.

The only place, beside the worker of a connection and the border to code of others (drivers,
boards), that may catch everything. It is also the only one that looks at a CancelledError: one
that nobody above has asked for comes from inside the part, which is then dead like after any other
error; passed on it would end the part without a word.
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final, Self, TypeVar

from chargepoint.clock import Clock
from chargepoint.station.parts import Books, Part, PartEnded

log = logging.getLogger(__name__)

T = TypeVar("T")

RESTART_AFTER: Final = timedelta(seconds=1)
RESTART_MOST: Final = timedelta(minutes=1)
WORK: Final = "pieces of work"
"""What is spawned; each is done once, so none of it is started again."""

AGAIN_S: Final = 6.0
"""Before a part is told once more to end: more than opening a contactor may take."""

PROVEN: Final = timedelta(minutes=2)
"""A part that has run so long without an error is well again: the next back-off starts anew."""


class Supervisor:
    """Owns all tasks of one life of the station; leaving the context ends them.

    Each of them is cancelled once and has its time for what it must still do (a contactor opens),
    although whoever leaves is cancelled meanwhile; only one that goes on is cancelled again.

    ``parts`` says what became of those that are kept; ``on_change`` is told of the books of a part
    that failed, or has proven well again since. It must not raise.
    """

    def __init__(self, clock: Clock) -> None:
        self._work = Books(WORK, running=True)
        self.parts: dict[str, Books] = {WORK: self._work}
        self.on_change: Callable[[Books], None] = lambda _: None
        self._clock = clock
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[Any]] = set()
        self._leaving = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._leaving = True
        hurried: asyncio.CancelledError | None = None
        due = time.monotonic()
        while self._running:
            if time.monotonic() >= due:
                due = time.monotonic() + AGAIN_S
                for task in self._running:
                    task.cancel()
            try:
                await asyncio.wait(set(self._running), timeout=due - time.monotonic())
            except asyncio.CancelledError as again:  # from above: raised once all is done
                hurried = again
        await self._tasks.__aexit__(None, None, None)  # an error of the body leaves as it is
        if hurried is not None:
            raise hurried

    def spawn(self, work: Coroutine[Any, Any, T], /) -> asyncio.Task[T | None]:
        """Do a piece of work that outlives whoever asked for it.

        The result is None if it failed, which is logged: it must not end the station.
        """
        task = self._start(self._guarded(work))
        task.add_done_callback(lambda _: work.close())  # of use if cancelled before its first step
        return task

    def keep(self, name: str, part: Part, *, vital: bool = False) -> None:
        """Keep a part running until the end; a vital one that ends by itself has failed, too."""
        books = self.parts[name] = Books(name, vital)
        self._start(self._kept(books, part))

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, T]) -> T | None:
        try:
            return await work
        except Exception as error:
            log.exception("a piece of work failed")
            self._note(self._work, error)
            return None

    async def _kept(self, books: Books, part: Part) -> None:
        wait = RESTART_AFTER
        while True:
            began = self._clock.monotonic()
            cause = await self._end_of(books, part)
            if cause is None:
                return
            if self._leaving:
                log.warning("%s failed while it was ended", books.name, exc_info=cause)
                return
            lasted = timedelta(seconds=self._clock.monotonic() - began)
            wait = RESTART_AFTER if lasted >= PROVEN else wait
            self._failed(books, cause, wait)
            await self._clock.sleep(wait)
            wait = min(2 * wait, RESTART_MOST)

    async def _end_of(self, books: Books, part: Part) -> BaseException | None:
        """Why a part ended, None if it may."""
        books.running = True
        try:
            await part()
        except asyncio.CancelledError as error:
            if _is_asked_to_end():
                raise
            return error
        except Exception as error:  # noqa: BLE001 - logged by whoever asked
            return error
        finally:
            books.running = False
        return PartEnded(f"{books.name} ended by itself") if books.vital else None

    def _failed(self, books: Books, cause: BaseException, wait: timedelta) -> None:
        self._note(books, cause)
        if books.failing_since is None:
            books.failing_since = self._clock.monotonic()
        log.error(
            "%s failed, starting it again in %g s",
            books.name,
            wait.total_seconds(),
            exc_info=cause,
            extra={"fields": {"part": books.name, "failures": books.failures}},
        )
        self.on_change(books)
        self._start(self._proven(books, books.failures, wait + PROVEN))

    def _note(self, books: Books, cause: BaseException) -> None:
        books.failures += 1
        books.failed_at = self._clock.now()
        books.last_error = place_of(cause)

    async def _proven(self, books: Books, failures: int, after: timedelta) -> None:
        """Believe that a part is well again once it has run for long enough."""
        await self._clock.sleep(after)
        if books.failures == failures:
            log.info("%s runs well again", books.name)
            books.failing_since = None
            self.on_change(books)


def _is_asked_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def place_of(error: BaseException) -> str:
    """The kind of an error and where it was raised, without a word of what it says."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    kind = type(error).__name__
    if not frames:
        return kind
    file = "/".join(frames[-1].filename.rsplit("/", 2)[-2:])
    return f"{kind} at {file}:{frames[-1].lineno}"
