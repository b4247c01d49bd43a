"""Block G: connector statuses, operative and inoperative."""

import uuid
from typing import Any

import pytest
from sample_facts import status

from chargepoint.core.facts import Status
from chargepoint.core.inputs import AvailabilityChanged, FaultRaised, Plugged, Unplugged
from chargepoint.core.model import Fault, Scope
from chargepoint.csms.adapter import Delivery
from chargepoint.errors import CsmsUnavailable
from chargepoint.store.sqlite import Entry

WORDS = [
    (Status.AVAILABLE, "Available"),
    (Status.PREPARING, "Occupied"),
    (Status.CHARGING, "Occupied"),
    (Status.SUSPENDED_EV, "Occupied"),
    (Status.SUSPENDED_EVSE, "Occupied"),
    (Status.FINISHING, "Occupied"),
    (Status.UNAVAILABLE, "Unavailable"),
    (Status.FAULTED, "Faulted"),
]


@pytest.mark.spec("2.0.1", "G01.FR.01")
@pytest.mark.parametrize(("given", "word"), WORDS)
async def test_a_status_is_told_in_the_five_words_of_2_0_1(
    talk: Any, given: Status, word: str
) -> None:
    talk.bench.store.record(status(given))

    (sent,) = await talk.tell()

    assert (sent.action, sent.payload) == (
        "StatusNotification",
        {
            "timestamp": "2026-03-01T10:00:00.000Z",
            "connectorStatus": word,
            "evseId": 1,
            "connectorId": 1,
        },
    )


@pytest.mark.spec("2.0.1", "G01.FR.03")
@pytest.mark.spec("2.0.1", "G01.FR.04")
async def test_a_whole_session_is_told_as_occupied_once(talk: Any) -> None:
    told = []
    await talk.bench.charge()
    told += await talk.tell()
    await talk.bench.finish()
    told += await talk.tell()
    await talk.bench.feed(Unplugged())
    told += await talk.tell()

    words = [s.payload["connectorStatus"] for s in told if s.action == "StatusNotification"]
    assert words == ["Occupied", "Available"]


async def test_the_status_of_the_station_itself_has_no_message(talk: Any) -> None:
    talk.bench.store.record(status(Status.UNAVAILABLE, evse_id=0))

    assert await talk.tell() == []


async def test_a_report_of_the_present_is_told_although_it_is_known(talk: Any) -> None:
    talk.bench.store.record(status())
    await talk.tell()
    entry = Entry(0, str(uuid.uuid4()), "", status(), offline=False, attempts=0)

    await talk.adapter.deliver(Delivery(entry, talk.csms))

    assert len(talk.csms.said("StatusNotification")) == 2


async def test_a_status_whose_answer_was_lost_is_told_again(talk: Any) -> None:
    talk.bench.store.record(status())
    await talk.tell()
    talk.csms.answers("StatusNotification", CsmsUnavailable("lost"))
    talk.bench.store.record(status(Status.AVAILABLE))
    with pytest.raises(CsmsUnavailable):
        await talk.tell()
    talk.bench.store.record(status())

    (sent,) = await talk.tell()

    assert sent.payload["connectorStatus"] == "Occupied"


EVSE = {"evse": {"id": 1}}
CONNECTOR = {"evse": {"id": 1, "connectorId": 1}}


@pytest.mark.spec("2.0.1", "TC_G_03_CS")
@pytest.mark.spec("2.0.1", "TC_G_04_CS")
@pytest.mark.spec("2.0.1", "TC_G_05_CS")
@pytest.mark.spec("2.0.1", "TC_G_06_CS")
@pytest.mark.spec("2.0.1", "TC_G_07_CS")
@pytest.mark.spec("2.0.1", "TC_G_08_CS")
@pytest.mark.spec("2.0.1", "G03.FR.01")
@pytest.mark.spec("2.0.1", "G04.FR.01")
@pytest.mark.parametrize(
    ("where", "scope", "evses"),
    [({}, Scope.STATION, {1, 2}), (EVSE, Scope.EVSE, {1}), (CONNECTOR, Scope.CONNECTOR, {1})],
    ids=["station", "EVSE", "connector"],
)
async def test_out_of_order_and_back(
    talk: Any, where: dict[str, Any], scope: Scope, evses: set[int]
) -> None:
    answer = await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **where})

    assert answer == {"status": "Accepted"}
    states = {evse_id: talk.bench.state(evse_id).inoperative for evse_id in (1, 2)}
    assert states == {evse_id: {scope} if evse_id in evses else set() for evse_id in (1, 2)}
    told = {s.payload["evseId"] for s in await talk.tell()}
    assert told == evses

    answer = await talk.ask("ChangeAvailability", {"operationalStatus": "Operative", **where})

    assert answer == {"status": "Accepted"}
    assert all(talk.bench.state(evse_id).operative for evse_id in (1, 2))


@pytest.mark.spec("2.0.1", "TC_G_14_CS")
@pytest.mark.spec("2.0.1", "G03.FR.05")
async def test_out_of_order_is_scheduled_while_a_transaction_runs(talk: Any) -> None:
    await talk.bench.charge()

    answer = await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative"})

    assert answer == {"status": "Scheduled"}
    await talk.bench.finish()
    assert (await talk.tell())[-1].payload["connectorStatus"] == "Unavailable"


@pytest.mark.spec("2.0.1", "TC_G_10_CS")
@pytest.mark.spec("2.0.1", "G03.FR.02")
async def test_the_same_again_is_accepted_and_nothing_is_told(talk: Any) -> None:
    await talk.bench.feed(AvailabilityChanged(operative=False))
    await talk.tell()

    answer = await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **EVSE})

    assert answer == {"status": "Accepted"}
    assert await talk.tell() == []


@pytest.mark.parametrize(
    ("evse", "reason"),
    [
        ({"id": 9}, "UnknownEvse"),
        ({"id": 1, "connectorId": 2}, "UnknownConnectorId"),
        ({"id": 2, "connectorId": 0}, "UnknownConnectorId"),
    ],
)
async def test_what_is_not_there_cannot_be_out_of_order(
    talk: Any, evse: dict[str, int], reason: str
) -> None:
    answer = await talk.ask(
        "ChangeAvailability", {"operationalStatus": "Inoperative", "evse": evse}
    )

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason)
    assert all(talk.bench.state(evse_id).operative for evse_id in (1, 2))


async def test_a_fault_is_told_as_faulted(talk: Any) -> None:
    await talk.bench.feed(Plugged(), FaultRaised(Fault("GroundFailure")))

    (sent,) = await talk.tell()

    assert sent.payload["connectorStatus"] == "Faulted"
