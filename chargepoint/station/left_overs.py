"""What a meter still holds although nobody waits for it: read, verified, stored, then released."""

import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from chargepoint.clock import Clock
from chargepoint.core.inputs import Input
from chargepoint.core.model import EvseState
from chargepoint.store.sqlite import Store
from meters.api import SigningMeter
from meters.errors import RecordLost
from meters.model import OpenTransaction, Reading

log = logging.getLogger(__name__)

Verify = Callable[[Reading], Awaitable[str]]


class Owner(Protocol):
    """The EVSE this meter belongs to (``station.evse.EvseRunner``)."""

    evse_id: int
    state: EvseState

    async def feed(self, given: Input) -> None:
        """Apply one input."""
        ...


class LeftOvers:
    """The left-overs of one meter; ``verify`` gives the verdict on a signed reading."""

    def __init__(self, owner: Owner, *, store: Store, clock: Clock, verify: Verify) -> None:
        self._owner = owner
        self._store = store
        self._clock = clock
        self._verify = verify

    def awaited(self, found: OpenTransaction) -> bool:
        """Whether this is the transaction that the EVSE is about."""
        state = self._owner.state
        own = state.transaction.transaction_id if state.transaction else state.opening
        return bool(own) and found.transaction_id == own

    async def take(self, meter: SigningMeter, found: OpenTransaction) -> None:
        """Store, then release. A record that the meter itself says is damaged is given up."""
        transaction_id = found.transaction_id
        try:
            reading = await meter.end(transaction_id)
        except RecordLost as error:
            log.error("EVSE %d: record of %s: %s", self._owner.evse_id, transaction_id, error)  # noqa: TRY400 - the meter's own word
            await meter.release(transaction_id)
            return
        if reading.signed is not None:
            document = reading.signed.document
            name = transaction_id or self._named(document)
            if self._store.records.released(name, document):
                await meter.release(transaction_id)  # one that keeps what it was told to forget
                return
            verdict = await self._verify(reading)
            if not self._known(name, document, verdict):
                self._store.records.add_found(
                    name, self._owner.evse_id, reading, reading.signed, verdict
                )
            self._store.transactions.recovered(name)
            await meter.release(transaction_id)
            self._store.records.mark_released(name, self._clock.now())
            log.warning(
                "EVSE %d: meter held the record of transaction %s: stored (%s) and released",
                self._owner.evse_id,
                name,
                verdict,
            )

    def _named(self, document: bytes) -> str:
        """What it was stored as; else a name by what it is: read again, it must not count twice."""
        owner = self._store.records.owner(self._owner.evse_id, document)
        return owner or f"unknown {hashlib.sha256(document).hexdigest()[:16]}"

    def _known(self, name: str, document: bytes, verdict: str) -> bool:
        """Whether the text is stored already, as good as this: some sign at each reading anew."""
        text = document.rpartition(b"|")[0]
        return bool(text) and any(
            row.verdict == verdict and row.document.rpartition(b"|")[0] == text
            for row in self._store.records.of(name)
        )
