"""Block F by the conformance cases: unlock, and every message that can be asked for."""

from collections.abc import Coroutine
from typing import Any

import pytest

from chargepoint.core.inputs import Plugged
from chargepoint.csms.adapter import Work, triggered_by, triggers
from chargepoint.errors import Refused

ACCEPTED = {"status": "Accepted"}


def _trigger(message: str, **evse: int) -> dict[str, Any]:
    return {"requestedMessage": message, **({"evse": evse} if evse else {})}


async def unlock(talk: Any, evse: int, connector: int) -> str:
    answer = await talk.ask("UnlockConnector", {"evseId": evse, "connectorId": connector})
    status: str = answer["status"]
    return status


@pytest.mark.spec("2.0.1", "TC_F_05_CS")
@pytest.mark.spec("2.0.1", "TC_F_06_CS")
async def test_a_lock_opens_only_while_no_authorized_transaction_runs(talk: Any) -> None:
    await talk.bench.charge(evse_id=2)
    during = await unlock(talk, 2, 1)
    assert talk.bench.outlets[2].closed

    await talk.bench.finish(evse_id=2)

    assert (during, await unlock(talk, 2, 1)) == ("OngoingAuthorizedTransaction", "Unlocked")


@pytest.mark.spec("2.0.1", "TC_F_07_CS")
@pytest.mark.spec("2.0.1", "TC_F_10_CS")
async def test_an_empty_connector_is_unlocked_and_a_missing_one_unknown(talk: Any) -> None:
    assert [await unlock(talk, *place) for place in ((2, 2), (1, 999))] == [
        "Unlocked",
        "UnknownConnector",
    ]


@pytest.mark.spec("2.0.1", "TC_F_11_CS")
@pytest.mark.spec("2.0.1", "TC_F_12_CS")
@pytest.mark.parametrize(("evse", "told"), [({"id": 1}, [1]), ({}, [1, 2])])
async def test_readings_are_told_of_the_evses_asked_for(
    talk: Any, evse: dict[str, int], told: list[int]
) -> None:
    assert await talk.ask("TriggerMessage", _trigger("MeterValues", **evse)) == ACCEPTED

    sent = [s.payload for s in await talk.tell() if s.action == "MeterValues"]
    assert [payload["evseId"] for payload in sent] == told
    values = [value for p in sent for m in p["meterValue"] for value in m["sampledValue"]]
    assert {value["context"] for value in values} == {"Trigger"}


@pytest.mark.spec("2.0.1", "TC_F_13_CS")
@pytest.mark.spec("2.0.1", "TC_F_14_CS")
@pytest.mark.parametrize(("evse", "told"), [({"id": 1}, [1]), ({}, [1, 2])])
async def test_events_are_told_of_the_transactions_asked_for(
    talk: Any, evse: dict[str, int], told: list[int]
) -> None:
    for evse_id in (1, 2):
        await talk.bench.charge(evse_id=evse_id)
    await talk.tell()

    assert await talk.ask("TriggerMessage", _trigger("TransactionEvent", **evse)) == ACCEPTED

    events = await talk.events()
    assert [event["evse"]["id"] for event in events] == told
    for event in events:
        assert (event["eventType"], event["triggerReason"]) == ("Updated", "Trigger")
        assert event["transactionInfo"]["chargingState"] == "Charging"
        assert event["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


@pytest.mark.spec("2.0.1", "TC_F_20_CS")
async def test_a_heartbeat_can_be_asked_for(talk: Any) -> None:
    assert await talk.ask("TriggerMessage", _trigger("Heartbeat")) == ACCEPTED
    assert talk.csms.actions == ["Heartbeat"]


@pytest.mark.spec("2.0.1", "TC_F_23_CS")
@pytest.mark.spec("2.0.1", "TC_F_24_CS")
async def test_the_status_is_that_of_this_moment(talk: Any) -> None:
    where = {"id": 1, "connectorId": 1}
    await talk.ask("TriggerMessage", _trigger("StatusNotification", **where))
    await talk.bench.feed(Plugged())
    await talk.ask("TriggerMessage", _trigger("StatusNotification", **where))

    told = talk.csms.said("StatusNotification")
    assert [t["connectorStatus"] for t in told] == ["Available", "Occupied"]


@pytest.mark.spec("2.0.1", "TC_F_26_CS")
@pytest.mark.spec("2.0.1", "TC_F_27_CS")
@pytest.mark.parametrize(
    ("message", "status"),
    [("BootNotification", "Rejected"), ("SignCombinedCertificate", "NotImplemented")],
)
async def test_what_cannot_be_sent_is_not_promised(talk: Any, message: str, status: str) -> None:
    answer = await talk.ask("TriggerMessage", _trigger(message))

    assert answer["status"] == status
    assert talk.csms.sent == []


class Block:
    """A block with a way to a message of its own."""

    def __init__(self) -> None:
        self.sent = 0
        self.busy = False

    @triggers("LogStatusNotification")
    def status(self) -> Work:
        if self.busy:
            raise Refused("not now", reason="InternalError")

        def send() -> Coroutine[Any, Any, None]:
            return self._send()

        return send

    async def _send(self) -> None:
        self.sent += 1


@pytest.mark.spec("2.0.1", "TC_F_17_CS")
async def test_a_message_of_another_block_is_sent_whatever_evse_is_named(talk: Any) -> None:
    block = Block()
    remote_control = talk.adapter.handlers["TriggerMessage"].__self__
    remote_control._triggers = triggered_by([block])
    message = _trigger("LogStatusNotification", id=9)

    assert await talk.ask("TriggerMessage", message) == ACCEPTED
    block.busy = True
    answer = await talk.ask("TriggerMessage", message)

    assert (answer["status"], block.sent) == ("Rejected", 1)
