import logging
from typing import Any

import pytest

from chargepoint.core.inputs import FaultRaised, Plugged
from chargepoint.core.model import Fault
from chargepoint.csms.adapter import Registration, Work, triggered_by, triggers
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsRejected
from meters.errors import MeterUnreachable

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


@pytest.mark.spec("1.6", "5.17")
@pytest.mark.parametrize(
    ("connector", "told"), [({}, [0, 1, 2]), ({"connectorId": 2}, [2]), ({"connectorId": 0}, [0])]
)
async def test_triggered_statuses_are_those_of_now(
    bench: Any, connector: dict[str, int], told: list[int]
) -> None:
    await bench.feed(FaultRaised(Fault("GroundFailure")), evse_id=2)
    await bench.tell()
    bench.csms.sent.clear()

    answer = await bench.ask("TriggerMessage", requestedMessage="StatusNotification", **connector)

    assert answer == ACCEPTED
    reported = bench.csms.said("StatusNotification")
    assert [payload["connectorId"] for payload in reported] == told
    words = {0: "Available", 1: "Available", 2: "Faulted"}
    assert [payload["status"] for payload in reported] == [words[number] for number in told]


async def test_a_triggered_status_is_known_to_the_csms(bench: Any) -> None:
    await bench.feed(Plugged())
    await bench.ask("TriggerMessage", requestedMessage="StatusNotification", connectorId=1)

    assert await bench.tell() == []


@pytest.mark.spec("1.6", "5.17")
async def test_triggered_values_belong_to_the_running_transaction(bench: Any) -> None:
    await bench.charge()
    await bench.tell()
    bench.csms.sent.clear()

    answer = await bench.ask("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    await bench.tell()

    assert answer == ACCEPTED
    (told,) = bench.csms.said("MeterValues")
    assert (told["connectorId"], told["transactionId"]) == (1, 4711)
    assert told["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


@pytest.mark.spec("1.6", "5.17")
async def test_triggered_values_come_from_every_connector(bench: Any) -> None:
    answer = await bench.ask("TriggerMessage", requestedMessage="MeterValues")
    await bench.tell()

    assert answer == ACCEPTED
    assert [
        (payload["connectorId"], "transactionId" in payload)
        for payload in bench.csms.said("MeterValues")
    ] == [(1, False), (2, False)]


async def test_triggered_values_of_a_silent_meter_do_not_hold_up_the_others(bench: Any) -> None:
    bench.meters[1].fails = MeterUnreachable("no answer")

    await bench.ask("TriggerMessage", requestedMessage="MeterValues")
    await bench.tell()

    assert [payload["connectorId"] for payload in bench.csms.said("MeterValues")] == [2]


@pytest.mark.spec("1.6", "TC_055")
@pytest.mark.spec("1.6", "5.17")
@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification"])
async def test_a_trigger_for_a_connector_that_does_not_exist_is_rejected(
    bench: Any, message: str
) -> None:
    answer = await bench.ask("TriggerMessage", requestedMessage=message, connectorId=3)

    assert answer == REJECTED


@pytest.mark.spec("1.6", "5.17")
async def test_values_of_connector_zero_are_rejected(bench: Any) -> None:
    answer = await bench.ask("TriggerMessage", requestedMessage="MeterValues", connectorId=0)

    assert answer == REJECTED


@pytest.mark.spec("1.6", "5.17")
@pytest.mark.parametrize("connector", [{}, {"connectorId": 99}])
async def test_a_triggered_heartbeat_ignores_the_connector(
    bench: Any, connector: dict[str, int]
) -> None:
    answer = await bench.ask("TriggerMessage", requestedMessage="Heartbeat", **connector)

    assert answer == ACCEPTED
    assert bench.csms.actions == ["Heartbeat"]


@pytest.mark.spec("1.6", "5.17")
@pytest.mark.parametrize("registration", [Registration.PENDING, Registration.UNKNOWN])
async def test_a_boot_is_triggered_while_the_station_is_not_accepted(
    bench: Any, registration: Registration
) -> None:
    unknown = registration is Registration.UNKNOWN
    await bench.pending(*([CsmsRejected("InternalError")] if unknown else []))
    assert bench.session.registration is registration

    answer = await bench.ask("TriggerMessage", requestedMessage="BootNotification")

    assert answer == ACCEPTED
    assert bench.csms.actions[0] == "BootNotification"


@pytest.mark.spec("1.6", "5.17")
async def test_a_boot_of_an_accepted_station_is_rejected(bench: Any) -> None:
    answer = await bench.ask("TriggerMessage", requestedMessage="BootNotification")

    assert answer == REJECTED
    assert bench.csms.sent == []


@pytest.mark.spec("1.6", "5.17")
async def test_the_message_leaves_after_the_answer(bench: Any) -> None:
    reply = await bench.hear("TriggerMessage", requestedMessage="Heartbeat")

    assert isinstance(reply, Reply)
    assert bench.csms.sent == []


async def test_a_triggered_message_without_connection_is_dropped(bench: Any) -> None:
    await bench.ask("TriggerMessage", requestedMessage="StatusNotification", lost=True)

    assert bench.csms.sent == []


async def test_a_triggered_message_that_is_refused_is_logged(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.csms.standing["StatusNotification"] = CsmsRejected("InternalError")

    await bench.ask("TriggerMessage", requestedMessage="StatusNotification")

    assert len(bench.csms.said("StatusNotification")) == 3
    warned = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert [entry.name for entry in warned] == ["chargepoint.v16.remote_control"] * 3


@pytest.mark.spec("1.6", "TC_054")
@pytest.mark.parametrize("action", ["TriggerMessage", "ExtendedTriggerMessage"])
async def test_readings_status_and_heartbeat_can_be_asked_for(bench: Any, action: str) -> None:
    for message in ("MeterValues", "Heartbeat", "StatusNotification"):
        connector = {} if message == "Heartbeat" else {"connectorId": 1}
        assert await bench.ask(action, requestedMessage=message, **connector) == ACCEPTED
    await bench.tell()

    assert bench.csms.actions == ["Heartbeat", "StatusNotification", "MeterValues"]


@pytest.mark.spec("1.6", "TC_055")
@pytest.mark.parametrize("action", ["TriggerMessage", "ExtendedTriggerMessage"])
async def test_a_trigger_that_cannot_be_followed_is_rejected(bench: Any, action: str) -> None:
    answer = await bench.ask(action, requestedMessage="MeterValues", connectorId=9)

    assert answer == REJECTED
    assert bench.csms.sent == []


async def test_what_no_block_sends_is_not_implemented(bench: Any) -> None:
    bench.adapter.handlers["TriggerMessage"].__self__._triggers = {}
    answer = await bench.ask("ExtendedTriggerMessage", requestedMessage="LogStatusNotification")

    assert answer == {"status": "NotImplemented"}


class Block:
    """A block with a way to a message of its own."""

    def __init__(self) -> None:
        self.sent = 0

    @triggers("LogStatusNotification")
    def status(self) -> Work:
        return self._send

    async def _send(self) -> None:
        self.sent += 1


async def test_a_message_of_another_block_is_sent(bench: Any) -> None:
    block = Block()
    bench.adapter.handlers["TriggerMessage"].__self__._triggers = triggered_by([block])

    answer = await bench.ask("ExtendedTriggerMessage", requestedMessage="LogStatusNotification")

    assert (answer, block.sent) == (ACCEPTED, 1)
