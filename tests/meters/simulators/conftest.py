"""A simulated meter whose time the test owns, and a master that sends raw bytes."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meters.simulators.em580 import Em580, Em580Settings
from meters.simulators.line import PtyLine

AWAKE = Em580Settings(
    boot_silence=timedelta(0),
    clock_refusal=timedelta(0),
    signing_delay=timedelta(0),
    key_seed="test",
)


class Time:
    """Monotonic time that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def meter(clock: Time) -> Callable[..., Em580]:
    """Makes meters that are awake at once and sign at once, unless told otherwise."""

    def make(**changes: Any) -> Em580:
        return Em580(replace(AWAKE, **changes), monotonic=clock)

    return make


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    return tmp_path / "meter.json"


class RawMaster:
    """Sends frames as they are and waits for as many bytes as asked for."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    async def exchange(self, frame: bytes, size: int, *, within_s: float = 2.0) -> bytes:
        """Exactly ``size`` bytes of answer, or what came within the time."""
        self.send(frame)
        return await self.receive(size, within_s=within_s)

    def send(self, frame: bytes) -> None:
        os.write(self._handle, frame)

    async def receive(self, size: int, *, within_s: float = 2.0) -> bytes:
        received = b""
        end = time.monotonic() + within_s
        while len(received) < size and time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                received += os.read(self._handle, size - len(received))
            await asyncio.sleep(0.0005)
        return received

    async def hears_nothing(self) -> bool:
        """Whether the line stays silent for longer than any answer takes here."""
        return await self.receive(1, within_s=0.02) == b""


@pytest.fixture
def opened() -> Callable[[str], AbstractContextManager[RawMaster]]:
    """Opens a terminal as a master does."""

    @contextlib.contextmanager
    def opening(port: str) -> Iterator[RawMaster]:
        handle = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            yield RawMaster(handle)
        finally:
            os.close(handle)

    return opening


@pytest.fixture
def pty(
    opened: Callable[[str], AbstractContextManager[RawMaster]],
) -> Callable[[Em580], contextlib.AbstractAsyncContextManager[tuple[PtyLine, RawMaster]]]:
    """A line with one meter, and a master on it."""

    @contextlib.asynccontextmanager
    async def running(device: Em580) -> AsyncIterator[tuple[PtyLine, RawMaster]]:
        async with PtyLine({1: device}) as line:
            with opened(line.port) as master:
                yield line, master

    return running
