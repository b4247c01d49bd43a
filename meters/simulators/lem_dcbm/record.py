"""What a LEM DCBM signs: the OCMF record, and the legal record of its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from meters import ocmf
from meters.ocmf.build import Content
from meters.simulators.keys import SigningKey
from meters.simulators.lem_dcbm.flags import (
    FATAL,
    MEASURE_FAILED,
    RUNNING,
    SYNCHRONISED,
    TAMPERED,
)
from meters.simulators.lem_dcbm.memory import CABLES, Taken, Transaction
from meters.simulators.lem_dcbm.settings import IDENTIFICATIONS, Settings

STYLE: Final = ocmf.Style(
    order="FV GI GS GV PG MV MS MF IS IL IF IT ID TT CT CI RD",
    reading_order="TM TX RV RI RU RT EF ST UC",
)
"""Byte for byte as firmware 0.1.4.0; later readings leave out what they inherit."""

_IMPORT, _EXPORT = "1-0:1.8.0", "1-0:2.8.0"
_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def ocmf_record(
    settings: Settings, transaction: Transaction, key: SigningKey, now: Taken | None = None
) -> str:
    """The OCMF record; without an end it is one to go on with, whose last reading is ``now``.

    Raises:
        OcmfError: a text must not stand in a record, for instance because it holds the separator.
    """
    signed = ocmf.build(_payload(settings, transaction, now), style=STYLE)
    return f'OCMF|{signed.decode()}|{{"SA":"{key.algorithm}","SD":"{_signature(key, signed)}"}}'


def legal_record(
    settings: Settings, transaction: Transaction, key: SigningKey, now: Taken | None = None
) -> str:
    """The legal record: JSON, whose signature is assumed to cover all before it."""
    content = _legal(settings, transaction, now)
    signature = _signature(key, _JSON.encode(content))
    return render(content | {"signature": signature, "publicKey": bare_point(key)}).decode()


def render(content: Mapping[str, Any]) -> bytes:
    """JSON with exact numbers that keep their places."""
    return _JSON.encode(content)


def bare_point(key: SigningKey) -> str:
    """X and Y side by side, the form in which the meter shows the key of its legal records."""
    return key.point[1:].hex().upper()


def cable(number: int) -> dict[str, Any]:
    """The compensation of this number."""
    rows = {row["cableSpId"]: row for row in CABLES}
    unused = {"cableSpName": "No_Comp", "cableSpId": number, "cableSpRes": 0}
    return dict(rows.get(number, unused))


def iso(at: datetime) -> str:
    """Time of the meter as its JSON has it, with offset."""
    return at.isoformat(timespec="seconds")


def _signature(key: SigningKey, data: bytes) -> str:
    return key.sign(data).hex().upper()


def _payload(settings: Settings, transaction: Transaction, now: Taken | None) -> dict[str, Content]:
    asked = transaction.asked
    typed = transaction.identification > 0
    content: dict[str, Content] = {
        "FV": "1.0",
        "GI": "LEM DCBM",
        "GS": settings.serial_number,
        "GV": "v2" if settings.speaks_v2 else "v1",
        "PG": f"T{transaction.page}",
        "MV": "LEM",
        "MS": settings.serial_number,
        "MF": f"MU-{settings.firmware}_SU-{settings.sensor_firmware}",
        "IS": True,
        "IL": "HEARSAY",
        "IF": ["RFID_RELATED", "OCPP_AUTH_TLS", "ISO15118_NONE", "PLMN_NONE"],
        "IT": IDENTIFICATIONS[transaction.identification],
        "ID": asked.client_id if typed else asked.transaction_id,
        "CT": "EVSEID",
        "CI": asked.evse_id,
        "RD": _readings(transaction, now),
    }
    extras = {"TT": asked.tariff_text, "UV": asked.vendor_value, "UD": asked.vendor_data}
    return content | {name: text for name, text in extras.items() if text}


def _readings(transaction: Transaction, now: Taken | None) -> list[Content]:
    state = _state(transaction.status)
    comp = cable(transaction.asked.cable_id)
    begin: dict[str, Content] = {
        **_reading(transaction.begin, "B", "G"),
        "RT": "DC",
        "EF": "",
        "UC": {"UN": comp["cableSpName"], "UI": comp["cableSpId"], "UR": comp["cableSpRes"]},
    }
    readings: list[Content] = [begin, _export(transaction.begin, "G")]
    last = transaction.end or now
    if last is not None:
        cause = transaction.cause if transaction.end else "C"
        errors = _errors(transaction.status, last)
        readings += [
            _reading(last, cause, state) | ({"EF": errors} if errors else {}),
            _export(last, state),
        ]
    return readings


def _reading(taken: Taken, cause: str, state: str) -> dict[str, Content]:
    letter = "R" if taken.synchronised else "U"
    return {
        "TM": f"{taken.at:%Y-%m-%dT%H:%M:%S},000{taken.at:%z} {letter}",
        "TX": cause,
        "RV": taken.import_kwh,
        "RI": _IMPORT,
        "RU": "kWh",
        "ST": state,
    }


def _export(taken: Taken, state: str) -> dict[str, Content]:
    return {"RV": taken.export_kwh, "RI": _EXPORT, "RU": "kWh", "ST": state}


def _state(status: int) -> str:
    return "M" if status & TAMPERED else "G"


def _errors(status: int, last: Taken) -> str:
    energy = "E" if status & (FATAL | MEASURE_FAILED) else ""
    return energy + ("" if last.synchronised and status & SYNCHRONISED else "t")


def _legal(settings: Settings, transaction: Transaction, now: Taken | None) -> dict[str, Any]:
    asked, begin = transaction.asked, transaction.begin
    last = transaction.end or now or begin
    content: dict[str, Any] = {
        "paginationCounter": transaction.page,
        "transactionId": asked.transaction_id,
        "evseId": asked.evse_id,
        "clientId": asked.client_id,
        "tariffId": asked.tariff_id,
        "cableSp": cable(asked.cable_id),
        "userData": asked.user_data,
        "meterValue": {
            "timestampStart": iso(begin.at),
            "timestampStop": iso(last.at),
            "transactionDuration": int((last.at - begin.at).total_seconds()),
            "intermediateRead": transaction.end is None,
            "transactionStatus": transaction.status | (0 if transaction.end else RUNNING),
            "sampleValue": {
                "energyUnit": "kWh",
                "energyImport": last.import_kwh - begin.import_kwh,
                "energyImportTotalStart": begin.import_kwh,
                "energyImportTotalStop": last.import_kwh,
                "energyExport": last.export_kwh - begin.export_kwh,
                "energyExportTotalStart": begin.export_kwh,
                "energyExportTotalStop": last.export_kwh,
            },
        },
        "meterId": settings.serial_number,
    }
    if settings.speaks_v2:
        content |= {"TT": asked.tariff_text, "UV": asked.vendor_value, "UD": asked.vendor_data}
        content |= {"SC": asked.session_code}
    return content
