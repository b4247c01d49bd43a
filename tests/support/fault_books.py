"""The books after a day of faults: what the drivers did, the meter signed, the CSMS was told.

Nothing of the product judges here: records are taken out of the CSMS's own copy of the messages and
verified with ``cryptography`` alone. What ties the three together is the record itself, which names
its transaction.
"""

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from record_check import assert_signed_by

from chargepoint.bench.csms_ledger import TransactionView

METHOD: Final = "ECDSA-brainpoolP384r1-SHA256"
_ENERGY: Final = "Energy.Active.Import.Register"
_BEGIN, _END = "Transaction.Begin", "Transaction.End"
LEEWAY: Final = timedelta(seconds=5)
TOLERANCE: Final = timedelta(seconds=2)  # a clock that is told the time by messages is no better
_KINDS_16: Final = {"meterStart": "start", "meterStop": "end"}


@dataclass(slots=True)
class Truth:
    """What is known without the CSMS.

    ``known`` are the transactions in the station's store, with whether they have ended; ``stored``
    the records in it, by transaction; ``made`` those that the meter signed; ``seen`` the
    transactions that a driver saw charging. ``counted_wh`` is what the meter counted, if all of it
    must be in records. ``keeps_all``: the store has forgotten nothing at a bound. ``between``: when
    all of it happened.
    """

    public_key: str
    known: Mapping[str, bool]
    stored: Mapping[str, Sequence[bytes]]
    made: Mapping[str, Sequence[bytes]]
    seen: Iterable[str] = ()
    counted_wh: int | None = None
    keeps_all: bool = True
    between: tuple[datetime, datetime] | None = None


@dataclass(slots=True)
class Books:
    """How many there were, and what is wrong, each a sentence."""

    transactions: int = 0
    records: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    half_signed: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Every sentence."""
        return [*self.lost, *self.doubled, *self.half_signed, *self.other]


def audit(views: Sequence[TransactionView], truth: Truth) -> Books:
    """Compare what the CSMS was told with what happened."""
    books = Books(transactions=len(truth.known), records=sum(map(len, truth.made.values())))
    told: Counter[str] = Counter()
    energy = 0
    for view in views:
        documents = list(_documents(view))
        owners = {owner(document) for document in documents}
        told.update(owners)
        books.other += _disorder(view)
        books.other += _other_times(view, truth)
        books.doubled += _twice(view)
        books.lost += _without(view)
        books.half_signed += _badly_signed(view, documents, truth)
        if len(documents) == 1:
            energy += _wh(documents[0], -1) - _wh(documents[0], 0)
            books.other += _other_energy(view, documents[0])
    books.doubled += [f"{name} is {many} transactions" for name, many in told.items() if many > 1]
    books.lost += _unknown(told, truth)
    books.lost += _not_stored(truth) if truth.keeps_all else ()
    if truth.counted_wh is not None and energy != truth.counted_wh:
        books.other.append(f"{energy} Wh in records, the meter counted {truth.counted_wh} Wh")
    return books


def owner(document: bytes) -> str:
    """The id of the transaction, which ends the tariff text of a record."""
    return str(_payload(document)["TT"].rpartition("<=>")[2])


def _unknown(told: Counter[str], truth: Truth) -> Iterator[str]:
    for name, ended in truth.known.items():
        if not ended:
            yield f"{name} has no end in the station"
        elif name not in told:
            yield f"the CSMS does not have the record of {name}"
    for name in sorted(set(truth.seen) - truth.known.keys()):
        yield f"a driver saw {name} charge, the station has forgotten it"
    for name in told.keys() - truth.known.keys():
        yield f"the station does not know {name}"


def _not_stored(truth: Truth) -> Iterator[str]:
    for name, documents in truth.made.items():
        stored = truth.stored.get(name, ())
        for document in documents:
            many = sum(one == document for one in stored)
            if many != 1:
                yield f"a record of {name} is {many} times in the store"


def _without(view: TransactionView) -> Iterator[str]:
    if not view.started:
        yield f"{view.transaction_id} was never begun at the CSMS"
    if not view.ended:
        yield f"{view.transaction_id} was never ended at the CSMS"


def _twice(view: TransactionView) -> Iterator[str]:
    if view.started > 1:
        yield f"{view.transaction_id} was begun {view.started} times"
    if view.ended > 1:
        yield f"{view.transaction_id} was ended {view.ended} times"


def _disorder(view: TransactionView) -> Iterator[str]:
    kinds = [_kind(payload) for payload in view.payloads]
    if kinds != ["start", *["update"] * (len(kinds) - 2), "end"]:
        yield f"{view.transaction_id}: {' '.join(kinds)}"
    if view.sequence and view.sequence != list(range(len(view.sequence))):
        yield f"{view.transaction_id}: seqNo {view.sequence}"


def _other_times(view: TransactionView, truth: Truth) -> Iterator[str]:
    """What happened later has no earlier time, and nothing happened before or after all of it."""
    if truth.between is None:
        return
    first, last = truth.between
    before = datetime.min.replace(tzinfo=UTC)
    for payload in view.payloads:
        for at in map(datetime.fromisoformat, _stamps(payload)):
            if not first - LEEWAY <= at <= last + LEEWAY:
                yield f"{view.transaction_id}: {_kind(payload)} tells of {at}"
        own = datetime.fromisoformat(_own_stamp(payload))
        if own + TOLERANCE < before:
            yield f"{view.transaction_id}: {_kind(payload)} of {own} comes after {before}"
        before = max(before, own)


def _stamps(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        yield from (stamp for one in value for stamp in _stamps(one))
    elif isinstance(value, dict):
        if "timestamp" in value:
            yield value["timestamp"]
        yield from (stamp for one in value.values() for stamp in _stamps(one))


def _own_stamp(payload: dict[str, Any]) -> str:
    """Of a message; those of 1.6 that carry meter values alone have the time there."""
    return str(payload.get("timestamp") or payload["meterValue"][0]["timestamp"])


def _kind(payload: dict[str, Any]) -> str:
    if "eventType" in payload:
        return {"Started": "start", "Ended": "end"}.get(payload["eventType"], "update")
    return next((word for key, word in _KINDS_16.items() if key in payload), "update")


def _badly_signed(view: TransactionView, documents: list[bytes], truth: Truth) -> Iterator[str]:
    if view.ended and len(documents) != 1:
        yield f"{view.transaction_id} has {len(documents)} records in its end"
    for document in documents:
        if document not in truth.made.get(owner(document), ()):
            yield f"{view.transaction_id}: the meter never made this record"
        kinds = [reading["TX"] for reading in _payload(document)["RD"]]
        if len(kinds) != 2 or kinds[0] != "B" or kinds[1] not in {"E", "P"}:
            yield f"{view.transaction_id}: the readings of its record are {kinds}"
        try:
            assert_signed_by(document, truth.public_key, METHOD)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it
            yield f"{view.transaction_id}: its signature is wrong: {error!r}"


def _other_energy(view: TransactionView, document: bytes) -> Iterator[str]:
    """What is billed by the numbers is what was signed."""
    for context, place in ((_BEGIN, 0), (_END, -1)):
        signed = _wh(document, place)
        for told in set(_registers(view, context)):
            if told != signed:
                yield f"{view.transaction_id}: {context} is told as {told}, signed as {signed} Wh"


def _registers(view: TransactionView, context: str) -> Iterator[int]:
    key = {_BEGIN: "meterStart", _END: "meterStop"}[context]
    for payload in view.payloads:
        if key in payload:
            yield int(payload[key])
        for value in _values(payload):
            plain = "signedMeterValue" in value or value.get("format") != "SignedData"
            if plain and value.get("context") == context and value["measurand"] == _ENERGY:
                yield int(Decimal(str(value["value"])))


def _documents(view: TransactionView) -> Iterator[bytes]:
    """The signed records in all final messages."""
    for payload in view.payloads:
        if _kind(payload) == "end":
            for value in _values(payload):
                if value.get("format") == "SignedData":
                    yield base64.b64decode(json.loads(value["value"])["signedMeterData"])
                elif "signedMeterValue" in value:
                    yield base64.b64decode(value["signedMeterValue"]["signedMeterData"])


def _values(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    parts = payload.get("meterValue") or payload.get("transactionData") or []
    yield from (value for part in parts for value in part["sampledValue"])


def _wh(document: bytes, place: int) -> int:
    reading = _payload(document)["RD"][place]
    return int(reading["RV"] * 1000)


def _payload(document: bytes) -> Any:
    return json.loads(document.split(b"|")[1], parse_float=Decimal)


def by_owner(documents: Iterable[bytes]) -> dict[str, list[bytes]]:
    """Records by their transaction."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for document in documents:
        found[owner(document)].append(document)
    return found
