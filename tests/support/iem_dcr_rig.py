"""A simulated IEM-DCR on real HTTP, and drivers that a station would use; in virtual time."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from meter_bench import now
from virtual_time import VirtualLoop, run

from meters.drivers.isabellenhuette_iem_dcr import Config, create, http_config
from meters.drivers.isabellenhuette_iem_dcr.signing import IemDcr as Driver
from meters.http import HttpDevice
from meters.simulators.faults import Fault
from meters.simulators.http import HttpRequest, HttpResponse, HttpServer
from meters.simulators.iem_dcr import IemDcr, Settings

EVSE = "DE*ABC*E123*1"
BASE = "/counter/v1/ocmf"
AWAKE: dict[str, Any] = {
    "boot_delay_s": 0.0,
    "key_seed": "driver",
    "begin_energy_wh": 446_540,
    "begin_export_wh": 4881,
}


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in virtual time."""

    @functools.wraps(test)
    def in_virtual_time(*given: Any, **named: Any) -> None:
        run(test(*given, **named))

    return in_virtual_time


@dataclass
class Rig:
    """One meter, its server, and what was opened."""

    device: IemDcr
    server: HttpServer
    opened: AsyncExitStack

    async def driver(self, **options: Any) -> Driver:
        """A new driver with a connection of its own, as after a restart of the station."""
        values = {"host": "127.0.0.1", "port_http": self.server.port, "CI": EVSE, **options}
        config = msgspec.convert(values, Config)
        http = await self.opened.enter_async_context(HttpDevice(http_config(config)))
        return create(config, http, now=now)

    def fault(self, kind: str, node: str = "*", method: str | None = None, **how: Any) -> None:
        """Let something go wrong with requests of a node; once unless told otherwise."""
        fields = {"kind": kind, "path": f"*/{node}", "count": 1, **how}
        if method is not None:
            fields["method"] = method
        self.server.faults.add(msgspec.convert(fields, Fault))

    def inside(self, kind: str, **how: Any) -> None:
        """Let something go wrong in the meter."""
        self.device.faults.add(msgspec.convert({"kind": kind, "count": 1, **how}, Fault))

    def asked(self, method: str, node: str) -> int:
        """How often a node was asked."""
        return sum(
            one.method == method and one.path.endswith(f"/{node}") for one in self.server.requests
        )

    def bodies(self, node: str) -> list[Any]:
        """What was posted to a node."""
        return [
            msgspec.json.decode(one.body)
            for one in self.server.requests
            if one.method == "POST" and one.path.endswith(f"/{node}")
        ]

    def commands(self) -> dict[str, int]:
        """Commands that the meter received."""
        return dict(self.device.memory.received)

    async def charge(self, watts: int = 36_000, seconds: float = 100) -> None:
        """Let energy flow for a while: 1 kWh, unless told otherwise."""
        self.device.set_load(watts)
        await asyncio.sleep(seconds)
        self.device.set_load(0)

    async def later(self, seconds: float) -> None:
        """Hours go by at once; only the server's ticks would notice."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop._jump(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def rig(**settings: Any) -> AsyncIterator[Rig]:
    """A meter that is awake, with what the reference takes for likely unless told otherwise."""
    made = msgspec.convert({**AWAKE, **settings}, Settings, dec_hook=lambda _kind, path: path)
    device = IemDcr(made, clock=now, monotonic=asyncio.get_running_loop().time)
    async with AsyncExitStack() as opened:
        server = await opened.enter_async_context(HttpServer(device))
        yield Rig(device, server, opened)


class Bare:
    """A meter without a wire, whose time the test owns."""

    def __init__(self, **settings: Any) -> None:
        made = {"boot_delay_s": 0.0, "signing_delay_s": 0.0, "key_seed": "bare", **settings}
        self.settings = msgspec.convert(made, Settings, dec_hook=lambda _kind, path: path)
        self.seconds = 1000.0
        self.power_on()

    def power_on(self) -> None:
        """Make the device anew, as after its process was killed."""
        self.device = IemDcr(self.settings, clock=self.wall, monotonic=lambda: self.seconds)

    def wall(self) -> datetime:
        return datetime(2025, 6, 6, 7, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000)

    def ask(self, method: str, node: str, body: bytes = b"") -> HttpResponse:
        path = node if node.startswith("/") else f"{BASE}/{node}"
        return self.device.handle(HttpRequest(method, path, body=body))

    def post(self, node: str, **fields: Any) -> int:
        """The status of the answer."""
        return self.ask("POST", node, msgspec.json.encode(fields)).status

    def get(self, node: str) -> Any:
        """The answer, which must be a good one."""
        answer = self.ask("GET", node)
        assert answer.status == 200
        return msgspec.json.decode(answer.body)

    def tell_gateway(self, ci: str = EVSE) -> int:
        return self.post("gw", CT="EVSEID", CI=ci, TM="2025-06-06T09:00:00,000+0200")

    def tell_user(self, **changed: Any) -> int:
        who = {"IS": True, "IL": "TRUSTED", "IF": [], "IT": "ISO14443", "ID": "04A1", "US": False}
        return self.post("user", **{**who, **changed})

    def begin(self) -> None:
        """From power-up to a running transaction."""
        if self.device.gateway is None:
            assert self.tell_gateway() == 200
        assert self.tell_user() == 200
        assert self.post("receipt", TX="B") == 200

    def record(self) -> bytes:
        """The body of the receipt."""
        answer = self.ask("GET", "receipt")
        assert answer.status == 200
        return answer.body
