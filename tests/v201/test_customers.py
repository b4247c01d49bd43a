"""Block N: what is stored about a customer, told and cleared."""

from datetime import timedelta
from typing import Any

import pytest
from station_bench import TOKEN

from chargepoint.core.authorization import Known
from chargepoint.core.display import DisplayMessage, Priority
from chargepoint.core.model import IdToken, Source, Text
from chargepoint.core.reservation import Reservation
from chargepoint.errors import CsmsUnavailable, StoreError

BY_TOKEN = {"idToken": {"idToken": TOKEN.value.lower(), "type": "ISO14443"}}
BY_IDENTIFIER = {"customerIdentifier": TOKEN.value}
CERTIFICATE = {
    "customerCertificate": {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "00",
        "issuerKeyHash": "00",
        "serialNumber": "1",
    }
}
NOTHING = ["nothing is stored about this customer"]


async def _ask(talk: Any, *, report: bool, clear: bool, **who: Any) -> list[str]:
    talk.csms.sent.clear()
    payload = {"requestId": 7, "report": report, "clear": clear, **who}
    answer = await talk.ask("CustomerInformation", payload)
    assert answer == {"status": "Accepted"}
    parts = talk.csms.said("NotifyCustomerInformation")
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part["tbc"] for part in parts] == [True] * (len(parts) - 1) + [False]
    return [part["data"] for part in parts]


def _remember(talk: Any) -> None:
    known = Known("Accepted", Source.CSMS, group=IdToken("FAMILY"))
    talk.bench.store.tokens.remember(TOKEN, known, talk.bench.clock.now())
    talk.bench.store.tokens.remember(IdToken("OTHER"), known, talk.bench.clock.now())


@pytest.mark.spec("2.0.1", "TC_N_27_CS")
async def test_what_is_stored_is_told(talk: Any) -> None:
    _remember(talk)

    told = await _ask(talk, report=True, clear=False, **BY_TOKEN)

    assert told == ["authorization cache: status Accepted, group FAMILY"]
    assert talk.bench.store.tokens.known(TOKEN) is not None


@pytest.mark.spec("2.0.1", "TC_N_28_CS")
@pytest.mark.spec("2.0.1", "TC_N_31_CS")
@pytest.mark.parametrize("clear", [False, True])
async def test_that_nothing_is_stored_is_told_once(talk: Any, *, clear: bool) -> None:
    assert await _ask(talk, report=True, clear=clear, **BY_TOKEN) == NOTHING


@pytest.mark.spec("2.0.1", "TC_N_30_CS")
@pytest.mark.spec("2.0.1", "TC_N_62_CS")
@pytest.mark.parametrize("who", [BY_TOKEN, BY_IDENTIFIER], ids=["token", "identifier"])
async def test_what_is_stored_is_told_a_last_time_and_cleared(
    talk: Any, who: dict[str, Any]
) -> None:
    _remember(talk)

    first = await _ask(talk, report=True, clear=True, **who)
    second = await _ask(talk, report=True, clear=True, **who)

    assert first == ["authorization cache: status Accepted, group FAMILY"]
    assert second == NOTHING
    assert talk.bench.store.tokens.known(IdToken("OTHER")) is not None


@pytest.mark.spec("2.0.1", "TC_N_32_CS")
async def test_clearing_without_a_report_is_confirmed(talk: Any) -> None:
    _remember(talk)

    told = await _ask(talk, report=False, clear=True, **BY_TOKEN)

    assert told == ["what was stored about this customer is cleared"]
    assert talk.bench.store.tokens.known(TOKEN) is None


async def test_a_token_in_use_is_told_with_its_place(talk: Any) -> None:
    await talk.bench.charge(evse_id=2)

    assert await _ask(talk, report=True, clear=True, **BY_TOKEN) == ["EVSE 2: in use now"]


def _reserve(talk: Any, reservation_id: int, token: IdToken, evse_id: int | None) -> None:
    expires = talk.bench.clock.now() + timedelta(hours=1)
    reservation = Reservation(reservation_id, expires, token, evse_id=evse_id)
    assert talk.bench.station.reservations.reserve(reservation) == "Accepted"


async def _removed(talk: Any) -> list[tuple[int, str]]:
    return [
        (sent.payload["reservationId"], sent.payload["reservationUpdateStatus"])
        for sent in await talk.tell()
        if sent.action == "ReservationStatusUpdate"
    ]


async def test_reservations_are_told_and_given_up(talk: Any) -> None:
    _reserve(talk, 5, TOKEN, 1)
    _reserve(talk, 6, IdToken("OTHER"), 2)

    told = await _ask(talk, report=True, clear=False, **BY_TOKEN)
    assert await _removed(talk) == []
    cleared = await _ask(talk, report=False, clear=True, **BY_TOKEN)

    assert told == ["reservation 5: EVSE 1 until 2026-03-01T11:00:00.000Z"]
    assert cleared == ["what was stored about this customer is cleared"]
    assert await _removed(talk) == [(5, "Removed")]
    assert [one.reservation_id for one in talk.bench.store.reservations.load()] == [6]


async def test_a_reservation_of_no_particular_place_is_told(talk: Any) -> None:
    _reserve(talk, 5, TOKEN, None)

    told = await _ask(talk, report=True, clear=False, **BY_TOKEN)

    assert told == ["reservation 5: any EVSE until 2026-03-01T11:00:00.000Z"]


async def test_messages_for_a_session_are_told_and_cleared(talk: Any) -> None:
    transaction = await talk.bench.charge(evse_id=1)
    for number, bound in ((1, transaction.transaction_id), (2, None)):
        text = Text(f"Message {number}")
        message = DisplayMessage(number, Priority.NORMAL_CYCLE, text, transaction_id=bound)
        talk.bench.station.displays.put(message)

    told = await _ask(talk, report=True, clear=True, **BY_TOKEN)

    assert told == ["EVSE 1: in use now\ndisplay message 1: Message 1"]
    assert [message.message_id for message in talk.bench.station.displays.find()] == [2]


@pytest.mark.spec("2.0.1", "TC_N_29_CS")
@pytest.mark.spec("2.0.1", "TC_N_33_CS")
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize(
    "who", [{}, CERTIFICATE, {**BY_TOKEN, **BY_IDENTIFIER}, {**BY_TOKEN, **CERTIFICATE}]
)
async def test_a_customer_that_cannot_be_found_is_invalid(
    talk: Any, who: dict[str, Any], *, clear: bool
) -> None:
    _remember(talk)

    answer = await talk.ask(
        "CustomerInformation", {"requestId": 7, "report": True, "clear": clear, **who}
    )

    assert answer == {"status": "Invalid"}
    assert talk.bench.store.tokens.known(TOKEN) is not None
    assert talk.csms.sent == []


async def test_neither_report_nor_clear_is_rejected(talk: Any) -> None:
    payload = {"requestId": 7, "report": False, "clear": False, **BY_TOKEN}

    assert await talk.ask("CustomerInformation", payload) == {"status": "Rejected"}


async def test_a_disk_that_refuses_is_rejected(talk: Any, monkeypatch: Any) -> None:
    def refuse(_: IdToken) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(talk.bench.store.tokens, "forget", refuse)
    payload = {"requestId": 7, "report": True, "clear": True, **BY_TOKEN}

    assert await talk.ask("CustomerInformation", payload) == {"status": "Rejected"}


@pytest.mark.parametrize("connected", [True, False])
async def test_a_connection_that_is_gone_ends_the_report(talk: Any, *, connected: bool) -> None:
    talk.csms.answers("NotifyCustomerInformation", CsmsUnavailable("gone"))
    payload = {"requestId": 7, "report": True, "clear": False, **BY_TOKEN}

    answer = await talk.ask("CustomerInformation", payload, lost=not connected)

    assert answer == {"status": "Accepted"}
    assert len(talk.csms.said("NotifyCustomerInformation")) == connected


async def test_what_is_cleared_goes_at_once_or_not_at_all(talk: Any) -> None:
    """The power may go after any commit, so there is only one."""
    transaction = await talk.bench.charge(evse_id=1)
    text, bound = Text("Hello"), transaction.transaction_id
    message = DisplayMessage(1, Priority.NORMAL_CYCLE, text, transaction_id=bound)
    talk.bench.station.displays.put(message)
    _remember(talk)
    _reserve(talk, 5, TOKEN, 2)
    store, commits = talk.bench.store, []

    def stored() -> tuple[bool, ...]:
        """What is there of the cache, the reservation, the message; and not told of it."""
        waiting = store._db.execute("SELECT 1 FROM journal WHERE kind = 'ReservationEnded'")
        return (
            store.tokens.known(TOKEN) is not None,
            bool(store.reservations.load()),
            bool(store.screens.messages()),
            not waiting.fetchall(),
        )

    def follow(statement: str) -> None:
        alone = not store._db.in_transaction and not statement.startswith(("BEGIN", "SELECT"))
        if alone or statement == "COMMIT":
            commits.append(statement)

    store._db.set_trace_callback(follow)
    talk.csms.sent.clear()
    await talk.ask(
        "CustomerInformation", {"requestId": 7, "report": False, "clear": True, **BY_TOKEN}
    )
    store._db.set_trace_callback(None)

    assert commits == ["COMMIT"]
    assert stored() == (False,) * 4
    assert talk.bench.station.reservations.known == ()
    assert talk.bench.station.displays.find() == ()
    assert await _removed(talk) == [(5, "Removed")]


async def test_what_could_not_be_cleared_is_all_still_there(
    talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _remember(talk)
    _reserve(talk, 5, TOKEN, 2)
    store = talk.bench.store

    def refuse(_: object) -> None:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(store, "_append", lambda *_, **__: refuse(0))
    payload = {"requestId": 7, "report": False, "clear": True, **BY_TOKEN}
    assert await talk.ask("CustomerInformation", payload) == {"status": "Rejected"}

    assert store.tokens.known(TOKEN) is not None
    assert [one.reservation_id for one in store.reservations.load()] == [5]
    assert [one.reservation_id for one in talk.bench.station.reservations.known] == [5]
