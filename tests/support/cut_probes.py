"""What became of the requests: asked of the station where OCPP can ask, else read in its store."""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from cut_requests import CHANGED_AT, LIMITS, POWER, TIME_OUT, listed, shut

Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""A call to the station: action and payload; its answer."""

Report = Callable[[str, dict[str, Any], str], Awaitable[list[dict[str, Any]]]]
"""The same, for what the station answers by messages of this name; their payloads."""

_DAY_S: Final = 600


class Stored:
    """The store of a station that may be running; looking changes nothing."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "state" / "station.db"

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """What the database answers; nothing if it is not there yet."""
        if not self._file.exists():
            return []
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as db:
            return db.execute(question).fetchall()

    def texts(self, question: str) -> list[Any]:
        """The JSON in the first column."""
        return [json.loads(row[0]) for row in self.rows(question)]

    def job(self, name: str) -> dict[str, Any] | None:
        """A piece of work under way, or the last one of its name."""
        found = self.texts(f"SELECT job FROM job WHERE name = '{name}'")  # noqa: S608 - ours
        return found[0] if found else None


class Probes:
    """The value of each subject, as ``cut_requests`` words it."""

    def __init__(self, version: str, stored: Stored, ask: Ask, report: Report) -> None:
        self._old = version == "1.6"
        self._stored, self._ask, self._report = stored, ask, report

    async def value(self, subject: str) -> str:
        """The value now."""
        probes: dict[str, Callable[[], Awaitable[str]]] = {
            "list": self._list,
            "availability": self._availability,
            "reservation": self._reservation,
            "setting": self._setting,
            "monitors": self._monitors,
            "displays": self._displays,
            "network": self._network,
        }
        return await probes[subject]() if subject in probes else await self._profile(subject)

    async def _list(self) -> str:
        answer = await self._ask("GetLocalListVersion", {})
        version = answer["listVersion" if self._old else "versionNumber"]
        tokens = {row[0].upper() for row in self._stored.rows("SELECT value FROM local_list")}
        return listed(version, tokens) if version or tokens else ""

    async def _profile(self, purpose: str) -> str:
        """What is installed, and, as long as it is the only one, the schedule that comes of it."""
        installed = self._stored.texts("SELECT installed FROM charging_profile")
        for one in installed:
            profile = one["profile"]
            if profile["purpose"].replace("ChargePoint", "ChargingStation") == purpose.replace(
                "ChargePoint", "ChargingStation"
            ):
                limit = await self._composite(one["evse_id"])
                return f"{profile['id']}@{one['evse_id']}: {limit:g}"
        return ""

    async def _composite(self, evse_id: int) -> float:
        name = "connectorId" if self._old else "evseId"
        payload = {name: evse_id, "duration": _DAY_S, "chargingRateUnit": "A"}
        answer = await self._ask("GetCompositeSchedule", payload)
        schedule = answer["chargingSchedule" if self._old else "schedule"]
        (period,) = schedule["chargingSchedulePeriod"]
        return float(period["limit"])

    async def _availability(self) -> str:
        states = self._stored.texts("SELECT state FROM evse ORDER BY evse_id")
        found: set[str] = set()
        stations = [s["evse_id"] for s in states if "station" in s["inoperative"]]
        if stations:
            found.add("station" if len(stations) == len(states) else f"station-half{stations}")
        for state in states:
            if "evse" in state["inoperative"]:
                found.add(f"evse{state['evse_id']}")
            found |= {f"connector{state['evse_id']}.{number}" for number in state["closed"]}
        await self._seen(found)
        return shut(found)

    async def _seen(self, found: set[str]) -> None:
        """What the CSMS is told of it when it asks."""
        if self._old:
            return
        closed = bool(found & {"station", f"evse{CHANGED_AT}"})
        item = {
            "component": {"name": "EVSE", "evse": {"id": CHANGED_AT}},
            "variable": {"name": "AvailabilityState"},
        }
        answer = await self._ask("GetVariables", {"getVariableData": [item]})
        told = answer["getVariableResult"][0]["attributeValue"]
        if closed is not (told == "Unavailable"):
            found.add(f"told-{told}")

    async def _reservation(self) -> str:
        found = self._stored.texts("SELECT entry FROM reservation ORDER BY number")
        return ", ".join(f"{one['reservation_id']}: {one['token']['value']}" for one in found)

    async def _setting(self) -> str:
        if self._old:
            answer = await self._ask("GetConfiguration", {"key": ["ConnectionTimeOut"]})
            return str(answer["configurationKey"][0]["value"])
        answer = await self._ask("GetVariables", {"getVariableData": [TIME_OUT]})
        return str(answer["getVariableResult"][0]["attributeValue"])

    async def _monitors(self) -> str:
        payload = {"componentVariable": [POWER]}
        parts = await self._report("GetMonitoringReport", payload, "NotifyMonitoringReport")
        limits = [
            one["value"]
            for part in parts
            for monitor in part["monitor"]
            for one in monitor["variableMonitoring"]
            if one["value"] in LIMITS
        ]
        return " ".join(f"{limit:g}" for limit in sorted(limits))

    async def _displays(self) -> str:
        parts = await self._report("GetDisplayMessages", {}, "NotifyDisplayMessages")
        messages = [one for part in parts for one in part["messageInfo"]]
        return ", ".join(sorted(f"{one['id']} {one['message']['content']}" for one in messages))

    async def _network(self) -> str:
        found = self._stored.texts("SELECT profile FROM network_profile")
        return " ".join(one["url"].split("//")[1].split(".")[0] for one in found)
