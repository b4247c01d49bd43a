"""The books of a day: what the CSMS keeps beside what the meters signed and counted.

Records are judged by the meter's own key, twice: as the product does it and with nothing but
``cryptography``.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from day_desk import End, Kept
from day_site import BEGIN_WH, DaySite
from record_check import assert_signed_by

from meters.ocmf import Record, extract, parse, verify_document

_ONE_WH: Final = Decimal(1)
_REFUSED: Final = "0"  # what CitrineOS calls a transaction of 1.6 that it refuses
Place = tuple[str, int]  # station, EVSE


@dataclass(slots=True)
class Books:
    """What was found. ``wrong`` are sentences about all that may not be; empty is good.

    ``again`` are messages that came again under their own id, because an answer was lost;
    ``orphans`` transactions that the CSMS began for a message whose answer it did not get out.
    ``unnamed`` are those that it then refused to begin again, so that they have no name there;
    ``totals_off`` are energies that it reckoned itself and that are not those of the record.
    """

    sessions: int = 0
    verified: int = 0
    missing: int = 0
    twice: int = 0
    again: int = 0
    orphans: int = 0
    unnamed: int = 0
    meters_wh: Decimal = Decimal(0)
    records_wh: Decimal = Decimal(0)
    totals_wh: Decimal = Decimal(0)
    totals_off: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    example: str = ""
    spans: dict[Place, list[tuple[Decimal, Decimal]]] = field(
        default_factory=lambda: defaultdict(list)
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What a station and its meters have at the end of a day.

    ``rows`` are the transactions, ``archive`` their signed records, ``meters`` are by EVSE.
    """

    station: str
    version: str
    rows: list[dict[str, Any]]
    archive: dict[str, list[dict[str, Any]]]
    meters: dict[int, dict[str, Any]]

    def name(self, row: dict[str, Any]) -> tuple[str, str]:
        """What the CSMS calls a transaction."""
        return self.station, str(row["csms_id" if self.version == "1.6" else "transaction_id"])


async def look(site: DaySite) -> Found:
    """Ask a station and its meters."""
    rows, meters = await site.transactions(), {n: await site.meter(n) for n in site.numbers}
    archive = {row["transaction_id"]: await site.records(row["transaction_id"]) for row in rows}
    return Found(site.id, site.version, rows, archive, meters)


def keep_books(sites: Sequence[Found], kept: Kept) -> Books:
    """Compare everything, once the day is over and all is told.

    Ends are found by the record in them: CitrineOS may give several transactions of 1.6 one number,
    0, if it has to answer a StartTransaction a second time.
    """
    books, by_record = Books(), _by_record(kept.ends)
    distinct = {one.message_id for ends in by_record.values() for one in ends}
    books.again = len(kept.ends) - len(distinct)
    named = {site.name(row) for site in sites for row in site.rows}
    for site in sites:
        for row in site.rows:
            books.sessions += 1
            record = _judge(books, row, by_record, site)
            if record is not None:
                _total(books, record, site.name(row), kept)
                books.spans[site.station, row["evse_id"]].append(_span(record))
        for number, meter in site.meters.items():
            _count(books, (site.station, number), Decimal(meter["import_wh"]))
    for document, ends in by_record.items():  # what is left
        books.wrong += [f"no station knows {end.name}: {document.decode()}" for end in ends]
    books.unnamed = sum(name == _REFUSED for _, name in (s.name(r) for s in sites for r in s.rows))
    books.orphans = len([one for one in kept.starts if one not in named])
    return books


def _by_record(ends: list[End]) -> dict[bytes, list[End]]:
    """Without those that came again; two of one id with two contents are two."""
    distinct = {(one.message_id, json.dumps(one.payload, default=str)): one for one in ends}
    found: dict[bytes, list[End]] = defaultdict(list)
    for (_, text), end in distinct.items():
        records = dict.fromkeys(one.record for one in extract(text))
        finals = [one for one in records if parse(one).end is not None]
        for document in finals or [b""]:
            found[document].append(end)
    return found


def _judge(
    books: Books, row: dict[str, Any], by_record: dict[bytes, list[End]], site: Found
) -> Record | None:
    """The one signed end record of a transaction, if it is there and right; it is taken out."""
    name = f"{row['transaction_id']} ({row['csms_id']}, {row['reason']})"
    archive = site.archive[row["transaction_id"]]
    finals = [one for one in archive if parse(_text(one)).end is not None]
    ends = [end for one in finals for end in by_record.pop(_text(one), [])]
    if len(finals) != 1 or len(ends) != 1:
        books.missing += not ends
        books.twice += len(ends) > 1
        sentence = f"{len(ends)} ends with {len(finals)} records, {row['missing']}"
        books.wrong.append(f"{name}: {sentence}")
        return None
    if (ends[0].station, ends[0].name) != site.name(row):
        books.wrong.append(f"{name} was told as {ends[0].name}")
        return None
    key, document = site.meters[row["evse_id"]]["public_key"], _text(finals[0])
    verdict = verify_document(document, key)
    if not verdict.valid:
        books.wrong.append(f"{name}: {verdict.reason}")
        return None
    assert_signed_by(document, key, finals[0]["method"])
    books.verified += 1
    books.example = f"{name}: authentic by the meter's key\n{document.decode()}"
    return parse(document)


def _span(record: Record) -> tuple[Decimal, Decimal]:
    begin, end = record.begin, record.end
    assert begin is not None
    assert end is not None
    assert begin.energy_wh is not None
    assert end.energy_wh is not None
    return begin.energy_wh, end.energy_wh


def _total(books: Books, record: Record, name: tuple[str, str], kept: Kept) -> None:
    """What the CSMS reckoned itself, beside what the record says."""
    energy = record.energy_wh
    assert energy is not None
    books.records_wh += energy
    total = kept.totals.get(name)
    books.totals_wh += total or 0
    if total is None or abs(total - energy) >= _ONE_WH:
        books.totals_off.append(f"{name[1]}: {total} Wh instead of {energy} Wh")


def _count(books: Books, place: Place, register: Decimal) -> None:
    """Records of a meter follow each other without a gap, from its first Wh to its last.

    ``register`` has more digits than a meter shows.
    """
    shown = register.to_integral_value(ROUND_FLOOR)
    books.meters_wh += shown - BEGIN_WH
    at = Decimal(BEGIN_WH)
    for begin, end in sorted(books.spans[place]):
        if begin != at:
            books.wrong.append(f"EVSE {place}: a record begins at {begin} Wh, after {at} Wh")
        at = end
    if shown != at:
        books.wrong.append(f"EVSE {place}: the meter counts {shown} Wh, the records end at {at}")


def _text(row: dict[str, Any]) -> bytes:
    return str(row["text"]).encode()
