"""Eight meters on one slow line: how old readings become, and what a record read meanwhile costs.

Eight simulated EM580 sit on one line of 19200 baud, in a process of their own, and take 1.5 ms
before each answer; drivers on one bus ask each of them once a second for its live values. That
alone takes the line for nine tenths of the time. Then one of them ends a transaction and its record
of 4 kB is read, again and again.

The share of the record counts from its first request to its last byte, polls in between included.
Its limit is worked out as for ``wire``: the bytes that went over the line, and two silences of 3.5
characters per request. Left out of the time is what a bare blocking master waits for the meter per
request on this line in this run. The age of a reading is that when the next one arrives, so the
largest it ever has; a reading is stale after 5 s.

The known driver reads 52, 32, 1 and 109 registers per live poll (EVerest, EM580): 440 bytes. The
same values are asked here by the option ``signed_live_map``; without, as by default, a poll gives
everything but the signed map.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from chargepoint.bench import measure_bare
from chargepoint.bench import measure_rig as rig
from chargepoint.bench.measure_figures import Bound, Extent, Figure, spread
from chargepoint.bench.measure_ledger import Exchange, Ledger, Wire, listening
from meters.api import SigningMeter
from meters.drivers import carlo_gavazzi_em580 as em580
from meters.errors import MeterError
from meters.line import SerialBusConfig
from meters.modbus import ModbusBus
from meters.model import BillingTransaction, Quantity

BAUDRATE: Final = 19_200
METERS: Final = 8
RECORD_BYTES: Final = 4062
STALE_S: Final = 5.0
SHARE_PERCENT: Final = 85.0
_POLL_S: Final = 1.0
_FIRST: Final = 0x7110  # of the parts of a record
_LAST: Final = _FIRST + 16 * 125
_MS: Final = 1000
_KNOWN_READS: Final = (52, 32, 1, 109)
KNOWN_BYTES: Final = sum(8 + 5 + 2 * registers for registers in _KNOWN_READS)
"""On the wire per live poll of the known driver: request, envelope of the answer, registers."""


async def measure(extent: Extent) -> list[Figure]:
    """One line, meters polled all the time, with and without a record read meanwhile."""
    records = 1 if extent.quick else 4
    alone_s = 3.0 if extent.quick else 20.0
    line = rig.MeterLine(baudrate=BAUDRATE, record_size=RECORD_BYTES)
    async with _simulated(extent.folder, line) as port:
        wire = Wire.at(BAUDRATE)
        reaction_s = await asyncio.to_thread(measure_bare.reaction_s, port, wire, 3)
        async with ModbusBus(SerialBusConfig(port=str(port), baudrate=BAUDRATE)) as bus:
            per_poll = [await _bytes_per_poll(bus, signed=signed) for signed in (True, False)]
            with listening() as ledger:
                line_watch = await _watch(bus, ledger, alone_s, records)
    shares = [_share(read, wire, reaction_s) for read in _records(ledger.exchanges)]
    return [*_figures(line_watch, shares), *_bytes(per_poll)]


@contextlib.asynccontextmanager
async def _simulated(folder: Path, line: rig.MeterLine) -> AsyncIterator[Path]:
    """Eight meters on one line, a process of their own; gives the terminal."""
    port, ready = folder / "ttyEight", folder / "eight.json"
    units = [word for unit in range(1, METERS + 1) for word in ("--unit", str(unit))]
    command = ("-m", "chargepoint", "simulate", "em580", "--pty", str(port), *units)
    async with rig.program(*command, "--ready-file", str(ready), *line.options()) as process:
        await rig.ready_file(ready, process)
        yield port


@dataclass(slots=True)
class Polled:
    """One meter: largest age of its readings in seconds, alone and while records were read."""

    readings: int = 0
    failures: int = 0
    taken_at: float | None = None
    ages: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})


@dataclass(slots=True)
class _Watch:
    """What was seen while the meters were polled."""

    meters: Mapping[int, Polled]
    busy: float
    longest_wait_s: float


async def _watch(bus: ModbusBus, ledger: Ledger, alone_s: float, records: int) -> _Watch:
    drivers = {unit: _driver(bus, unit) for unit in range(1, METERS + 1)}
    for driver in drivers.values():
        await driver.identify()
    seen = {unit: Polled() for unit in drivers}
    reading = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        polls = [
            tasks.create_task(_poll(driver, seen[unit], reading, unit / METERS))
            for unit, driver in drivers.items()
        ]
        await asyncio.sleep(_POLL_S)
        busy, began = bus.counters.busy_seconds, time.monotonic()
        await asyncio.sleep(alone_s)
        busy = (bus.counters.busy_seconds - busy) / (time.monotonic() - began)
        ledger.exchanges.clear()
        reading.set()
        for _ in range(records):
            await _transaction(drivers[1])
        await asyncio.sleep(2 * _POLL_S)  # for the readings that waited behind the last one
        for one in seen.values():
            _note_age(one, during_record=True)  # also of a meter that got no turn any more
        for task in polls:
            task.cancel()
    return _Watch(seen, busy, bus.longest_poll_wait_s)


def _driver(bus: ModbusBus, unit: int, **options: Any) -> SigningMeter:
    config = em580.Config(powermeter_device_id=unit, **options)
    driver = em580.create(config, bus, now=lambda: datetime.now(UTC))
    if not isinstance(driver, SigningMeter):
        raise rig.MeasurementFailed("the driver does not sign")
    return driver


async def _poll(driver: SigningMeter, seen: Polled, reading: asyncio.Event, delay_s: float) -> None:
    """Once a second, as a station does it."""
    await asyncio.sleep(delay_s)
    due = time.monotonic()
    while True:
        try:
            await driver.read()
        except MeterError:
            seen.failures += 1
        else:
            _note(seen, during_record=reading.is_set())
        due = max(due + _POLL_S, time.monotonic())
        await asyncio.sleep(due - time.monotonic())


def _note(seen: Polled, *, during_record: bool) -> None:
    _note_age(seen, during_record=during_record)
    seen.readings, seen.taken_at = seen.readings + 1, time.monotonic()


def _note_age(seen: Polled, *, during_record: bool) -> None:
    if seen.taken_at is not None:
        age = time.monotonic() - seen.taken_at
        seen.ages[during_record] = max(seen.ages[during_record], age)


async def _transaction(driver: SigningMeter) -> None:
    transaction = BillingTransaction(str(uuid.uuid4()), "DE*ABC*E123*1")
    await driver.begin(transaction)
    await asyncio.sleep(2 * _POLL_S)  # so that everyone is polled anew before the record
    await driver.end(transaction.transaction_id)
    await driver.release(transaction.transaction_id)


async def _bytes_per_poll(bus: ModbusBus, *, signed: bool) -> int:
    """What one live poll costs on the wire, once the meter is known."""
    driver = _driver(bus, 1, signed_live_map=signed)
    await driver.read()
    before = bus.counters.bytes_sent + bus.counters.bytes_received
    reading = await driver.read()
    complete = reading.value(Quantity.ENERGY_IMPORT) is not None
    if not complete or (reading.signed is not None) is not signed:
        raise rig.MeasurementFailed("the reading lacks values")
    return bus.counters.bytes_sent + bus.counters.bytes_received - before


def _records(exchanges: Sequence[Exchange]) -> Iterator[list[Exchange]]:
    """The exchanges from the first part of a record to its last, polls of others included."""
    run: list[Exchange] = []
    for one in exchanges:
        if one.of_record and one.address == _FIRST:
            run = []
        run.append(one)
        if one.of_record and one.address == _LAST:
            yield run


def _share(run: Sequence[Exchange], wire: Wire, reaction_s: float) -> tuple[float, int]:
    """The limit of a record as a part of the time taken; and how many polls came in between."""
    record = [one for one in run if one.of_record]
    # The silence behind the last frame belongs to it, as in the limit.
    taken = run[-1].ended - run[0].started + wire.gap_s
    share = wire.limit(record) / (taken - len(record) * reaction_s)
    return share, len(run) - len(record)


def _figures(watch: _Watch, shares: Sequence[tuple[float, int]]) -> list[Figure]:
    if not shares:
        raise rig.MeasurementFailed("no record was read")
    percents = sorted(100 * share for share, _ in shares)
    between = sum(polls for _, polls in shares) / len(shares)
    figures = []
    for during, words in ((True, "while records are read"), (False, "polls alone")):
        ages = {unit: seen.ages[during] for unit, seen in watch.meters.items()}
        figures.append(
            Figure(
                what=f"{METERS} meters at {BAUDRATE} baud, largest age of a reading, {words}",
                value=max(ages.values()),
                unit="s",
                goal=STALE_S,
                beside=", ".join(f"meter {unit} {age:.2f}" for unit, age in ages.items()),
            )
        )
    least = min(seen.readings for seen in watch.meters.values())
    failures = sum(seen.failures for seen in watch.meters.values())
    return [
        *figures,
        Figure(
            what=f"record of {RECORD_BYTES} bytes read meanwhile: share of what the line gives",
            value=percents[len(percents) // 2],
            unit="%",
            goal=SHARE_PERCENT,
            bound=Bound.AT_LEAST,
            beside=f"least / median / most {spread(percents)}; {between:.1f} requests in between",
        ),
        Figure(
            what="  the line is taken, polls alone",
            value=100 * watch.busy,
            unit="%",
            beside=f"the longest that a poll waited {watch.longest_wait_s:.2f} s;"
            f" {least} readings of the slowest meter, {failures} failed",
        ),
    ]


def _bytes(per_poll: Sequence[int]) -> list[Figure]:
    same, usual = per_poll
    reads = " + ".join(str(registers) for registers in _KNOWN_READS)
    return [
        Figure(
            what="bytes on the wire per live poll, for the values of the known driver",
            value=same,
            unit="B",
            goal=KNOWN_BYTES - 1,
            beside=f"known driver: {KNOWN_BYTES} for {reads} registers; without the signed map"
            f" {usual}; line time here {_ms(same)} ms, there {_ms(KNOWN_BYTES)} ms",
        ),
    ]


def _ms(size: int) -> Decimal:
    return round(Decimal(_MS * 10 * size) / BAUDRATE, 1)
