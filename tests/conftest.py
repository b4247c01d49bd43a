"""What every test gets: nothing may be left behind by it."""

import asyncio
import gc
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

_ENDING_S = 2.0


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that leaves a task, a thread or an unretrieved exception behind fails."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_task_left")
    before = set(threading.enumerate())
    yield
    new = [
        one for one in set(threading.enumerate()) - before if not one.name.startswith("asyncio_")
    ]
    for thread in new:
        thread.join(_ENDING_S)  # one that waits for a process ends a moment after it
    left = [thread.name for thread in new if thread.is_alive()]
    assert not left, f"threads left behind: {left}"


@pytest.fixture(autouse=True)
def _logging_stays() -> Iterator[None]:
    """A command that a test runs in its own process sets up logging for everybody."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
async def _no_task_left() -> AsyncIterator[None]:
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(str(context["message"])))
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = [str(task) for task in asyncio.all_tasks() - before - {asyncio.current_task()}]
    gc.collect(0)  # all generations would cost more than most tests
    assert not left, f"tasks left behind: {left}"
    assert not complaints, f"complaints of the loop: {complaints}"
