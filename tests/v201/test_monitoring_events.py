"""Block N: what monitors tell."""

from typing import Any

import pytest
from monitoring_talk import LIMIT, STATE, change, events, item_of, set_monitors

from chargepoint.core.facts import VariableEvent
from chargepoint.core.model import Fault
from chargepoint.errors import CsmsUnavailable, StoreError
from chargepoint.provided_parts import provide_parts
from chargepoint.station.monitors import Monitors


@pytest.fixture
async def live(talk: Any) -> Any:
    """The station with the variables of its parts."""
    provide_parts(talk.bench.station)
    talk.bench.station.monitors.look()
    return talk


@pytest.mark.spec("2.0.1", "TC_N_20_CS")
async def test_a_crossed_threshold_is_told_and_that_it_is_over(live: Any) -> None:
    transaction = await live.bench.charge()
    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100))
    await live.tell()

    change(live, "120")
    (alert,) = await events(live)
    change(live, "90")
    (over,) = await events(live)

    assert alert | {"eventId": 0} == {
        **LIMIT,
        "eventId": 0,
        "timestamp": "2026-03-01T10:00:00.000Z",
        "trigger": "Alerting",
        "actualValue": "120",
        "eventNotificationType": "CustomMonitor",
        "variableMonitoringId": 1000,
        "transactionId": transaction.transaction_id,
    }
    assert (over["actualValue"], over["cleared"]) == ("90", True)
    assert over["eventId"] > alert["eventId"]


@pytest.mark.spec("2.0.1", "TC_N_52_CS")
async def test_a_cleared_monitor_says_nothing_more(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100))
    change(live, "120")
    await live.tell()

    await live.ask("ClearVariableMonitoring", {"id": [1000]})
    change(live, "90")

    assert await events(live) == []


@pytest.mark.spec("2.0.1", "TC_N_21_CS")
async def test_a_problem_of_a_part_is_told_by_itself(live: Any) -> None:
    await live.bench.station.set_fault(1, Fault("GroundFailure"), active=True)
    live.bench.station.monitors.look()

    (event,) = await events(live)
    assert event["component"] == {"name": "EVSE", "evse": {"id": 1}}
    assert (event["variable"], event["actualValue"]) == ({"name": "Problem"}, "true")
    assert event["eventNotificationType"] == "HardWiredNotification"


async def test_a_meter_that_falls_silent_is_told(live: Any) -> None:
    live.bench.evse(2).meter.books.failed("no answer", 0.0)
    live.bench.station.monitors.look()

    (event,) = await events(live)
    assert event["component"] == {"name": "FiscalMetering", "evse": {"id": 2}}


@pytest.mark.spec("2.0.1", "TC_N_45_CS")
@pytest.mark.spec("2.0.1", "TC_N_56_CS")
async def test_a_change_of_numbers_and_of_words_is_told(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "Delta", 10), item_of(STATE, "Delta", 1))

    change(live, "69")
    assert await events(live) == []
    change(live, "70")
    await live.bench.charge()
    live.bench.station.monitors.look()

    number, word = await events(live)
    assert (number["trigger"], number["actualValue"]) == ("Delta", "70")
    assert (word["trigger"], word["actualValue"]) == ("Delta", "Occupied")


@pytest.mark.parametrize("name", ["NaN", "Infinity", "1E999999"])
async def test_a_text_that_looks_like_a_number_stops_no_monitor(live: Any, name: str) -> None:
    of = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "OrganizationName"}}
    await set_monitors(live, item_of(of, "Delta", 1), item_of(LIMIT, "Delta", 1))

    for text in (name, "-1"):
        await live.ask("SetVariables", {"setVariableData": [{**of, "attributeValue": text}]})
        live.bench.station.monitors.look()
        live.bench.station.monitors.look()
    change(live, "77")

    assert [event["actualValue"] for event in await events(live)] == ["-1", "77"]


@pytest.mark.spec("2.0.1", "TC_N_24_CS")
@pytest.mark.parametrize(("kind", "first"), [("Periodic", 30), ("PeriodicClockAligned", 20)])
async def test_a_periodic_event_comes_at_its_times(live: Any, kind: str, first: int) -> None:
    clock = live.bench.clock
    clock.pass_time(10)  # 10:00:10
    await set_monitors(live, item_of(LIMIT, kind, 30))
    live.bench.supervisor.keep("monitors", live.bench.station.monitors.run)

    await clock.advance(first - 1)
    assert await events(live) == []
    await clock.advance(31)

    times = [(e["trigger"], e["timestamp"][17:19]) for e in await events(live)]
    assert times == [("Periodic", f"{10 + first:02}"), ("Periodic", f"{(40 + first) % 60:02}")]


@pytest.mark.spec("2.0.1", "TC_N_16_CS")
@pytest.mark.spec("2.0.1", "TC_N_17_CS")
@pytest.mark.parametrize(("level", "status"), [(7, "Accepted"), (10, "Rejected"), (-1, "Rejected")])
async def test_events_less_important_than_the_level_are_not_told(
    live: Any, level: int, status: str
) -> None:
    await set_monitors(live, item_of(LIMIT, "Delta", 1, 8), item_of(LIMIT, "Delta", 1, 7))

    answer = await live.ask("SetMonitoringLevel", {"severity": level})
    change(live, "70")

    assert answer["status"] == status
    assert len(await events(live)) == (1 if status == "Accepted" else 2)


@pytest.mark.spec("2.0.1", "TC_N_22_CS")
@pytest.mark.spec("2.0.1", "TC_N_23_CS")
@pytest.mark.parametrize(("queued", "told"), [("5", 1), ("4", 0)])
async def test_offline_only_what_is_important_enough_is_kept(
    live: Any, queued: str, told: int
) -> None:
    item = {
        "component": {"name": "MonitoringCtrlr"},
        "variable": {"name": "OfflineQueuingSeverity"},
        "attributeValue": queued,
    }
    await live.ask("SetVariables", {"setVariableData": [item]})
    await set_monitors(live, item_of(LIMIT, "Delta", 1, 5))
    await live.cut()

    change(live, "70")
    await live.back()

    assert len(await events(live)) == told


async def test_monitors_can_be_switched_off(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "Delta", 1))
    item = {
        "component": {"name": "MonitoringCtrlr"},
        "variable": {"name": "Enabled"},
        "attributeValue": "false",
    }
    await live.ask("SetVariables", {"setVariableData": [item]})

    change(live, "70")

    assert await events(live) == []


async def test_a_monitor_of_transactions_sees_nothing_else(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100, transaction=True))
    change(live, "120")
    assert await events(live) == []

    await live.bench.charge()
    live.bench.station.monitors.look()

    assert len(await events(live)) == 1


@pytest.mark.spec("2.0.1", "TC_N_53_CS")
async def test_monitors_last_over_a_restart(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100))
    await live.ask("ClearVariableMonitoring", {"id": [1]})
    before = live.bench.station.monitors.all

    again = Monitors(live.bench.station, online=lambda: True)
    assert again.all == before
    live.bench.station.model.set_key("ConnectionTimeOut", "120")
    again.look()

    assert [fact.monitor_id for fact in live.bench.facts(VariableEvent)] == [1000]


async def test_an_alert_is_not_told_again_after_a_restart_but_that_it_is_over_is(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100))
    change(live, "120")
    await live.tell()

    again = Monitors(live.bench.station, online=lambda: True)
    again.look()
    assert await events(live) == []
    live.bench.station.model.set_key("ConnectionTimeOut", "90")
    again.look()

    (over,) = await events(live)
    assert (over["variableMonitoringId"], over["cleared"]) == (1000, True)


async def test_a_threshold_that_was_moved_knows_nothing_of_the_old_one(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100))
    change(live, "120")
    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 200, id=1000))
    await live.tell()

    again = Monitors(live.bench.station, online=lambda: True)
    again.look()

    assert await events(live) == []


async def test_what_changed_while_the_power_was_off_is_told(live: Any) -> None:
    await live.bench.station.set_fault(1, Fault("GroundFailure"), active=True)
    live.bench.station.monitors.look()
    await live.tell()
    await live.bench.station.set_fault(1, Fault("GroundFailure"), active=False)

    Monitors(live.bench.station, online=lambda: True).look()

    (event,) = await events(live)
    assert (event["variable"], event["actualValue"]) == ({"name": "Problem"}, "false")


async def test_a_look_that_finds_nothing_new_writes_nothing(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "Periodic", 30), item_of(LIMIT, "UpperThreshold", 100))
    live.bench.store.commit_job = None  # type: ignore[method-assign]

    live.bench.station.monitors.look()
    change(live, "90")


async def test_an_event_that_cannot_be_stored_does_not_stop_the_monitors(
    live: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await set_monitors(live, item_of(LIMIT, "Delta", 10))

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("full")

    with monkeypatch.context() as broken:
        broken.setattr(live.bench.store, "commit_job", full)
        change(live, "70")
    change(live, "90")

    assert [event["actualValue"] for event in await events(live)] == ["90"]
    assert "events of monitors not stored" in caplog.text


async def test_an_alert_whose_answer_was_lost_is_told_again_word_for_word(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100))
    await live.tell()
    live.csms.answers("NotifyEvent", CsmsUnavailable("lost"))
    change(live, "120")
    first = await live.tell()
    await live.clock.advance(5)
    await live.back()

    again = await live.tell()

    assert [one.action for one in again] == ["NotifyEvent"]
    assert again[0].payload == first[-1].payload
    assert again[0].message_id == first[-1].message_id
