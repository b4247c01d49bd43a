"""All drivers of meters on Modbus: registers, states and records that the meter spoils.

An input names one and says, in JSON, what stands in the place of its answers.
"""

import json
from collections.abc import Iterator

from fuzz_meters import modbus_meter
from fuzz_meters import run as in_still_time

MODULES = (
    "meters.modbus",
    "meters.modbus_unit",
    "meters.rtu",
    "meters.registers",
    "meters.drivers.bauer_bsm",
    "meters.drivers.carlo_gavazzi_em580",
    "meters.drivers.generic_modbus",
    "meters.drivers.iskra_wm3m4",
)
STRUCTURED = True
PAIRS = {
    "bauer": ("bauer_bsm", "bauer_bsm"),
    "em580": ("carlo_gavazzi_em580", "em580"),
    "generic": ("generic_modbus", "generic_modbus"),
    "iskra": ("iskra_wm3m4", "iskra_wm3m4"),
}
WORDS = (*PAIRS, "0000", "0001", "FFFF", "8000", "7FFF", "7F800000", "7FC00000", "FFFFFFFF")


def seeds() -> Iterator[bytes]:
    for name in PAIRS:
        yield json.dumps([name]).encode()
        for code in (2, 3, 6, 11):
            yield json.dumps([name, None, code, None, code, None, None, code]).encode()
        for place in range(0, 24, 2):
            spoiled = [[4 * place, "8000"], [2, "FFFF"], [0, "0000"]]
            yield json.dumps([name, *[None] * place, *spoiled]).encode()
        yield json.dumps([name, None, False, False, ["01"], ["010402FFFFB880"], "00"]).encode()


def run(data: bytes) -> str:
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError):
        return "no input"
    match asked:
        case [str(name), *answers] if name in PAIRS:
            return in_still_time(modbus_meter(*PAIRS[name], answers))
    return "no input"
