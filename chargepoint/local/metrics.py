"""What the station counts and measures, as Prometheus text (exposition format 0.0.4).

Names are ``chargepoint_<thing>_<unit>``. Labels name parts of the station and words of its own
lists, never tokens or transactions: those would make a new time series for every session, and tell
a monitoring system who charged.
"""

import logging
import math
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from chargepoint.core.facts import RecordKept, ReservationUsed, SampleKept, Status
from chargepoint.core.model import ChargingState, Missing
from chargepoint.errors import StoreError
from chargepoint.local.views import Views, age_s, health
from chargepoint.station.meter_health import Health
from chargepoint.station.station import Station
from chargepoint.store.journal import Unreadable
from meters.model import Quantity

log = logging.getLogger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Number: TypeAlias = int | float | Decimal
Labels: TypeAlias = Mapping[str, object]


_BUS_COUNTERS: Final[Mapping[str, str]] = {
    "requests": "Frames sent, repetitions included.",
    "bytes_sent": "Bytes sent.",
    "bytes_received": "Bytes received.",
    "bytes_unasked": "Of them those nobody had asked for: noise, late answers, a second master.",
    "timeouts": "Requests that nobody answered in time.",
    "crc_errors": "Answers with a wrong checksum.",
    "unexpected": "Answers of another unit or to another request.",
    "exceptions": "Requests that a unit refused.",
    "reopened": "Times the line was opened again.",
    "busy_seconds": "Time the line was taken; its rate is the share of time in which it is busy.",
}
_NOT_OF_A_UNIT: Final = frozenset({"bytes_unasked", "reopened"})


class Kind(StrEnum):
    """What may be done with a metric: only a counter has a rate."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Family:
    """All time series of one name; ``about`` is one sentence for who sees only the name."""

    name: str
    about: str
    series: tuple[tuple[Labels, Number], ...]
    kind: Kind = Kind.GAUGE


class BusCounters(Protocol):
    """What a meter bus counts (``meters.modbus.Counters``)."""

    requests: int
    bytes_sent: int
    bytes_received: int
    bytes_unasked: int
    timeouts: int
    crc_errors: int
    unexpected: int
    exceptions: int
    reopened: int
    busy_seconds: float


def single(name: str, about: str, value: Number, kind: Kind = Kind.GAUGE) -> Family:
    """A metric without labels."""
    return Family(name, about, (({}, value),), kind)


def render(families: Iterable[Family]) -> str:
    """The text for the scraper; a family without series is left out."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def of_station(views: Views) -> Iterator[Family]:
    """Everything that the station itself knows; what a bad disk does not give is left out."""
    yield from _program(views)
    yield from _csms(views)
    yield from _readable(_store(views.station))
    yield from _readable(_evses(views.station))
    yield from _meters(views.station)
    yield from _parts(views.station)


def _readable(families: Iterator[Family]) -> Iterator[Family]:
    try:
        yield from families
    except StoreError as error:
        log.debug("a metric is left out: %s", error)


def of_buses(buses: Mapping[str, BusCounters]) -> Iterator[Family]:
    """What every meter bus counted, by its name in the config."""
    for count, about in _BUS_COUNTERS.items():
        series = tuple(
            ({"bus": name}, getattr(counters, count)) for name, counters in buses.items()
        )
        yield Family(f"chargepoint_bus_{count}_total", about, series, Kind.COUNTER)


def of_units(buses: Mapping[str, Mapping[int, BusCounters]]) -> Iterator[Family]:
    """The same for each meter on them, by the name of its bus and its address."""
    for count, about in _BUS_COUNTERS.items():
        if count not in _NOT_OF_A_UNIT:
            series = tuple(
                ({"bus": name, "unit": unit}, getattr(counters, count))
                for name, units in buses.items()
                for unit, counters in sorted(units.items())
            )
            yield Family(f"chargepoint_bus_unit_{count}_total", about, series, Kind.COUNTER)


def _program(views: Views) -> Iterator[Family]:
    labels = {"version": views.identity.firmware_version, "python": platform.python_version()}
    yield Family("chargepoint_build_info", "The program that runs.", ((labels, 1),))


def _csms(views: Views) -> Iterator[Family]:
    link = views.link
    labels = {"state": link.state, "subprotocol": link.subprotocol or ""}
    yield Family("chargepoint_link_info", "Where the link to the CSMS stands.", ((labels, 1),))
    now = views.station.clock.now()
    yield single(
        "chargepoint_link_state_seconds",
        "Time since the state of the link changed.",
        max(0.0, (now - link.since).total_seconds()),
    )
    yield single(
        "chargepoint_link_connected", "1 while a connection is open.", link.state == "connected"
    )
    yield single(
        "chargepoint_link_failed_attempts",
        "Attempts in a row that brought no good connection.",
        link.failures,
    )
    yield single("chargepoint_csms_online", "1 while connected and accepted.", views.session.online)
    yield single(
        "chargepoint_csms_accepted",
        "1 if the CSMS accepted the station.",
        views.session.registration == "Accepted",
    )


def _store(station: Station) -> Iterator[Family]:
    store = station.store
    yield single(
        "chargepoint_journal_facts", "Facts that the CSMS does not know yet.", store.waiting
    )
    yield single(
        "chargepoint_storage_low", "1 while the disk is too full for new sessions.", store.low
    )
    yield single(
        "chargepoint_storage_failed",
        "1 while nothing can be stored, so that no session begins.",
        bool(store.trouble),
    )
    yield single(
        "chargepoint_storage_set_aside",
        "Damaged databases, or logs of them, that were ever set aside.",
        len(store.set_aside()),
    )
    yield single(
        "chargepoint_journal_oldest_seconds",
        "Age of the oldest of them; 0 if there is none.",
        _oldest_s(station),
    )
    records = tuple(
        ({"verdict": verdict}, count) for verdict, count in store.records.count().items()
    )
    yield Family("chargepoint_records", "Signed records stored, by verdict.", records)


def _oldest_s(station: Station) -> float:
    try:
        entry = station.store.next_entry()
    except Unreadable:
        return 0.0  # of an age that nobody knows; it is put by when its turn comes
    if entry is None or isinstance(entry.fact, SampleKept | RecordKept | ReservationUsed):
        return 0.0
    return max(0.0, (station.clock.now() - entry.fact.at).total_seconds())


def _evses(station: Station) -> Iterator[Family]:
    states = [evse.runner.state for evse in station.evses.values()]
    statuses = tuple(
        (
            {"evse": told.evse_id, "connector": told.connector_id, "status": word},
            told.status is word,
        )
        for told in station.statuses()
        for word in Status
    )
    yield Family(
        "chargepoint_connector_status",
        "1 for the status that a connector has; EVSE 0 is the station.",
        statuses,
    )
    yield Family(
        "chargepoint_evse_charging",
        "1 while energy flows.",
        tuple(
            ({"evse": state.evse_id}, state.charging_state is ChargingState.CHARGING)
            for state in states
        ),
    )
    yield Family(
        "chargepoint_evse_limit_amperes",
        "Current offered per phase; absent without a limit.",
        tuple(
            ({"evse": state.evse_id}, state.limit_a)
            for state in states
            if state.limit_a is not None
        ),
    )
    yield single(
        "chargepoint_transactions_open",
        "Transactions from begin to end reading.",
        sum(state.busy for state in states),
    )
    yield Family(
        "chargepoint_transactions_without_record",
        "Transactions kept here that ended without their signed record, and why.",
        tuple(
            ({"missing": word}, without.get(word, 0))
            for without in (station.store.transactions.without_record(),)
            for word in Missing
        ),
    )


def _meters(station: Station) -> Iterator[Family]:
    meters = [evse.meter for evse in station.evses.values()]
    yield Family(
        "chargepoint_meter_health",
        "1 for the health that a meter has.",
        tuple(
            ({"meter": meter.name, "health": word}, health(meter, station) is word)
            for meter in meters
            for word in Health
        ),
    )
    yield Family(
        "chargepoint_meter_complaints",
        "Faults that the meter reports of itself.",
        tuple(({"meter": meter.name}, len(meter.books.complaints)) for meter in meters),
    )
    yield Family(
        "chargepoint_meter_failed_reads",
        "Reads in a row that brought no reading.",
        tuple(({"meter": meter.name}, meter.books.failures) for meter in meters),
    )
    readings = [(meter.name, meter.reading) for meter in meters if meter.reading is not None]
    yield Family(
        "chargepoint_meter_reading_age_seconds",
        "Age of the last reading; absent before the first.",
        tuple(({"meter": name}, age_s(reading, station)) for name, reading in readings),
    )
    for quantity, name, about, kind in (
        (
            Quantity.ENERGY_IMPORT,
            "chargepoint_meter_energy_watthours_total",
            "The meter's own import register at the last reading.",
            Kind.COUNTER,
        ),
        (
            Quantity.POWER,
            "chargepoint_meter_power_watts",
            "Power at the last reading, towards the vehicle.",
            Kind.GAUGE,
        ),
    ):
        series = tuple(
            ({"meter": meter}, value)
            for meter, reading in readings
            if (value := reading.value(quantity)) is not None
        )
        yield Family(name, about, series, kind)


def _parts(station: Station) -> Iterator[Family]:
    parts = station.parts.values()
    yield Family(
        "chargepoint_part_running",
        "1 while a part of the station runs, 0 while it waits to be started again.",
        tuple(({"part": books.name}, books.running) for books in parts),
    )
    yield Family(
        "chargepoint_part_failures_total",
        "Times a part of the station failed and was started again.",
        tuple(({"part": books.name}, books.failures) for books in parts),
        Kind.COUNTER,
    )
    yield single(
        "chargepoint_stalled",
        "What does not get on, such as a loop that hangs; more than 0 calls for a new start.",
        len(station.progress.stalled()),
    )


def _lines(family: Family) -> Iterator[str]:
    if not family.series:
        return
    about = family.about.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {family.name} {about}"
    yield f"# TYPE {family.name} {family.kind}"
    for labels, value in family.series:
        pairs = ",".join(f'{name}="{_escaped(str(text))}"' for name, text in labels.items())
        yield f"{family.name}{f'{{{pairs}}}' if pairs else ''} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: Number) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    return str(int(value)) if isinstance(value, bool) else repr(value)
