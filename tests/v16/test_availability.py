from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from chargepoint.core.facts import Status, StatusChanged
from chargepoint.core.inputs import FaultRaised, Plugged, Unplugged
from chargepoint.core.model import Fault
from chargepoint.errors import CsmsUnavailable


@pytest.mark.spec("1.6", "4.9")
@pytest.mark.parametrize("status", list(Status))
async def test_every_status_is_told_in_its_own_word(
    bench: Any, status: Status, now: datetime
) -> None:
    await bench.deliver_fact(StatusChanged(2, 1, now, status))

    assert bench.csms.said("StatusNotification") == [
        {
            "connectorId": 2,
            "errorCode": "NoError",
            "status": str(status),
            "timestamp": "2026-03-01T10:00:00.000Z",
        }
    ]


@pytest.mark.spec("1.6", "4.9")
async def test_the_station_itself_is_connector_zero(bench: Any, now: datetime) -> None:
    await bench.deliver_fact(StatusChanged(0, 0, now, Status.UNAVAILABLE))

    (told,) = bench.csms.said("StatusNotification")
    assert (told["connectorId"], told["status"]) == (0, "Unavailable")


@pytest.mark.spec("1.6", "7.6")
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("GroundFailure"), {"errorCode": "GroundFailure"}),
        (
            Fault("OverVoltage", "253 V", "E17"),
            {"errorCode": "OverVoltage", "info": "253 V", "vendorErrorCode": "E17"},
        ),
        (Fault("Diode"), {"errorCode": "OtherError", "vendorErrorCode": "Diode"}),
        (
            Fault("Diode", vendor_error_code="E18"),
            {"errorCode": "OtherError", "vendorErrorCode": "E18"},
        ),
        (
            Fault("OtherError", "i" * 51, "v" * 51),
            {"errorCode": "OtherError", "info": "i" * 50, "vendorErrorCode": "v" * 50},
        ),
    ],
)
async def test_a_fault_is_told_with_its_code(
    bench: Any, now: datetime, fault: Fault, told: dict[str, str]
) -> None:
    await bench.deliver_fact(StatusChanged(1, 1, now, Status.FAULTED, fault))

    (payload,) = bench.csms.said("StatusNotification")
    expected = {"connectorId", "status", "timestamp"} | told.keys()
    assert payload.keys() == expected
    assert payload | told == payload


@pytest.mark.spec("1.6", "4.9")
async def test_after_a_time_offline_only_what_differs_is_told(bench: Any) -> None:
    await bench.feed(Plugged())
    await bench.tell()
    await bench.feed(Unplugged())
    await bench.tell()
    told = bench.csms.said("StatusNotification")
    assert [payload["status"] for payload in told] == ["Preparing", "Available"]

    await bench.feed(Plugged(), Unplugged())

    assert await bench.tell() == []


async def test_a_report_of_the_present_is_told_although_it_is_known(
    bench: Any, now: datetime
) -> None:
    fact = StatusChanged(1, 1, now, Status.AVAILABLE)

    await bench.deliver_fact(fact)
    await bench.deliver_fact(fact)
    await bench.deliver_fact(fact, number=0)

    assert len(bench.csms.said("StatusNotification")) == 2


async def test_a_status_whose_answer_was_lost_is_not_taken_for_known(
    bench: Any, now: datetime
) -> None:
    available = StatusChanged(1, 1, now, Status.AVAILABLE)
    await bench.deliver_fact(available)
    bench.csms.standing["StatusNotification"] = CsmsUnavailable("no answer")
    with pytest.raises(CsmsUnavailable):
        await bench.deliver_fact(replace(available, status=Status.PREPARING))
    bench.csms.standing["StatusNotification"] = {}
    await bench.back()

    await bench.deliver_fact(available)

    assert [payload["status"] for payload in bench.csms.said("StatusNotification")] == [
        "Available",
        "Preparing",
        "Available",
    ]


@pytest.mark.spec("1.6", "5.2")
async def test_a_connector_becomes_inoperative_at_once(bench: Any) -> None:
    answer = await bench.ask("ChangeAvailability", connectorId=2, type="Inoperative")
    await bench.tell()

    assert answer == {"status": "Accepted"}
    told = bench.csms.said("StatusNotification")
    assert [(payload["connectorId"], payload["status"]) for payload in told] == [(2, "Unavailable")]


@pytest.mark.spec("1.6", "5.2")
async def test_the_whole_station_becomes_inoperative_with_its_connectors(bench: Any) -> None:
    answer = await bench.ask("ChangeAvailability", connectorId=0, type="Inoperative")
    await bench.tell()

    assert answer == {"status": "Accepted"}
    told = {p["connectorId"]: p["status"] for p in bench.csms.said("StatusNotification")}
    assert told == dict.fromkeys((0, 1, 2), "Unavailable")


@pytest.mark.spec("1.6", "5.2")
async def test_a_change_waits_for_the_running_transaction(bench: Any) -> None:
    transaction = await bench.charge()

    answer = await bench.ask("ChangeAvailability", connectorId=1, type="Inoperative")
    assert answer == {"status": "Scheduled"}
    assert bench.station.find(transaction.transaction_id) is not None

    await bench.tell()
    await bench.ask("RemoteStopTransaction", transactionId=4711)
    await bench.tell()
    assert bench.station.find(transaction.transaction_id) is None
    assert bench.csms.said("StatusNotification")[-1]["status"] == "Unavailable"


@pytest.mark.spec("1.6", "5.2")
async def test_operative_for_the_station_counts_for_every_connector(bench: Any) -> None:
    await bench.ask("ChangeAvailability", connectorId=2, type="Inoperative")

    answer = await bench.ask("ChangeAvailability", connectorId=0, type="Operative")
    await bench.tell()

    assert answer == {"status": "Accepted"}
    assert bench.csms.said("StatusNotification")[-1]["status"] == "Available"
    assert bench.state(2).operative


@pytest.mark.spec("1.6", "5.2")
async def test_a_connector_that_does_not_exist_is_rejected(bench: Any) -> None:
    answer = await bench.ask("ChangeAvailability", connectorId=3, type="Inoperative")

    assert answer == {"status": "Rejected"}
    assert all(bench.state(evse_id).operative for evse_id in (1, 2))


async def test_a_warning_is_told_without_a_change_of_status(bench: Any) -> None:
    await bench.feed(FaultRaised(Fault("PowerMeterFailure", blocks=False)))
    await bench.tell()

    (told,) = bench.csms.said("StatusNotification")
    assert (told["status"], told["errorCode"]) == ("Available", "PowerMeterFailure")


@pytest.mark.spec("1.6", "4.9")
@pytest.mark.spec("1.6", "MinimumStatusDuration")
async def test_a_status_is_told_once_it_has_lasted_long_enough(bench: Any) -> None:
    bench.set("MinimumStatusDuration", "5")
    await bench.feed(Plugged())

    assert await bench.tell() == []
    await bench.clock.advance(4)
    assert await bench.tell() == []

    await bench.clock.advance(1)
    (told,) = await bench.tell()
    assert told.payload["status"] == "Preparing"
    assert told.payload["timestamp"] == "2026-03-01T10:00:00.000Z"


@pytest.mark.spec("1.6", "MinimumStatusDuration")
async def test_a_status_that_was_short_is_never_told(bench: Any, now: datetime) -> None:
    await bench.deliver_fact(StatusChanged(1, 1, now, Status.AVAILABLE))
    bench.set("MinimumStatusDuration", "5")
    await bench.feed(Plugged())
    bench.clock.pass_time(2)
    await bench.feed(Unplugged())
    bench.clock.pass_time(5)

    assert await bench.tell() == []


async def test_a_report_of_the_present_waits_for_nothing(bench: Any, now: datetime) -> None:
    bench.set("MinimumStatusDuration", "5")

    await bench.deliver_fact(StatusChanged(1, 1, now, Status.PREPARING), number=0)

    assert len(bench.csms.sent) == 1


class TestTwoConnectorsOfOneEvse:
    """Each is operative or broken by itself."""

    @pytest.fixture
    def connectors(self) -> dict[int, tuple[str, ...]]:
        return {1: ("sType2",), 2: ("cCCS2", "cType2")}

    @pytest.mark.spec("1.6", "5.2")
    async def test_one_becomes_inoperative(self, bench: Any) -> None:
        answer = await bench.ask("ChangeAvailability", connectorId=3, type="Inoperative")

        assert answer == {"status": "Accepted"}
        told = [(s.payload["connectorId"], s.payload["status"]) for s in await bench.tell()]
        assert told == [(3, "Unavailable")]

    @pytest.mark.spec("1.6", "5.2")
    async def test_operative_for_the_station_counts_for_both(self, bench: Any) -> None:
        for connector in (2, 3):
            await bench.ask("ChangeAvailability", connectorId=connector, type="Inoperative")
        await bench.tell()

        await bench.ask("ChangeAvailability", connectorId=0, type="Operative")

        told = {(s.payload["connectorId"], s.payload["status"]) for s in await bench.tell()}
        assert told == {(2, "Available"), (3, "Available")}

    async def test_a_fault_of_one_is_told_of_that_one(self, bench: Any) -> None:
        fault = Fault("ConnectorLockFailure", connector_id=2)

        await bench.station.set_fault(2, fault, active=True)

        (told,) = await bench.tell()
        assert (told.payload["connectorId"], told.payload["status"]) == (3, "Faulted")
        assert told.payload["errorCode"] == "ConnectorLockFailure"

    @pytest.mark.spec("1.6", "5.11")
    async def test_one_that_is_inoperative_is_not_started_remotely(self, bench: Any) -> None:
        await bench.ask("ChangeAvailability", connectorId=3, type="Inoperative")

        answer = await bench.ask("RemoteStartTransaction", connectorId=3, idTag="AA01")
        assert answer == {"status": "Rejected"}

        answer = await bench.ask("RemoteStartTransaction", connectorId=2, idTag="AA01")
        assert answer == {"status": "Accepted"}
