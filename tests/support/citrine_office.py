"""A CitrineOS that runs somewhere: its doors, its REST interface, and what stands in its database.

Its tables are read as they are; what its operators would enter on a screen is written into them,
for there is no other way without its whole deployment.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp

TOKEN: Final = "04A1B2C3D4E5F6"
TENANT: Final = 1
PATIENCE: Final = timedelta(seconds=75)
"""Two calls at a time: CitrineOS parks the second for 30 s, and that may happen twice in a row."""

_CALL: Final = 2
_CALL_ERROR: Final = 4
_STEP_S: Final = 0.1
Found = TypeVar("Found")


class CallError(Exception):
    """The station answered a call of CitrineOS with an error."""


class Unable(Exception):  # noqa: N818 - reads as a state
    """CitrineOS did not hand a call over; the words are its own."""


@dataclass(frozen=True, slots=True)
class Door:
    """A port of CitrineOS: one version of OCPP, one security profile."""

    version: str
    profile: int
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as CitrineOS keeps it."""

    id: int
    message_id: str
    action: str
    frame: list[Any]

    @property
    def payload(self) -> dict[str, Any]:
        """Of a call or of an answer; empty of one that refuses."""
        payload: dict[str, Any] = {} if self.frame[0] == _CALL_ERROR else self.frame[-1]
        return payload


@dataclass(slots=True)
class Office:
    """The running CitrineOS. ``doors`` and the ``calls`` it offers are found by asking it."""

    rest: str
    http: aiohttp.ClientSession
    database: Any  # a psycopg.AsyncConnection; the package is only there where it is needed
    doors: dict[tuple[str, int], Door] = field(default_factory=dict)
    calls: dict[tuple[str, str], str] = field(default_factory=dict)  # version, action: path

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database answers."""
        cursor = await self.database.execute(query, values)
        found: list[tuple[Any, ...]] = await cursor.fetchall()
        return found

    async def write(self, query: str, *values: Any) -> None:
        """A change in the database."""
        await self.database.execute(query, values)

    # --- what an operator does ------------------------------------------------------------

    async def enter_station(self, station: str, password: str | None) -> None:
        """Make the station known, with its password if it has one."""
        await self.write(
            'INSERT INTO "ChargingStations" (id, "tenantId", "createdAt", "updatedAt")'
            " VALUES (%s, %s, now(), now()) ON CONFLICT DO NOTHING",
            station,
            TENANT,
        )
        if password is not None:
            body = {"stationId": station, "password": password, "setOnCharger": True}
            await self.post(f"/data/configuration/password?tenantId={TENANT}", body)

    async def enter_token(self) -> str:
        """A token that may charge, of a kind that both versions have."""
        token = secrets.token_hex(7).upper()
        await self.write(
            'INSERT INTO "Authorizations"'
            ' ("idToken", "idTokenType", status, "tenantId", "createdAt", "updatedAt")'
            " VALUES (%s, 'ISO14443', 'Accepted', %s, now(), now())",
            token,
            TENANT,
        )
        return token

    async def post(self, path: str, body: Any, *, method: str = "POST") -> Any:
        """A request to the REST interface."""
        async with self.http.request(method, self.rest + path, json=body) as answer:
            text = await answer.text()
            assert answer.ok, f"{method} {path}: {answer.status} {text}"
            return json.loads(text) if text else None

    async def hand_over(self, door: Door, station: str, action: str, **payload: Any) -> int:
        """Let CitrineOS call the station; the number of its last message before that.

        Raises:
            Unable: it did not.
        """
        last = await self.last(station)
        path = self.calls[door.version, action]
        url = f"{self.rest}{path}?identifier={station}&tenantId={TENANT}"
        async with self.http.post(url, json=payload) as answer:
            text = await answer.text()
        given = json.loads(text) if answer.ok else []
        if [one["success"] for one in given] != [True]:
            raise Unable(f"CitrineOS does not hand {action} over: {answer.status} {text[:200]}")
        return last

    async def ask(self, door: Door, station: str, action: str, **payload: Any) -> dict[str, Any]:
        """Let CitrineOS call the station, and take the answer out of its database.

        Raises:
            CallError: the station answered with one.
            Unable: CitrineOS did not hand it over.
        """
        last = await self.hand_over(door, station, action, **payload)
        call = await self.wait_for(station, action, origin="csms", after=last)

        async def answered() -> Message | None:
            found = await self.messages(station, origin="cs", after=last)
            mine = [one for one in found if one.message_id == call.message_id]
            return mine[0] if mine else None

        answer = await until(answered, f"an answer to {action}")
        if answer.frame[0] == _CALL_ERROR:
            raise CallError(answer.frame[2:])
        return answer.payload

    # --- what it keeps --------------------------------------------------------------------

    async def last(self, station: str) -> int:
        """The number of the newest message of a station; 0 if there is none."""
        [(number,)] = await self.rows(
            'SELECT coalesce(max(id), 0) FROM "OCPPMessages" WHERE "stationId" = %s', station
        )
        return int(number)

    async def messages(
        self, station: str, action: str | None = None, *, origin: str = "cs", after: int = 0
    ) -> list[Message]:
        """What the station (``cs``) or CitrineOS (``csms``) sent, in order of arrival.

        With an ``action`` only calls.
        """
        rows = await self.rows(
            'SELECT id, "correlationId", action, message FROM "OCPPMessages"'
            ' WHERE "stationId" = %s AND origin = %s AND id > %s ORDER BY id',
            station,
            origin,
            after,
        )
        found = [Message(*row) for row in rows]
        if action is None:
            return found
        return [one for one in found if one.frame[0] == _CALL and one.frame[2] == action]

    async def wait_for(
        self,
        station: str,
        action: str,
        true: Callable[[dict[str, Any]], bool] = lambda _: True,
        *,
        origin: str = "cs",
        after: int = 0,
    ) -> Message:
        """The first such call, as soon as it is kept."""

        async def kept() -> Message | None:
            found = await self.messages(station, action, origin=origin, after=after)
            return next((one for one in found if true(one.payload)), None)

        return await until(kept, f"{action} from {origin}")

    async def answer_to(self, station: str, call: Message) -> Message:
        """What CitrineOS answered to a call of the station, as soon as it is kept."""

        async def kept() -> Message | None:
            sent = await self.messages(station, origin="csms", after=call.id - 1)
            return next((one for one in sent if one.message_id == call.message_id), None)

        return await until(kept, f"an answer to {call.action}")


async def until(
    look: Callable[[], Awaitable[Found | None]], what: str, patience: timedelta = PATIENCE
) -> Found:
    """What ``look`` finds, once it finds something."""
    try:
        async with asyncio.timeout(patience.total_seconds()):
            while not (found := await look()):  # noqa: ASYNC110 - another program
                await asyncio.sleep(_STEP_S)
    except TimeoutError:
        raise AssertionError(f"no {what} within {patience.total_seconds():g} s") from None
    return found


@asynccontextmanager
async def office(given: dict[str, str]) -> AsyncIterator[Office]:
    """The CitrineOS that the variables of the environment name."""
    import psycopg

    async with (
        aiohttp.ClientSession() as http,
        await psycopg.AsyncConnection.connect(
            given["CITRINEOS_DATABASE_URL"], autocommit=True
        ) as database,
    ):
        found = Office(given["CITRINEOS_REST"].rstrip("/"), http, database)
        found.doors = await _doors(found, given)
        found.calls = await _calls(found)
        yield found


async def _doors(found: Office, given: dict[str, str]) -> dict[tuple[str, int], Door]:
    """The two that are named, and those that CitrineOS says it has beside them."""
    servers = await found.post(f"/data/ocpprouter/websocket?tenantId={TENANT}", None, method="GET")
    host = urlsplit(given["CITRINEOS_WS_201"]).hostname
    doors = {}
    for server in servers:
        version = server["protocol"].removeprefix("ocpp")
        profile = int(server["securityProfile"])
        scheme = "wss" if profile > 1 else "ws"
        name = "localhost" if profile > 1 and host == "127.0.0.1" else host
        doors[version, profile] = Door(version, profile, f"{scheme}://{name}:{server['port']}")
    for version, variable in (("2.0.1", "CITRINEOS_WS_201"), ("1.6", "CITRINEOS_WS_16")):
        doors[version, 0] = Door(version, 0, given[variable])
    return doors


async def _calls(found: Office) -> dict[tuple[str, str], str]:
    """The calls to a station that its REST interface has, by version and action."""
    described = await found.post("/docs/json", None, method="GET")
    calls = {}
    for path in described["paths"]:
        match path.split("/"):
            case ["", "ocpp", version, _, action]:
                calls[version, action[0].upper() + action[1:]] = path
    return calls
