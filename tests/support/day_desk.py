"""The back offices that a day is spent at, and the small CSMS as one of them."""

import asyncio
import itertools
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

from chargepoint.bench.csms import (
    CallError,
    Fault,
    FaultKind,
    SchemaViolation,
    SmallCsms,
    StationAway,
)

_FAULTS: Final = [kind for kind in FaultKind if kind is not FaultKind.SILENCE]  # costs 30 s each


@dataclass(frozen=True, slots=True)
class End:
    """A message that ended a transaction, as the CSMS keeps it; ``name`` is its own of that."""

    station: str
    name: str
    message_id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a CSMS has of a day. ``starts`` are its own transactions, ended or not.

    ``ends`` has every copy of a message that came again. ``totals`` is the energy in Wh that it
    has itself reckoned, by the station and its own name of the transaction; None where it has none.
    """

    ends: list[End] = field(default_factory=list)
    starts: list[tuple[str, str]] = field(default_factory=list)
    totals: dict[tuple[str, str], Decimal | None] = field(default_factory=dict)


class Desk(Protocol):
    """A CSMS, its operators, and what it keeps."""

    url: str
    can_restart: bool

    async def admit(self, station: str) -> None:
        """Make a station known."""
        ...

    async def token(self) -> str:
        """A new token that may charge."""
        ...

    async def call(self, station: str, action: str, payload: dict[str, Any]) -> bool:
        """Call a station, and do not wait for what becomes of it; False if it is not there."""
        ...

    def disturb(self, coin: random.Random) -> bool:
        """Let something go wrong with a message that comes; False if it does not do that."""
        ...

    async def restart(self, *, kill: bool) -> None:
        """End it, in order or not, and start it again; returns once it is back."""
        ...

    async def kept(self, stations: Sequence[str]) -> Kept:
        """What it has of these stations."""
        ...


@dataclass(slots=True)
class SmallDesk:
    """The small CSMS as CitrineOS; a restart keeps what was written down, as a database would."""

    csms: SmallCsms
    restarts: int = 0
    can_restart: bool = True
    violations: list[SchemaViolation] = field(default_factory=list)
    _back: asyncio.Event = field(default_factory=asyncio.Event)
    _calls: "set[asyncio.Task[None]]" = field(default_factory=set)

    @classmethod
    async def open(cls, version: str) -> "SmallDesk":
        """One that listens."""
        csms = SmallCsms(versions=[version], like="citrineos")
        csms.answers.count_transactions = True
        await csms.__aenter__()
        desk = cls(csms)
        desk._back.set()
        return desk

    async def close(self) -> None:
        """It listens no more."""
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self.csms.__aexit__(None, None, None)
        self.violations += self.csms.violations

    @property
    def url(self) -> str:
        """Where stations connect to."""
        return self.csms.url

    async def admit(self, station: str) -> None:
        """It knows everybody."""

    async def token(self) -> str:
        """It accepts all."""
        return secrets.token_hex(7).upper()

    async def call(self, station: str, action: str, payload: dict[str, Any]) -> bool:
        """Call a station."""
        if station not in self.csms.stations or not self.csms.stations[station].connected:
            return False
        task = asyncio.create_task(self._call(station, action, payload))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return True

    async def _call(self, station: str, action: str, payload: dict[str, Any]) -> None:
        try:
            await self.csms.call(station, action, payload, within=timedelta(seconds=30))
        except (CallError, StationAway, TimeoutError):
            return

    def disturb(self, coin: random.Random) -> bool:
        """Its answers are lost or late, its connections gone, and it is busy with itself."""
        fault = Fault(
            coin.choice(_FAULTS),
            skip=coin.randrange(3),
            code="RpcFrameworkError",
            words="Call already in progress",
            delay=timedelta(seconds=0.5),
        )
        self.csms.faults.add(fault)
        return True

    async def restart(self, *, kill: bool) -> None:
        """What it knows of its stations is in its database; what it was told to do wrong is not."""
        before = self.csms
        for name, view in before.stations.items():
            if kill and view.connected:
                before.drop(name)
        await before.__aexit__(None, None, None)
        self.violations += before.violations
        after = SmallCsms(before.host, before.port, versions=before._versions, like="citrineos")
        after.stations.update(before.stations)
        after._script.answers = before.answers
        await after.__aenter__()
        self.csms = after

    async def kept(self, stations: Sequence[str]) -> Kept:
        """What stands in its ledger."""
        found = Kept()
        like = self.csms.like
        assert like is not None
        numbers = itertools.count()
        for station in stations:
            view = self.csms.stations[station]
            for one in view.transactions:
                found.starts.append((station, one.transaction_id))
                found.totals[station, one.transaction_id] = like.energy(one)
                found.ends.extend(
                    End(station, one.transaction_id, str(next(numbers)), payload)
                    for payload in one.payloads
                    if payload.get("eventType") == "Ended" or "meterStop" in payload
                )
        return found
