"""What must be true after a power cut, checked at the CSMS, in the station's store, in the meter.

Nothing of the product judges here: the records are taken apart and verified with ``cryptography``
alone, and messages are compared as text.
"""

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    BrainpoolP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from power_cut import Bench
from power_cut_config import STATION
from power_cut_processes import Record

from chargepoint.bench.csms import Direction, TransactionView

_CALL: Final = 2
_MESSAGES_16: Final = {"meterStart": "start", "meterStop": "end"}
_CLOSING: Final = {"charging", "closing"}


class Column(StrEnum):
    """What can be wrong, in the order of the table."""

    LOST = "lost"  # a transaction or record that somebody does not know of
    DOUBLED = "doubled"  # a start or an end told twice
    DISORDERED = "order"  # start, end or a sequence number at the wrong place
    CHANGED = "resent"  # a message that came again with another content
    HALF_SIGNED = "half signed"  # an end without the one record that the meter made
    OPEN = "left open"  # something is not over: in the meter, in the station, at the CSMS
    TWICE = "twice"  # a command given twice
    REASON = "reason"  # another reason to stop than was stored first
    STORE = "store"  # the store does not hold the record as it should
    HALF_APPLIED = "half applied"  # a request of the CSMS that had a part of its effect
    SETTING = "lost setting"  # one that was accepted and is undone, or refused for no reason
    INSTALLS = "installs"  # firmware that was put in place more than once
    OTHER = "other"  # a broken schema, a process that ended, no rest


_KINDS: Final = {
    "half": Column.HALF_APPLIED,
    "lost": Column.SETTING,
    "installs": Column.INSTALLS,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong."""

    column: Column
    sentence: str


async def check(bench: Bench) -> list[Finding]:
    """Everything that is wrong once the bench has come to rest."""
    known = await bench.transactions()
    status = await bench.meter.status() or {}
    views = bench.csms.stations[STATION].transactions
    names = {_name_at_csms(row, bench.case.version): row["transaction_id"] for row in known}
    findings = [
        *_told(known, views, names),
        *_order(views),
        *_repeated(bench),
        *_signed(bench, views, names, status.get("public_key", "")),
        *_meter(status),
        *_reasons(bench, views, names),
        *[Finding(Column.OTHER, str(violation)) for violation in bench.csms.violations],
    ]
    if bench.case.asked:
        findings += await _requests(bench)
    for record in bench.meter.records():
        findings += _stored(record, await bench.records(record.transaction_id), names)
    return findings


async def _requests(bench: Bench) -> list[Finding]:
    """What the CSMS asked for has its whole effect or none."""
    office = bench.office
    wrong = await office.wrong()
    wrong += office.firmware.wrong(bench.csms, office.stored.job("firmware"))
    findings = [Finding(_KINDS[kind], sentence) for kind, sentence in wrong]
    if not bench.case.cuts:
        findings += [Finding(Column.SETTING, f"refused: {what}") for what in office.refused]
    return findings


def _name_at_csms(row: dict[str, Any], version: str) -> str:
    return str(row["csms_id"]) if version == "1.6" else str(row["transaction_id"])


def _told(
    known: list[dict[str, Any]], views: list[TransactionView], names: dict[str, str]
) -> Iterator[Finding]:
    """One start and one end of each transaction; none that the station does not know."""
    if len(names) < len(known):
        yield Finding(Column.LOST, f"{len(known)} transactions have {len(names)} names: {names}")
    for row in known:
        if row["ended_at"] is None:
            yield Finding(Column.OPEN, f"{row['transaction_id']} has no end in the station")
    at_csms = Counter(view.transaction_id for view in views)
    for name in names.keys() - at_csms.keys():
        yield Finding(Column.LOST, f"the CSMS never heard of {names[name]} ({name})")
    for name in at_csms.keys() - names.keys():
        yield Finding(Column.LOST, f"the station does not know {name}")
    yield from _once((f"transaction {name}", count) for name, count in at_csms.items())
    yield from _once((f"start of {view.transaction_id}", view.started) for view in views)
    yield from _once((f"end of {view.transaction_id}", view.ended) for view in views)


def _once(counts: Iterable[tuple[str, int]]) -> Iterator[Finding]:
    for what, count in counts:
        if count != 1:
            column = Column.DOUBLED if count else Column.LOST
            yield Finding(column, f"{count} times the {what} at the CSMS")


def _order(views: list[TransactionView]) -> Iterator[Finding]:
    for view in views:
        kinds = [_kind(payload) for payload in view.payloads]
        middle = ["update"] * (len(kinds) - 2)
        if kinds != ["start", *middle, "end"]:
            yield Finding(Column.DISORDERED, f"{view.transaction_id}: {' '.join(kinds)}")
        if view.sequence and view.sequence != list(range(len(view.sequence))):
            yield Finding(Column.DISORDERED, f"{view.transaction_id}: seqNo {view.sequence}")
        times = [payload["timestamp"] for payload in view.payloads if "timestamp" in payload]
        if times != sorted(times):
            yield Finding(Column.DISORDERED, f"{view.transaction_id}: timestamps {times}")


def _kind(payload: dict[str, Any]) -> str:
    if "eventType" in payload:
        return {"Started": "start", "Ended": "end"}.get(payload["eventType"], "update")
    return next((word for key, word in _MESSAGES_16.items() if key in payload), "update")


def _repeated(bench: Bench) -> Iterator[Finding]:
    """A message that comes again is the same to the last character; a fact has one message."""
    texts: dict[str, set[str]] = defaultdict(set)
    ids: dict[str, set[str]] = defaultdict(set)
    for frame in bench.csms.frames:
        if frame.direction is Direction.FROM_STATION and frame.kind == _CALL:
            texts[frame.message_id].add(frame.text)
            if frame.action in {"TransactionEvent", "StartTransaction", "StopTransaction"}:
                ids[json.dumps(frame.payload, default=str)].add(frame.message_id)
    for message_id, variants in texts.items():
        if len(variants) > 1:
            yield Finding(Column.CHANGED, f"{message_id} has {len(variants)} contents: {variants}")
    for payload, messages in ids.items():
        if len(messages) > 1:
            yield Finding(Column.CHANGED, f"{payload[:200]} came with ids {messages}")


def _signed(
    bench: Bench, views: list[TransactionView], names: dict[str, str], public_key: str
) -> Iterator[Finding]:
    made: dict[str, list[bytes]] = defaultdict(list)
    for record in bench.meter.records():
        made[record.transaction_id].append(record.document)
    for view in views:
        ends = [payload for payload in view.payloads if _kind(payload) == "end"]
        if not ends:
            continue  # counted as lost
        documents = _documents(ends[-1])
        of_meter = made[names.get(view.transaction_id, "")]
        if len(documents) != 1 or documents != of_meter:
            yield Finding(
                Column.HALF_SIGNED,
                f"{view.transaction_id}: {len(documents)} records in the end, the meter made"
                f" {len(of_meter)}",
            )
        for document in documents:
            if fault := _fault_of(document, public_key):
                yield Finding(Column.HALF_SIGNED, f"{view.transaction_id}: {fault}")


def _documents(ended: dict[str, Any]) -> list[bytes]:
    """The signed records in a final message, in either version."""
    parts = ended.get("meterValue") or ended.get("transactionData") or []
    found = []
    for value in (one for part in parts for one in part["sampledValue"]):
        if value.get("format") == "SignedData":
            found.append(json.loads(value["value"])["signedMeterData"])
        elif "signedMeterValue" in value:
            found.append(value["signedMeterValue"]["signedMeterData"])
    return [base64.b64decode(text, validate=True) for text in found]


def _fault_of(document: bytes, public_key: str) -> str:
    """What is wrong with a record, empty if nothing is."""
    head, payload, signature = document.split(b"|")
    if head != b"OCMF":
        return "it does not begin with OCMF"
    kinds = [reading["TX"] for reading in json.loads(payload)["RD"]]
    if len(kinds) != 2 or kinds[0] != "B" or kinds[1] not in {"E", "P"}:
        return f"its readings are {kinds}"
    point = bytes.fromhex(public_key)
    key = EllipticCurvePublicKey.from_encoded_point(BrainpoolP384R1(), point)
    try:
        key.verify(bytes.fromhex(json.loads(signature)["SD"]), payload, ECDSA(SHA256()))
    except InvalidSignature:
        return "its signature is wrong"
    return ""


def _stored(record: Record, rows: list[dict[str, Any]], names: dict[str, str]) -> Iterator[Finding]:
    """What the meter made is in the store, once, judged and released; told if there was a start."""
    name = record.transaction_id
    mine = [row for row in rows if (row["text"] or "").encode() == record.document]
    if len(mine) != 1 or len(rows) != 1:
        column = Column.STORE if mine else Column.LOST
        yield Finding(column, f"{name}: the store has {len(mine)} of {len(rows)} records as made")
    for row in mine:
        if row["verdict"] != "valid":
            yield Finding(Column.STORE, f"{name}: verdict {row['verdict']!r}")
        if row["released_at"] is None:
            yield Finding(Column.STORE, f"{name}: not noted as released")
        if name in names.values() and row["delivered_at"] is None:
            yield Finding(Column.STORE, f"{name}: not noted as delivered")


def _meter(status: dict[str, Any]) -> Iterator[Finding]:
    if status.get("state") != "NOT_READY":
        yield Finding(Column.OPEN, f"the meter is {status.get('state')}")
    received, executed = status.get("received", {}), status.get("executed", {})
    for command in ("B", "E", "A"):
        vain = received.get(command, 0) - executed.get(command, 0)
        if vain:
            yield Finding(Column.TWICE, f"command {command} came {vain} times without effect")
    for transaction_id, counts in status.get("transactions", {}).items():
        for command, most in (("B", 1), ("E", 1), ("A", 0)):
            if counts.get(command, 0) > most:
                yield Finding(Column.TWICE, f"{transaction_id}: {counts}")


def _reasons(
    bench: Bench, views: list[TransactionView], names: dict[str, str]
) -> Iterator[Finding]:
    """Charging when the power went: PowerLoss; closing already: the reason that it had then."""
    told = {names.get(view.transaction_id): view.reason for view in views}
    for death in bench.deaths:
        if death.get("stage") not in _CLOSING:
            continue
        transaction = death["transaction"]
        first = "PowerLoss" if death["stage"] == "charging" else transaction["stop_reason"]
        found = told.get(transaction["transaction_id"])
        if found != first:
            yield Finding(
                Column.REASON, f"{transaction['transaction_id']}: {found}, expected {first}"
            )
