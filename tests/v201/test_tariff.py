"""Block I: what a driver reads of the price."""

from decimal import Decimal
from typing import Any

import pytest
from station_bench import REMOTE_STOP, TOKEN, station_bench

from chargepoint.core.inputs import Plugged, TokenAccepted, Unplugged, VehicleReady
from chargepoint.core.model import Authorization, IdToken, Source, Text
from chargepoint.core.variables import Address
from chargepoint.v201 import wire
from meters.model import BillingTransaction, Reading

TARIFF = {"format": "UTF8", "content": "0,39 EUR/kWh", "language": "de"}
PERSONAL = Text("0,39 EUR/kWh", "UTF8", "de")


async def charge(talk: Any, message: Text | None = None) -> str:
    authorization = Authorization(TOKEN, Source.CSMS, personal_message=message)
    await talk.bench.feed(Plugged(), VehicleReady(ready=True), TokenAccepted(authorization))
    transaction_id: str = talk.bench.state().transaction.transaction_id
    return transaction_id


def seen(talk: Any) -> list[str]:
    return [text.content for text in talk.bench.station.displays.texts(1)]


def written(talk: Any) -> list[str]:
    """The tariff texts that the meter is given for its records, from now on."""
    meter, texts = talk.bench.meters[1], list[str]()
    begin = meter.begin

    async def noted(transaction: BillingTransaction) -> Reading:
        texts.append(transaction.tariff_text)
        reading: Reading = await begin(transaction)
        return reading

    meter.begin = noted
    return texts


def put(talk: Any, variable: str, value: str) -> None:
    address = Address.parse(f"TariffCostCtrlr.{variable}")
    assert talk.bench.station.model.set(address, value).answer == "Accepted"


@pytest.mark.spec("2.0.1", "TC_I_01_CS")
@pytest.mark.spec("2.0.1", "I01.FR.01")
@pytest.mark.spec("2.0.1", "I02.FR.01")
async def test_the_running_cost_that_the_csms_tells_is_shown_beside_the_tariff(talk: Any) -> None:
    tariffs = written(talk)
    info = {"status": "Accepted", "personalMessage": TARIFF}
    assert wire.known(info).personal_message == PERSONAL
    talk.csms.answers("Authorize", {"idTokenInfo": info})
    await talk.bench.feed(Plugged(), VehicleReady(ready=True))
    await talk.bench.station.authorizer.present(TOKEN)
    transaction_id = talk.bench.state().transaction.transaction_id
    before = seen(talk)

    answer = await talk.ask("CostUpdated", {"totalCost": 1.25, "transactionId": transaction_id})
    first = seen(talk)
    await talk.ask("CostUpdated", {"totalCost": 2, "transactionId": transaction_id})

    assert answer == {}
    assert (before, first) == ([PERSONAL.content], [PERSONAL.content, "1.25 EUR"])
    assert seen(talk) == [PERSONAL.content, "2.00 EUR"]
    assert tariffs == [PERSONAL.content]


@pytest.mark.spec("2.0.1", "TC_I_02_CS")
@pytest.mark.spec("2.0.1", "I03.FR.02")
async def test_the_final_cost_is_shown_until_the_vehicle_has_gone(talk: Any) -> None:
    await charge(talk)
    await talk.tell()
    talk.csms.answers("TransactionEvent", {"totalCost": 7.5})
    await talk.bench.feed(REMOTE_STOP)
    await talk.tell()
    await talk.bench.clock.advance(600)
    after = seen(talk)

    await talk.bench.feed(Unplugged())

    assert (after, seen(talk)) == (["7.50 EUR"], [])


@pytest.mark.spec("2.0.1", "TC_I_07_CS")
async def test_answers_to_events_tell_costs_and_a_new_personal_message(talk: Any) -> None:
    await charge(talk, PERSONAL)
    talk.csms.answers(
        "TransactionEvent",
        {"totalCost": 0.5, "updatedPersonalMessage": {"format": "UTF8", "content": "new"}},
    )

    await talk.tell()

    assert seen(talk) == ["new", "0.50 EUR"]


async def test_a_session_whose_cost_nobody_told_ends_with_the_fallback(talk: Any) -> None:
    tariffs = written(talk)
    put(talk, "TotalCostFallbackMessage", "The invoice tells")
    put(talk, "TariffFallbackMessage", "See our page")
    await charge(talk)
    running = seen(talk)

    await talk.bench.feed(REMOTE_STOP)

    assert (running, seen(talk)) == (["See our page"], ["The invoice tells"])
    assert tariffs == ["See our page"]


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("Currency", "CHF", [PERSONAL.content, "1.00 CHF"]),
        ("Enabled#Tariff", "false", ["1.00 EUR"]),
        ("Enabled#Cost", "false", [PERSONAL.content]),
    ],
)
async def test_the_settings_say_what_is_shown(
    talk: Any, variable: str, value: str, shown: list[str]
) -> None:
    transaction_id = await charge(talk, PERSONAL)
    await talk.ask("CostUpdated", {"totalCost": 1, "transactionId": transaction_id})

    put(talk, variable, value)

    assert seen(talk) == shown


async def test_a_cost_of_a_session_that_nobody_knows_changes_nothing(talk: Any) -> None:
    await charge(talk)

    assert await talk.ask("CostUpdated", {"totalCost": 1, "transactionId": "nobody"}) == {}
    assert await talk.ask("CostUpdated", {"totalCost": 1, "transactionId": ""}) == {}

    assert seen(talk) == []


async def test_a_late_final_cost_does_not_disturb_the_next_session(talk: Any) -> None:
    first = await charge(talk)
    await talk.bench.feed(REMOTE_STOP)
    await talk.bench.feed(TokenAccepted(Authorization(IdToken("OTHER"), Source.CSMS)))

    await talk.ask("CostUpdated", {"totalCost": 9, "transactionId": first})

    assert seen(talk) == []


async def test_a_cached_token_brings_its_message_along(talk: Any) -> None:
    known = wire.known({"status": "Accepted", "personalMessage": TARIFF})
    talk.bench.station.authorizer.learn(TOKEN, known)
    await talk.cut()
    await talk.bench.feed(Plugged(), VehicleReady(ready=True))

    await talk.bench.station.authorizer.present(TOKEN)

    assert seen(talk) == [PERSONAL.content]


async def test_costs_survive_a_restart(tmp_path: Any) -> None:
    async with station_bench(tmp_path) as bench:
        transaction = await bench.charge()
        assert bench.station.displays.cost(transaction.transaction_id, Decimal("4.2"))

    async with station_bench(tmp_path, running=True) as bench:
        texts = [text.content for text in bench.station.displays.texts(1)]
        assert texts == ["4.20 EUR"]
        await bench.clock.advance(61)
        assert bench.station.board.pictures[1].words == ()


async def test_the_answer_to_the_start_brings_the_tariff_of_a_token_nobody_asked_about(
    talk: Any,
) -> None:
    await charge(talk)
    info = {"idTokenInfo": {"status": "Accepted", "personalMessage": TARIFF}}
    talk.csms.answers("TransactionEvent", info)

    await talk.tell()

    assert seen(talk) == [PERSONAL.content]
