"""Time that passes only when nothing else is left to do: waits of minutes in a test cost nothing.

Real sockets work as ever. When no byte is on its way and no task can go on, the clock of the loop
jumps to the next timer. So a test may give a simulated meter the pauses of a real one.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_IN_FLIGHT_S = 0.0002
"""After so long without an event nothing is on its way between two ends of one process."""


class _Selector(selectors.BaseSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        self._inner, self._jump = selectors.SelectSelector(), jump  # epoll counts in ms

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            return self._inner.select(None)
        found = self._inner.select(min(timeout, _IN_FLIGHT_S))
        if not found and timeout > _IN_FLIGHT_S:
            self._jump(timeout - _IN_FLIGHT_S)
        return found

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is real time and all the jumps; none while a thread is at work."""

    def __init__(self) -> None:
        self._jumped = 0.0
        self._threads = 0
        super().__init__(_Selector(self._jump))

    def time(self) -> float:
        return time.monotonic() + self._jumped

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *args: Any, **more: Any) -> None:
        self._threads += 1
        await super().shutdown_default_executor(*args, **more)

    def _thread_done(self, _: object) -> None:
        self._threads -= 1

    def _jump(self, seconds: float) -> None:
        if not self._threads:
            self._jumped += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end; fails if a task or a complaint of the loop is left behind."""
    complaints: list[str] = []

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(str(context)))
        result = await main
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {left}"
        return result

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(watched())
    assert not complaints, f"complaints of the loop: {complaints}"
    return result
