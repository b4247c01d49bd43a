"""Weeks without a CSMS: what the journal grows to in memory and on disk, and what it gives up."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chargepoint.bench.measure_figures import Bound, Extent, Figure
from chargepoint.bench.measure_start import reading_fact
from chargepoint.core.facts import Fact, TransactionEnded, TransactionStarted, TransactionUpdated
from chargepoint.core.model import (
    Cause,
    ChargingState,
    Context,
    IdToken,
    Sampled,
    StopReason,
)
from chargepoint.store.sqlite import Store
from meters.model import SignedReading

READINGS: Final = 12
"""Of a session, beside begin and end."""
_BATCH: Final = 50
_TOKEN: Final = IdToken("04A1B2C3D4E5F6")
_RECORD_BYTES: Final = 700
_PAGE: Final = 4096
_MB: Final = 1024 * 1024


async def measure(extent: Extent) -> list[Figure]:
    """Sessions that nobody is told of; the second half must cost no memory."""
    count = extent.offline
    with TemporaryDirectory(prefix="offline-", dir=extent.folder) as own:
        folder = Path(own) / "state"
        with Store(folder, "BENCH01") as store:
            _fill(store, 0, count // 2)
            half = _resident()
            _fill(store, count // 2, count)
            grown = _resident() - half
            begun, ended, readings = (
                store.journal.waiting_of(kind)
                for kind in (TransactionStarted, TransactionEnded, TransactionUpdated)
            )
            records = store.leaving.total().count
            waiting = store.waiting
        size = sum(file.stat().st_size for file in folder.glob("station.db*"))
    lost = 3 * count - begun - ended - records
    return [
        Figure(
            what=f"{count} sessions without a CSMS: begins, ends and records lost",
            value=lost,
            unit="",
            goal=0,
            beside=f"{begun} begins, {ended} ends, {records} records",
        ),
        Figure(
            what="  memory that the second half of them took",
            value=grown / _MB,
            unit="MB",
            goal=8,
        ),
        Figure(
            what="  database for each session",
            value=size / count / 1024,
            unit="kB",
            goal=32,
            beside=f"{size / _MB:.0f} MB in all, {waiting} facts wait",
        ),
        Figure(
            what="  readings in the middle that are still there",
            value=100 * readings / (READINGS * count),
            unit="%",
            goal=0,
            bound=Bound.AT_LEAST,
            beside=f"{readings} of {READINGS * count}",
        ),
    ]


def _fill(store: Store, first: int, last: int) -> None:
    """Many sessions in one commit: it is not about speed."""
    for place in range(first, last, _BATCH):
        facts: list[Fact] = []
        for number in range(place, min(place + _BATCH, last)):
            facts += _session(number)
        store.record(*facts, offline=True)


def _session(number: int) -> Iterator[Fact]:
    """All that is told of a session: begin, readings, end with its signed record."""
    name = f"2f7c1c2e-5a86-4f3a-9c55-{number:012d}"
    first = reading_fact(number * (READINGS + 2))
    begin = replace(first.samples[0], context=Context.BEGIN)
    yield TransactionStarted(
        evse_id=1,
        connector_id=1,
        transaction_id=name,
        seq=0,
        at=first.at,
        cause=Cause.AUTHORIZED,
        token=_TOKEN,
        begin=begin.reading,
        charging_state=ChargingState.CHARGING,
        samples=(begin,),
    )
    for seq in range(1, READINGS + 1):
        reading = reading_fact(number * (READINGS + 2) + seq)
        yield replace(reading, transaction_id=name, seq=seq)
    signed = SignedReading(f"OCMF|{number}|".encode().ljust(_RECORD_BYTES, b"+"))
    end = replace(first.samples[0].reading, taken_at=first.at + timedelta(minutes=7), signed=signed)
    yield TransactionEnded(
        evse_id=1,
        connector_id=1,
        transaction_id=name,
        seq=READINGS + 1,
        at=end.taken_at,
        cause=Cause.EV_DEPARTED,
        reason=StopReason.EV_DISCONNECTED,
        token=_TOKEN,
        stop_token=None,
        begin=begin.reading,
        end=end,
        charging_state=ChargingState.EV_CONNECTED,
        samples=(begin, Sampled(end, Context.END, begin.measurands)),
    )


def _resident() -> int:
    """The memory of this process now, in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * _PAGE
