"""The rig for test cases: what it promises to the tests that are written with it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from case_rig import SILENCE, STATION, CallError, Case, Sent, case
from fake_clock import START

Open = Callable[..., AbstractAsyncContextManager[Case]]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    return partial(case, "2.0.1", tmp_path)


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["eventType"], event["triggerReason"]) for event in events]


async def test_a_session_of_2_0_1(opened: Open) -> None:
    async with opened() as run:
        boot, *statuses = run.take()
        transaction = await run.charge()
        during = run.take("TransactionEvent")
        await run.unplug()

        assert boot.action == "BootNotification"
        assert statuses[0].payload["connectorStatus"] == "Available"
        assert during[0]["transactionInfo"]["transactionId"] == transaction
        assert [event["eventType"] for event in run.take("TransactionEvent")] == ["Ended"]
        assert run.csms.stations[STATION].transactions[0].ended == 1


async def test_a_session_of_1_6(tmp_path: Path) -> None:
    async with case("1.6", tmp_path) as run:
        await run.charge()
        started = run.take("StartTransaction")
        await run.unplug()

        assert started[0]["idTag"] == "04A1B2C3D4"
        assert [stop["transactionId"] for stop in run.take("StopTransaction")] == [1]
        assert run.csms.stations[STATION].version == "1.6"


async def test_the_connection_may_come_back_at_once(opened: Open) -> None:
    async with opened() as run:
        await run.cut()

        await run.back()

        assert run.life.session.online


async def test_two_outlets_charge_side_by_side(opened: Open) -> None:
    async with opened(connectors=(("cType2",), ("cType2", "sType3"))) as run:
        await run.charge("04AA", evse=1)
        await run.plug(evse=2, connector=2, ready=False)
        await run.swipe("04BB")

        assert run.outlets[1].closed
        assert not run.outlets[2].asks
        assert run.take("TransactionEvent")[-1]["evse"] == {"id": 2, "connectorId": 2}

        await run.vehicle_ready(True, evse=2)

        assert run.take("TransactionEvent")[-1]["transactionInfo"]["chargingState"] == "Charging"


async def test_a_call_of_the_csms_is_answered_and_what_follows_done(opened: Open) -> None:
    async with opened() as run:
        await run.plug()
        run.take()

        answer = await run.ask(
            "RequestStartTransaction",
            evseId=1,
            remoteStartId=7,
            idToken={"idToken": "04A1", "type": "ISO14443"},
        )

        assert answer["status"] == "Accepted"
        assert run.outlets[1].closed
        assert run.take("TransactionEvent")[0]["transactionInfo"]["remoteStartId"] == 7


async def test_a_call_that_is_answered_with_an_error_raises(opened: Open) -> None:
    async with opened(settings={"SmartChargingCtrlr.Enabled": "false"}) as run:
        with pytest.raises(CallError, match="NotSupported"):
            await run.ask("ClearChargingProfile", chargingProfileId=1)


async def test_answers_come_in_turn_and_then_the_standing_one(opened: Open) -> None:
    async with opened() as run:
        run.answers("Authorize", CallError("InternalError"), {"idTokenInfo": {"status": "Blocked"}})
        await run.plug()
        for _ in range(2):
            await run.swipe("04A1")
            assert not run.outlets[1].closed
        await run.swipe("04A1")

        assert run.outlets[1].closed


async def test_what_happens_offline_is_told_when_the_connection_is_back(opened: Open) -> None:
    async with opened(settings={"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}) as run:
        await run.cut()
        await run.charge()
        await run.advance(300)
        assert run.take("TransactionEvent") == []

        await run.back()

        told = run.take("TransactionEvent")
        assert told
        assert all(event["offline"] for event in told)
        assert run.csms.stations[STATION].connections == 2


async def test_a_connection_may_be_back_at_once(opened: Open) -> None:
    async with opened() as run:
        await run.cut()

        await run.back()

        assert run.csms.stations[STATION].connections == 2


async def test_a_power_cut_ends_what_ran_and_the_vehicle_stays(opened: Open) -> None:
    async with opened() as run:
        transaction = await run.charge()
        run.take()

        await run.restart()

        first, *rest = run.take()
        assert (first.action, first.payload["reason"]) == ("BootNotification", "PowerUp")
        ended = [one.payload for one in rest if one.action == "TransactionEvent"]
        assert [event["transactionInfo"]["transactionId"] for event in ended] == [transaction]
        assert run.outlets[1].vehicle is not None


async def test_a_reset_of_the_csms_begins_another_life(opened: Open) -> None:
    async with opened() as run:
        assert (await run.ask("Reset", type="Immediate"))["status"] == "Accepted"
        await run.advance(10)

        assert len(run.lives) == 2
        assert run.take("BootNotification")[-1]["reason"] == "RemoteReset"


async def test_a_call_without_an_answer_is_sent_again_in_its_time(opened: Open) -> None:
    interval = {"OCPPCommCtrlr.MessageAttemptInterval#TransactionEvent": "50"}
    async with opened(settings=interval) as run:
        run.answers("TransactionEvent", SILENCE)
        await run.charge()
        first = [one for one in run.take() if one.action == "TransactionEvent"]

        await run.advance(30)  # the message time-out
        await run.advance(49)
        assert run.take("TransactionEvent") == []
        await run.advance(1)

        again = [one for one in run.take() if one.action == "TransactionEvent"]
        assert again[0] == first[0]
        assert again[0].message_id == first[0].message_id
        assert run.clock.now() == START + timedelta(seconds=80)


async def test_a_station_that_is_pending_boots_again_in_time(opened: Open) -> None:
    async with opened(start=False) as run:
        pending = {"status": "Pending", "interval": 90, "currentTime": "2026-03-01T10:00:00Z"}
        run.answers("BootNotification", pending)
        await run.start()
        assert [one.action for one in run.take()] == ["BootNotification"]

        await run.advance(89)
        assert run.take() == []
        await run.advance(1)

        assert [one.action for one in run.take()][:2] == ["BootNotification", "StatusNotification"]


async def test_a_connection_can_come_back_at_once(opened: Open) -> None:
    async with opened() as run:
        await run.advance(10)
        await run.cut()

        await run.back()

        assert run.csms.stations[STATION].connections == 2


async def test_time_stands_still_and_passes_by_order_only(opened: Open) -> None:
    async with opened() as run:
        begun = asyncio.get_running_loop().time()
        await run.charge()
        assert run.clock.now() == START
        woken: list[str] = []

        async def wake(seconds: float, name: str) -> None:
            await asyncio.sleep(seconds)
            woken.append(f"{name} at {asyncio.get_running_loop().time() - begun:g}")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wake(40, "late"))
            tasks.create_task(wake(20, "early"))
            await run.advance(60)

        assert woken == ["early at 20", "late at 40"]


async def test_the_work_of_a_thread_is_waited_for(opened: Open) -> None:
    async with opened() as run:
        work = asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.02))
        await run.settle()

        assert work.done()


async def test_what_does_not_come_to_rest_is_named(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as run:
        monkeypatch.setattr("quiet_loop.PATIENCE_S", 0.05)

        async def restless() -> None:
            while True:  # noqa: ASYNC110 - that is what it does
                await asyncio.sleep(0)

        task = asyncio.create_task(restless())
        try:
            with pytest.raises(AssertionError, match=r"no rest after 0.05 s: .*restless"):
                await run.settle()
        finally:
            task.cancel()


async def test_a_call_that_is_never_answered_is_no_work_under_way(opened: Open) -> None:
    async with opened() as run:
        never: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        run.csms.on("Authorize", lambda _station, _payload: asyncio.wait_for(never, None))
        await run.plug()
        await run.swipe("04A1")

        assert run.take()[-1] == Sent(
            "Authorize", {"idToken": {"idToken": "04A1", "type": "ISO14443"}}
        )
        assert not run.outlets[1].closed
