"""Which monitors may be set, and what a value leads to."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from fake_clock import START

from chargepoint.core.monitoring import (
    PERIOD_MOST,
    Event,
    Monitor,
    MonitorType,
    NotMonitored,
    Origin,
    Trigger,
    Watch,
    change,
    check,
    duplicate,
    fresh_id,
    look,
)
from chargepoint.core.variables import Address, DataType, Limits, Mutability
from chargepoint.core.variables_answers import ReportRow
from chargepoint.errors import Refused

UPPER, LOWER, DELTA = MonitorType.UPPER, MonitorType.LOWER, MonitorType.DELTA
PERIODIC, CLOCK = MonitorType.PERIODIC, MonitorType.CLOCK
ROW = ReportRow(
    Address("EVSE", "Power", evse=1),
    "0",
    Mutability.READ_ONLY,
    persistent=False,
    constant=False,
    data_type=DataType.DECIMAL,
    unit="W",
    limits=Limits(low=Decimal(0), high=Decimal(22000)),
    supports_monitoring=True,
)
WORDS = replace(ROW, data_type=DataType.OPTION_LIST, limits=Limits(values=("A", "B")))


def _monitor(kind: MonitorType, value: str = "10", **more: object) -> Monitor:
    return replace(Monitor(7, "EVSE[1].Power", kind, Decimal(value), 5), **more)


@pytest.mark.parametrize("kind", MonitorType)
def test_every_type_fits_a_number(kind: MonitorType) -> None:
    check(_monitor(kind), ROW)


@pytest.mark.parametrize("kind", [DELTA, PERIODIC, CLOCK])
def test_words_have_no_thresholds(kind: MonitorType) -> None:
    check(_monitor(kind), WORDS)
    for threshold in (UPPER, LOWER):
        with pytest.raises(NotMonitored):
            check(_monitor(threshold), WORDS)


@pytest.mark.parametrize("row", [replace(ROW, supports_monitoring=False), replace(ROW, value=None)])
def test_what_never_changes_or_cannot_be_read_has_no_monitors(row: ReportRow) -> None:
    with pytest.raises(NotMonitored):
        check(_monitor(DELTA), row)


@pytest.mark.parametrize(
    ("monitor", "reason"),
    [
        (_monitor(UPPER, "22001"), "ValueOutOfRange"),
        (_monitor(LOWER, "-1"), "ValueOutOfRange"),
        (_monitor(DELTA, "-1"), "ValuePositiveOnly"),
        (_monitor(PERIODIC, "0"), "ValueOutOfRange"),
        (_monitor(PERIODIC, "1e9"), "ValueOutOfRange"),
        (_monitor(CLOCK, "1e308"), "ValueOutOfRange"),
        (_monitor(DELTA, "1e309"), "ValueOutOfRange"),
        (_monitor(PERIODIC, "1E+13"), "ValueOutOfRange"),
        (_monitor(CLOCK, "1E+308"), "ValueOutOfRange"),
        (_monitor(UPPER, severity=10), "ValueOutOfRange"),
        (_monitor(UPPER, severity=-1), "ValueOutOfRange"),
    ],
)
def test_a_value_out_of_range_is_refused(monitor: Monitor, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        check(monitor, ROW)

    assert refused.value.reason == reason


def _events(monitor: Monitor, *values: str) -> list[Event | None]:
    watch, events = Watch(), []
    for value in values:
        watch, event = look(monitor, watch, value, START)
        events.append(event)
    return events


@pytest.mark.parametrize(
    ("kind", "values"),
    [(UPPER, ("9", "10", "11", "12", "10")), (LOWER, ("11", "10", "9", "8", "10"))],
)
def test_a_threshold_alerts_once_and_says_when_it_is_over(
    kind: MonitorType, values: tuple[str, ...]
) -> None:
    alert = Event(Trigger.ALERTING, values[2])
    over = Event(Trigger.ALERTING, "10", cleared=True)

    assert _events(_monitor(kind), *values) == [None, None, alert, None, over]


@pytest.mark.parametrize("kind", [PERIODIC, CLOCK])
def test_the_longest_period_has_an_end(kind: MonitorType) -> None:
    longest = _monitor(kind, str(PERIOD_MOST))
    check(longest, ROW)

    watch, event = look(longest, Watch(), "1", START)

    assert event is None
    assert watch.due is not None


@pytest.mark.parametrize("value", ["", "unknown", "NaN", "-Infinity"])
def test_without_a_number_a_threshold_says_nothing(value: str) -> None:
    assert _events(_monitor(UPPER), value, "11", value) == [
        None,
        Event(Trigger.ALERTING, "11"),
        None,
    ]


@pytest.mark.spec("2.0.1", "TC_N_61_CS")
def test_a_difference_counts_from_the_last_event() -> None:
    events = _events(_monitor(DELTA), "100", "109", "110", "119", "100", "")

    told = [event.value if event else None for event in events]
    assert told == [None, None, "110", None, "100", None]
    assert events[2] == Event(Trigger.DELTA, "110")


def test_words_differ_by_any_change() -> None:
    events = _events(_monitor(DELTA), "", "Available", "Available", "Occupied")

    assert events == [None, None, None, Event(Trigger.DELTA, "Occupied")]


@pytest.mark.parametrize("word", ["NaN", "sNaN", "Infinity", "1E999999", "1_000"])
def test_words_that_look_like_numbers_are_words(word: str) -> None:
    assert _events(_monitor(DELTA), word, word, "1") == [None, None, Event(Trigger.DELTA, "1")]


@pytest.mark.parametrize(
    ("kind", "period", "due"),
    [
        (PERIODIC, "60", [60, 120, 180]),
        (CLOCK, "60", [30, 90, 150]),
        (CLOCK, "7200", [7170]),  # 12:00
    ],
    ids=["from its setting", "from the minute", "from midnight"],
)
def test_a_period_ends_at_its_time(kind: MonitorType, period: str, due: list[int]) -> None:
    start = START + timedelta(seconds=30)  # 10:00:30
    watch, seconds = Watch(), []
    for second in range(max(due) + 1):
        watch, event = look(_monitor(kind, period), watch, "5", start + timedelta(seconds=second))
        if event is not None:
            assert event == Event(Trigger.PERIODIC, "5")
            seconds.append(second)

    assert seconds == due


def test_periods_that_nobody_saw_are_left_out() -> None:
    watch, _ = look(_monitor(PERIODIC), Watch(), "5", START)

    watch, event = look(_monitor(PERIODIC), watch, "5", START + timedelta(seconds=35))

    assert event is not None
    assert watch.due == START + timedelta(seconds=40)


def test_one_monitor_of_a_type_and_severity_for_each_variable() -> None:
    other = _monitor(UPPER, id=8)

    assert duplicate(_monitor(UPPER), [other])
    assert not duplicate(_monitor(UPPER), [_monitor(UPPER)]), "itself"
    assert not duplicate(_monitor(UPPER, severity=4), [other])
    assert not duplicate(_monitor(LOWER), [other])


def test_a_changed_monitor_stays_what_it_was() -> None:
    old = _monitor(UPPER, origin=Origin.PRECONFIGURED)

    new = change(old, _monitor(LOWER, "3", id=0))

    assert (new.id, new.origin, new.kind) == (7, Origin.PRECONFIGURED, LOWER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (_monitor(UPPER, origin=Origin.HARD_WIRED), _monitor(UPPER)),
        (_monitor(UPPER), _monitor(UPPER, variable="EVSE[2].Power")),
    ],
)
def test_what_cannot_be_changed(old: Monitor, new: Monitor) -> None:
    with pytest.raises(Refused):
        change(old, new)


@pytest.mark.parametrize(("known", "fresh"), [(set(), 1000), ({1, 2}, 1000), ({1, 1004}, 1005)])
def test_a_fresh_id_is_nobody_elses(known: set[int], fresh: int) -> None:
    assert fresh_id(known) == fresh
