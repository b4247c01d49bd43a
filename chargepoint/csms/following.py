"""What follows the replies on one connection, and how much of it may be under way.

A report follows its reply until the CSMS has answered the last part. One that asks faster than it
answers would fill the memory.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from chargepoint.csms.replies import CallError

Work: TypeAlias = Coroutine[Any, Any, None]

FOLLOWING_MOST: Final = 100


class Following:
    """The work that follows the replies; ``spawn`` takes it over."""

    def __init__(self, spawn: Callable[[Work], None]) -> None:
        self._spawn = spawn
        self._begun: list[Work] = []

    def begin(self, work: Work) -> None:
        """Let a piece of work be done."""
        self._begun.append(work)
        self._spawn(work)

    def check(self) -> None:
        """Return if there may be more.

        Raises:
            CallError: too much is under way.
        """
        if len(self._begun) < FOLLOWING_MOST:
            return
        over = inspect.CORO_CLOSED
        self._begun = [work for work in self._begun if inspect.getcoroutinestate(work) != over]
        if len(self._begun) >= FOLLOWING_MOST:
            raise CallError("GenericError", "too much of what was asked for is still under way")
