"""What the nodes answer, and what it means in SI units.

The register values are text, zero padded, in kWh; numbers and text are both taken, exactly.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from meters.drivers.isabellenhuette_iem_dcr.times import shown
from meters.errors import MeterDataError
from meters.model import Quantity, Reading, Sample
from meters.numbers import measured

UNSET: Final = "U"
GOOD: Final = "G"
_ENERGY_ERROR: Final = "E"
_SESSION: Final = "transaction_"
_IMPORT, _EXPORT = "1.8.e", "2.8.e"
_WORDS: Final = 4


class Gateway(msgspec.Struct, frozen=True):
    """``GET /gw``; both are empty until they were set since power-up."""

    CT: str
    CI: str


class Clock(msgspec.Struct, frozen=True):
    """``GET /datetime``."""

    TM: str


class Key(msgspec.Struct, frozen=True):
    """``GET /publickey``."""

    PK: str
    SA: str = ""


class Register(msgspec.Struct, frozen=True):
    """One register: ``R`` is a running total, ``W`` that of the last transaction."""

    RI: str = ""
    RV: Decimal | None = None
    WI: str = ""
    WV: Decimal | None = None


class Values(msgspec.Struct, frozen=True):
    """``GET /metervalue``.

    U2 is the voltage that is billed; what U1, U3, U4 and the status word XS mean is not public.
    """

    MS: str
    TM: str
    EF: str
    ST: str
    XT: bool
    RD: list[Register]
    U2: Decimal
    I: Decimal  # noqa: E741 - the meter's own name
    P: Decimal
    XC: str

    @property
    def clock_letter(self) -> str:
        """U, I, S or R; empty if the time is no time."""
        return shown(self.TM)[1]

    @property
    def billable(self) -> bool:
        """Whether the meter itself trusts its energy."""
        return self.ST == GOOD and _ENERGY_ERROR not in self.EF


def error_words(text: str) -> tuple[int, ...]:
    """The four words of an error code, ``0x0000, 0x00000000, 0x00, 0x00``.

    Raises:
        MeterDataError: it is none.
    """
    try:
        words = tuple(int(word.strip(), 16) for word in text.split(","))
    except ValueError:
        words = ()
    if len(words) != _WORDS or min(words) < 0:
        raise MeterDataError(f"error code {text[:60]!r}, expected four hexadecimal numbers")
    return words


def session_wh(values: Values) -> Decimal:
    """Energy imported by the transaction that runs, or ran last; 0 if the meter does not tell."""
    found = _register(values, _SESSION, _IMPORT)
    return Decimal(0) if found is None else found


def reading(values: Values, taken_at: datetime) -> Reading:
    """The live values, registers as they are.

    Raises:
        MeterDataError: a value is missing or no number.
    """
    return _reading(values, taken_at, Decimal(0))


def begin_reading(values: Values, taken_at: datetime) -> Reading:
    """Likewise, with the energy as it was when the transaction began."""
    return _reading(values, taken_at, session_wh(values))


def _reading(values: Values, taken_at: datetime, less: Decimal) -> Reading:
    imported = _register(values, "", _IMPORT)
    if imported is None:
        raise MeterDataError("no register 1-b:1.8.e among the values of the meter")
    if imported < 0:
        raise MeterDataError(f"imported energy {imported} Wh")
    samples = [Sample(Quantity.ENERGY_IMPORT, imported - less)]
    if (exported := _register(values, "", _EXPORT)) is not None:
        samples.append(Sample(Quantity.ENERGY_EXPORT, exported))
    samples.append(Sample(Quantity.POWER, measured(values.P)))
    samples.append(Sample(Quantity.VOLTAGE, measured(values.U2)))
    samples.append(Sample(Quantity.CURRENT, measured(values.I)))
    return Reading(taken_at, tuple(samples))


def _register(values: Values, kind: str, code: str) -> Decimal | None:
    """A register in Wh; ``kind`` is empty for a running total."""
    for one in values.RD:
        name, value = (one.WI, one.WV) if kind else (one.RI, one.RV)
        if value is not None and name.startswith(kind) and name.endswith(code):
            return measured(value).scaleb(3)
    return None
