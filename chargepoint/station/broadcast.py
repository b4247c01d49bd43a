"""Tells whoever listens what happens in the station; nobody can hold it up by listening slowly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened: a word for what it is, and plain JSON about it."""

    kind: str
    about: dict[str, Any]


class Broadcast:
    """Hands everything told to every listener. A listener that falls behind loses the oldest."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Told]] = set()

    @property
    def heard(self) -> bool:
        """Whether anybody listens, so that nobody renders for nothing."""
        return bool(self._listeners)

    def tell(self, kind: str, **about: Any) -> None:  # noqa: ANN401 - plain JSON
        """Tell all listeners."""
        told = Told(kind, about)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(told)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[asyncio.Queue[Told]]:
        """A queue of everything told while the context is open."""
        queue: asyncio.Queue[Told] = asyncio.Queue(MOST_WAITING)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
