"""Rules of the monitors: which may be set, and what a value that is seen leads to.

OCPP 2.0.1 block N. A monitor watches one variable; what it remembers of it is its ``Watch``.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from chargepoint.core.variables import Reason
from chargepoint.core.variables_answers import ReportRow
from chargepoint.errors import Refused

MONITORS_MOST: Final = 100
SEVERITIES: Final = range(10)  # 0 is danger, 9 is debug
OUT_OF_RANGE: Final = "ValueOutOfRange"
FIRST_CUSTOM_ID: Final = 1000
PERIOD_MOST: Final = 10 * 366 * 24 * 3600  # seconds; the end of a longer one may be no date
VALUE_MOST: Final = Decimal("1e300")  # what JSON carries of a number is a float
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")  # as numbers of the device model are written


class MonitorType(StrEnum):
    """What a monitor looks for (MonitorEnumType)."""

    UPPER = "UpperThreshold"
    LOWER = "LowerThreshold"
    DELTA = "Delta"
    PERIODIC = "Periodic"
    CLOCK = "PeriodicClockAligned"


class Origin(StrEnum):
    """Who made a monitor (EventNotificationEnumType); the hard-wired ones cannot be changed."""

    HARD_WIRED = "HardWiredNotification"
    PRECONFIGURED = "PreconfiguredMonitor"
    CUSTOM = "CustomMonitor"


class Trigger(StrEnum):
    """Why an event is told (EventTriggerEnumType)."""

    ALERTING = "Alerting"
    DELTA = "Delta"
    PERIODIC = "Periodic"


class Criterion(StrEnum):
    """Which monitors a report is about (MonitoringCriterionEnumType)."""

    THRESHOLD = "ThresholdMonitoring"
    DELTA = "DeltaMonitoring"
    PERIODIC = "PeriodicMonitoring"


_CRITERIA: Final = {
    MonitorType.UPPER: Criterion.THRESHOLD,
    MonitorType.LOWER: Criterion.THRESHOLD,
    MonitorType.DELTA: Criterion.DELTA,
    MonitorType.PERIODIC: Criterion.PERIODIC,
    MonitorType.CLOCK: Criterion.PERIODIC,
}
_THRESHOLDS: Final = {MonitorType.UPPER, MonitorType.LOWER}
_PERIODS: Final = {MonitorType.PERIODIC, MonitorType.CLOCK}


class Verdict(StrEnum):
    """What becomes of a monitor to be set (SetMonitoringStatusEnumType)."""

    ACCEPTED = "Accepted"
    UNKNOWN_COMPONENT = "UnknownComponent"
    UNKNOWN_VARIABLE = "UnknownVariable"
    UNSUPPORTED = "UnsupportedMonitorType"
    REJECTED = "Rejected"
    DUPLICATE = "Duplicate"


@dataclass(frozen=True, slots=True)
class Monitor:
    """One monitor. ``variable`` is an address in its written form.

    ``value`` is the threshold, the difference, or the period in seconds. ``transaction``: it works
    only while a transaction runs there. ``cleared`` marks a preconfigured one that is not wanted.
    """

    id: int
    variable: str
    kind: MonitorType
    value: Decimal
    severity: int
    transaction: bool = False
    origin: Origin = Origin.CUSTOM
    cleared: bool = False

    @property
    def criterion(self) -> Criterion:
        """Which group of monitors it belongs to."""
        return _CRITERIA[self.kind]


@dataclass(frozen=True, slots=True)
class Watch:
    """What a monitor remembers: the value it compares with, whether it has alerted, when it is due.

    ``seen`` is None until there was a value.
    """

    seen: str | None = None
    alerted: bool = False
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What must survive a power cut of one watch; it counts only for the very same monitor."""

    monitor: Monitor
    watch: Watch


@dataclass(frozen=True, slots=True)
class Event:
    """What a monitor has to tell; ``cleared``: what it alerted of is over."""

    trigger: Trigger
    value: str
    cleared: bool = False


class NotMonitored(Refused):
    """The variable cannot have a monitor of this type."""


def check(monitor: Monitor, row: ReportRow) -> None:
    """Return if a monitor fits its variable (N04.FR.03 to .14).

    Raises:
        NotMonitored: there are no monitors of this type for it.
        Refused: with the word of the reasonCode list in ``reason``.
    """
    number = row.data_type.is_number
    silent = not row.supports_monitoring or row.value is None
    if silent or (monitor.kind in _THRESHOLDS and not number):
        raise NotMonitored(f"{monitor.variable} has no {monitor.kind}")
    if monitor.severity not in SEVERITIES:
        raise Refused(f"severity {monitor.severity}, allowed 0 to 9", reason=OUT_OF_RANGE)
    if abs(monitor.value) > VALUE_MOST:
        raise Refused(f"more than {VALUE_MOST}", reason=OUT_OF_RANGE)
    if monitor.kind in _THRESHOLDS:
        low, high = row.limits.low, row.limits.high
        if (low is not None and monitor.value < low) or (high is not None and monitor.value > high):
            raise Refused(f"{monitor.value} is beyond the limits", reason=OUT_OF_RANGE)
    elif monitor.kind in _PERIODS and not 1 <= monitor.value <= PERIOD_MOST:
        raise Refused(f"a period of {monitor.value} s", reason=OUT_OF_RANGE)
    elif number and monitor.value <= 0:
        raise Refused(f"a difference of {monitor.value}", reason=Reason.NOT_POSITIVE)


def duplicate(monitor: Monitor, others: Iterable[Monitor]) -> bool:
    """Whether another one watches the same variable for the same, as severely (N04.FR.08)."""
    mine = (monitor.variable.casefold(), monitor.kind, monitor.severity)
    return any(
        mine == (other.variable.casefold(), other.kind, other.severity) and other.id != monitor.id
        for other in others
    )


def change(old: Monitor, new: Monitor) -> Monitor:
    """A monitor replaced by another one with its id (N04.FR.10).

    Raises:
        Refused: it is hard-wired, or the new one watches another variable.
    """
    if old.origin is Origin.HARD_WIRED:
        raise Refused(f"monitor {old.id} cannot be changed", reason=Reason.READ_ONLY)
    if old.variable.casefold() != new.variable.casefold():
        raise Refused(f"monitor {old.id} is of {old.variable}", reason=Reason.INVALID_VALUE)
    return replace(new, id=old.id, origin=old.origin)


def fresh_id(known: Collection[int]) -> int:
    """An id that no monitor has."""
    return max([FIRST_CUSTOM_ID, *(number + 1 for number in known)])


def look(monitor: Monitor, watch: Watch, value: str, now: datetime) -> tuple[Watch, Event | None]:
    """See the value a variable has now; what is remembered, and what is to be told of it."""
    if monitor.kind in _PERIODS:
        return _periodic(monitor, watch, value, now)
    if monitor.kind is MonitorType.DELTA:
        return _delta(monitor, watch, value)
    number = _number(value)
    if number is None:
        return watch, None
    upper = monitor.kind is MonitorType.UPPER
    beyond = number > monitor.value if upper else number < monitor.value
    if beyond == watch.alerted:
        return replace(watch, seen=value), None
    event = Event(Trigger.ALERTING, value, cleared=not beyond)
    return replace(watch, seen=value, alerted=beyond), event


def remember(monitor: Monitor, watch: Watch) -> Remembered | None:
    """What to keep of a watch over a restart, so that nothing is told twice and no end is missed.

    Of a threshold that it has alerted, of a difference the value told last. Periods begin anew.
    """
    if monitor.kind in _THRESHOLDS and watch.alerted:
        return Remembered(monitor, Watch(alerted=True))
    if monitor.kind is MonitorType.DELTA and watch.seen is not None:
        return Remembered(monitor, Watch(watch.seen))
    return None


def _delta(monitor: Monitor, watch: Watch, value: str) -> tuple[Watch, Event | None]:
    """A number by at least the difference since the last event, anything else by any change."""
    if watch.seen is None or not value:
        return replace(watch, seen=value or watch.seen), None
    before, after = _number(watch.seen), _number(value)
    if before is not None and after is not None:
        changed = abs(after - before) >= monitor.value
    else:
        changed = value != watch.seen
    if not changed:
        return watch, None
    return replace(watch, seen=value), Event(Trigger.DELTA, value)


def _periodic(
    monitor: Monitor, watch: Watch, value: str, now: datetime
) -> tuple[Watch, Event | None]:
    """At the end of every period, counted from its setting or, aligned, from midnight UTC."""
    if watch.due is None or now < watch.due:
        return replace(watch, due=watch.due or _next(monitor, now, now)), None
    event = Event(Trigger.PERIODIC, value)
    return replace(watch, seen=value, due=_next(monitor, watch.due, now)), event


def _next(monitor: Monitor, since: datetime, now: datetime) -> datetime:
    """The first end of a period after ``now``."""
    period = timedelta(seconds=float(monitor.value))
    if monitor.kind is MonitorType.CLOCK:
        since = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return since + ((now - since) // period + 1) * period


def _number(value: str) -> Decimal | None:
    """None of a word, and of one that Decimal would read: NaN, Infinity, 1E999999."""
    return Decimal(value) if _NUMBER.fullmatch(value) else None
