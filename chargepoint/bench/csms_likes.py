"""What systems of the field do with signed values, for a small CSMS that does as they do.

Each is written from what was seen of it: "run" on the running system, "source" in its source text.
A likeness says what it refuses, what energy it would bill, and which records it can hand on.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from chargepoint.bench.csms_ledger import TransactionView
from chargepoint.csms.rpc import CallError

Payload = dict[str, Any]
Refuse = Callable[[str, str, Payload], CallError | Payload | None]
"""What version, action and payload get instead of the usual answer; None is the usual one."""

BOTH: Final = ("2.0.1", "1.6")
ENERGY: Final = "Energy.Active.Import.Register"
STRICT, WIDE = 2500, 32768  # characters of a record in OCPP 2.0.1 and in 2.1

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
# A capital T, Z or an offset with a colon, at most three digits of a second.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)")
_TIME_NAMES: Final = ("timestamp", "datetime", "generatedat", "startschedule")
_REGISTER_CONTEXTS: Final = {None, "Transaction.Begin", "Sample.Periodic", "Transaction.End"}


def _nothing(_version: str, _action: str, _payload: Payload) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How one kind of CSMS treats signed values.

    ``refuse`` is asked before a message is taken in, ``complain`` afterwards. ``energy`` is what
    would be billed in Wh, None if it fails to compute that; ``records`` are those it can hand on.
    ``record_most`` are the characters of a record it takes in 2.0.1, ``server`` is what it calls
    itself over HTTP.
    """

    versions: tuple[str, ...] = BOTH
    record_most: int = STRICT
    server: str | None = None
    refuse: Refuse = _nothing
    complain: Refuse = _nothing
    energy: Callable[[TransactionView], Decimal | None]
    records: Callable[[TransactionView], list[str]]


def meter_values(payload: Payload) -> list[Payload]:
    """The meter values of any message that has some."""
    found: list[Payload] = payload.get("meterValue") or payload.get("transactionData") or []
    return found


def signed_texts(transaction: TransactionView) -> Iterator[str]:
    """Every signed value of a transaction as it stands in its messages, in order, once each."""
    seen: dict[str, None] = {}
    for sample in _samples(transaction):
        if sample.get("format") == "SignedData":
            seen[sample["value"]] = None
        elif "signedMeterValue" in sample:
            seen[sample["signedMeterValue"]["signedMeterData"]] = None
    yield from seen


# --- by the letter ----------------------------------------------------------------------------


def _total(transaction: TransactionView) -> Decimal | None:
    """The difference of the registers, in 1.6 of meterStart and meterStop."""
    first, last = transaction.payloads[0], transaction.payloads[-1]
    if "meterStart" in first:
        return Decimal(last["meterStop"]) - first["meterStart"] if "meterStop" in last else None
    registers = [Decimal(str(s["value"])) for s in _samples(transaction) if _is_total(s)]
    return registers[-1] - registers[0] if registers else None


def _from_containers(transaction: TransactionView) -> list[str]:
    """As the OCA note has it: JSON in 1.6, Base64 in both."""
    found = []
    for text in signed_texts(transaction):
        data = text
        if text.startswith("{"):
            data = json.loads(text)["signedMeterData"]
        try:
            found.append(base64.b64decode(data, validate=True).decode())
        except (binascii.Error, ValueError):
            continue
    return found


# --- CitrineOS 1.8.3 (run) --------------------------------------------------------------------


def _citrineos_refuses(version: str, action: str, payload: Payload) -> CallError | Payload | None:
    if version == "1.6":
        if action in {"DataTransfer", "FirmwareStatusNotification"}:
            return CallError("NotSupported", f"{action} is not supported")
        if action in {"SecurityEventNotification", "SignCertificate", "LogStatusNotification"}:
            return CallError("InternalError", f"{action} is not known")
        return None
    if action == "DataTransfer":
        return {"status": "Rejected", "statusInfo": {"reasonCode": "NotImplemented"}}
    bad = [f"{time} must be a date-time" for time in _times(payload) if not _TIME.fullmatch(time)]
    if action == "MeterValues":
        bad += _citrineos_format(payload)
    return CallError("FormatViolation", bad[0]) if bad else None


def _citrineos_format(payload: Payload) -> Iterator[str]:
    """What is wrong with signed values; only MeterValues are looked at so."""
    for value in meter_values(payload):
        for sample in value["sampledValue"]:
            signed = sample.get("signedMeterValue", {})
            for name in ("signedMeterData", "publicKey"):
                if not _BASE64.fullmatch(signed.get(name, "")):
                    yield f"{name} must match pattern"


def _times(payload: Any) -> Iterator[str]:
    """Every moment in a message, by the names that they have in OCPP 2.0.1."""
    if isinstance(payload, dict):
        for name, value in payload.items():
            if isinstance(value, str) and name.lower().endswith(_TIME_NAMES):
                yield value
            else:
                yield from _times(value)
    elif isinstance(payload, list):
        for value in payload:
            yield from _times(value)


def _citrineos_complains(version: str, action: str, payload: Payload) -> CallError | None:
    """Stored, and then no signature is valid that is not RSA."""
    if version != "1.6" and action == "MeterValues":
        samples = [s for value in meter_values(payload) for s in value["sampledValue"]]
        if any("signedMeterValue" in sample for sample in samples):
            words = "One or more MeterValues have an invalid signature."
            return CallError("SecurityError", words)
    return None


def _citrineos_energy(transaction: TransactionView) -> Decimal | None:
    """1.6: fails where the first sample is signed; 2.0.1: an event without register counts as 0."""
    if "meterStart" in transaction.payloads[0]:
        values = [value for payload in transaction.payloads for value in meter_values(payload)]
        if any(value["sampledValue"][0].get("format") == "SignedData" for value in values):
            return None
        return _total(transaction)
    first: Decimal | None = None
    energy: Decimal | None = None
    for payload in transaction.payloads:
        if not (values := meter_values(payload)):
            continue
        registers = [
            Decimal(str(sample["value"]))
            for value in values
            if value["sampledValue"][0].get("context") in _REGISTER_CONTEXTS
            for sample in value["sampledValue"]
            if _is_total(sample)
        ]
        first = registers[0] if first is None and registers else first
        energy = registers[-1] - first if registers and first is not None else Decimal(0)
    return energy


def _citrineos_records(transaction: TransactionView) -> list[str]:
    """1.6: every SignedData sample is thrown away; 2.0.1: kept byte for byte."""
    if "meterStart" in transaction.payloads[0]:
        return []
    return _from_containers(transaction)


# --- others (source) --------------------------------------------------------------------------


def _plain_records(transaction: TransactionView) -> list[str]:
    """What a station with EVerest sends: the record as it is, in both versions."""
    return [text for text in signed_texts(transaction) if text.startswith("OCMF|")]


def _steve_records(transaction: TransactionView) -> list[str]:
    """Kept as text, whatever it is."""
    return list(signed_texts(transaction))


def _home_assistant_energy(transaction: TransactionView) -> Decimal | None:
    """The last register; a text that is no number counts as 0, and the begin is passed over."""
    registers = [
        _number(sample, Decimal(0))
        for sample in _samples(transaction)
        if _is_total(sample) and sample.get("context") != "Transaction.Begin"
    ]
    return _since_start(transaction, registers)


def _evcc_energy(transaction: TransactionView) -> Decimal | None:
    """The last sample of a measurand is its number, or an error in its log."""
    registers: list[Decimal | None] = []
    for payload in transaction.payloads:
        for value in meter_values(payload):
            totals = [sample for sample in value["sampledValue"] if _is_total(sample)]
            registers += [_number(sample, None) for sample in totals[-1:]]
    return None if None in registers else _since_start(transaction, registers)


def _no_records(_: TransactionView) -> list[str]:
    return []


LIKES: Final[Mapping[str, Likeness]] = {
    "standard": Likeness(energy=_total, records=_from_containers),
    "citrineos": Likeness(
        refuse=_citrineos_refuses,
        complain=_citrineos_complains,
        energy=_citrineos_energy,
        records=_citrineos_records,
    ),
    "everest-like": Likeness(record_most=WIDE, energy=_total, records=_plain_records),
    "steve": Likeness(
        versions=("1.6",), server="Jetty(9.4)", energy=_total, records=_steve_records
    ),
    "home-assistant": Likeness(
        server="Python/3.13 websockets/15.0",
        record_most=WIDE,
        energy=_home_assistant_energy,
        records=_no_records,
    ),
    "evcc": Likeness(versions=("1.6",), energy=_evcc_energy, records=_no_records),
}


def _samples(transaction: TransactionView) -> Iterator[Payload]:
    for payload in transaction.payloads:
        for value in meter_values(payload):
            yield from value["sampledValue"]


def _is_total(sample: Payload) -> bool:
    return sample.get("measurand", ENERGY) == ENERGY and "phase" not in sample


def _number(sample: Payload, otherwise: Decimal | None) -> Decimal | None:
    """A value in Wh."""
    try:
        value = Decimal(str(sample["value"]))
    except InvalidOperation:
        return otherwise
    return value * 1000 if sample.get("unit") == "kWh" else value


def _since_start(transaction: TransactionView, registers: list[Decimal | None]) -> Decimal | None:
    first = transaction.payloads[0].get("meterStart")
    known = [register for register in registers if register is not None]
    if first is None:
        begin = [Decimal(str(s["value"])) for s in _samples(transaction) if _is_total(s)]
        first = begin[0] if begin else None
    return known[-1] - first if known and first is not None else None
