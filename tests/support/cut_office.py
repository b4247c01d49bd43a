"""The CSMS in the sessions of the power-cut bench that asks things: what it was answered counts.

What was answered Accepted must be there afterwards as a whole, what got no answer as a whole or
not at all. What got no answer is asked again, or never, as the case's coin decides.
"""

import itertools
import random
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from cut_firmware import FirmwareOrder
from cut_probes import Probes, Stored
from cut_requests import Request, requests

from chargepoint.bench.csms import CallError, SmallCsms, StationAway

_TAKEN: Final = {"Accepted", "Scheduled"}
_NO_ANSWER: Final = (StationAway, TimeoutError)
_PATIENCE: Final = timedelta(seconds=20)


@dataclass(slots=True)
class Office:
    """Asks, remembers what was answered, and what may therefore be found in the station.

    ``refused`` are requests that were not taken; a session without a cut has none.
    """

    station: str
    version: str
    csms: SmallCsms
    folder: Path
    coin: random.Random
    refused: list[str] = field(default_factory=list)
    firmware: FirmwareOrder = field(init=False)
    stored: Stored = field(init=False)
    _left: list[Request] = field(init=False)
    _half: int = field(init=False)
    _unanswered: list[Request] = field(default_factory=list)
    _may_be: dict[str, set[str]] = field(default_factory=dict)
    _ever: dict[str, set[str]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(100))

    def __post_init__(self) -> None:
        self.stored = Stored(self.folder)
        self.firmware = FirmwareOrder(self.version, self.folder, reboots=self.coin.random() < 0.5)
        by_subject = requests(self.version)
        self._may_be = {subject: {""} for subject in by_subject}
        self._may_be["setting"] = {"60"}
        self._ever = {subject: set(values) for subject, values in self._may_be.items()}
        outlets = by_subject.pop("availability") + by_subject.pop("reservation")
        self._left = _mixed([outlets, *by_subject.values()], self.coin)
        self._half = len(self._left) // 2

    # --- asking -----------------------------------------------------------------------------

    async def ask_first(self, transaction_id: Any) -> None:
        """The first half, as long as anybody answers."""
        await self._ask_some(self._half, transaction_id)

    async def ask_rest(self, transaction_id: Any) -> None:
        """The other half, then an update of the firmware, which waits for the session's end."""
        await self._ask_some(len(self._left), transaction_id)
        if not self._unanswered:
            await self._update()

    async def ask_again(self) -> None:
        """Once the station is back: what got no answer, if the coin says so, and what is left."""
        again = self._unanswered if self.coin.random() < 0.7 else []
        self._unanswered = [one for one in self._unanswered if one not in again]
        self._left = [*again, *self._left]
        await self._ask_some(len(self._left), None)
        while any("station" in value for value in self._may_be["availability"]):
            if not await self._open_station():
                return
        if self.firmware.answer is None and self.stored.job("firmware") is None:
            await self._update()

    async def _ask_some(self, many: int, transaction_id: Any) -> None:
        while many and self._left:
            many -= 1
            request = self._left.pop(0)
            if not await self._ask(request, transaction_id):
                self._unanswered.append(request)
                return

    async def _ask(self, request: Request, transaction_id: Any) -> bool:
        """False if there was no answer."""
        payload = request.payload
        if request.running is not None:
            if transaction_id is None:
                return True  # the session is over
            payload = request.running(transaction_id)
        before = self._may_be[request.subject]
        after = {request.makes(value) for value in before}
        self._ever[request.subject] |= after
        try:
            answer = await self.csms.call(self.station, request.action, payload)
        except _NO_ANSWER:
            self._may_be[request.subject] = before | after
            return False
        except CallError as error:
            self.refused.append(f"{request}: {error}")
            return True
        status = _status(answer)
        if status in _TAKEN:
            self._may_be[request.subject] = after
        else:
            self.refused.append(f"{request.action} of {request.subject}: {answer}")
        return True

    async def _open_station(self) -> bool:
        request = next(
            one for one in requests(self.version)["availability"] if one.makes("station") == ""
        )
        return await self._ask(request, None)

    async def _update(self) -> None:
        try:
            await self.firmware.ask(self.csms, self.station)
        except _NO_ANSWER:
            self.firmware.unanswered = True

    # --- what is found ----------------------------------------------------------------------

    def calm(self) -> bool:
        """Whether no update is under way."""
        job = self.stored.job("firmware")
        return job is None or self.firmware.over(job)

    async def wrong(self) -> list[tuple[str, str]]:
        """What may not be: "half" or "lost", and a sentence.

        Raises:
            StationAway, TimeoutError: the station does not answer any more.
        """
        probes = Probes(self.version, self.stored, self._call, self._report)
        self._may_be["reservation"] |= self._reservations_ended()
        found: list[tuple[str, str]] = []
        for subject, allowed in self._may_be.items():
            value = await probes.value(subject)
            if value not in allowed:
                kind = "lost" if value in self._ever[subject] else "half"
                found.append((kind, f"{subject} is {value!r}, may be {sorted(allowed)}"))
        return found

    def _reservations_ended(self) -> set[str]:
        """The station gives up what it cannot keep, and says so: then nothing is reserved."""
        told = self.csms.messages("ReservationStatusUpdate")
        kept = self.stored.rows("SELECT 1 FROM untold WHERE kind = 'ReservationEnded'")
        return {""} if told or kept else set()

    async def _call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return await self.csms.call(self.station, action, payload, within=_PATIENCE)

    async def _report(
        self, action: str, payload: dict[str, Any], name: str
    ) -> list[dict[str, Any]]:
        number = next(self._numbers)
        answer = await self._call(action, {"requestId": number, **payload})
        if answer["status"] != "Accepted":
            return []

        def last(part: dict[str, Any]) -> bool:
            return part["requestId"] == number and not part.get("tbc", False)

        await self.csms.wait_for(name, last, station=self.station, within=_PATIENCE)
        return [part for part in self.csms.messages(name) if part["requestId"] == number]


def _status(answer: dict[str, Any]) -> str:
    for key in ("setVariableResult", "setMonitoringResult"):
        if key in answer:
            result = answer[key][0]
            return str(result.get("attributeStatus") or result["status"])
    return str(answer["status"])


def _mixed(lines: list[list[Request]], coin: random.Random) -> list[Request]:
    """All of them, the order within a line as it is."""
    mixed: list[Request] = []
    lines = [list(line) for line in lines]
    while lines:
        line = coin.choice(lines)
        mixed.append(line.pop(0))
        lines = [one for one in lines if one]
    return mixed
