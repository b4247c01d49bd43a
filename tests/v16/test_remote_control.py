import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chargepoint.core.inputs import AvailabilityChanged, FaultRaised, Plugged, Unplugged
from chargepoint.core.model import Fault, Stage
from chargepoint.csms.rpc import Reply
from chargepoint.errors import Refused
from meters.model import Reading

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
    },
}

# --- start ------------------------------------------------------------------------------------


@pytest.mark.spec("1.6", "TC_010")
@pytest.mark.spec("1.6", "5.11")
async def test_remote_start_begins_where_it_says(bench: Any) -> None:
    bench.set("AuthorizeRemoteTxRequests", "false")
    await bench.feed(Plugged(), evse_id=2)

    answer = await bench.ask("RemoteStartTransaction", connectorId=2, idTag="REMOTE")
    await bench.tell()

    assert answer == ACCEPTED
    assert [(s["connectorId"], s["idTag"]) for s in bench.csms.said("StartTransaction")] == [
        (2, "REMOTE")
    ]
    assert bench.csms.said("Authorize") == []


@pytest.mark.spec("1.6", "5.11")
async def test_remote_start_does_nothing_before_its_answer_has_left(bench: Any) -> None:
    await bench.feed(Plugged())

    reply = await bench.hear("RemoteStartTransaction", connectorId=1, idTag="REMOTE")

    assert isinstance(reply, Reply)
    assert bench.state().stage is Stage.PLUGGED
    assert reply.after is not None
    await reply.after()
    assert bench.state().stage is Stage.CHARGING


@pytest.mark.spec("1.6", "5.11")
async def test_remote_start_without_connector_takes_the_waiting_vehicle(bench: Any) -> None:
    await bench.feed(Plugged(), evse_id=2)

    answer = await bench.ask("RemoteStartTransaction", idTag="REMOTE")

    assert answer == ACCEPTED
    assert bench.state(2).stage is Stage.CHARGING
    assert bench.state(1).stage is Stage.AVAILABLE


@pytest.mark.spec("1.6", "TC_011_1")
@pytest.mark.spec("1.6", "5.11")
async def test_remote_start_waits_for_a_vehicle(bench: Any) -> None:
    bench.set("AuthorizeRemoteTxRequests", "false")

    answer = await bench.ask("RemoteStartTransaction", connectorId=1, idTag="REMOTE")
    await bench.tell()

    assert answer == ACCEPTED
    assert bench.state().deadline is not None
    assert [s["status"] for s in bench.csms.said("StatusNotification")] == ["Preparing"]


@pytest.mark.spec("1.6", "5.11")
@pytest.mark.parametrize(
    ("status", "stage"), [("Accepted", Stage.CHARGING), ("Invalid", Stage.PLUGGED)]
)
async def test_remote_start_asks_about_the_token_if_the_settings_say_so(
    bench: Any, status: str, stage: Stage
) -> None:
    bench.set("AuthorizeRemoteTxRequests", "true")
    bench.csms.standing["Authorize"] = {"idTagInfo": {"status": status}}
    await bench.feed(Plugged())

    answer = await bench.ask("RemoteStartTransaction", connectorId=1, idTag="REMOTE")

    assert answer == ACCEPTED
    assert bench.csms.said("Authorize") == [{"idTag": "REMOTE"}]
    assert bench.state().stage is stage


async def _occupied(bench: Any) -> None:
    await bench.charge()


async def _inoperative(bench: Any) -> None:
    await bench.feed(AvailabilityChanged(operative=False))


async def _faulted(bench: Any) -> None:
    await bench.feed(FaultRaised(Fault("GroundFailure")))


async def _authorized(bench: Any) -> None:
    await bench.ask("RemoteStartTransaction", connectorId=1, idTag="FIRST")


async def _pending(bench: Any) -> None:
    await bench.pending()


@pytest.mark.spec("1.6", "TC_026")
@pytest.mark.spec("1.6", "5.11")
@pytest.mark.parametrize("before", [_occupied, _inoperative, _faulted, _authorized, _pending])
async def test_remote_start_is_rejected_where_nobody_can_start(
    bench: Any, before: Callable[[Any], Awaitable[None]]
) -> None:
    await before(bench)
    state = bench.state()

    assert await bench.ask("RemoteStartTransaction", connectorId=1, idTag="REMOTE") == REJECTED
    assert bench.state() == state


@pytest.mark.spec("1.6", "5.11")
@pytest.mark.parametrize("connector", [-1, 0, 3])
async def test_remote_start_at_a_connector_that_does_not_exist_is_rejected(
    bench: Any, connector: int
) -> None:
    answer = await bench.ask("RemoteStartTransaction", connectorId=connector, idTag="REMOTE")

    assert answer == REJECTED


@pytest.mark.spec("1.6", "5.11")
async def test_remote_start_without_connector_is_rejected_if_none_is_free(bench: Any) -> None:
    await bench.charge()
    await bench.feed(FaultRaised(Fault("GroundFailure")), evse_id=2)

    assert await bench.ask("RemoteStartTransaction", idTag="REMOTE") == REJECTED


@pytest.mark.spec("1.6", "5.16.2")
@pytest.mark.spec("1.6", "TC_059")
async def test_a_charging_profile_of_a_remote_start_limits_its_transaction(bench: Any) -> None:
    await bench.feed(Plugged())

    answer = await bench.ask(
        "RemoteStartTransaction", connectorId=1, idTag="REMOTE", chargingProfile=PROFILE
    )

    assert answer == ACCEPTED
    assert bench.state().stage is Stage.CHARGING
    assert bench.state().limit_a == 6


@pytest.mark.spec("1.6", "5.16.2")
@pytest.mark.spec("1.6", "TC_060")
async def test_a_remote_start_with_a_profile_of_another_purpose_is_rejected(bench: Any) -> None:
    profile = {**PROFILE, "chargingProfilePurpose": "TxDefaultProfile"}

    answer = await bench.ask(
        "RemoteStartTransaction", connectorId=1, idTag="REMOTE", chargingProfile=profile
    )

    assert answer == REJECTED
    assert bench.station.profiles.installed == ()


# --- stop -------------------------------------------------------------------------------------


@pytest.mark.spec("1.6", "TC_012")
@pytest.mark.spec("1.6", "5.12")
async def test_remote_stop_ends_the_transaction_of_that_number(bench: Any) -> None:
    await bench.charge()
    await bench.tell()

    answer = await bench.ask("RemoteStopTransaction", transactionId=4711)
    await bench.tell()

    assert answer == ACCEPTED
    (told,) = bench.csms.said("StopTransaction")
    assert (told["transactionId"], told["reason"]) == (4711, "Remote")
    assert "idTag" not in told


@pytest.mark.spec("1.6", "5.12")
async def test_remote_stop_does_nothing_before_its_answer_has_left(bench: Any) -> None:
    await bench.charge()
    await bench.tell()

    reply = await bench.hear("RemoteStopTransaction", transactionId=4711)

    assert isinstance(reply, Reply)
    assert bench.state().stage is Stage.CHARGING


@pytest.mark.spec("1.6", "TC_028")
@pytest.mark.spec("1.6", "5.12")
async def test_remote_stop_of_an_unknown_number_is_rejected(bench: Any) -> None:
    await bench.charge()
    await bench.tell()

    assert await bench.ask("RemoteStopTransaction", transactionId=4712) == REJECTED
    assert bench.state().stage is Stage.CHARGING


@pytest.mark.spec("1.6", "5.12")
async def test_remote_stop_before_the_csms_gave_a_number_is_rejected(bench: Any) -> None:
    await bench.charge()

    assert await bench.ask("RemoteStopTransaction", transactionId=-1) == REJECTED


@pytest.mark.spec("1.6", "5.12")
async def test_remote_stop_of_a_transaction_that_is_over_is_rejected(bench: Any) -> None:
    await bench.charge()
    await bench.tell()
    await bench.ask("RemoteStopTransaction", transactionId=4711)
    await bench.tell()

    assert await bench.ask("RemoteStopTransaction", transactionId=4711) == REJECTED


@pytest.mark.spec("1.6", "5.12")
async def test_remote_stop_of_a_transaction_that_is_ending_is_rejected(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.charge()
    await bench.tell()
    asked, signed = asyncio.Event(), asyncio.Event()
    end = bench.meters[1].end

    async def slow_end(transaction_id: str) -> Reading:
        asked.set()
        await signed.wait()
        reading: Reading = await end(transaction_id)
        return reading

    monkeypatch.setattr(bench.meters[1], "end", slow_end)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.ask("RemoteStopTransaction", transactionId=4711))
        await asked.wait()

        again = await bench.hear("RemoteStopTransaction", transactionId=4711)
        signed.set()

    assert again == REJECTED


@pytest.mark.spec("1.6", "4.2")
async def test_remote_stop_is_rejected_while_the_station_is_not_accepted(bench: Any) -> None:
    await bench.charge()
    await bench.tell()
    await bench.pending()

    assert await bench.ask("RemoteStopTransaction", transactionId=4711) == REJECTED
    assert bench.state().stage is Stage.CHARGING


async def test_remote_stop_finds_the_one_that_runs_if_every_transaction_has_one_number(
    bench: Any,
) -> None:
    await bench.charge(evse_id=2)
    await bench.tell()
    await bench.ask("RemoteStopTransaction", transactionId=4711)
    await bench.feed(Unplugged(), evse_id=2)
    await bench.charge()
    await bench.tell()

    assert await bench.ask("RemoteStopTransaction", transactionId=4711) == ACCEPTED
    assert bench.state(1).stage is Stage.FINISHED


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
async def test_remote_stop_ends_the_newest_of_two_with_one_number(
    bench: Any, first: int, second: int
) -> None:
    await bench.charge("FIRST", evse_id=first)
    bench.clock.pass_time(60)
    await bench.charge("SECOND", evse_id=second)
    await bench.tell()

    await bench.ask("RemoteStopTransaction", transactionId=4711)

    assert bench.state(first).stage is Stage.CHARGING
    assert bench.state(second).stage is Stage.FINISHED


# --- unlock -----------------------------------------------------------------------------------


@pytest.mark.spec("1.6", "TC_017_1")
@pytest.mark.spec("1.6", "5.18")
async def test_unlock_moves_the_lock(bench: Any) -> None:
    assert await bench.ask("UnlockConnector", connectorId=2) == {"status": "Unlocked"}


@pytest.mark.spec("1.6", "TC_018_1")
@pytest.mark.spec("1.6", "5.18")
async def test_unlock_ends_a_running_transaction_first(bench: Any) -> None:
    await bench.charge()

    answer = await bench.ask("UnlockConnector", connectorId=1)
    await bench.tell()

    assert answer == {"status": "Unlocked"}
    assert [stop["reason"] for stop in bench.csms.said("StopTransaction")] == ["UnlockCommand"]


@pytest.mark.spec("1.6", "TC_031")
@pytest.mark.spec("1.6", "5.18")
@pytest.mark.parametrize("connector", [0, 3])
async def test_unlock_of_a_connector_that_does_not_exist_is_not_supported(
    bench: Any, connector: int
) -> None:
    answer = await bench.ask("UnlockConnector", connectorId=connector)

    assert answer == {"status": "NotSupported"}


class _NoLock:
    async def unlock(self, _connector: int) -> bool:
        raise Refused("no lock")


class _Stuck:
    async def unlock(self, _connector: int) -> bool:
        return False


@pytest.mark.spec("1.6", "TC_030")
@pytest.mark.spec("1.6", "5.18")
@pytest.mark.parametrize(
    ("outlet", "status"), [(_NoLock(), "NotSupported"), (_Stuck(), "UnlockFailed")]
)
async def test_unlock_says_what_the_lock_did(bench: Any, outlet: Any, status: str) -> None:
    bench.station.evse(1).runner.outlet = outlet

    assert await bench.ask("UnlockConnector", connectorId=1) == {"status": status}


@pytest.mark.parametrize("connectors", [{1: ("sType2",), 2: ("sType2", "sType3")}])
async def test_unlock_means_the_connector_within_its_evse(bench: Any) -> None:
    asked = []

    class Lock:
        async def unlock(self, connector: int) -> bool:
            asked.append(connector)
            return True

    bench.station.evse(2).runner.outlet = Lock()

    assert await bench.ask("UnlockConnector", connectorId=3) == {"status": "Unlocked"}
    assert asked == [2]
