"""The Prometheus text: its format, what it says of a station, what it must not say."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from served_station import Served, serve, until

from chargepoint.core.model import Fault
from chargepoint.errors import StoreError
from chargepoint.local.metrics import Family, Kind, Number, of_buses, render, single
from meters.errors import MeterUnreachable
from meters.modbus import Counters

SERIES = re.compile(
    r"(?P<name>[a-z_:][a-z0-9_:]*)"
    r'(?:\{(?P<labels>[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*)\})?'
    r" (?P<value>-?[0-9.]+(?:e[+-][0-9]+)?|NaN|[+-]Inf)"
)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, more=lambda: of_buses({"rs485": Counters(requests=7)})) as it:
        yield it


def parsed(text: str) -> dict[str, float]:
    """Every series and its value; fails where the text breaks the exposition format."""
    assert text.endswith("\n")
    found: dict[str, float] = {}
    name = kind = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert not any(series.partition("{")[0] == name for series in found), f"{name} again"
        elif line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            assert (typed, kind in {"counter", "gauge"}) == (name, True)
        else:
            match = SERIES.fullmatch(line)
            assert match is not None, line
            assert match["name"] == name
            assert (kind == "counter") is name.endswith("_total"), name
            series = line.rpartition(" ")[0]
            assert series not in found, series
            found[series] = float(match["value"])
    return found


async def scraped(served: Served) -> dict[str, float]:
    answer = await served.ask("GET", "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    return parsed(answer.body)


async def test_a_disk_that_refuses_is_seen_although_it_cannot_be_read(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = served.station.store
    assert (await scraped(served))["chargepoint_storage_failed"] == 0

    def refuse(*_: object) -> None:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(store, "next_entry", refuse)
    monkeypatch.setattr(store, "trouble", "disk I/O error")
    monkeypatch.setattr(served.station.availability, "no_store", Fault("InternalError"))
    found = await scraped(served)
    status = (await served.ask("GET", "/v1/status")).json()
    ready = await served.ask("GET", "/readyz")

    assert found["chargepoint_storage_failed"] == 1
    assert "chargepoint_journal_oldest_seconds" not in found
    assert status["storage"] == {"trouble": "disk I/O error", "set_aside": []}
    assert status["status"] == "Faulted"
    assert ready.status == 503
    assert "no session can be recorded: the store does not work" in ready.body


def test_a_family_has_help_and_type_before_its_series() -> None:
    family = Family("a_total", "How many.", (({"b": "c", "d": 1}, 2), ({}, 3)), Kind.COUNTER)

    assert render([family]) == (
        '# HELP a_total How many.\n# TYPE a_total counter\na_total{b="c",d="1"} 2\na_total 3\n'
    )


def test_a_family_without_series_is_left_out() -> None:
    assert render([Family("a", "Nothing.", ())]) == ""


def test_labels_and_help_cannot_break_out_of_their_line() -> None:
    family = Family("a", "one\ntwo \\ three", (({"b": 'say "hi"\\\nbye'}, 1),))

    assert render([family]) == (
        "# HELP a one\\ntwo \\\\ three\n"
        "# TYPE a gauge\n"
        'a{b="say \\"hi\\"\\\\\\nbye"} 1\n'
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "1"),
        (False, "0"),
        (12, "12"),
        (0.25, "0.25"),
        (1e-7, "1e-07"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.0010"), "0.0010"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_a_number_is_written_as_the_format_wants_it(value: Number, text: str) -> None:
    assert render([single("a", "A.", value)]).splitlines()[-1] == f"a {text}"


async def test_a_free_station_is_described_by_valid_text(served: Served) -> None:
    told = await scraped(served)

    assert all(series.startswith("chargepoint_") for series in told)
    expected = {
        'chargepoint_link_info{state="connected",subprotocol="ocpp2.0.1"}': 1,
        "chargepoint_link_connected": 1,
        "chargepoint_link_failed_attempts": 0,
        "chargepoint_csms_online": 1,
        "chargepoint_csms_accepted": 1,
        "chargepoint_journal_facts": served.station.store.waiting,
        "chargepoint_storage_low": 0,
        "chargepoint_transactions_open": 0,
        'chargepoint_transactions_without_record{missing="damaged"}': 0,
        'chargepoint_connector_status{evse="0",connector="0",status="Available"}': 1,
        'chargepoint_connector_status{evse="2",connector="2",status="Available"}': 1,
        'chargepoint_connector_status{evse="2",connector="2",status="Faulted"}': 0,
        'chargepoint_evse_charging{evse="1"}': 0,
        'chargepoint_meter_health{meter="outlet1",health="ok"}': 1,
        'chargepoint_meter_health{meter="outlet1",health="unreachable"}': 0,
        'chargepoint_meter_failed_reads{meter="outlet2"}': 0,
        'chargepoint_meter_energy_watthours_total{meter="outlet1"}': 1000,
        'chargepoint_meter_power_watts{meter="outlet1"}': 0,
        'chargepoint_bus_requests_total{bus="rs485"}': 7,
        'chargepoint_bus_busy_seconds_total{bus="rs485"}': 0,
    }
    assert {series: told[series] for series in expected} == expected
    (build,) = (series for series in told if series.startswith("chargepoint_build_info"))
    assert 'version="9.9"' in build
    assert told['chargepoint_meter_reading_age_seconds{meter="outlet1"}'] < 5
    assert not any(series.startswith("chargepoint_evse_limit") for series in told)


async def test_a_session_shows_without_saying_whose_it_is(served: Served) -> None:
    transaction_id = await served.charge()
    runner = served.station.evses[1].runner
    await until(lambda: runner.state.ev_ready)
    runner.state = replace(runner.state, limit_a=Decimal("6.5"))

    text = (await served.ask("GET", "/metrics")).body

    told = parsed(text)
    assert told["chargepoint_transactions_open"] == 1
    assert told['chargepoint_evse_charging{evse="1"}'] == 1
    assert told['chargepoint_evse_limit_amperes{evse="1"}'] == 6.5
    assert told["chargepoint_journal_facts"] > 0
    assert 0 <= told["chargepoint_journal_oldest_seconds"] < 60
    assert transaction_id not in text
    assert "04A1B2C3D4" not in text
    assert "***D4" not in text


async def test_stored_records_are_counted_by_verdict(served: Served) -> None:
    await served.charge()
    await served.finish()

    assert (await scraped(served))['chargepoint_records{verdict="valid"}'] == 1


async def test_an_outage_shows(served: Served) -> None:
    served.link.state, served.link.subprotocol, served.link.failures = "waiting", None, 4
    served.session.online, served.session.registration = False, "Pending"
    served.meters[1].fails = MeterUnreachable("no answer")
    await served.station.evses[1].meter.refresh()

    told = await scraped(served)

    expected = {
        'chargepoint_link_info{state="waiting",subprotocol=""}': 1,
        "chargepoint_link_connected": 0,
        "chargepoint_link_failed_attempts": 4,
        "chargepoint_csms_online": 0,
        "chargepoint_csms_accepted": 0,
        'chargepoint_meter_health{meter="outlet1",health="ok"}': 0,
        'chargepoint_meter_health{meter="outlet1",health="unreachable"}': 1,
    }
    assert {series: told[series] for series in expected} == expected
    assert told['chargepoint_meter_failed_reads{meter="outlet1"}'] >= 1
    assert told['chargepoint_meter_failed_reads{meter="outlet2"}'] == 0
