"""Tells whoever listens what happens in the station; nobody can hold it up by listening slowly."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from chargepoint.core.facts import Fact, StatusChanged, TransactionEnded, TransactionStarted

log = logging.getLogger(__name__)

MOST_WAITING = 1000
MOST_CHARACTERS = 2 * 1024 * 1024  # of texts that wait for one listener; a frame may have half


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened: a word for what it is, and plain JSON about it."""

    kind: str
    about: dict[str, Any]

    @property
    def size(self) -> int:
        """Characters of its texts."""
        return sum(len(value) for value in self.about.values() if isinstance(value, str))


class Waiting(asyncio.Queue[Told]):
    """What one listener has not taken yet."""

    def __init__(self) -> None:
        super().__init__(MOST_WAITING)
        self._characters = 0

    def add(self, told: Told) -> None:
        """Append it; what is too much then goes, the oldest first."""
        size = told.size
        while self.full() or (self.qsize() and self._characters + size > MOST_CHARACTERS):
            self.get_nowait()
        self.put_nowait(told)

    def _put(self, item: Told) -> None:
        super()._put(item)
        self._characters += item.size

    def _get(self) -> Told:
        item: Told = super()._get()
        self._characters -= item.size
        return item


class Broadcast:
    """Hands everything told to every listener. A listener that falls behind loses the oldest."""

    def __init__(self) -> None:
        self._listeners: set[Waiting] = set()

    @property
    def heard(self) -> bool:
        """Whether anybody listens, so that nobody renders for nothing."""
        return bool(self._listeners)

    def tell(self, kind: str, **about: Any) -> None:  # noqa: ANN401 - plain JSON
        """Tell all listeners."""
        told = Told(kind, about)
        for queue in self._listeners:
            queue.add(told)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[asyncio.Queue[Told]]:
        """A queue of everything told while the context is open."""
        queue = Waiting()
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)


def announce(told: Broadcast, fact: Fact) -> None:
    """Log and tell what an operator wants to see of a fact."""
    match fact:
        case StatusChanged():
            because = f" ({fact.fault.error_code})" if fact.fault else ""
            where = f"EVSE {fact.evse_id} connector {fact.connector_id}"
            log.info("%s: %s%s", where if fact.evse_id else "station", fact.status, because)
            told.tell(
                "status",
                evse=fact.evse_id,
                connector=fact.connector_id,
                status=str(fact.status),
                at=fact.at.isoformat(),
            )
        case TransactionStarted():
            log.info("EVSE %d: transaction %s started", fact.evse_id, fact.transaction_id)
            told.tell("transaction", id=fact.transaction_id, what="started")
        case TransactionEnded():
            log.info(
                "EVSE %d: transaction %s ended (%s)%s",
                fact.evse_id,
                fact.transaction_id,
                fact.reason,
                f", without record: {fact.missing}" if fact.missing else "",
            )
            told.tell(
                "transaction",
                id=fact.transaction_id,
                what="ended",
                reason=str(fact.reason),
                verdict=fact.verdict,
            )
