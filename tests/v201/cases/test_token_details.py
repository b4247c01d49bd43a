"""What comes with a token, and what the CSMS says of it besides yes and no (block C)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case
from token_cases import ACCEPTED, CARD, Office, asked, events

from chargepoint.core.model import AdditionalInfo, IdToken, IdTokenType

Open = Callable[..., AbstractAsyncContextManager[Case]]

TWO = (("cType2",), ("cType2",))
PIN = AdditionalInfo("1234", "PIN")
WITH_PIN = {
    "idToken": CARD,
    "type": "ISO14443",
    "additionalInfo": [{"additionalIdToken": "1234", "type": "PIN"}],
}


def _tokens(sent: list[Any]) -> list[dict[str, Any]]:
    """The token of every message that names one."""
    return [one.payload["idToken"] for one in sent if "idToken" in one.payload]


async def test_what_comes_with_a_token_is_told_with_it(open_case: Open) -> None:
    async with open_case() as run:
        await run.plug()
        await run.swipe(IdToken(CARD, additional=(PIN,)))
        sent = run.take()

        assert asked(sent) == [CARD]
        assert _tokens(sent) == [WITH_PIN] * 2
        await run.swipe(CARD)
        (ended,) = events(run.take())
        assert ended["idToken"] == {"idToken": CARD, "type": "ISO14443"}, "as it was presented"


async def test_what_comes_with_a_token_is_told_after_a_power_cut_too(open_case: Open) -> None:
    async with open_case(settings={"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}) as run:
        await run.cut()
        await run.plug()
        await run.swipe(IdToken(CARD, additional=(PIN,)))
        await run.restart()
        run.take()

        await run.back()

        assert _tokens(run.take())[0] == WITH_PIN


async def test_what_a_remote_start_says_with_its_token_is_told_again(open_case: Open) -> None:
    async with open_case(settings={"AuthCtrlr.AuthorizeRemoteStart": "true"}) as run:
        await run.plug()
        answer = await run.ask("RequestStartTransaction", idToken=WITH_PIN, remoteStartId=1)
        sent = run.take()

        assert answer == {"status": "Accepted"}
        assert _tokens(sent) == [WITH_PIN] * 2


async def test_more_than_the_station_takes_with_a_token_is_rejected(open_case: Open) -> None:
    where = {
        "component": {"name": "AuthCtrlr"},
        "variable": {"name": "AdditionalInfoItemsPerMessage"},
    }
    async with open_case() as run:
        answer = await run.ask("GetVariables", getVariableData=[where])
        most = int(answer["getVariableResult"][0]["attributeValue"])
        many = {**WITH_PIN, "additionalInfo": WITH_PIN["additionalInfo"] * (most + 1)}

        answer = await run.ask("RequestStartTransaction", idToken=many, remoteStartId=1)

        assert answer["status"] == "Rejected"
        assert answer["statusInfo"]["reasonCode"] == "TooManyElements"


@pytest.mark.spec("2.0.1", "C07.FR.01")
async def test_a_contract_is_asked_about_by_its_id(open_case: Open) -> None:
    contract = IdToken("DE8ACC12E46L89", IdTokenType.EMAID)
    async with open_case() as run:
        await run.plug()
        await run.swipe(contract)

        assert _tokens(run.take()) == [{"idToken": "DE8ACC12E46L89", "type": "eMAID"}] * 2
        assert run.outlets[1].closed


@pytest.mark.spec("2.0.1", "C01.FR.21")
@pytest.mark.parametrize("how", ["asked", "cached", "listed", "cached offline", "remote"])
async def test_a_token_gives_energy_only_where_the_csms_lets_it(open_case: Open, how: str) -> None:
    only_2 = {**ACCEPTED, "evseId": [2]}
    settings = {"AuthCtrlr.LocalPreAuthorize": "true", "AuthCtrlr.AuthorizeRemoteStart": "true"}
    async with open_case(connectors=TWO, settings=settings) as run:
        office = Office(run)
        if how == "listed":
            await office.put_on_list(**{CARD: only_2})
        elif how.startswith("cached"):
            await office.cache(CARD, evseId=[2])
        office.words[CARD] = only_2
        await run.plug(1)
        await run.plug(2)
        if how.endswith("offline"):
            await run.cut()
        run.take()

        if how == "remote":
            token = {"idToken": CARD, "type": "ISO14443"}
            await run.ask("RequestStartTransaction", evseId=1, idToken=token, remoteStartId=1)
        else:
            await run.swipe(CARD, evse=1)
        assert not run.outlets[1].closed
        await run.swipe(CARD)

        assert [outlet.closed for outlet in run.outlets.values()] == [False, True]
        assert len(asked(run.take())) == {"asked": 1, "remote": 1}.get(how, 0)


@pytest.mark.spec("2.0.1", "C01.FR.08")
@pytest.mark.spec("2.0.1", "C01.FR.09")
@pytest.mark.parametrize("remote", [False, True])
async def test_the_screen_knows_the_languages_of_who_charges(
    open_case: Open, *, remote: bool
) -> None:
    message = {"format": "UTF8", "language": "de", "content": "0,45 EUR je kWh"}
    info = {**ACCEPTED, "language1": "de", "language2": "en", "personalMessage": message}
    settings = {"AuthCtrlr.AuthorizeRemoteStart": "true", "TariffCostCtrlr.Enabled#Tariff": "true"}
    async with open_case(settings=settings) as run:
        office = Office(run)
        office.words[CARD] = info
        pictures: Any = run.station.board
        assert pictures.pictures[1].languages == ()
        if remote:
            token = {"idToken": CARD, "type": "ISO14443"}
            await run.ask("RequestStartTransaction", evseId=1, idToken=token, remoteStartId=1)
        else:
            await run.swipe(CARD)
        await run.plug()

        shown = pictures.pictures[1]
        assert shown.languages == ("de", "en")
        assert [(words.language, words.content) for words in shown.words] == [
            ("de", "0,45 EUR je kWh")
        ]
        await run.swipe(CARD)
        assert pictures.pictures[1].languages == ()
