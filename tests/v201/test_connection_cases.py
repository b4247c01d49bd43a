"""Test cases about a connection: boot, absence, coming back, messages that fail."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import STATION, CallError, Case, Sent

from chargepoint.csms.link import LinkState

Open = Callable[..., AbstractAsyncContextManager[Case]]

TWO = (("cType2",), ("cType2", "sType3"))
CONNECTORS = [(1, 1), (2, 1), (2, 2)]
PASSWORD = "0123456789abcdef"


def places(statuses: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(status["evseId"], status["connectorId"]) for status in statuses]


def boot(status: str, interval: int) -> dict[str, Any]:
    return {"status": status, "interval": interval, "currentTime": "2026-03-01T10:00:00Z"}


async def set_variable(run: Case, variable: str, value: str, instance: str | None = None) -> None:
    """Change a variable of OCPPCommCtrlr."""
    item: dict[str, Any] = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": variable} | ({"instance": instance} if instance else {}),
        "attributeValue": value,
    }
    answer = await run.ask("SetVariables", setVariableData=[item])
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"


@pytest.mark.spec("2.0.1", "TC_A_01_CS")
@pytest.mark.spec("2.0.1", "A00.FR.204")
async def test_the_station_shows_its_identity_and_password(open_case: Open) -> None:
    async with open_case(start=False, csms={"security_profile": 1, "password": PASSWORD}) as run:
        run.csms.passwords[STATION] = PASSWORD.encode()

        await run.start()

        assert [one.action for one in run.take()][:2] == ["BootNotification", "StatusNotification"]


async def test_an_interval_beyond_all_time_keeps_no_station_away(open_case: Open) -> None:
    async with open_case(start=False) as run:
        run.csms.standing["BootNotification"] = boot("Accepted", 10**14)
        await run.start()
        await run.advance(120)

        assert run.life.session.online


async def test_another_password_than_the_csms_knows_opens_nothing(open_case: Open) -> None:
    async with open_case(start=False, csms={"security_profile": 1, "password": PASSWORD}) as run:
        run.csms.passwords[STATION] = b"fedcba9876543210"

        await run.start()

        assert STATION not in run.csms.stations


@pytest.mark.spec("2.0.1", "TC_B_01_CS")
@pytest.mark.spec("2.0.1", "B01.FR.05")
@pytest.mark.parametrize("how", ["power", "reset"])
async def test_a_start_is_told_with_every_connector_and_a_security_event(
    open_case: Open, how: str
) -> None:
    async with open_case(connectors=TWO) as run:
        run.take()

        if how == "power":
            await run.restart()
        else:
            await run.ask("Reset", type="Immediate")
            await run.advance(5)

        first, *rest = run.take()
        assert first.action == "BootNotification"
        assert first.payload["reason"] == ("PowerUp" if how == "power" else "RemoteReset")
        statuses = [one.payload for one in rest if one.action == "StatusNotification"]
        assert places(statuses) == CONNECTORS
        events = [one.payload for one in rest if one.action == "SecurityEventNotification"]
        kind = "StartupOfTheDevice" if how == "power" else "ResetOrReboot"
        assert [event["type"] for event in events] == [kind]


@pytest.mark.spec("2.0.1", "TC_B_03_CS")
@pytest.mark.spec("2.0.1", "B03.FR.06")
async def test_a_rejected_station_is_silent_until_it_boots_again(open_case: Open) -> None:
    async with open_case(connectors=TWO, start=False) as run:
        run.answers("BootNotification", boot("Rejected", 60))
        await run.start()
        assert [one.action for one in run.take()] == ["BootNotification"]

        await run.plug()
        await run.advance(59)
        assert run.take() == []
        await run.advance(1)

        again, *rest = run.take()
        assert again.action == "BootNotification"
        statuses = [one.payload for one in rest if one.action == "StatusNotification"]
        assert places(statuses) == CONNECTORS
        assert statuses[0]["connectorStatus"] == "Occupied"


@pytest.mark.spec("2.0.1", "TC_B_30_CS")
@pytest.mark.spec("2.0.1", "B03.FR.08")
async def test_a_rejected_station_answers_only_that(open_case: Open) -> None:
    async with open_case(start=False) as run:
        run.answers("BootNotification", boot("Rejected", 60))
        await run.start()

        with pytest.raises(CallError, match="SecurityError"):
            await run.ask("GetBaseReport", requestId=1, reportBase="FullInventory")

        await run.advance(60)
        answer = await run.ask("GetBaseReport", requestId=2, reportBase="FullInventory")
        assert answer == {"status": "Accepted"}


@pytest.mark.spec("2.0.1", "B04.FR.01")
@pytest.mark.parametrize(
    ("away", "told"),
    [
        pytest.param(101, CONNECTORS, marks=pytest.mark.spec("2.0.1", "TC_B_51_CS"), id="long"),
        pytest.param(90, [(2, 1)], marks=pytest.mark.spec("2.0.1", "TC_B_52_CS"), id="short"),
    ],
)
async def test_after_an_absence_the_statuses_are_told(
    open_case: Open, away: int, told: list[tuple[int, int]]
) -> None:
    async with open_case(connectors=TWO) as run:
        await set_variable(run, "OfflineThreshold", "100")
        await run.cut()
        await run.advance(away - 10)
        await run.plug(evse=2)
        await run.advance(10)
        run.take()

        await run.back()

        sent = run.take()
        assert "BootNotification" not in [one.action for one in sent]
        statuses = [one.payload for one in sent if one.action == "StatusNotification"]
        assert places(statuses) == told
        at_two = [status for status in statuses if (2, 1) in places([status])]
        assert [status["connectorStatus"] for status in at_two] == ["Occupied"]


@pytest.mark.spec("2.0.1", "TC_B_57_CS")
async def test_attempts_to_connect_come_at_growing_intervals(open_case: Open) -> None:
    async with open_case() as run:
        await set_variable(run, "RetryBackOffWaitMinimum", "10")
        await set_variable(run, "RetryBackOffRandomRange", "0")
        await set_variable(run, "RetryBackOffRepeatTimes", "3")
        begin = run.clock.elapsed
        run.csms.attempts.clear()

        def tried() -> list[float]:
            return [at - begin for at in run.csms.attempts]

        await run.cut()
        await run.advance(30)
        assert tried() == [10, 30]
        run.csms.refuse = None
        await run.advance(40)
        assert tried() == [10, 30, 70]
        assert run.life.link.state is LinkState.CONNECTED

        run.csms.drop(STATION)
        await run.advance(10)

        assert tried() == [10, 30, 70, 80]
        assert run.life.link.state is LinkState.CONNECTED


@pytest.mark.spec("2.0.1", "E13.FR.02")
@pytest.mark.spec("2.0.1", "E13.FR.03")
@pytest.mark.parametrize(
    ("refusals", "at"),
    [
        pytest.param(3, [0, 10, 30], marks=pytest.mark.spec("2.0.1", "TC_E_50_CS"), id="always"),
        pytest.param(1, [0, 10], marks=pytest.mark.spec("2.0.1", "TC_E_51_CS"), id="once"),
    ],
)
async def test_a_transaction_message_that_fails_is_sent_again(
    open_case: Open, refusals: int, at: list[int]
) -> None:
    async with open_case() as run:
        await set_variable(run, "MessageAttempts", "3", "TransactionEvent")
        await set_variable(run, "MessageAttemptInterval", "10", "TransactionEvent")
        begin, sent = run.clock.elapsed, list[tuple[Sent, float]]()
        run.csms.told = lambda one: sent.append((one, run.clock.elapsed - begin))
        run.answers("TransactionEvent", *[CallError("InternalError")] * refusals)
        await run.charge()
        await run.advance(300)

        starts = [
            (one.message_id, when)
            for one, when in sent
            if one.action == "TransactionEvent" and one.payload["eventType"] == "Started"
        ]
        assert [when for _, when in starts] == at
        assert len({message_id for message_id, _ in starts}) == 1
        assert not run.life.store.waiting


@pytest.mark.spec("2.0.1", "TC_J_06_CS")
@pytest.mark.spec("2.0.1", "J01.FR.19")
async def test_aligned_readings_may_be_of_idle_outlets_only(open_case: Open) -> None:
    settings = {"AlignedDataCtrlr.SendDuringIdle": "true", "AlignedDataCtrlr.Interval": "60"}
    async with open_case(settings=settings) as run:
        await run.advance(60)
        before = run.take("MeterValues")
        await run.charge()
        await run.advance(120)
        during = run.take()
        await run.unplug()
        await run.advance(60)
        after = run.take("MeterValues")

        contexts = [
            value["context"]
            for values in (before, after)
            for one in values[0]["meterValue"]
            for value in one["sampledValue"]
        ]
        assert set(contexts) == {"Sample.Clock"}
        told = [one for one in during if one.action in {"MeterValues", "TransactionEvent"}]
        assert "Sample.Clock" not in str(told)
        assert (len(before), len(after)) == (1, 1)


@pytest.mark.spec("2.0.1", "TC_N_61_CS")
async def test_a_numeric_difference_is_an_event_from_its_size_on(open_case: Open) -> None:
    of = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}}
    async with open_case(settings={"OCPPCommCtrlr.OfflineThreshold": "60"}) as run:
        monitor = {**of, "type": "Delta", "value": 10, "severity": 5}
        answer = await run.ask("SetVariableMonitoring", setMonitoringData=[monitor])
        assert answer["setMonitoringResult"][0]["status"] == "Accepted"

        await set_variable(run, "OfflineThreshold", "69")
        await run.advance(60)
        assert run.take("NotifyEvent") == []
        await set_variable(run, "OfflineThreshold", "70")
        await run.advance(60)

        ((event,),) = [told["eventData"] for told in run.take("NotifyEvent")]
        assert (event["trigger"], event["actualValue"]) == ("Delta", "70")
