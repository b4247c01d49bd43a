"""Over a real WebSocket, on both versions: the vehicle comes elsewhere than its token is for."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case

TWO = (("cType2",), ("cType2",))
CARD = "04A1B2C3D4"

Open = Callable[[], AbstractAsyncContextManager[Case]]


@pytest.fixture(params=["1.6", "2.0.1"])
def version(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def opened(tmp_path: Path, version: str) -> Open:
    return partial(case, version, tmp_path, connectors=TWO)


def _starts(run: Case) -> list[tuple[int, str]]:
    """Where and on which token each transaction began, of those told since the last look."""
    found = []
    for one in run.take():
        if one.action == "StartTransaction":
            found.append((one.payload["connectorId"], one.payload["idTag"]))
        elif one.action == "TransactionEvent" and one.payload["eventType"] == "Started":
            found.append((one.payload["evse"]["id"], one.payload["idToken"]["idToken"]))
    return found


async def _remote_start(run: Case, version: str, evse: int | None) -> None:
    if version == "1.6":
        more = {} if evse is None else {"connectorId": evse}
        answer = await run.ask("RemoteStartTransaction", idTag=CARD, **more)
    else:
        more = {} if evse is None else {"evseId": evse}
        token = {"idToken": CARD, "type": "ISO14443"}
        answer = await run.ask("RequestStartTransaction", idToken=token, remoteStartId=1, **more)
    assert answer["status"] == "Accepted"


@pytest.mark.parametrize("evse", [1, 2])
async def test_a_token_begins_where_its_vehicle_is_plugged(opened: Open, evse: int) -> None:
    async with opened() as run:
        run.take()
        await run.swipe(CARD)
        await run.advance(5)

        await run.plug(evse)
        await run.advance(120)

        assert _starts(run) == [(evse, CARD)]
        assert [outlet.closed for outlet in run.outlets.values()] == [evse == 1, evse == 2]
        await run.swipe(CARD)
        assert not run.outlets[evse].closed


async def test_a_token_begins_elsewhere_without_connection_too(opened: Open) -> None:
    async with opened() as run:
        await run.charge(CARD)
        await run.swipe(CARD)
        await run.unplug()
        run.take()
        await run.cut()
        await run.swipe(CARD)
        await run.plug(evse=2)
        await run.advance(30)

        await run.back()

        assert _starts(run) == [(2, CARD)]
        assert run.outlets[2].closed


@pytest.mark.parametrize(("named", "where"), [(None, [(2, CARD)]), (1, [])])
async def test_a_remote_start_goes_elsewhere_only_if_it_named_no_evse(
    opened: Open, version: str, named: int | None, where: list[tuple[int, str]]
) -> None:
    async with opened() as run:
        run.take()
        await _remote_start(run, version, named)

        await run.plug(evse=2)
        await run.advance(120)

        assert _starts(run) == where
        assert run.outlets[2].closed is bool(where)


async def test_a_power_cut_takes_back_who_waits_for_a_vehicle(opened: Open) -> None:
    async with opened() as run:
        run.take()
        await run.swipe(CARD)
        await run.restart()

        await run.plug(evse=2)
        await run.advance(120)
        assert _starts(run) == []
        await run.swipe(CARD)

        assert _starts(run) == [(2, CARD)]
