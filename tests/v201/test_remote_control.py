"""Block F: start, stop, unlock, trigger, each accepting and refusing."""

from typing import Any

import pytest
from station_bench import TOKEN

from chargepoint.core.facts import MeterSampled, TransactionEnded, TransactionStarted
from chargepoint.core.inputs import (
    AvailabilityChanged,
    DeadlinePassed,
    FaultRaised,
    Plugged,
    TokenAccepted,
)
from chargepoint.core.model import Authorization, Fault, Source, Stage
from chargepoint.core.variables import SMART_CHARGING_ENABLED
from chargepoint.csms.adapter import Registration
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsUnavailable

ID_TOKEN = {"idToken": TOKEN.value, "type": "ISO14443"}
START = {"idToken": ID_TOKEN, "remoteStartId": 7}
SOMEBODY = TokenAccepted(Authorization(TOKEN, Source.CSMS))


@pytest.mark.spec("2.0.1", "TC_F_01_CS")
@pytest.mark.spec("2.0.1", "F01.FR.13")
@pytest.mark.spec("2.0.1", "F02.FR.01")
async def test_a_start_is_answered_then_done(talk: Any) -> None:
    await talk.bench.feed(Plugged())

    reply = await talk.hear("RequestStartTransaction", {**START, "evseId": 1})
    assert isinstance(reply, Reply)
    assert reply.payload == {"status": "Accepted"}
    assert talk.bench.state().stage is Stage.PLUGGED

    assert reply.after is not None
    await reply.after()
    assert talk.bench.state().stage is Stage.CHARGING
    assert talk.csms.said("Authorize") == []


@pytest.mark.spec("2.0.1", "TC_F_03_CS")
async def test_a_start_before_the_vehicle_waits_for_it(talk: Any) -> None:
    answer = await talk.ask("RequestStartTransaction", {**START, "evseId": 1})

    assert answer == {"status": "Accepted"}
    assert talk.bench.state().stage is Stage.AUTHORIZED


async def test_a_start_without_evse_goes_to_where_a_vehicle_waits(talk: Any) -> None:
    await talk.bench.feed(Plugged(), evse_id=2)

    answer = await talk.ask("RequestStartTransaction", START)

    assert answer == {"status": "Accepted"}
    assert talk.bench.state(2).stage is Stage.CHARGING


@pytest.mark.spec("2.0.1", "F01.FR.01")
@pytest.mark.parametrize(("status", "begins"), [("Accepted", True), ("Blocked", False)])
async def test_a_start_is_authorized_first_if_the_setting_says_so(
    talk: Any, status: str, *, begins: bool
) -> None:
    talk.bench.set("AuthorizeRemoteTxRequests", "true")
    talk.csms.answers("Authorize", {"idTokenInfo": {"status": status}})
    await talk.bench.feed(Plugged())

    answer = await talk.ask("RequestStartTransaction", {**START, "evseId": 1})

    assert answer == {"status": "Accepted"}
    assert len(talk.csms.said("Authorize")) == 1
    assert bool(talk.bench.facts(TransactionStarted)) is begins


@pytest.mark.spec("2.0.1", "C05.FR.02")
async def test_a_token_of_the_csms_itself_is_not_asked_about(talk: Any) -> None:
    talk.bench.set("AuthorizeRemoteTxRequests", "true")
    token = {"idToken": "made-up", "type": "Central"}

    await talk.ask("RequestStartTransaction", {"idToken": token, "remoteStartId": 7, "evseId": 1})

    assert talk.csms.said("Authorize") == []
    assert talk.bench.state().stage is Stage.AUTHORIZED


PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [
        {
            "id": 1,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
        }
    ],
}


@pytest.mark.spec("2.0.1", "TC_K_37_CS")
@pytest.mark.spec("2.0.1", "K05.FR.01")
async def test_a_charging_profile_of_a_start_is_for_its_transaction(talk: Any) -> None:
    await talk.bench.feed(Plugged())

    answer = await talk.ask(
        "RequestStartTransaction", {**START, "evseId": 1, "chargingProfile": PROFILE}
    )
    asked = {
        "requestId": 5,
        "evseId": 1,
        "chargingProfile": {"chargingProfilePurpose": "TxProfile"},
    }
    found = await talk.ask("GetChargingProfiles", asked)

    assert (answer["status"], found["status"]) == ("Accepted", "Accepted")
    assert talk.bench.outlets[1].limit_a == 6
    assert [event["triggerReason"] for event in await talk.events()][:1] == ["RemoteStart"]
    (report,) = talk.csms.said("ReportChargingProfiles")
    transaction_id = talk.bench.state().transaction.transaction_id
    assert report["chargingProfile"] == [{**PROFILE, "transactionId": transaction_id}]


async def test_the_profile_of_a_start_that_nobody_comes_to_goes(talk: Any) -> None:
    await talk.ask("RequestStartTransaction", {**START, "evseId": 1, "chargingProfile": PROFILE})
    assert len(talk.bench.station.profiles.installed) == 1

    await talk.bench.feed(DeadlinePassed())

    assert talk.bench.station.profiles.installed == ()
    assert talk.bench.store.profiles.load() == ()


async def test_the_profile_of_a_start_whose_token_is_refused_goes(talk: Any) -> None:
    talk.bench.set("AuthorizeRemoteTxRequests", "true")
    talk.csms.answers("Authorize", {"idTokenInfo": {"status": "Blocked"}})

    await talk.ask("RequestStartTransaction", {**START, "evseId": 1, "chargingProfile": PROFILE})

    assert talk.bench.station.profiles.installed == ()


@pytest.mark.spec("2.0.1", "K05.FR.02")
@pytest.mark.parametrize(
    "wrong", [{"chargingProfilePurpose": "TxDefaultProfile"}, {"transactionId": "T1"}]
)
async def test_a_start_with_a_profile_of_another_purpose_is_rejected(
    talk: Any, wrong: dict[str, str]
) -> None:
    profile = {**PROFILE, **wrong}

    answer = await talk.ask("RequestStartTransaction", {**START, "chargingProfile": profile})

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidProfile")
    assert talk.bench.state().stage is Stage.AVAILABLE


@pytest.mark.spec("2.0.1", "TC_K_38_CS")
async def test_without_smart_charging_the_profile_of_a_start_is_ignored(talk: Any) -> None:
    talk.bench.station.model.assign(SMART_CHARGING_ENABLED, value=False)

    answer = await talk.ask("RequestStartTransaction", {**START, "chargingProfile": PROFILE})

    assert answer == {"status": "Accepted"}
    assert talk.bench.station.profiles.installed == ()


@pytest.mark.spec("2.0.1", "F01.FR.21")
@pytest.mark.parametrize(
    ("before", "payload", "reason"),
    [
        ((Plugged(), SOMEBODY), {"evseId": 1}, "TxInProgress"),
        ((SOMEBODY,), {"evseId": 1}, "TxInProgress"),
        ((FaultRaised(Fault("GroundFailure")),), {"evseId": 1}, "NotEnabled"),
        ((AvailabilityChanged(operative=False),), {"evseId": 1}, "NotEnabled"),
        ((), {"evseId": 9}, "UnknownEvse"),
    ],
    ids=["charging", "authorized", "broken", "out of order", "not there"],
)
async def test_a_start_that_cannot_be_is_rejected(
    talk: Any, before: tuple[Any, ...], payload: dict[str, int], reason: str
) -> None:
    await talk.bench.feed(*before)
    stage = talk.bench.state().stage

    answer = await talk.ask("RequestStartTransaction", {**START, **payload})

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason)
    assert talk.bench.state().stage is stage


async def test_a_start_where_nothing_is_free_is_rejected(talk: Any) -> None:
    for evse_id in (1, 2):
        await talk.bench.feed(AvailabilityChanged(operative=False), evse_id=evse_id)

    answer = await talk.ask("RequestStartTransaction", START)

    assert answer["status"] == "Rejected"


@pytest.mark.spec("2.0.1", "B02.FR.05")
async def test_before_it_is_accepted_the_station_starts_and_stops_nothing(talk: Any) -> None:
    transaction = await talk.bench.charge()
    await talk.pending()

    start = await talk.ask("RequestStartTransaction", {**START, "evseId": 2})
    stop = await talk.ask("RequestStopTransaction", {"transactionId": transaction.transaction_id})

    assert (start["status"], start["statusInfo"]["reasonCode"]) == ("Rejected", "CSNotAccepted")
    assert stop["status"] == "Rejected"
    assert talk.bench.state().stage is Stage.CHARGING


@pytest.mark.spec("2.0.1", "F03.FR.01")
@pytest.mark.spec("2.0.1", "F03.FR.07")
async def test_a_stop_is_answered_then_done(talk: Any) -> None:
    transaction = await talk.bench.charge()

    reply = await talk.hear("RequestStopTransaction", {"transactionId": transaction.transaction_id})
    assert reply.payload == {"status": "Accepted"}
    assert talk.bench.state().stage is Stage.CHARGING

    await reply.after()
    over = (await talk.events())[-1]
    assert (over["triggerReason"], over["transactionInfo"]["stoppedReason"]) == (
        "RemoteStop",
        "Remote",
    )


@pytest.mark.spec("2.0.1", "TC_F_09_CS")
@pytest.mark.spec("2.0.1", "F03.FR.08")
@pytest.mark.parametrize("state", ["none", "ended", "closing"])
async def test_a_stop_of_what_does_not_run_is_rejected(talk: Any, state: str) -> None:
    transaction_id = "unknown"
    if state != "none":
        transaction_id = (await talk.bench.charge()).transaction_id
        if state == "closing":
            talk.bench.meters[1].gate.clear()
        stop = {"transactionId": transaction_id}
        first = await talk.hear("RequestStopTransaction", stop)
        talk.bench.station.spawn(first.after())
        await talk.bench.clock.settle()

    answer = await talk.ask("RequestStopTransaction", {"transactionId": transaction_id})

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "TxNotFound")


@pytest.mark.spec("2.0.1", "TC_F_06_CS")
@pytest.mark.spec("2.0.1", "TC_F_07_CS")
@pytest.mark.spec("2.0.1", "F05.FR.01")
async def test_an_idle_connector_is_unlocked(talk: Any) -> None:
    answer = await talk.ask("UnlockConnector", {"evseId": 2, "connectorId": 2})

    assert answer == {"status": "Unlocked"}


async def test_a_lock_that_does_not_move_failed(talk: Any, monkeypatch: Any) -> None:
    async def stuck(_: int) -> bool:
        return False

    monkeypatch.setattr(type(talk.bench.outlets[1]), "unlock", lambda _, n: stuck(n))

    answer = await talk.ask("UnlockConnector", {"evseId": 1, "connectorId": 1})

    assert answer == {"status": "UnlockFailed"}


@pytest.mark.spec("2.0.1", "TC_F_05_CS")
@pytest.mark.spec("2.0.1", "F05.FR.02")
async def test_a_connector_in_use_is_not_unlocked(talk: Any) -> None:
    await talk.bench.charge()

    answer = await talk.ask("UnlockConnector", {"evseId": 1, "connectorId": 1})

    assert answer == {"status": "OngoingAuthorizedTransaction"}
    assert talk.bench.facts(TransactionEnded) == []


@pytest.mark.spec("2.0.1", "TC_F_10_CS")
@pytest.mark.spec("2.0.1", "F05.FR.03")
@pytest.mark.parametrize(("evse", "connector"), [(9, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("busy", [False, True])
async def test_a_connector_that_is_not_there_is_unknown(
    talk: Any, evse: int, connector: int, *, busy: bool
) -> None:
    if busy:
        await talk.bench.charge()

    answer = await talk.ask("UnlockConnector", {"evseId": evse, "connectorId": connector})

    assert answer["status"] == "UnknownConnector"


def _trigger(message: str, **evse: int) -> dict[str, Any]:
    return {"requestedMessage": message, **({"evse": evse} if evse else {})}


@pytest.mark.spec("2.0.1", "TC_F_20_CS")
@pytest.mark.spec("2.0.1", "F06.FR.04")
async def test_a_heartbeat_is_sent_after_the_answer(talk: Any) -> None:
    reply = await talk.hear("TriggerMessage", _trigger("Heartbeat"))
    assert talk.csms.sent == []

    await reply.after()

    assert talk.csms.actions == ["Heartbeat"]


@pytest.mark.spec("2.0.1", "TC_F_23_CS")
@pytest.mark.spec("2.0.1", "F06.FR.06")
@pytest.mark.parametrize(
    ("evse", "asked"),
    [
        ({}, [(1, 1), (2, 1), (2, 2)]),
        ({"id": 2}, [(2, 1), (2, 2)]),
        ({"id": 2, "connectorId": 2}, [(2, 2)]),
    ],
)
async def test_statuses_are_told_of_what_was_asked_for(
    talk: Any, evse: dict[str, int], asked: list[tuple[int, int]]
) -> None:
    answer = await talk.ask("TriggerMessage", _trigger("StatusNotification", **evse))

    assert answer == {"status": "Accepted"}
    told = [(p["evseId"], p["connectorId"]) for p in talk.csms.said("StatusNotification")]
    assert told == asked


@pytest.mark.parametrize("evse", [{"id": 9}, {"id": 1, "connectorId": 2}])
@pytest.mark.parametrize("message", ["StatusNotification", "MeterValues", "TransactionEvent"])
async def test_nothing_can_be_triggered_of_what_is_not_there(
    talk: Any, message: str, evse: dict[str, int]
) -> None:
    answer = await talk.ask("TriggerMessage", _trigger(message, **evse))

    assert answer["status"] == "Rejected"


@pytest.mark.spec("2.0.1", "TC_F_12_CS")
@pytest.mark.spec("2.0.1", "F06.FR.10")
async def test_meter_values_are_taken_of_every_evse(talk: Any) -> None:
    answer = await talk.ask("TriggerMessage", _trigger("MeterValues"))

    assert answer == {"status": "Accepted"}
    assert [fact.evse_id for fact in talk.bench.facts(MeterSampled)] == [1, 2]
    values = [sent.payload for sent in await talk.tell()]
    contexts = {v["meterValue"][0]["sampledValue"][0]["context"] for v in values}
    assert contexts == {"Trigger"}


@pytest.mark.spec("2.0.1", "TC_F_14_CS")
@pytest.mark.spec("2.0.1", "F06.FR.07")
async def test_an_event_is_triggered_of_transactions_that_run(talk: Any) -> None:
    await talk.bench.charge()
    await talk.tell()

    answer = await talk.ask("TriggerMessage", _trigger("TransactionEvent"))

    (event,) = await talk.events()
    assert answer == {"status": "Accepted"}
    assert (event["eventType"], event["triggerReason"]) == ("Updated", "Trigger")


@pytest.mark.parametrize("closing", [False, True])
async def test_no_event_can_be_triggered_without_a_transaction(talk: Any, *, closing: bool) -> None:
    if closing:
        transaction = await talk.bench.charge()
        talk.bench.meters[1].gate.clear()
        talk.bench.station.spawn(talk.bench.finish())
        await talk.bench.clock.settle()
        assert talk.bench.state().transaction.transaction_id == transaction.transaction_id

    answer = await talk.ask("TriggerMessage", _trigger("TransactionEvent"))

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "TxNotFound")


@pytest.mark.spec("2.0.1", "TC_F_26_CS")
@pytest.mark.spec("2.0.1", "F06.FR.17")
@pytest.mark.parametrize(
    ("registration", "status", "boots"),
    [(Registration.PENDING, "Accepted", 1), (Registration.ACCEPTED, "Rejected", 0)],
)
async def test_a_boot_is_triggered_only_before_the_station_is_accepted(
    talk: Any, registration: Registration, status: str, boots: int
) -> None:
    if registration is Registration.PENDING:
        await talk.pending()

    answer = await talk.ask("TriggerMessage", _trigger("BootNotification"))

    assert (answer["status"], len(talk.csms.said("BootNotification"))) == (status, boots)


@pytest.mark.spec("2.0.1", "TC_F_27_CS")
@pytest.mark.spec("2.0.1", "F06.FR.08")
@pytest.mark.parametrize(
    "message",
    [
        "PublishFirmwareStatusNotification",
        "SignCombinedCertificate",
    ],
)
async def test_what_the_station_does_not_have_is_not_implemented(talk: Any, message: str) -> None:
    answer = await talk.ask("TriggerMessage", _trigger(message))

    assert answer == {"status": "NotImplemented"}


@pytest.mark.parametrize("message", ["Heartbeat", "StatusNotification"])
@pytest.mark.parametrize("how", ["no connection", "no answer"])
async def test_a_connection_that_is_gone_costs_the_triggered_message_only(
    talk: Any, message: str, how: str
) -> None:
    talk.csms.answers(message, CsmsUnavailable("gone"))

    answer = await talk.ask("TriggerMessage", _trigger(message), lost=how == "no connection")

    assert answer == {"status": "Accepted"}
    assert len(talk.csms.sent) == (0 if how == "no connection" else 1)
