"""The drivers of meters that speak HTTP: JSON and records that the meter spoils.

An input names one and says, in JSON, what stands in the place of its answers.
"""

import json
from collections.abc import Iterator

from fuzz_meters import http_meter
from fuzz_meters import run as in_still_time

MODULES = (
    "meters.http_answer",
    "meters.drivers.isabellenhuette_iem_dcr",
    "meters.drivers.lem_dcbm",
)
STRUCTURED = True
PAIRS = {
    "iem": ("isabellenhuette_iem_dcr", "iem_dcr"),
    "lem": ("lem_dcbm", "lem_dcbm"),
}
WORDS = (
    *PAIRS, "CT", "CI", "TM", "PK", "SA", "RI", "RV", "WI", "WV", "MS", "EF", "ST", "XT", "RD",
    "U2", "I", "P", "XC", "status", "bits", "transactionIsOnGoing", "suLinkStatusIsOk",
    "timeSyncStatusIsOk", "muFatalErrorOccured", "errors", "version", "value", "meterId",
    "applicationFirmwareVersion", "publicKey", "publicKeyOcmf", "voltage", "current", "power",
    "energyImportTotal", "energyExportTotal", "temperatureH", "temperatureL", "transactionId",
    "meterValue", "timestampStart", "transactionStatus", "sampleValue", "energyImportTotalStart",
    "energyUnit", "running", "result", "ocmfId", "ntp", "time", "1e999", "1e-999999999", "NaN",
    "1E+30", "OCMF|{}|{}", "12345678-1234-5678-1234-567812345678", "1-b:1.8.e",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    for name in PAIRS:
        yield json.dumps([name]).encode()
        for status in (404, 409, 429, 500):
            yield json.dumps([name, None, status, None, None, status, None, None, status]).encode()
        yield json.dumps([name, *["<html>"] * 3, *[[200, {}]] * 3, *[[200, []]] * 3, ""]).encode()
    for place in range(12):
        before = [None] * place
        values = {"P": 1e30, "U2": "1e-5", "EF": "E", "ST": "F", "RD": [{"RI": "a", "RV": "1"}]}
        yield json.dumps(["iem", *before, values, {"TM": "x", "PK": "00", "XC": "1,2,3"}]).encode()
        live = {"voltage": "1e30", "temperatureH": -40, "energyImportTotal": "NaN"}
        live |= {"status": {"value": 255, "bits": {"transactionIsOnGoing": True}}}
        live |= {"meterValue": {"transactionStatus": 4}, "transactionId": "x", "running": False}
        yield json.dumps(["lem", *before, live, {"result": 0}]).encode()


def run(data: bytes) -> str:
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError):
        return "no input"
    match asked:
        case [str(name), *answers] if name in PAIRS:
            return in_still_time(http_meter(*PAIRS[name], answers))
    return "no input"
