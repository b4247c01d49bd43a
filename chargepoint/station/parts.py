"""The parts of a station that are kept running, and what became of each of them."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Protocol, TypeAlias

Part: TypeAlias = Callable[[], Coroutine[Any, Any, object]]


class PartEnded(Exception):  # noqa: N818 - reads as a state
    """A part that never ends has ended, or was cancelled by nobody who may."""


@dataclass(slots=True)
class Books:
    """What became of one part so far.

    ``failing_since`` (monotonic) is when it failed first without having run well since, None while
    all is well; ``last_error`` is the kind of error and the place, never its text: that may quote
    what nobody may read. ``vital``: charging is not safe, or not possible, without it.
    """

    name: str
    vital: bool = False
    running: bool = False
    failures: int = 0
    failing_since: float | None = None
    failed_at: datetime | None = None
    last_error: str = ""


class Keeper(Protocol):
    """Keeps parts running: one that fails is started again (``chargepoint.supervisor``).

    ``on_change`` is told of a part that failed, or has proven well since; it must not raise.
    """

    on_change: Callable[[Books], None]

    @property
    def parts(self) -> Mapping[str, Books]:
        """Every part that was ever kept, by its name."""
        ...

    def keep(self, name: str, part: Part, *, vital: bool = False) -> None:
        """Keep a part running until the end; a vital one never ends by itself."""
        ...


async def together(*parts: Coroutine[Any, Any, object]) -> NoReturn:
    """Run parts that make sense only together: the first that ends, however, ends all.

    A TaskGroup does not notice a task that was cancelled by something inside of it.

    Raises:
        ExceptionGroup: with PartEnded, if one of them returned or was cancelled from inside, else
            with what one of them raised.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in parts]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if all(task.cancelled() or task.exception() is None for task in done):
            names = [getattr(task.get_coro(), "__qualname__", "a part") for task in done]
            raise PartEnded(f"{', '.join(names)} ended by itself")
    raise AssertionError("a task has failed, and its group did not")
