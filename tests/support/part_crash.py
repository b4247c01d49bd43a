"""Makes one part of a running station raise at any of its awaits."""

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest

from chargepoint.station.parts import Part
from chargepoint.supervisor import Supervisor

_LIBRARIES = (
    "asyncio/base_events.py",
    "asyncio/selector_events.py",
    "asyncio/taskgroups.py",
    "websockets/asyncio/client.py",
    "chargepoint/csms/rpc.py",  # waits for what the other side has to say, and knows all of that
)


class Broken(Exception):  # noqa: N818 - reads as a state
    """The defect that a test has put into a part."""


@dataclass
class Injection:
    """Raise in the part of this name at its await number ``at``, counted from 1, once.

    ``seen`` is how many awaits were counted, in the part itself and what it waits for; those of
    tasks that it made are others. ``armed`` lets a test begin to count later.
    """

    name: str
    at: int
    error: type[BaseException] = Broken
    armed: bool = True
    seen: int = 0
    done: bool = False

    def due(self) -> bool:
        if not self.armed or self.done:
            return False
        self.seen += 1
        self.done = self.seen == self.at
        return self.done


def _in_a_library(work: Any) -> bool:
    """Whether the await is in the middle of asyncio, or of opening a connection: none of ours."""
    while work is not None:
        if type(work).__name__ == "coroutine_wrapper":  # what ``await connect(...)`` waits for
            return True
        code = getattr(work, "cr_code", None) or getattr(work, "gi_code", None)
        if code is not None and code.co_filename.endswith(_LIBRARIES):
            return True
        work = getattr(work, "cr_await", None) or getattr(work, "gi_yieldfrom", None)
    return False


class _Defective(Coroutine[Any, Any, Any]):
    """A coroutine with a defect in it."""

    def __init__(self, work: Coroutine[Any, Any, Any], injection: Injection) -> None:
        self._work = work
        self._injection = injection

    def send(self, value: Any) -> Any:
        waits_for = self._work.send(value)
        while not _in_a_library(self._work) and self._injection.due():
            waits_for = self._work.throw(self._injection.error("put in by a test"))
        return waits_for

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._work.__await__())


_FAMILY: ContextVar[Injection | None] = ContextVar("family", default=None)


def _factory(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
    injection = _FAMILY.get()
    if injection is not None and not isinstance(work, _Defective):
        work = _Defective(work, injection)
    return asyncio.Task(work, loop=loop, **more)


@contextmanager
def breaking(injection: Injection) -> Iterator[None]:
    """Parts that are started meanwhile have the defect, until it came out once.

    The tasks that the part makes belong to it, and the inputs that it feeds: their awaits are
    counted, too.
    """
    keep = Supervisor.keep
    loop = asyncio.get_running_loop()

    def kept(self: Supervisor, name: str, part: Part, *, vital: bool = False) -> None:
        async def defective() -> object:
            _FAMILY.set(injection)
            return await asyncio.ensure_future(part())

        keep(self, name, defective if name == injection.name else part, vital=vital)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Supervisor, "keep", kept)
        loop.set_task_factory(_factory)
        try:
            yield
        finally:
            loop.set_task_factory(None)
