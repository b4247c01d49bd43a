"""What ``GET /metervalue`` shows."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from meters.simulators.iem_dcr.memory import Memory
from meters.simulators.iem_dcr.moment import Moment
from meters.simulators.iem_dcr.record import kwh

_STATUS_WORD: Final = "0x0000004000000004"
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_PLACES: Final = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything of one moment; volts, amperes, watts, whole Wh."""

    serial_number: str
    moment: Moment
    errors: str
    state: str
    running: bool
    error_code: str
    import_wh: int
    export_wh: int
    voltage: Decimal
    current: Decimal
    power: Decimal


def metervalue(shown: Shown, memory: Memory) -> bytes:
    """The JSON text; the registers of a transaction stay until the next begins."""
    session = memory.session
    session_import, session_export = memory.session_import_wh, memory.session_export_wh
    if session is not None and memory.running:
        session_import = shown.import_wh - session.readings[0].import_wh
        session_export = shown.export_wh - session.readings[0].export_wh
    return _ENCODER.encode(
        {
            "MS": shown.serial_number,
            "TM": str(shown.moment),
            "EF": shown.errors,
            "ST": shown.state,
            "XT": shown.running,
            "RD": [
                _register("R", "1-b:1.8.e", shown.import_wh),
                _register("R", "1-b:2.8.e", shown.export_wh),
                _register("W", "transaction_1-b:1.8.e", session_import),
                _register("W", "transaction_1-b:2.8.e", session_export),
            ],
            "U1": Decimal("1.089"),
            "U2": shown.voltage.quantize(_PLACES),
            "U3": 0,
            "U4": 0,
            "I": shown.current.quantize(_PLACES),
            "P": shown.power.quantize(_PLACES),
            "XS": _STATUS_WORD,
            "XC": shown.error_code,
        }
    )


def _register(letter: str, code: str, wh: int) -> dict[str, str]:
    return {f"{letter}V": kwh(wh), f"{letter}I": code, f"{letter}U": "kWh", f"{letter}T": "DC"}
