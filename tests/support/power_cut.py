"""One session of a real station process beside a real meter process, with the power cut in it.

The station, or the meter, or both, are killed where the case says and started again on what they
had stored; then the bench waits until everybody has come to rest. What is left is checked elsewhere
(``power_cut_checks``).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import h11
from cut_office import Office
from power_cut_case import LINK, Case, EveryOther, Victim
from power_cut_config import MORE_EVSES, STATION, write_config
from power_cut_processes import Meter, Station, free_port

from chargepoint.bench.csms import CallError, SmallCsms, StationAway
from chargepoint.bench.local_client import LocalClient, LocalRefused
from meters.simulators.control import SimulatorUnreachable

TOKEN: Final = "04A1B2C3D4E5F6"
PATIENCE_S: Final = 60.0  # a busy machine is no fault of the station
SIGNING_S: Final = 1.0  # a slow meter signs so long after the power is back
LONGEST_SIGNING_S: Final = 8.0
POLL_S: Final = 0.05
ANSWER_S: Final = 10.0
REST_S: Final = 0.1  # nothing may happen for so long before it counts as rest
RELEASE_S: Final = 10.0  # a released record may be noted so much later
PLUGGED: Final = {"evse": 1, "ev": {"power_w": 11000}}
SWEPT: Final = {"evse": 1}
_NO_ANSWER: Final = (OSError, TimeoutError, ValueError, h11.RemoteProtocolError)


class PowerCut(Exception):  # noqa: N818 - reads as a state
    """The station process was killed."""


class Stuck(Exception):  # noqa: N818 - reads as a state
    """Something that had to happen did not, or a process ended that nobody killed."""


@dataclass(slots=True)
class Bench:
    """All that runs in one case; ``async with`` ends every process.

    ``deaths`` is what was stored each time the station died: stage, transaction, reason.
    """

    case: Case
    folder: Path
    station: Station = field(init=False)
    meter: Meter = field(init=False)
    csms: SmallCsms = field(init=False)
    office: Office = field(init=False)
    deaths: list[dict[str, Any]] = field(default_factory=list)
    _csms_is_there: bool = False
    _stays: bool = False
    _remote: bool = False
    _again: bool = False
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _group: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    _keeper: "asyncio.Task[None] | None" = None
    _meanwhile: list["asyncio.Task[None]"] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        coin = self.case.coin()
        self._stays, self._remote = coin.random() < 0.5, coin.random() < 0.5
        self._again = coin.random() < 0.25
        port = free_port()
        self.csms = SmallCsms(port=port)
        self.csms.answers.count_transactions = True
        self._break_the_link()
        self.office = Office(STATION, self.case.version, self.csms, self.folder, coin)
        more = ""
        if self.case.asked:
            await self._stack.enter_async_context(self.office.firmware.served())
            more = self.office.firmware.config
        write_config(self.case, self.folder, port, more)
        self.station = Station(self.folder, [str(cut) for cut in self.case.of(Victim.STATION)])
        units = (1, *MORE_EVSES) if self.case.asked else (1,)
        cuts = [str(cut) for cut in self.case.of(Victim.METER)]
        self.meter = Meter(self.folder, cuts, units=units)
        if self.case.slow:
            self.meter.hold.touch()
        self.meter.start()
        if not self.case.offline:
            await self._csms_comes()
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (self._keeper, *self._meanwhile):
            if task is not None:
                task.cancel()
        try:
            await self._group.__aexit__(None, None, None)  # an error of the body leaves as it is
        finally:
            self.station.end()
            self.meter.end()
        if self._csms_is_there:
            await self.csms.__aexit__(None, None, None)
        await self._stack.aclose()

    # --- the course of a case ---------------------------------------------------------------

    async def play(self) -> None:
        """A session with everything that goes wrong in it, until all is at rest.

        In every fourth case another session follows: the outlet must still be of use.

        Raises:
            Stuck: it never came to rest.
        """
        self._keeper = self._group.create_task(self._keep_meter())
        await self._within("a meter", self._meter_listens, needs_station=False)
        self.station.start(plugged=False)
        if self.case.slow:
            self._meanwhile.append(self._group.create_task(self._sign_later()))
        for cut in self.case.of(Victim.OUTSIDE):
            killing = self._kill_later(cut.kind, float(cut.which))
            self._meanwhile.append(self._group.create_task(killing))
        with suppress(PowerCut):
            await self._session()
        await self.come_to_rest()
        if self._again:
            with suppress(PowerCut):
                await self._session_again()
            await self.come_to_rest()

    async def come_to_rest(self) -> None:
        """Start the station again if it is dead, and wait until nothing is left to be done.

        Raises:
            Stuck: it never came to rest.
        """
        for _ in range(len(self.case.cuts) + 2):
            with suppress(PowerCut):
                if self.station.dead:
                    self._restart()
                if not self._csms_is_there:
                    await self._csms_comes()
                if self.case.asked:
                    await self._within("acceptance", self._accepted)
                    await self.office.ask_again()
                await self._within("rest", self._at_rest)
                return
        raise Stuck("the station died again and again")

    def was_struck(self) -> bool:
        """Whether anything was cut at all: a point may lie behind the end of the session."""
        view = self.csms.stations.get(STATION)
        lives = self.station.lives + self.meter.lives - 2
        connections = view.connections - self.station.lives if view else 0
        return lives > 0 or (bool(self.case.of(Victim.LINK)) and connections > 0)

    async def records(self, transaction_id: str) -> list[dict[str, Any]]:
        """The records that the station holds of a transaction."""
        try:
            found = await self._ask(f"/v1/transactions/{transaction_id}/records")
        except LocalRefused:
            return []
        return list(found["records"])

    async def transactions(self) -> list[dict[str, Any]]:
        """The transactions that the station knows, oldest first."""
        found = await self._ask("/v1/transactions")
        return list(reversed(found["transactions"]))

    # --- what a driver does -----------------------------------------------------------------

    async def _session(self) -> None:
        """Come, charge, go. A meter without power may keep it from beginning, or end it."""
        local = await self._local()
        if not self.case.offline:
            await self._within("acceptance", self._accepted)
        await self._do(local, "ev/plug-in", PLUGGED)
        await self._do(local, "token", {"id_token": TOKEN})
        await self._stage("charging", "finished")
        readings = await self._readings()
        await self._asked(self.office.ask_first)
        await self._within("a sample", lambda: self._sampled(readings))
        await self._do(local, "ev/suspend", SWEPT)
        await self._do(local, "ev/resume", SWEPT)
        await self._asked(self.office.ask_rest)
        await self._stop(local)
        await self._updated()
        if (await self._evse())["plugged"]:  # a board that restarted has forgotten it
            await self._do(local, "ev/plug-out", SWEPT)

    async def _session_again(self) -> None:
        """The shortest possible."""
        local = await self._local()
        if not (await self._evse())["plugged"]:
            await self._do(local, "ev/plug-in", PLUGGED)
        await self._do(local, "token", {"id_token": TOKEN})
        await self._stage("charging")
        await self._do(local, "ev/plug-out", SWEPT)
        await self._stage("available")

    async def _asked(self, ask: Callable[[Any], Awaitable[None]]) -> None:
        """Let the CSMS ask for things, if it does in this case."""
        if self.case.asked and (transaction := (await self._evse())["transaction"]) is not None:
            await ask(await self._name(transaction["transaction_id"]))

    async def _updated(self) -> None:
        """The update that waited for the end of the session is over, if there is one."""

        async def over() -> bool:
            return self.office.calm()

        await self._within("end of the update", over)

    async def _name(self, transaction_id: str) -> Any:
        """What the CSMS calls a transaction."""
        if self.case.version != "1.6":
            return transaction_id
        return (await self._ask("/v1/transactions/" + transaction_id))["csms_id"]

    async def _stop(self, local: LocalClient) -> None:
        """By the CSMS or by the token; a session that a power cut ended must not be begun anew."""
        if self._remote and await self._stopped_remotely():
            await self._stage("finished")
        while (await self._evse())["stage"] == "charging":
            await self._do(local, "token", {"id_token": TOKEN})
            await self._stage("finished")

    async def _stopped_remotely(self) -> bool:
        transaction = (await self._evse())["transaction"]
        if transaction is None:
            return True
        old = self.case.version == "1.6"
        name = "RemoteStopTransaction" if old else "RequestStopTransaction"
        wanted = await self._name(transaction["transaction_id"])
        try:
            answer = await self.csms.call(STATION, name, {"transactionId": wanted})
        except (StationAway, TimeoutError, CallError):
            return False
        return bool(answer["status"] == "Accepted")

    async def _accepted(self) -> bool:
        return bool((await self._ask("/v1/status"))["online"])

    async def _readings(self) -> int:
        transaction = (await self._evse())["transaction"]
        if transaction is None:
            return 0
        found = await self._ask("/v1/transactions/" + transaction["transaction_id"])
        return len([one for one in found["readings"] if one["context"]])

    async def _sampled(self, before: int) -> bool:
        """One more is kept for the final message, or there is nothing to sample any more."""
        if (await self._evse())["stage"] != "charging":
            return True
        return await self._readings() > before

    # --- coming to rest ---------------------------------------------------------------------

    def _restart(self) -> None:
        self.deaths.append(self.station.stored())
        self.station.start(plugged=self._stays)

    async def _at_rest(self) -> bool:
        if not await self._is_calm():
            return False
        deadline = time.monotonic() + RELEASE_S
        while not await self._all_released() and time.monotonic() < deadline:  # noqa: ASYNC110 - another process
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(REST_S)
        return await self._is_calm()

    async def _is_calm(self) -> bool:
        status = await self._ask("/v1/status")
        evse = status["evses"][0]
        busy = evse["transaction"] or evse["stage"] in {"opening", "charging", "closing"}
        if busy or status["journal"]["waiting"] or not status["online"]:
            return False
        if not all(task.done() for task in self._meanwhile) or not self.office.calm():
            return False
        meter = await self.meter.status()
        return meter is not None and meter["state"] == "NOT_READY" and not meter["silent"]

    async def _all_released(self) -> bool:
        held = [await self.records(record.transaction_id) for record in self.meter.records()]
        return all(rows and all(row["released_at"] for row in rows) for rows in held)

    # --- processes --------------------------------------------------------------------------

    def _break_the_link(self) -> None:
        for cut in self.case.of(Victim.LINK):
            if cut.which == "all":
                self.csms.faults.add(EveryOther(LINK[cut.kind]))
            else:
                self.csms.inject(LINK[cut.kind], skip=int(cut.which) - 1)

    async def _csms_comes(self) -> None:
        await self.csms.__aenter__()
        self._csms_is_there = True

    async def _keep_meter(self) -> None:
        """A meter that lost its power gets it back."""
        while True:
            if self.meter.dead:
                self.meter.start()
            await asyncio.sleep(POLL_S)

    async def _kill_later(self, kind: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if kind in {"random", "both-random"}:
            self.station.kill()
        if kind in {"meter-random", "both-random"}:
            self.meter.kill()

    async def _sign_later(self) -> None:
        """When everybody is back for a while, so that they meet a meter that is still at it."""
        deadline = time.monotonic() + LONGEST_SIGNING_S
        while time.monotonic() < deadline:
            if self.station.lives + self.meter.lives > 2 and self.station.access():
                await asyncio.sleep(SIGNING_S)
                break
            await asyncio.sleep(POLL_S)
        self.meter.hold.unlink()

    async def _meter_listens(self) -> bool:
        return await self.meter.status() is not None

    # --- asking and waiting -----------------------------------------------------------------

    async def _local(self) -> LocalClient:
        await self._within("local interface", self._station_listens)
        access = self.station.access()
        if access is None:
            self._gone("it listened and does not any more")
        return LocalClient(access["url"], access["token"])

    async def _station_listens(self) -> bool:
        return self.station.access() is not None

    async def _evse(self) -> dict[str, Any]:
        return dict((await self._ask("/v1/status"))["evses"][0])

    async def _ask(self, path: str) -> Any:
        """Asked again for a while: a station that restarts by itself does not answer meanwhile."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            local = await self._local()
            try:
                return await local.get(path)
            except _NO_ANSWER as error:
                if time.monotonic() > deadline:
                    await self._dead_or(error)
                if self.station.dead:
                    self._gone(str(error))
                await asyncio.sleep(POLL_S)

    async def _do(self, local: LocalClient, what: str, body: dict[str, Any]) -> None:
        try:
            await local.post(f"/v1/{what}", body)
        except LocalRefused as refused:
            raise Stuck(f"{what}: {refused}") from refused
        except _NO_ANSWER as error:
            await self._dead_or(error)

    async def _dead_or(self, error: Exception) -> NoReturn:
        """A question without answer is explained by a death, which shows a little later."""
        for _ in range(20):
            if self.station.dead:
                self._gone(str(error))
            await asyncio.sleep(POLL_S)
        raise Stuck(f"the station lives and does not answer: {error!r}") from error

    def _gone(self, what: str) -> NoReturn:
        if not self.station.killed:
            how = f"the station ended by itself ({self.station.code})"
            raise Stuck(f"{how}: {what}, see {self.station.log}")
        raise PowerCut

    async def _stage(self, *wanted: str) -> None:
        async def reached() -> bool:
            return (await self._evse())["stage"] in wanted

        await self._within(" or ".join(wanted), reached)

    async def _within(
        self, what: str, condition: Callable[[], Awaitable[bool]], *, needs_station: bool = True
    ) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if needs_station and self.station.dead:
                self._gone(what)
            with suppress(SimulatorUnreachable):
                if await condition():
                    return
            if time.monotonic() > deadline:
                raise Stuck(f"no {what} within {PATIENCE_S:g} s")
            await asyncio.sleep(POLL_S)
