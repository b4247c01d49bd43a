"""CitrineOS as the back office of a day; a command that its owner gives restarts it."""

import asyncio
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import aiohttp
from citrine_office import TENANT, Door, Office
from day_desk import End, Kept

_PATIENCE: Final = aiohttp.ClientTimeout(total=10)
_ENDS: Final = (
    'SELECT "stationId", "correlationId", message->3 FROM "OCPPMessages"'
    " WHERE \"stationId\" = ANY(%s) AND origin = 'cs' AND message->>0 = '2'"
    " AND (message->3->>'eventType' = 'Ended' OR message->>2 = 'StopTransaction') ORDER BY id"
)
_TOTALS: Final = (
    'SELECT "stationId", "transactionId", "totalKwh" FROM "Transactions"'
    ' WHERE "stationId" = ANY(%s) ORDER BY id'
)


@dataclass(slots=True)
class CitrineDesk:
    """``command`` restarts it; it gets KILL or TERM. Empty: nobody may."""

    office: Office
    door: Door
    command: str = ""

    @property
    def url(self) -> str:
        """Where stations connect to."""
        return self.door.url

    @property
    def can_restart(self) -> bool:
        """Whether somebody said how."""
        return bool(self.command)

    async def admit(self, station: str) -> None:
        """As an operator would."""
        await self.office.enter_station(station, None)

    async def token(self) -> str:
        """As an operator would."""
        return await self.office.enter_token()

    async def call(self, station: str, action: str, payload: dict[str, Any]) -> bool:
        """Through the REST interface; it says at once whether the station is there."""
        name = self.office.calls[self.door.version, action]
        path = f"{name}?identifier={station}&tenantId={TENANT}"
        try:
            url = self.office.rest + path
            async with self.office.http.post(url, json=payload, timeout=_PATIENCE) as answer:
                if answer.status != 200:
                    text = await answer.text()
                    assert answer.status >= 500, f"{action}: {answer.status} {text}"
                    return False
                return bool((await answer.json())[0]["success"])
        except (aiohttp.ClientConnectionError, TimeoutError):
            return False

    def disturb(self, _: random.Random) -> bool:
        """It goes wrong by itself."""
        return False

    async def restart(self, *, kill: bool) -> None:
        """Let its owner's command do it."""
        command = [*self.command.split(), "KILL" if kill else "TERM"]
        done = await asyncio.to_thread(
            subprocess.run, command, check=False, stdin=subprocess.DEVNULL, capture_output=True
        )
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"

    async def kept(self, stations: Sequence[str]) -> Kept:
        """Out of its tables."""
        names = list(stations)
        ends = [
            End(station, _name(payload), message_id, payload)
            for station, message_id, payload in await self.office.rows(_ENDS, names)
        ]
        totals = {
            (station, str(name)): None if kwh is None else Decimal(kwh) * 1000
            for station, name, kwh in await self.office.rows(_TOTALS, names)
        }
        return Kept(ends, list(totals), totals)


def _name(payload: dict[str, Any]) -> str:
    if "transactionInfo" in payload:
        return str(payload["transactionInfo"]["transactionId"])
    return str(payload["transactionId"])
