"""Block G: connector statuses, operative and inoperative."""

import uuid
from typing import Any

import pytest
from sample_facts import status

from chargepoint.core.facts import Status
from chargepoint.core.inputs import (
    AvailabilityChanged,
    FaultRaised,
    Plugged,
    TokenAccepted,
    Unplugged,
)
from chargepoint.core.model import Authorization, Fault, IdToken, Source, Stage
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
    (Status.RESERVED, "Reserved"),
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
    await talk.tell()
    talk.bench.store.record(status())
    await talk.back()

    (sent,) = await talk.tell()

    assert sent.payload["connectorStatus"] == "Occupied"


EVSE = {"evse": {"id": 1}}
CONNECTOR = {"evse": {"id": 1, "connectorId": 1}}


SECOND = {"evse": {"id": 2, "connectorId": 2}}
EVERYWHERE = {(1, 1), (2, 1), (2, 2)}


def _told(messages: list[Any]) -> dict[tuple[int, int], str]:
    return {
        (sent.payload["evseId"], sent.payload["connectorId"]): sent.payload["connectorStatus"]
        for sent in messages
        if sent.action == "StatusNotification"
    }


@pytest.mark.spec("2.0.1", "TC_G_03_CS")
@pytest.mark.spec("2.0.1", "TC_G_04_CS")
@pytest.mark.spec("2.0.1", "TC_G_05_CS")
@pytest.mark.spec("2.0.1", "TC_G_06_CS")
@pytest.mark.spec("2.0.1", "TC_G_07_CS")
@pytest.mark.spec("2.0.1", "TC_G_08_CS")
@pytest.mark.spec("2.0.1", "G03.FR.01")
@pytest.mark.spec("2.0.1", "G04.FR.01")
@pytest.mark.parametrize(
    ("where", "concerned"),
    [
        ({}, EVERYWHERE),
        (EVSE, {(1, 1)}),
        ({"evse": {"id": 2}}, {(2, 1), (2, 2)}),
        (CONNECTOR, {(1, 1)}),
        (SECOND, {(2, 2)}),
    ],
    ids=["station", "EVSE", "EVSE of two connectors", "connector", "second connector"],
)
async def test_out_of_order_and_back(
    talk: Any, where: dict[str, Any], concerned: set[tuple[int, int]]
) -> None:
    answer = await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **where})

    assert answer == {"status": "Accepted"}
    assert _told(await talk.tell()) == dict.fromkeys(concerned, "Unavailable")

    answer = await talk.ask("ChangeAvailability", {"operationalStatus": "Operative", **where})

    assert answer == {"status": "Accepted"}
    assert _told(await talk.tell()) == dict.fromkeys(concerned, "Available")


@pytest.mark.spec("2.0.1", "TC_G_09_CS")
@pytest.mark.spec("2.0.1", "TC_G_10_CS")
@pytest.mark.spec("2.0.1", "TC_G_12_CS")
@pytest.mark.spec("2.0.1", "TC_G_13_CS")
@pytest.mark.spec("2.0.1", "TC_G_15_CS")
@pytest.mark.spec("2.0.1", "TC_G_16_CS")
@pytest.mark.parametrize("where", [{}, EVSE, CONNECTOR], ids=["station", "EVSE", "connector"])
@pytest.mark.parametrize("word", ["Operative", "Inoperative"])
async def test_what_is_so_already_is_accepted_and_nothing_is_told(
    talk: Any, where: dict[str, Any], word: str
) -> None:
    await talk.ask("ChangeAvailability", {"operationalStatus": word, **where})
    await talk.tell()

    answer = await talk.ask("ChangeAvailability", {"operationalStatus": word, **where})

    assert answer == {"status": "Accepted"}
    assert await talk.tell() == []


@pytest.mark.spec("2.0.1", "TC_G_11_CS")
@pytest.mark.spec("2.0.1", "TC_G_14_CS")
@pytest.mark.spec("2.0.1", "TC_G_17_CS")
@pytest.mark.parametrize(
    ("where", "at_once"),
    [({}, {(2, 1), (2, 2)}), (EVSE, set()), (CONNECTOR, set())],
    ids=["station", "EVSE", "connector"],
)
async def test_a_running_transaction_is_ended_by_its_driver_first(
    talk: Any, where: dict[str, Any], at_once: set[tuple[int, int]]
) -> None:
    await talk.bench.charge()
    await talk.tell()

    answer = await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **where})

    assert answer == {"status": "Scheduled"}
    assert _told(await talk.tell()) == dict.fromkeys(at_once, "Unavailable")
    await talk.bench.finish()
    assert _told(await talk.tell()) == {(1, 1): "Unavailable"}
    await talk.bench.feed(Unplugged())
    assert await talk.tell() == []


@pytest.mark.spec("2.0.1", "G01.FR.08")
async def test_the_connector_beside_the_used_one_goes_out_of_order_at_once(talk: Any) -> None:
    await talk.bench.charge(evse_id=2)
    await talk.tell()

    answer = await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **SECOND})

    assert answer == {"status": "Accepted"}
    assert _told(await talk.tell()) == {(2, 2): "Unavailable"}
    await talk.bench.finish(evse_id=2)
    assert _told(await talk.tell()) == {}


async def test_a_vehicle_at_a_connector_out_of_order_gets_no_session(talk: Any) -> None:
    await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **SECOND})
    accepted = TokenAccepted(Authorization(IdToken("AB12"), Source.CSMS))

    await talk.bench.feed(Plugged(2), accepted, evse_id=2)
    assert talk.bench.state(2).stage is Stage.PLUGGED

    await talk.bench.feed(Unplugged(), Plugged(1), accepted, evse_id=2)
    assert talk.bench.state(2).stage is Stage.CHARGING


async def test_a_fault_of_one_connector_leaves_the_other_one(talk: Any) -> None:
    fault = Fault("ConnectorLockFailure", connector_id=2)
    await talk.bench.station.set_fault(2, fault, active=True)
    assert _told(await talk.tell()) == {(2, 2): "Faulted"}

    await talk.bench.charge(evse_id=2)
    assert talk.bench.state(2).stage is Stage.CHARGING

    await talk.bench.station.set_fault(2, fault, active=False)
    assert _told(await talk.tell())[2, 2] == "Available"


@pytest.mark.spec("2.0.1", "TC_B_23_CS")
@pytest.mark.spec("2.0.1", "TC_G_18_CS")
@pytest.mark.spec("2.0.1", "TC_G_19_CS")
@pytest.mark.spec("2.0.1", "TC_G_21_CS")
@pytest.mark.parametrize(
    ("where", "concerned"),
    [({}, EVERYWHERE), ({"evse": {"id": 2}}, {(2, 1), (2, 2)}), (SECOND, {(2, 2)})],
    ids=["station", "EVSE", "connector"],
)
async def test_what_is_out_of_order_still_is_after_a_restart(
    open_talk: Any,
    connectors: tuple[tuple[str, ...], ...],
    where: dict[str, Any],
    concerned: set[tuple[int, int]],
) -> None:
    async with open_talk(connectors=connectors) as talk:
        await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **where})

    async with open_talk(connectors=connectors) as talk:
        told = {(f.evse_id, f.connector_id): f.status for f in talk.bench.station.statuses()}
        out = {place for place, word in told.items() if word is Status.UNAVAILABLE}
        assert out - {(0, 0)} == concerned


@pytest.mark.spec("2.0.1", "TC_G_01_CS")
@pytest.mark.spec("2.0.1", "TC_G_02_CS")
async def test_a_vehicle_comes_and_goes(talk: Any) -> None:
    await talk.bench.feed(Plugged())
    assert _told(await talk.tell()) == {(1, 1): "Occupied"}

    await talk.bench.feed(Unplugged())
    assert _told(await talk.tell()) == {(1, 1): "Available"}


@pytest.mark.spec("2.0.1", "G01.FR.03")
async def test_a_token_without_a_vehicle_occupies_nothing(talk: Any) -> None:
    await talk.bench.feed(TokenAccepted(Authorization(IdToken("AB12"), Source.CSMS)))
    assert set(_told(await talk.tell()).values()) <= {"Available"}

    await talk.bench.feed(Plugged())
    assert _told(await talk.tell()) == {(1, 1): "Occupied"}


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
