"""Block N: monitors set, cleared, listed, and the events they tell."""

from typing import Any

import pytest

from chargepoint.core.facts import VariableEvent
from chargepoint.core.model import Fault
from chargepoint.core.monitoring import MONITORS_MOST
from chargepoint.csms.rpc import CallError
from chargepoint.provided_parts import provide_parts
from chargepoint.station.monitors import Monitors

POWER = {
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "Power"},
}
STATE = {
    "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
    "variable": {"name": "AvailabilityState"},
}
NO_EVSE = {"name": "EVSE", "evse": {"id": 9}}
LIMIT = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}


@pytest.fixture
async def live(talk: Any) -> Any:
    """The station with the variables of its parts."""
    provide_parts(talk.bench.station)
    talk.bench.station.monitors.look()
    return talk


def _item(of: dict[str, Any], kind: str, value: float, severity: int = 5, **more: Any) -> Any:
    return {**of, "type": kind, "value": value, "severity": severity, **more}


async def _set(talk: Any, *items: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await talk.ask("SetVariableMonitoring", {"setMonitoringData": list(items)})
    results: list[dict[str, Any]] = answer["setMonitoringResult"]
    return results


async def _report(talk: Any, **payload: Any) -> tuple[str, list[dict[str, Any]]]:
    talk.csms.sent.clear()
    answer = await talk.ask("GetMonitoringReport", {"requestId": 7, **payload})
    parts = talk.csms.said("NotifyMonitoringReport")
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    return answer["status"], [monitor for part in parts for monitor in part["monitor"]]


async def _ids(talk: Any) -> set[int]:
    _, found = await _report(talk)
    return {one["id"] for monitor in found for one in monitor["variableMonitoring"]}


def _change(talk: Any, value: str) -> None:
    assert talk.bench.station.model.set_key("ConnectionTimeOut", value).answer == "Accepted"
    talk.bench.station.monitors.look()


async def _events(talk: Any) -> list[dict[str, Any]]:
    sent = [s.payload for s in await talk.tell() if s.action == "NotifyEvent"]
    return [event for payload in sent for event in payload["eventData"]]


@pytest.mark.spec("2.0.1", "TC_N_08_CS")
@pytest.mark.spec("2.0.1", "TC_N_02_CS")
async def test_a_monitor_that_is_set_is_reported_with_its_id(live: Any) -> None:
    (result,) = await _set(live, _item(POWER, "UpperThreshold", 11000, 5, transaction=True))

    assert result == {
        **POWER,
        "type": "UpperThreshold",
        "severity": 5,
        "status": "Accepted",
        "id": 1000,
    }
    status, found = await _report(live, componentVariable=[POWER])
    assert status == "Accepted"
    assert found == [
        {
            **POWER,
            "variableMonitoring": [
                {
                    "id": 1000,
                    "transaction": True,
                    "value": 11000.0,
                    "type": "UpperThreshold",
                    "severity": 5,
                }
            ],
        }
    ]


@pytest.mark.spec("2.0.1", "TC_N_09_CS")
@pytest.mark.spec("2.0.1", "TC_N_10_CS")
@pytest.mark.spec("2.0.1", "TC_N_15_CS")
async def test_several_monitors_are_set_but_none_twice(live: Any) -> None:
    results = await _set(
        live,
        _item(POWER, "UpperThreshold", 11000, 5),
        _item(STATE, "Delta", 1, 5),
        _item(POWER, "UpperThreshold", 12000, 6),
        _item(POWER, "UpperThreshold", 13000, 5),
    )

    statuses = [result["status"] for result in results]
    assert statuses == ["Accepted", "Accepted", "Accepted", "Duplicate"]
    assert {1000, 1001, 1002} <= await _ids(live)


@pytest.mark.spec("2.0.1", "TC_N_11_CS")
@pytest.mark.spec("2.0.1", "TC_N_12_CS")
@pytest.mark.spec("2.0.1", "TC_N_13_CS")
@pytest.mark.spec("2.0.1", "TC_N_37_CS")
@pytest.mark.spec("2.0.1", "TC_N_38_CS")
@pytest.mark.parametrize(
    ("item", "status"),
    [
        (_item({**POWER, "component": NO_EVSE}, "Delta", 1), "UnknownComponent"),
        (_item({**POWER, "variable": {"name": "Nonsense"}}, "Delta", 1), "UnknownVariable"),
        (_item(POWER, "Delta", -1), "Rejected"),
        (_item(POWER, "UpperThreshold", 1e6), "Rejected"),
        (_item(STATE, "UpperThreshold", 1), "UnsupportedMonitorType"),
        (_item(POWER, "Delta", 1, id=4711), "Rejected"),
        (_item(POWER, "Delta", 1, 10), "Rejected"),
    ],
)
async def test_a_monitor_that_cannot_be_is_not_set(
    live: Any, item: dict[str, Any], status: str
) -> None:
    before = await _ids(live)

    (result,) = await _set(live, item)

    assert result["status"] == status
    assert await _ids(live) == before


@pytest.mark.spec("2.0.1", "TC_N_43_CS")
async def test_one_that_cannot_be_does_not_hold_up_the_others(live: Any) -> None:
    results = await _set(
        live,
        _item(POWER, "UpperThreshold", 11000),
        _item(POWER, "UpperThreshold", 1e6, 6),
        _item(STATE, "Delta", 1),
    )

    assert [r["status"] for r in results] == ["Accepted", "Rejected", "Accepted"]


@pytest.mark.spec("2.0.1", "TC_N_39_CS")
@pytest.mark.spec("2.0.1", "TC_N_40_CS")
async def test_a_monitor_is_replaced_for_its_own_variable_only(live: Any) -> None:
    (first,) = await _set(live, _item(LIMIT, "UpperThreshold", 100))

    (other,) = await _set(live, _item(POWER, "UpperThreshold", 100, id=first["id"]))
    (again,) = await _set(live, _item(LIMIT, "LowerThreshold", 30, 2, id=first["id"]))

    assert (other["status"], again["status"], again["id"]) == ("Rejected", "Accepted", 1000)
    _, (found,) = await _report(live, componentVariable=[LIMIT])
    (monitor,) = found["variableMonitoring"]
    assert (monitor["type"], monitor["value"], monitor["severity"]) == ("LowerThreshold", 30, 2)


@pytest.mark.spec("2.0.1", "TC_N_51_CS")
async def test_a_replaced_threshold_looks_at_the_value_at_once(live: Any) -> None:
    (first,) = await _set(live, _item(LIMIT, "UpperThreshold", 100))
    assert await _events(live) == []

    await _set(live, _item(LIMIT, "UpperThreshold", 50, id=first["id"]))

    (event,) = await _events(live)
    assert (event["trigger"], event["actualValue"]) == ("Alerting", "60")


@pytest.mark.spec("2.0.1", "TC_N_01_CS")
async def test_monitors_are_reported_by_criterion(live: Any) -> None:
    await _set(
        live,
        _item(LIMIT, "LowerThreshold", 5),
        _item(LIMIT, "Delta", 5),
        _item(LIMIT, "Periodic", 60),
    )

    for criterion, kinds in {
        "ThresholdMonitoring": {"LowerThreshold", "UpperThreshold"},
        "DeltaMonitoring": {"Delta"},
        "PeriodicMonitoring": {"Periodic"},
    }.items():
        _, found = await _report(live, monitoringCriteria=[criterion])
        assert {one["type"] for m in found for one in m["variableMonitoring"]} == kinds


@pytest.mark.spec("2.0.1", "TC_N_03_CS")
async def test_a_report_without_any_monitor_is_an_empty_set(live: Any) -> None:
    await _set(live, _item(LIMIT, "Delta", 5))

    nothing = await _report(
        live, monitoringCriteria=["PeriodicMonitoring"], componentVariable=[LIMIT]
    )
    something = await _report(
        live, monitoringCriteria=["DeltaMonitoring"], componentVariable=[LIMIT]
    )

    assert nothing == ("EmptyResultSet", [])
    assert (something[0], len(something[1])) == ("Accepted", 1)


@pytest.mark.spec("2.0.1", "TC_N_47_CS")
async def test_all_monitors_are_reported(live: Any) -> None:
    await _set(live, _item(LIMIT, "Delta", 5))

    assert await _ids(live) == {1, 2, 3, 4, 5, 6, 1000}


@pytest.mark.spec("2.0.1", "TC_N_05_CS")
@pytest.mark.spec("2.0.1", "TC_N_06_CS")
async def test_the_hard_wired_base_drops_what_was_set(live: Any) -> None:
    await _set(live, _item(LIMIT, "Delta", 5))

    for base, ids in {
        "All": {1, 2, 3, 4, 5, 6, 1000},
        "FactoryDefault": {1, 2, 3, 4, 5, 6},
        "HardWiredOnly": {2, 3, 4, 5, 6},
    }.items():
        assert await live.ask("SetMonitoringBase", {"monitoringBase": base}) == {
            "status": "Accepted"
        }
        assert await _ids(live) == ids


@pytest.mark.spec("2.0.1", "TC_N_41_CS")
async def test_a_preconfigured_monitor_comes_back_as_it_was(live: Any) -> None:
    of = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "CertificateEntries"}}
    (changed,) = await _set(live, _item(of, "UpperThreshold", 20, 3, id=1))
    assert changed["status"] == "Accepted"

    await live.ask("SetMonitoringBase", {"monitoringBase": "FactoryDefault"})

    _, (found,) = await _report(live, componentVariable=[of])
    assert [one["value"] for one in found["variableMonitoring"]] == [45]


@pytest.mark.spec("2.0.1", "TC_N_18_CS")
@pytest.mark.spec("2.0.1", "TC_N_19_CS")
@pytest.mark.spec("2.0.1", "TC_N_44_CS")
async def test_monitors_are_cleared_but_the_hard_wired_ones(live: Any) -> None:
    await _set(live, _item(LIMIT, "Delta", 5))

    answer = await live.ask("ClearVariableMonitoring", {"id": [1000, 1, 2, 4711, 1000]})

    statuses = [result["status"] for result in answer["clearMonitoringResult"]]
    assert statuses == ["Accepted", "Accepted", "Rejected", "NotFound", "NotFound"]
    assert await _ids(live) == {2, 3, 4, 5, 6}


@pytest.mark.spec("2.0.1", "TC_N_20_CS")
async def test_a_crossed_threshold_is_told_and_that_it_is_over(live: Any) -> None:
    transaction = await live.bench.charge()
    await _set(live, _item(LIMIT, "UpperThreshold", 100))
    await live.tell()

    _change(live, "120")
    (alert,) = await _events(live)
    _change(live, "90")
    (over,) = await _events(live)

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
    await _set(live, _item(LIMIT, "UpperThreshold", 100))
    _change(live, "120")
    await live.tell()

    await live.ask("ClearVariableMonitoring", {"id": [1000]})
    _change(live, "90")

    assert await _events(live) == []


@pytest.mark.spec("2.0.1", "TC_N_21_CS")
async def test_a_problem_of_a_part_is_told_by_itself(live: Any) -> None:
    await live.bench.station.set_fault(1, Fault("GroundFailure"), active=True)
    live.bench.station.monitors.look()

    (event,) = await _events(live)
    assert event["component"] == {"name": "EVSE", "evse": {"id": 1}}
    assert (event["variable"], event["actualValue"]) == ({"name": "Problem"}, "true")
    assert event["eventNotificationType"] == "HardWiredNotification"


async def test_a_meter_that_falls_silent_is_told(live: Any) -> None:
    live.bench.evse(2).meter.books.failed("no answer", 0.0)
    live.bench.station.monitors.look()

    (event,) = await _events(live)
    assert event["component"] == {"name": "FiscalMetering", "evse": {"id": 2}}


@pytest.mark.spec("2.0.1", "TC_N_45_CS")
@pytest.mark.spec("2.0.1", "TC_N_56_CS")
async def test_a_change_of_numbers_and_of_words_is_told(live: Any) -> None:
    await _set(live, _item(LIMIT, "Delta", 10), _item(STATE, "Delta", 1))

    _change(live, "69")
    assert await _events(live) == []
    _change(live, "70")
    await live.bench.charge()
    live.bench.station.monitors.look()

    number, word = await _events(live)
    assert (number["trigger"], number["actualValue"]) == ("Delta", "70")
    assert (word["trigger"], word["actualValue"]) == ("Delta", "Occupied")


@pytest.mark.spec("2.0.1", "TC_N_24_CS")
@pytest.mark.parametrize(("kind", "first"), [("Periodic", 30), ("PeriodicClockAligned", 20)])
async def test_a_periodic_event_comes_at_its_times(live: Any, kind: str, first: int) -> None:
    clock = live.bench.clock
    clock.pass_time(10)  # 10:00:10
    await _set(live, _item(LIMIT, kind, 30))
    live.bench.supervisor.keep("monitors", live.bench.station.monitors.run)

    await clock.advance(first - 1)
    assert await _events(live) == []
    await clock.advance(31)

    times = [(e["trigger"], e["timestamp"][17:19]) for e in await _events(live)]
    assert times == [("Periodic", f"{10 + first:02}"), ("Periodic", f"{(40 + first) % 60:02}")]


@pytest.mark.spec("2.0.1", "TC_N_16_CS")
@pytest.mark.spec("2.0.1", "TC_N_17_CS")
@pytest.mark.parametrize(("level", "status"), [(7, "Accepted"), (10, "Rejected"), (-1, "Rejected")])
async def test_events_less_important_than_the_level_are_not_told(
    live: Any, level: int, status: str
) -> None:
    await _set(live, _item(LIMIT, "Delta", 1, 8), _item(LIMIT, "Delta", 1, 7))

    answer = await live.ask("SetMonitoringLevel", {"severity": level})
    _change(live, "70")

    assert answer["status"] == status
    assert len(await _events(live)) == (1 if status == "Accepted" else 2)


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
    await _set(live, _item(LIMIT, "Delta", 1, 5))
    live.session.online = False

    _change(live, "70")
    live.session.online = True

    assert len(await _events(live)) == told


async def test_monitors_can_be_switched_off(live: Any) -> None:
    await _set(live, _item(LIMIT, "Delta", 1))
    item = {
        "component": {"name": "MonitoringCtrlr"},
        "variable": {"name": "Enabled"},
        "attributeValue": "false",
    }
    await live.ask("SetVariables", {"setVariableData": [item]})

    _change(live, "70")

    assert await _events(live) == []


async def test_a_monitor_of_transactions_sees_nothing_else(live: Any) -> None:
    await _set(live, _item(LIMIT, "UpperThreshold", 100, transaction=True))
    _change(live, "120")
    assert await _events(live) == []

    await live.bench.charge()
    live.bench.station.monitors.look()

    assert len(await _events(live)) == 1


@pytest.mark.spec("2.0.1", "TC_N_53_CS")
async def test_monitors_last_over_a_restart(live: Any) -> None:
    await _set(live, _item(LIMIT, "UpperThreshold", 100))
    await live.ask("ClearVariableMonitoring", {"id": [1]})
    before = live.bench.station.monitors.all

    again = Monitors(live.bench.station, online=lambda: True)
    assert again.all == before
    live.bench.station.model.set_key("ConnectionTimeOut", "120")
    again.look()

    assert [fact.monitor_id for fact in live.bench.facts(VariableEvent)] == [1000]


async def test_there_is_a_bound(live: Any) -> None:
    count = 0
    for value in ("UpperThreshold", "LowerThreshold", "Delta", "Periodic", "PeriodicClockAligned"):
        for severity in range(10):
            for of in (LIMIT, POWER):
                (result,) = await _set(live, _item(of, value, 60, severity))
                count += result["status"] == "Accepted"

    assert len(live.bench.station.monitors.all) == MONITORS_MOST
    assert count == MONITORS_MOST - 6
    assert result["statusInfo"]["reasonCode"] == "OutOfStorage"


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("SetVariableMonitoring", {"setMonitoringData": [_item(LIMIT, "Delta", 1)] * 51}),
        ("ClearVariableMonitoring", {"id": list(range(101))}),
        ("GetMonitoringReport", {"requestId": 1, "componentVariable": [LIMIT] * 101}),
    ],
)
async def test_more_items_than_announced_are_refused(
    live: Any, action: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(CallError) as refused:
        await live.hear(action, payload)

    assert refused.value.code == "OccurrenceConstraintViolation"
