"""A simulated LEM DCBM that is asked directly, in time that a test owns."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from meters.simulators.http import HttpRequest, HttpResponse
from meters.simulators.lem_dcbm import QUICK, LemDcbm, Settings

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
ONE, TWO = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
BODY: dict[str, Any] = {
    "evseId": "DE*ABC*E1*1",
    "transactionId": ONE,
    "clientId": "04A1B2C3",
    "tariffId": 2,
    "cableId": 1,
    "userData": "",
}


@dataclass
class World:
    """A meter, and time that stands still until it is moved."""

    seconds: float = 0.0
    meter: LemDcbm = None  # type: ignore[assignment]

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def power(self, **settings: Any) -> "World":
        fields: dict[str, Any] = {**QUICK, "key_seed": "test", "begin_energy_wh": 1500, **settings}
        self.meter = LemDcbm(Settings(**fields), clock=self.now, monotonic=self.monotonic)
        return self

    def ask(
        self, method: str, path: str, body: object = None, **query: str
    ) -> tuple[int, dict[str, Any]]:
        answer = self.raw(method, path, body, **query)
        fields: dict[str, Any] = json.loads(answer.body, parse_float=Decimal)
        return answer.status, fields

    def raw(self, method: str, path: str, body: object = None, **query: str) -> HttpResponse:
        data = b"" if body is None else json.dumps(body).encode()
        return self.meter.handle(HttpRequest(method, path, query, {}, data))

    def sync(self) -> None:
        text = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert self.ask("PUT", "/v1/settings", {"time": {"utc": text}})[1]["result"] == 1

    def start(self, **changes: Any) -> tuple[int, dict[str, Any]]:
        return self.ask("POST", "/v1/legal", {**BODY, **changes})

    def stop(self, transaction_id: str = ONE) -> tuple[int, dict[str, Any]]:
        return self.ask("PUT", "/v1/legal", {"running": False}, transactionId=transaction_id)

    def status(self) -> int:
        return int(self.ask("GET", "/v1/status")[1]["status"]["value"])

    def record(self, transaction_id: str = ONE) -> str:
        return self.raw("GET", "/v1/ocmf", transactionId=transaction_id).body.decode()


def powered(**settings: Any) -> World:
    """A meter whose clock is set."""
    world = World().power(**settings)
    world.sync()
    return world
