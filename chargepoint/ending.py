"""An end within a bound, whatever hangs: signals are heard by a thread that nothing holds up.

The event loop may be blocked (a disk that does not answer, a defect), a name may be looked up in a
thread that nobody can stop, an upload may hang in another one. The signal of the operating system
reaches the thread nevertheless, through the descriptor that Python writes to, and the thread ends
the process when its time is up. That loses nothing: what has happened is stored before it counts,
and the next start goes on from there, as after a power cut.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import FrameType, TracebackType
from typing import Any, Final, Self

log = logging.getLogger(__name__)

STOP_MOST: Final = timedelta(seconds=30)
"""From SIGTERM or Ctrl-C to the end of the process."""

HURRY_MOST: Final = timedelta(seconds=5)
"""From the second one."""

LEFT_MOST: Final = timedelta(seconds=2)
"""From the orderly end of everything else, for threads that remain."""

_FORCED: Final = 1  # exit code of a process that did not end by itself
_SAID_S: Final = 1.0  # for the last words: the log may be what hangs
_DONE: Final = b"\0"
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Hears SIGTERM, SIGINT and SIGHUP while its ``with`` is open.

    ``on_stop`` is called in the loop with the signal and whether it is a further one, ``on_hangup``
    for SIGHUP; both are set before ``listen``.
    """

    def __init__(self) -> None:
        self.on_stop: Callable[[int, bool], None] = lambda *_: None
        self.on_hangup: Callable[[], None] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deadline: float | None = None
        self._code = _FORCED
        self._orderly = False
        self._stops = 0
        self._last = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._ours, self._theirs = socket.socketpair()
        self._theirs.settimeout(0)
        self._descriptor = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for number in (*_STOPPING, signal.SIGHUP):
            self._before[number] = signal.signal(number, _heard_elsewhere)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._descriptor)
        self._theirs.close()
        self._thread.join()
        self._ours.close()

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell of signals in this loop from now on."""
        self._loop = loop
        for again in range(self._stops):
            self._call(self.on_stop, self._last, again > 0)

    def done(self, code: int) -> None:
        """Everything has ended in order, with this exit code; what remains are threads."""
        self._code, self._orderly = code, True
        self._theirs.send(_DONE)

    def _listen(self) -> None:
        while True:
            left = None if self._deadline is None else self._deadline - time.monotonic()
            self._ours.settimeout(None if left is None else max(left, 0.001))
            try:
                heard = self._ours.recv(16)
            except TimeoutError:
                self._end()
                return
            if not heard:
                return
            for number in heard:
                self._hear(number)

    def _hear(self, number: int) -> None:
        if number == _DONE[0]:
            self._expire(LEFT_MOST)
        elif number in _STOPPING:
            self._stops, self._last = self._stops + 1, number
            self._expire(STOP_MOST if self._stops == 1 else HURRY_MOST)
            self._call(self.on_stop, number, self._stops > 1)
        elif number == signal.SIGHUP:
            self._call(self.on_hangup)

    def _expire(self, after: timedelta) -> None:
        """The end comes after this time, or earlier if that was said."""
        due = time.monotonic() + after.total_seconds()
        self._deadline = due if self._deadline is None else min(due, self._deadline)

    def _call(self, what: Callable[..., None], *about: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(what, *about)

    def _end(self) -> None:
        words = threading.Thread(target=self._say, daemon=True)
        words.start()
        words.join(_SAID_S)
        os._exit(self._code)

    def _say(self) -> None:
        if self._orderly:
            log.warning("ended, although threads are still at work")
        else:
            log.error("not ended in time, going now; what is stored is kept: %s", _where())


def _heard_elsewhere(_: int, __: FrameType | None) -> None:
    """The thread has been told already."""


def _where() -> str:
    """Where the main thread is, without a word of what it works on."""
    frame = sys._current_frames().get(_MAIN)  # noqa: SLF001 - there is no other way to ask
    places: list[str] = []
    while frame is not None and len(places) < 4:  # noqa: PLR2004
        file = "/".join(frame.f_code.co_filename.rsplit("/", 2)[-2:])
        places.append(f"{file}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return ", called from ".join(places)


_MAIN: Final = threading.main_thread().ident or 0
