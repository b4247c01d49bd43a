"""A day of sessions at a CSMS, sped up, with everything that goes wrong in it.

Vehicles come and go at several outlets of several stations while links are cut, the CSMS restarts,
stations lose their power, and operators ask for things at bad moments. What happens is chosen from
a seed, and happens as often on a slow machine: between so many sessions, not seconds. At the end
everything is told, and the books are kept (``day_books``).
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from day_books import Books, Found, keep_books, look
from day_calls import CALLS, operative, remote_start, remote_stop
from day_desk import Desk, Kept
from day_link import Relay
from day_site import DaySite, until

Act: TypeAlias = Callable[[random.Random], Awaitable[None]]

_CUTS: Final = ("resets", "half open", "disconnected")  # in turn
_GIVEN_UP_S: Final = 5.0  # a session that the CSMS was to start or stop is then driven by hand
_STUCK_S: Final = 120.0
_MUCH: Final = 50  # messages, of some six sessions
_STEP_S: Final = 0.1
_STEPS: Final = 4  # of a session: the vehicle comes, charges, has charged, leaves


@dataclass(frozen=True, slots=True)
class Plan:
    """How a day is.

    ``cuts`` and what follows it is how many sessions there are between two of a kind, on average;
    0 is never. ``charging_s`` is how long a vehicle charges at most, ``over_s`` how long the
    stations may take in the end until everything is told.
    """

    version: str
    sessions: int
    seed: int = 1
    stations: int = 1
    outlets: int = 6
    lapse: int = 60
    charging_s: float = 4.0
    cuts: float = 8
    restarts: float = 80
    kills: float = 50
    calls: float = 1.5
    faults: float = 0
    over_s: float = 300.0


@dataclass(slots=True)
class Day:
    """One day. ``counts`` is how often what happened.

    ``found`` is what stations and meters had in the end, ``kept`` what the CSMS had.
    """

    plan: Plan
    desk: Desk
    sites: list[DaySite] = field(default_factory=list)
    relays: list[Relay] = field(default_factory=list)
    counts: "Counter[str]" = field(default_factory=Counter)
    begun: set[str] = field(default_factory=set)
    found: list[Found] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)
    _busy: int = 0
    _seconds: float = 0.0
    _steps: int = 0
    _stepped: asyncio.Event = field(default_factory=asyncio.Event)  # replaced with every step

    async def spend(self, folder: Path) -> Books:
        """All of it; the books when everything is told.

        Raises:
            AssertionError: something that had to happen did not.
        """
        plan = self.plan
        async with AsyncExitStack() as stack:
            for number in range(plan.stations):
                relay = await stack.enter_async_context(Relay(self.desk.url))
                name = f"day-{random.SystemRandom().randrange(16**8):08x}-{number}"
                site = DaySite(name, folder / name, plan.version, plan.outlets, plan.lapse)
                stack.callback(site.stop)
                self.relays.append(relay)
                self.sites.append(site)
                await self.desk.admit(name)
                await site.open(relay.url)
            began = time.monotonic()
            await self._live()
            self._seconds = time.monotonic() - began
            await self._told()
            self.found = [await look(site) for site in self.sites]
            self.kept = await self.desk.kept([site.id for site in self.sites])
        return keep_books(self.found, self.kept)

    def table(self, books: Books) -> str:
        """What happened and what came of it, for people."""
        counts, plan = self.counts, self.plan
        restarts = str(counts["restarts"]) if self.desk.can_restart else "none: nobody said how"
        rows = {
            "OCPP, seed": f"{plan.version}, {plan.seed}",
            "stations, outlets": f"{plan.stations}, {plan.stations * plan.outlets}",
            "sessions": f"{books.sessions} in {self._seconds:.0f} s",
            "  begun by the CSMS": str(counts["remote starts"]),
            "  ended by the CSMS": str(counts["remote stops"]),
            "link cuts (reset, half open, by hand)": _several(counts, *_CUTS),
            "CSMS restarts": restarts,
            "stations killed": str(counts["kills"]),
            "messages lost, refused, answered late": str(counts["faults"]),
            "server calls (of these not handed over)": (
                f"{counts['calls']} ({counts['calls not handed over']})"
            ),
            "records verified": str(books.verified),
            "records twice": str(books.twice),
            "records missing": str(books.missing),
            "messages told again, same id": str(books.again),
            "begun at the CSMS, answer lost": f"{books.orphans} (refused then: {books.unnamed})",
            "Wh of the meters": f"{books.meters_wh:f}",
            "Wh of the records": f"{books.records_wh:f}",
            "Wh the CSMS reckoned itself": f"{books.totals_wh:f} ({len(books.totals_off)} differ)",
        }
        return "\n".join(f"{name:<42}{value}" for name, value in rows.items())

    # --- what happens ---------------------------------------------------------------------

    async def _live(self) -> None:
        plan, over = self.plan, asyncio.Event()
        restarts = plan.restarts if self.desk.can_restart else 0
        kinds: list[tuple[str, float, Act]] = [
            ("cuts", plan.cuts, self._cut),
            ("kills", plan.kills, self._kill),
            ("calls", plan.calls, self._call),
            ("faults", plan.faults, self._fault),
            ("restarts", restarts, self._restart),
        ]
        async with asyncio.TaskGroup() as tasks:
            for name, sessions, act in kinds:
                if sessions:
                    tasks.create_task(self._trouble(name, sessions * _STEPS, act, over))
            async with asyncio.TaskGroup() as vehicles:
                for site in self.sites:
                    for number in site.numbers:
                        vehicles.create_task(self._vehicles(site, number))
            over.set()
            self._step()

    async def _trouble(self, name: str, pause: float, act: Act, over: asyncio.Event) -> None:
        """One kind of it again and again. Once begun it is finished: nobody stays in the dark."""
        coin = self._coin(name)
        while True:
            due = self._steps + pause * coin.uniform(0.5, 1.5)
            while self._steps < due and not over.is_set():
                await self._stepped.wait()
            if over.is_set():
                return
            await act(coin)

    def _step(self) -> None:
        """A session is one step further."""
        self._steps += 1
        self._stepped.set()
        self._stepped = asyncio.Event()

    def _coin(self, name: str) -> random.Random:
        return random.Random(f"{self.plan.seed} {name}")  # noqa: S311 - nothing secret

    async def _cut(self, coin: random.Random) -> None:
        at = coin.randrange(len(self.sites))
        site, relay = self.sites[at], self.relays[at]
        self.counts["cuts"] += 1
        match _CUTS[self.counts["cuts"] % len(_CUTS)]:
            case "resets":
                self.counts["resets"] += 1
                relay.cut()
            case "half open":
                self.counts["half open"] += 1
                relay.half_open()
                await asyncio.sleep(coin.uniform(0.5, 8))
                relay.cut()
            case _:
                self.counts["disconnected"] += await site.post("/v1/network/disconnect", {})
                await asyncio.sleep(coin.uniform(0.5, 6))
                await self._reconnected(site)

    async def _reconnected(self, site: DaySite) -> None:
        """A station that is switched off comes back connected."""
        life = site.lives
        while site.lives == life and not await site.post(  # noqa: ASYNC110 - another program
            "/v1/network/connect", {}
        ):
            await asyncio.sleep(_STEP_S)

    async def _kill(self, coin: random.Random) -> None:
        site = coin.choice(self.sites)
        self.counts["kills"] += 1
        await site.cut_power()
        await asyncio.sleep(coin.uniform(0, 1))
        await site.start()

    async def _restart(self, coin: random.Random) -> None:
        self.counts["restarts"] += 1
        await self.desk.restart(kill=coin.random() < 0.6)

    async def _fault(self, coin: random.Random) -> None:
        self.counts["faults"] += self.desk.disturb(coin)

    async def _call(self, coin: random.Random) -> None:
        site = coin.choice(self.sites)
        for action, payload in coin.choice(CALLS[self.plan.version])(coin, site.outlets):
            await self._ask(site, action, payload)
            await asyncio.sleep(coin.uniform(0, 1))

    async def _ask(self, site: DaySite, action: str, payload: dict[str, Any]) -> bool:
        done = await self.desk.call(site.id, action, payload)
        self.counts["calls"] += 1
        self.counts["calls not handed over"] += not done
        return done

    # --- vehicles -------------------------------------------------------------------------

    async def _vehicles(self, site: DaySite, number: int) -> None:
        """One after the other at one outlet, until there were enough."""
        coin = self._coin(f"{site.id[-1]} {number}")
        while len(self.begun) < self.plan.sessions:
            if len(self.begun) + self._busy >= self.plan.sessions:
                await asyncio.sleep(_STEP_S)  # others may fail
                continue
            self._busy += 1
            await self._caught_up(site)
            try:
                async with asyncio.timeout(_STUCK_S):
                    begun = await self._session(site, number, coin)
            except TimeoutError:
                evse = await site.evse(number)
                raise AssertionError(f"{site.id} EVSE {number} is stuck: {evse}") from None
            finally:
                self._busy -= 1
            self.begun |= begun

    async def _caught_up(self, site: DaySite) -> None:
        """A day is long beside its outages: with much untold no vehicle comes for a while."""
        deadline = time.monotonic() + _STUCK_S
        while await site.waiting() > _MUCH:
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(5 * _STEP_S)

    async def _session(self, site: DaySite, number: int, coin: random.Random) -> set[str]:
        """A vehicle comes, charges, goes; the transactions that were begun meanwhile, if any."""
        await self._free(site, number)
        known: set[str] = set()
        vehicle = {"ready_after_s": 0.1, "power_w": coin.randrange(7_000, 22_000)}
        token, remote, wish = await self.desk.token(), coin.random() < 0.4, coin.random()
        long = coin.uniform(0.2, 1) * self.plan.charging_s
        if not await site.post("/v1/ev/plug-in", {"evse": number, "connector": 1, "ev": vehicle}):
            return known
        self._step()
        if remote and await self._ask(site, *remote_start(self.plan.version, number, token, coin)):
            self.counts["remote starts"] += await self._runs(site, number, known)
        if not known:
            await site.post("/v1/token", _swipe(token, number))
            await self._runs(site, number, known)
        if known:
            self._step()
            await self._charge(site, number, long, pauses=coin.random() < 0.2)
            self._step()
            if wish < 0.4:
                await self._stop_remotely(site, number, coin)
            elif wish < 0.7 and (await site.evse(number))["stage"] == "charging":
                await site.post("/v1/token", _swipe(token, number))
            self._step()
        await self._free(site, number, known)
        return known

    async def _runs(self, site: DaySite, number: int, known: set[str]) -> bool:
        """Whether a transaction began soon; it is then ``known``."""
        deadline = time.monotonic() + _GIVEN_UP_S
        while time.monotonic() < deadline:
            evse = await site.evse(number)
            if evse["transaction"] is not None:
                known.add(evse["transaction"]["transaction_id"])
                return True
            if not evse["plugged"]:
                return False
            await asyncio.sleep(_STEP_S)
        return False

    async def _charge(self, site: DaySite, number: int, long: float, *, pauses: bool) -> None:
        """For a while, unless something ends it."""
        body = {"evse": number, "connector": 1}
        deadline = time.monotonic() + long
        while time.monotonic() < deadline:
            if (await site.evse(number))["stage"] not in {"opening", "charging"}:
                return
            if pauses and time.monotonic() > deadline - long / 2:
                pauses = False
                await site.post("/v1/ev/suspend", body)
                await asyncio.sleep(_STEP_S)
                await site.post("/v1/ev/resume", body)
            await asyncio.sleep(2 * _STEP_S)

    async def _stop_remotely(self, site: DaySite, number: int, coin: random.Random) -> None:
        """By the CSMS, and sometimes again when it is over already."""
        running = (await site.evse(number))["transaction"]
        if running is None:
            return
        row = await site.get(f"/v1/transactions/{running['transaction_id']}")
        call = remote_stop(self.plan.version, row)
        if call is None or not await self._ask(site, *call):
            return
        self.counts["remote stops"] += 1
        deadline = time.monotonic() + _GIVEN_UP_S
        while time.monotonic() < deadline:
            if (await site.evse(number))["transaction"] is None:
                break
            await asyncio.sleep(_STEP_S)
        if coin.random() < 0.3:
            await self._ask(site, *call)

    async def _free(self, site: DaySite, number: int, known: set[str] | None = None) -> None:
        """Return once the outlet is free for the next vehicle; transactions seen are noted."""
        shut = 0
        while True:
            evse = await site.evse(number)
            if evse["transaction"] is not None and known is not None:
                known.add(evse["transaction"]["transaction_id"])
            if evse["plugged"]:
                await site.post("/v1/ev/plug-out", {"evse": number, "connector": 1})
            elif evse["stage"] == "available" and evse["transaction"] is None:
                if evse["availability"]["operative"]:
                    return
                shut += 1
                if shut % 20 == 10:  # somebody has to open it again
                    await self._ask(site, *operative(self.plan.version, number))
            await asyncio.sleep(_STEP_S)

    # --- the end --------------------------------------------------------------------------

    async def _told(self) -> None:
        """Everything is over and told."""

        async def all_told() -> bool:
            for site in self.sites:
                status = await site.get("/v1/status")
                untold = (await site.get("/v1/untold"))["untold"]
                if not status["online"] or status["journal"]["waiting"]:
                    return False
                if [one for one in untold if one["transaction_id"]]:
                    return False
            return True

        await until(all_told, "silence in the end", self.plan.over_s)


def _swipe(token: str, number: int) -> dict[str, Any]:
    """A card at the reader of one outlet."""
    return {"id_token": token, "type": "ISO14443", "evses": [number]}


def _several(counts: "Counter[str]", *names: str) -> str:
    each = ", ".join(str(counts[name]) for name in names)
    return f"{sum(counts[name] for name in names)} ({each})"
