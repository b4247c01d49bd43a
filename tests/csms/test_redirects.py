"""The link goes where the config says: an answer that sends it elsewhere is a refusal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from chargepoint.csms.link import LinkConfig, open_connection
from chargepoint.csms.outage import Outage

OCPP = Subprotocol("ocpp2.0.1")


@asynccontextmanager
async def csms(seen: list[str], where: str = "") -> AsyncIterator[int]:
    """Takes stations, or sends them elsewhere; gives its port, keeps the credentials it saw."""

    def process(connection: ServerConnection, request: Request) -> Response | None:
        seen.append(request.headers.get("Authorization", ""))
        if not where:
            return None
        answer = connection.respond(HTTPStatus.TEMPORARY_REDIRECT, "there")
        answer.headers["Location"] = where
        return answer

    async def idle(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(idle, "127.0.0.1", 0, subprotocols=[OCPP], process_request=process) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_redirect_is_a_refusal_and_takes_no_password_along(host: str) -> None:
    here: list[str] = []
    there: list[str] = []
    async with csms(there) as target, csms(here, f"ws://{host}:{target}/ocpp/CP1") as port:
        config = LinkConfig(
            url=f"ws://127.0.0.1:{port}/ocpp",
            station_id="CP1",
            subprotocols=(OCPP,),
            password=b"hush",
        )

        with pytest.raises(Outage, match="307"):
            await open_connection(config)

    assert len(here) == 1
    assert there == []
