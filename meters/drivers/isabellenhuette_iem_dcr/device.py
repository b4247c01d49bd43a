"""One meter's nodes by name, each with what the driver must know about asking them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from meters.drivers.isabellenhuette_iem_dcr import record
from meters.drivers.isabellenhuette_iem_dcr.record import NoRecord
from meters.drivers.isabellenhuette_iem_dcr.wire import Clock, Gateway, Key, Values
from meters.errors import MeterUnreachable
from meters.http import Answer, HttpDevice, HttpRefusal
from meters.ocmf.record import Record

_V1: Final = "/counter/v1/ocmf"
_RECEIPT: Final = f"{_V1}/receipt"
_TRANSACTIONS: Final = (f"{_V1}/transaction", "/counter/v2/ocmf/transaction")
_JSON: Final = "application/json"
_PASSING: Final = frozenset({408, 425, 429})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """The last record, if there is one.

    ``settled`` if the meter calls it that of the transaction that it ended last, so that none can
    be in the making. ``odd`` is what the meter gives as a record and is none.
    """

    record: Record | None = None
    settled: bool = False
    odd: NoRecord | None = None


class Device:
    """Every method raises ``MeterUnreachable`` for what may pass, ``HttpRefusal`` for a no."""

    def __init__(self, http: HttpDevice) -> None:
        self._http = http
        self._transaction = _TRANSACTIONS[0]  # where the firmware has it

    async def gateway(self) -> Gateway:
        """The charge point that the meter was told."""
        return await self._read("gw", Gateway)

    async def set_gateway(self, ct: str, ci: str, time: str) -> None:
        """Tell it; done once, until the power of the meter is cut. Sets the clock too."""
        await self._post("gw", {"CT": ct, "CI": ci, "TM": time})

    async def clock(self) -> str:
        """The time that it shows."""
        return (await self._read("datetime", Clock)).TM

    async def set_clock(self, time: str) -> None:
        """Set the clock."""
        await self._post("datetime", {"TM": time})

    async def set_tariff(self, text: str) -> None:
        """The tariff text of transactions without one of their own."""
        await self._post("tariff", {"TT": text})

    async def values(self) -> Values:
        """Live values."""
        return await self._read("metervalue", Values)

    async def key(self) -> Key:
        """The public key as the meter writes it."""
        return await self._read("publickey", Key)

    async def set_user(self, fields: Mapping[str, Any]) -> None:
        """Whom the next transaction is for."""
        await self._post("user", fields)

    async def command(self, letter: str) -> None:
        """``B`` or ``E``, once.

        Raises:
            MeterUnreachable: whether it was done is not known.
            HttpRefusal: it was not.
        """
        await self._post("receipt", {"TX": letter})

    async def receipt(self) -> Record | None:
        """The record of the transaction just ended, or begun; None while the meter gives none.

        Raises:
            NoRecord: what it gives is no record.
        """
        return await self._record(_RECEIPT)

    async def last_record(self, *, older: bool) -> Look:
        """The record of the last transaction; ``older`` also asks the nodes that keep one longer.

        Those may have a good one although the first has not.
        """
        odd: NoRecord | None = None
        known = self._transaction
        others = (known, *(other for other in _TRANSACTIONS if other != known))
        for path in (_RECEIPT, *(others if older else ())):
            try:
                found = await self._record(path)
                if found is None:
                    continue
                record.checked(found)
            except NoRecord as error:
                odd = odd or error
                continue
            if path == _RECEIPT:
                return Look(found, settled=True)
            self._transaction = path
            return Look(found, odd=odd)
        return Look(odd=odd)

    async def _record(self, path: str) -> Record | None:
        try:
            answer = await self._ask("GET", path)
        except HttpRefusal:
            return None
        return record.found_in(answer.body) if answer.body.strip() else None

    async def _read(self, node: str, kind: type[T]) -> T:
        return (await self._ask("GET", f"{_V1}/{node}")).decode(kind)

    async def _post(self, node: str, fields: Mapping[str, Any]) -> None:
        await self._ask("POST", f"{_V1}/{node}", json=dict(fields))

    async def _ask(self, method: str, path: str, **how: Any) -> Answer:  # noqa: ANN401 - as for request
        """The type of content is named in every request, as all masters of this meter do."""
        try:
            return await self._http.request(method, path, content_type=_JSON, **how)
        except HttpRefusal as error:
            if error.status in _PASSING:
                raise MeterUnreachable(str(error)) from error
            raise
