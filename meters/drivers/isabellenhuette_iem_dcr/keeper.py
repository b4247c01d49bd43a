"""The record that the meter holds: whose it is, whether it was released, when it is there."""

import asyncio
from typing import Final

from meters.drivers.isabellenhuette_iem_dcr import record
from meters.drivers.isabellenhuette_iem_dcr.config import Config
from meters.drivers.isabellenhuette_iem_dcr.device import Device, Look
from meters.drivers.isabellenhuette_iem_dcr.record import NoRecord
from meters.ocmf.record import Record

GRACE_S: Final = 1.0
"""In which a record appears that was being signed when we came."""

_POLL_S: Final = 0.1
_FULL_LOOK: Final = 10  # only each tenth look asks more than one node


class RecordKeeper:
    """Its methods are called with the meter's lock held.

    ``patience_s`` is how long the meter may take to sign. What is no record and was released is
    not told apart from what else is none, until a transaction runs: some of it may have the time in
    it.
    """

    def __init__(self, config: Config, device: Device) -> None:
        self._device = device
        self._in_tariff = config.transaction_id_in == "tariff"
        self.patience_s = config.signature_timeout_ms / 1000
        self._read: tuple[frozenset[str], bytes] | None = None  # names and digest of the last one
        self._released: bytes | None = None
        self._odd_as: str | None = None  # the id under which what is no record was handed on
        self._odd_released = False
        self._settled = False

    def reconnected(self, *, swapped: bool) -> None:
        """A record may be in the making again; of another meter nothing is known."""
        self._settled = False
        if swapped:
            self._read, self._released = None, None
            self.runs()

    def runs(self) -> None:
        """A transaction runs: what is no record afterwards is something new."""
        self._odd_as, self._odd_released = None, False

    def owner(self, found: Record | NoRecord) -> str:
        """Our id of its transaction; empty if it does not tell."""
        if isinstance(found, NoRecord):
            return record.marked_in(found.body) if self._odd_as is None else self._odd_as
        return record.owner(found, in_tariff=self._in_tariff)

    def note_read(self, found: Record, names: frozenset[str]) -> None:
        """It was handed to the caller under these ids."""
        self._read, self._odd_as = (names, record.digest(found)), None

    def note_odd(self, transaction_id: str) -> None:
        """What is no record was handed to the caller under this id."""
        self._odd_as = transaction_id

    def release_read(self, transaction_id: str) -> bool:
        """Release what was read under this id; False if nothing was."""
        if self._odd_as == transaction_id:
            self._odd_released = True
            return True
        if self._read is None or transaction_id not in self._read[0]:
            return False
        self._released = self._read[1]
        return True

    def release(self, found: Record | NoRecord) -> None:
        """This one may be overwritten."""
        if isinstance(found, NoRecord):
            self._odd_released = True
        else:
            self._released = record.digest(found)

    def _is_released(self, found: Record | NoRecord) -> bool:
        if isinstance(found, NoRecord):
            return self._odd_released
        return record.digest(found) == self._released

    async def unread(self) -> Record | NoRecord | None:
        """What must not be overwritten. Waits a little if a record may be in the making."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(GRACE_S, self.patience_s)
        full = self._settled
        while True:
            look = await self._device.last_record(older=full)
            if look.settled or full:
                self._settled = True
                found = (one for one in (look.record, look.odd) if one is not None)
                return next((one for one in found if not self._is_released(one)), None)
            await asyncio.sleep(_POLL_S)
            full = loop.time() >= deadline

    async def shown(self) -> Record | None:
        """What the meter gives as a record while a transaction runs."""
        try:
            return await self._device.receipt()
        except NoRecord:
            return None

    async def awaited(self, transaction_id: str, *, ended_now: bool) -> tuple[Look, bool]:
        """The record of this transaction as soon as the meter has it, and whether it is that one.

        Waits long for one whose end was commanded just now, else only ``GRACE_S``, and not at all
        if the meter shows that it ended another one last.
        """
        loop = asyncio.get_running_loop()
        patience_s = self.patience_s if ended_now else min(GRACE_S, self.patience_s)
        deadline, polls = loop.time() + patience_s, 0
        while True:
            late = loop.time() >= deadline
            look = await self._device.last_record(older=late or polls % _FULL_LOOK == 0)
            found = look.record
            of_nobody = ended_now and not transaction_id and look.settled
            if found is not None and (self._is_of(found, transaction_id) or of_nobody):
                return look, True
            if late or (look.settled and not ended_now):
                return look, False
            polls += 1
            await asyncio.sleep(_POLL_S)

    def _is_of(self, found: Record, transaction_id: str) -> bool:
        """Whether the record belongs to the id, or was given for it before."""
        if self.owner(found) == transaction_id:
            return True
        read = self._read
        return read is not None and transaction_id in read[0] and read[1] == record.digest(found)
