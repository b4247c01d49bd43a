"""What survives a power cut of a simulated LEM DCBM."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

VALID_H: Final = 48
"""A synchronisation of the clock holds for so long, also without power."""

DST: Final[dict[str, Any]] = {
    "activated": False,
    "offset": 60,
    "start": {"order": "last", "day": "sunday", "month": "march", "hour": "T01:00Z"},
    "end": {"order": "last", "day": "sunday", "month": "october", "hour": "T01:00Z"},
}
CABLES: Final = (
    {"cableSpName": "No_Comp", "cableSpId": 0, "cableSpRes": 0},
    {"cableSpName": "2mR_Comp", "cableSpId": 1, "cableSpRes": 2},
    {"cableSpName": "4mR_Comp", "cableSpId": 2, "cableSpRes": 4},
)
"""Compensation of the cable, by the number a transaction names; missing ones compensate nothing."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set. ``clock_offset_s`` is what the meter's clock is ahead of the world's."""

    tz: str = "+00:00"
    dst: dict[str, Any] = msgspec.field(default_factory=lambda: dict(DST))
    ntp: dict[str, Any] = msgspec.field(
        default_factory=lambda: {"servers": [], "syncPeriod": 120, "ntpActivated": False}
    )
    identification: int = 0
    tls_on: bool = False
    clock_offset_s: float = 0.0
    synchronised_at: datetime | None = None


class Taken(msgspec.Struct, frozen=True):
    """Both registers in kWh with three places, at a moment of the meter's clock, with offset."""

    at: datetime
    import_kwh: Decimal
    export_kwh: Decimal
    synchronised: bool


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a start. The last four are of the second version."""

    evse_id: str = msgspec.field(name="evseId")
    transaction_id: str = msgspec.field(name="transactionId")
    client_id: str = msgspec.field(name="clientId")
    tariff_id: int = msgspec.field(name="tariffId")
    cable_id: int = msgspec.field(name="cableId")
    user_data: str = msgspec.field(name="userData")
    tariff_text: str = msgspec.field(name="TT", default="")
    vendor_value: str = msgspec.field(name="UV", default="")
    vendor_data: str = msgspec.field(name="UD", default="")
    session_code: int = msgspec.field(name="SC", default=0)


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction. ``end``, ``legal`` and ``record`` are there when it is over.

    ``status`` collects bits from begin to end. ``identification`` is the type set at its begin.
    Before ``ready_at``, world time, the record is not offered yet.
    """

    asked: Asked
    index: int
    page: int
    begin: Taken
    status: int
    identification: int
    end: Taken | None = None
    cause: str = "E"
    legal: str = ""
    record: str = ""
    ready_at: datetime | None = None

    @property
    def id(self) -> str:
        """What the station calls it."""
        return self.asked.transaction_id


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """The non-volatile part. ``key`` is the private number in hex, certificates are PEM."""

    key: str
    import_wh: Decimal
    export_wh: Decimal
    page: int = 0
    setup: Setup = Setup()
    open: Transaction | None = None
    finished: tuple[Transaction, ...] = ()
    logbook: tuple[str, ...] = ()
    logbook_full: bool = False
    certificate: str = ""
    certificate_key: str = ""
    boots: int = 0
    begun: dict[str, int] = msgspec.field(default_factory=dict)
    ended: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def last(self) -> Transaction | None:
        """The running transaction, else the one that ended last."""
        return self.open or (self.finished[-1] if self.finished else None)
