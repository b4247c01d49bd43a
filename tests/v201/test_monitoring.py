"""Block N: monitors set, cleared and listed."""

from typing import Any

import pytest
from monitoring_talk import (
    LIMIT,
    NO_EVSE,
    POWER,
    STATE,
    events,
    ids,
    item_of,
    report,
    set_monitors,
)

from chargepoint.core.monitoring import MONITORS_MOST
from chargepoint.csms.rpc import CallError
from chargepoint.provided_parts import provide_parts


@pytest.fixture
async def live(talk: Any) -> Any:
    """The station with the variables of its parts."""
    provide_parts(talk.bench.station)
    talk.bench.station.monitors.look()
    return talk


@pytest.mark.spec("2.0.1", "TC_N_08_CS")
@pytest.mark.spec("2.0.1", "TC_N_02_CS")
async def test_a_monitor_that_is_set_is_reported_with_its_id(live: Any) -> None:
    (result,) = await set_monitors(
        live, item_of(POWER, "UpperThreshold", 11000, 5, transaction=True)
    )

    assert result == {
        **POWER,
        "type": "UpperThreshold",
        "severity": 5,
        "status": "Accepted",
        "id": 1000,
    }
    status, found = await report(live, componentVariable=[POWER])
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
    results = await set_monitors(
        live,
        item_of(POWER, "UpperThreshold", 11000, 5),
        item_of(STATE, "Delta", 1, 5),
        item_of(POWER, "UpperThreshold", 12000, 6),
        item_of(POWER, "UpperThreshold", 13000, 5),
    )

    statuses = [result["status"] for result in results]
    assert statuses == ["Accepted", "Accepted", "Accepted", "Duplicate"]
    assert {1000, 1001, 1002} <= await ids(live)


@pytest.mark.spec("2.0.1", "TC_N_11_CS")
@pytest.mark.spec("2.0.1", "TC_N_12_CS")
@pytest.mark.spec("2.0.1", "TC_N_13_CS")
@pytest.mark.spec("2.0.1", "TC_N_37_CS")
@pytest.mark.spec("2.0.1", "TC_N_38_CS")
@pytest.mark.parametrize(
    ("item", "status"),
    [
        (item_of({**POWER, "component": NO_EVSE}, "Delta", 1), "UnknownComponent"),
        (item_of({**POWER, "variable": {"name": "Nonsense"}}, "Delta", 1), "UnknownVariable"),
        (item_of({**POWER, "component": {"name": ""}}, "Delta", 1), "UnknownComponent"),
        (item_of({**POWER, "variable": {"name": ""}}, "Delta", 1), "UnknownVariable"),
        (item_of(POWER, "Delta", -1), "Rejected"),
        (item_of(POWER, "UpperThreshold", 1e6), "Rejected"),
        (item_of(STATE, "UpperThreshold", 1), "UnsupportedMonitorType"),
        (item_of(POWER, "Periodic", 1e308), "Rejected"),
        (item_of(POWER, "Delta", 1, id=4711), "Rejected"),
        (item_of(POWER, "Delta", 1, 10), "Rejected"),
        (item_of(LIMIT, "Periodic", 1e12), "Rejected"),
        (item_of(LIMIT, "Periodic", 1e308), "Rejected"),
    ],
)
async def test_a_monitor_that_cannot_be_is_not_set(
    live: Any, item: dict[str, Any], status: str
) -> None:
    before = await ids(live)

    (result,) = await set_monitors(live, item)

    assert result["status"] == status
    assert await ids(live) == before
    live.bench.station.monitors.look()


@pytest.mark.spec("2.0.1", "TC_N_43_CS")
async def test_one_that_cannot_be_does_not_hold_up_the_others(live: Any) -> None:
    results = await set_monitors(
        live,
        item_of(POWER, "UpperThreshold", 11000),
        item_of(POWER, "UpperThreshold", 1e6, 6),
        item_of(STATE, "Delta", 1),
    )

    assert [r["status"] for r in results] == ["Accepted", "Rejected", "Accepted"]


@pytest.mark.spec("2.0.1", "TC_N_39_CS")
@pytest.mark.spec("2.0.1", "TC_N_40_CS")
async def test_a_monitor_is_replaced_for_its_own_variable_only(live: Any) -> None:
    (first,) = await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100))

    (other,) = await set_monitors(live, item_of(POWER, "UpperThreshold", 100, id=first["id"]))
    (again,) = await set_monitors(live, item_of(LIMIT, "LowerThreshold", 30, 2, id=first["id"]))

    assert (other["status"], again["status"], again["id"]) == ("Rejected", "Accepted", 1000)
    _, (found,) = await report(live, componentVariable=[LIMIT])
    (monitor,) = found["variableMonitoring"]
    assert (monitor["type"], monitor["value"], monitor["severity"]) == ("LowerThreshold", 30, 2)


@pytest.mark.spec("2.0.1", "TC_N_51_CS")
async def test_a_replaced_threshold_looks_at_the_value_at_once(live: Any) -> None:
    (first,) = await set_monitors(live, item_of(LIMIT, "UpperThreshold", 100))
    assert await events(live) == []

    await set_monitors(live, item_of(LIMIT, "UpperThreshold", 50, id=first["id"]))

    (event,) = await events(live)
    assert (event["trigger"], event["actualValue"]) == ("Alerting", "60")


@pytest.mark.spec("2.0.1", "TC_N_01_CS")
async def test_monitors_are_reported_by_criterion(live: Any) -> None:
    await set_monitors(
        live,
        item_of(LIMIT, "LowerThreshold", 5),
        item_of(LIMIT, "Delta", 5),
        item_of(LIMIT, "Periodic", 60),
    )

    for criterion, kinds in {
        "ThresholdMonitoring": {"LowerThreshold", "UpperThreshold"},
        "DeltaMonitoring": {"Delta"},
        "PeriodicMonitoring": {"Periodic"},
    }.items():
        _, found = await report(live, monitoringCriteria=[criterion])
        assert {one["type"] for m in found for one in m["variableMonitoring"]} == kinds


@pytest.mark.spec("2.0.1", "TC_N_03_CS")
async def test_a_report_without_any_monitor_is_an_empty_set(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "Delta", 5))

    nothing = await report(
        live, monitoringCriteria=["PeriodicMonitoring"], componentVariable=[LIMIT]
    )
    something = await report(
        live, monitoringCriteria=["DeltaMonitoring"], componentVariable=[LIMIT]
    )

    assert nothing == ("EmptyResultSet", [])
    assert (something[0], len(something[1])) == ("Accepted", 1)


@pytest.mark.spec("2.0.1", "TC_N_47_CS")
async def test_all_monitors_are_reported(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "Delta", 5))

    assert await ids(live) == {1, 2, 3, 4, 5, 6, 1000}


@pytest.mark.spec("2.0.1", "TC_N_05_CS")
@pytest.mark.spec("2.0.1", "TC_N_06_CS")
async def test_the_hard_wired_base_drops_what_was_set(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "Delta", 5))

    for base, left in {
        "All": {1, 2, 3, 4, 5, 6, 1000},
        "FactoryDefault": {1, 2, 3, 4, 5, 6},
        "HardWiredOnly": {2, 3, 4, 5, 6},
    }.items():
        assert await live.ask("SetMonitoringBase", {"monitoringBase": base}) == {
            "status": "Accepted"
        }
        assert await ids(live) == left


@pytest.mark.spec("2.0.1", "TC_N_41_CS")
async def test_a_preconfigured_monitor_comes_back_as_it_was(live: Any) -> None:
    of = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "CertificateEntries"}}
    (changed,) = await set_monitors(live, item_of(of, "UpperThreshold", 20, 3, id=1))
    assert changed["status"] == "Accepted"

    await live.ask("SetMonitoringBase", {"monitoringBase": "FactoryDefault"})

    _, (found,) = await report(live, componentVariable=[of])
    assert [one["value"] for one in found["variableMonitoring"]] == [45]


@pytest.mark.spec("2.0.1", "TC_N_18_CS")
@pytest.mark.spec("2.0.1", "TC_N_19_CS")
@pytest.mark.spec("2.0.1", "TC_N_44_CS")
async def test_monitors_are_cleared_but_the_hard_wired_ones(live: Any) -> None:
    await set_monitors(live, item_of(LIMIT, "Delta", 5))

    answer = await live.ask("ClearVariableMonitoring", {"id": [1000, 1, 2, 4711, 1000]})

    statuses = [result["status"] for result in answer["clearMonitoringResult"]]
    assert statuses == ["Accepted", "Accepted", "Rejected", "NotFound", "NotFound"]
    assert await ids(live) == {2, 3, 4, 5, 6}


async def test_there_is_a_bound(live: Any) -> None:
    count = 0
    for value in ("UpperThreshold", "LowerThreshold", "Delta", "Periodic", "PeriodicClockAligned"):
        for severity in range(10):
            for of in (LIMIT, POWER):
                (result,) = await set_monitors(live, item_of(of, value, 60, severity))
                count += result["status"] == "Accepted"

    assert len(live.bench.station.monitors.all) == MONITORS_MOST
    assert count == MONITORS_MOST - 6
    assert result["statusInfo"]["reasonCode"] == "OutOfStorage"


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("SetVariableMonitoring", {"setMonitoringData": [item_of(LIMIT, "Delta", 1)] * 51}),
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
