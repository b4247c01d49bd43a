"""Reading the record that waits in the meter, and what to do when it is none.

A record that cannot be understood is read again for a while: perhaps the meter is still writing it.
If it stays as it is, it is handed on as it stands, as evidence, and the meter can be released; kept
in the meter it would block the outlet for ever and help nobody. One that the meter does not let be
read at all is lost; a failure of the meter, which may pass, is waited for without end.
"""

import asyncio
import logging
from typing import Final

from meters.drivers.carlo_gavazzi_em580.complaints import Complaints, Noticed
from meters.drivers.carlo_gavazzi_em580.device import Device
from meters.drivers.carlo_gavazzi_em580.layout import NO_SUCH_REGISTER
from meters.drivers.carlo_gavazzi_em580.record import NoRecord, read_record
from meters.errors import RecordLost
from meters.modbus import ModbusException
from meters.ocmf.record import Record

log = logging.getLogger(__name__)

_TRIES: Final = 3
_PATIENCE_S: Final = 10.0


class UnreadRecord:
    """Fetches the record; its methods are called with the meter's lock held."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._since: float | None = None
        self._tries = 0

    def forget(self) -> None:
        """What comes next is another record, or another meter."""
        self._since, self._tries = None, 0
        self._complaints.clear(Noticed.RECORD)

    async def fetch(self, device: Device) -> tuple[bytes, Record | None]:
        """The document, and the record in it; None after long patience with what is none.

        Raises:
            NoRecord: what the meter gives now is no record; to be tried again.
            ModbusException: the meter refuses to give it; to be tried again.
            RecordLost: the meter calls its record ready and has given nothing for a long time.
        """
        try:
            document = await device.record()
            found: Record | None = read_record(document)
        except (NoRecord, ModbusException) as error:
            if isinstance(error, ModbusException) and error.code not in NO_SUCH_REGISTER:
                raise
            self._complaints.replace(Noticed.RECORD, (f"its record cannot be used: {error}",))
            if not self._exhausted():
                raise
            return await self._rescued(device, error)
        self.forget()
        return document, found

    def _exhausted(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        self._tries += 1
        return self._tries >= _TRIES and now - self._since >= _PATIENCE_S

    async def _rescued(
        self, device: Device, cause: NoRecord | ModbusException
    ) -> tuple[bytes, Record | None]:
        if isinstance(cause, ModbusException):
            raise RecordLost(f"the meter does not give its record: {cause}") from cause
        document = await device.salvage()
        if not document:
            raise RecordLost(f"the meter offers an empty record: {cause}") from cause
        try:
            return document, read_record(document)  # only its size was told wrongly
        except NoRecord as error:
            log.error("no record, handed on as it is: %s", error)  # noqa: TRY400 - the meter's data
            return document, None
