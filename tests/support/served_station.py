"""A whole station without a CSMS behind its local interface, and a client that speaks raw HTTP."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fake_meter import FakeMeter

from chargepoint.clock import SystemClock
from chargepoint.core.authorization import Known
from chargepoint.core.contract import Contract
from chargepoint.core.model import IdToken, Source
from chargepoint.core.variables_layout import ConnectorDescription, Signing
from chargepoint.core.variables_layout import EvseDescription as EvseLayout
from chargepoint.hardware.simulated import SimulatedBoard, SimulatedOutlet
from chargepoint.local.metrics import Family
from chargepoint.local.server import LocalServer
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.station import EvseDescription, Station, Wiring
from chargepoint.store.sqlite import Store
from chargepoint.supervisor import Supervisor
from meters.model import Reading

TOKEN = "open-sesame"


@dataclass
class FakeSession:
    """A CSMS that says yes, once ``answers`` is set."""

    registration: str = "Accepted"
    online: bool = True
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)

    async def authorize(self, token: IdToken, _contract: Contract | None = None) -> Known:
        self.asked.append(token.value)
        await self.answers.wait()
        return Known("Accepted", Source.CSMS)


@dataclass
class FakeConfig:
    station_url: str = "ws://csms.example/ocpp/CP1"


@dataclass
class FakeLink:
    config: FakeConfig = field(default_factory=FakeConfig)
    state: str = "connected"
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    subprotocol: str | None = "ocpp2.0.1"
    last_error: str | None = None
    failures: int = 0
    asked: list[str] = field(default_factory=list)

    def disconnect(self) -> None:
        self.asked.append("disconnect")
        self.state, self.subprotocol = "disconnected", None

    def connect(self) -> None:
        self.asked.append("connect")
        self.state = "connecting"


@dataclass
class FakeIdentity:
    vendor: str = "Example"
    model: str = "Wallbox 22"
    serial_number: str = "0001"
    firmware_version: str = "9.9"


class GatedMeter(FakeMeter):
    """A meter that signs only while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def end(self, transaction_id: str) -> Reading:
        await self.gate.wait()
        return await super().end(transaction_id)


class RealOutlet:
    """An outlet with real hardware behind it, as far as anybody can tell."""

    def __init__(self, outlet: SimulatedOutlet) -> None:
        self.seen = outlet.seen
        self.events = outlet.events
        self.close_contactor = outlet.close_contactor
        self.open_contactor = outlet.open_contactor
        self.set_current_limit = outlet.set_current_limit
        self.unlock = outlet.unlock


class Board(SimulatedBoard):
    """A board whose outlets look real if they are to."""

    def __init__(self, outlets: list[SimulatedOutlet], *, real: bool) -> None:
        super().__init__(outlets)
        self._real = real

    def outlet(self, evse_id: int) -> Any:
        outlet = super().outlet(evse_id)
        return RealOutlet(outlet) if self._real else outlet


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """The station under test and what is asked of it. EVSE 2 has two connectors."""

    station: Station
    server: LocalServer
    session: FakeSession
    link: FakeLink
    meters: dict[int, GatedMeter]

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = TOKEN,
        raw: bytes | None = None,
    ) -> Answer:
        reader, writer = await self.send(method, path, body, token=token, raw=raw)
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        first, *lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        return Answer(int(first.split()[1]), headers, rest.decode())

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = TOKEN,
        raw: bytes | None = None,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", "Connection: close"]
        lines += [f"Authorization: Bearer {token}"] if token is not None else []
        lines += ["Content-Type: application/json"] if content else []
        lines += [f"Content-Length: {len(content)}", "", ""]
        writer.write("\r\n".join(lines).encode() + content)
        await writer.drain()
        return reader, writer

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json()

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self.ask("POST", path, body)

    async def evse(self, evse_id: int = 1) -> Any:
        return (await self.get("/v1/status"))["evses"][evse_id - 1]

    async def charge(self) -> str:
        """Begin a session at EVSE 1; the transaction's id."""
        self.session.answers.set()
        assert (await self.post("/v1/ev/plug-in", {"evse": 1, "connector": 1})).status == 202
        assert (await self.post("/v1/token", {"id_token": "04A1B2C3D4"})).status == 202
        runner = self.station.evses[1].runner
        await until(lambda: runner.state.transaction is not None)
        assert runner.state.transaction is not None
        return runner.state.transaction.transaction_id

    async def finish(self) -> None:
        """End the session at EVSE 1 by taking the vehicle away."""
        assert (await self.post("/v1/ev/plug-out", {"evse": 1, "connector": 1})).status == 202
        await until(lambda: not self.station.evses[1].runner.state.busy)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; for what happens in its own time."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.005)


async def _valid(_: Reading) -> str:
    return "valid"


@asynccontextmanager
async def serve(
    folder: Path,
    *,
    real: bool = False,
    ready_file: Path | None = None,
    token: str = TOKEN,
    port: int = 0,
    drive: bool = False,
    more: Callable[[], Iterable[Family]] = tuple,
) -> AsyncIterator[Served]:
    """A station with two EVSEs, recovered, both meters read once."""
    session, link, clock = FakeSession(), FakeLink(), SystemClock()
    connectors = {1: ("cType2",), 2: ("cType2", "sType3")}
    meters = {evse_id: GatedMeter() for evse_id in connectors}
    layout = [
        EvseLayout(
            evse_id,
            tuple(ConnectorDescription(number, kind) for number, kind in enumerate(kinds, 1)),
            signing=Signing(),
        )
        for evse_id, kinds in connectors.items()
    ]
    outlets = [
        SimulatedOutlet(evse_id, len(kinds), Decimal(32)) for evse_id, kinds in connectors.items()
    ]
    numbers = itertools.count(1)
    with Store(folder / "state", "CP1") as store:
        async with Supervisor(clock) as supervisor:
            station = Station(
                Wiring(
                    store=store,
                    clock=clock,
                    board=Board(outlets, real=real),
                    model=DeviceModel(evses=layout, store=store.settings),
                    csms=session,
                    verify=_valid,
                    recorded=lambda: None,
                    spawn=supervisor.spawn,
                    keeper=supervisor,
                    fresh_id=lambda: f"tx-{next(numbers)}",
                ),
                [
                    EvseDescription(
                        evse_id=evse_id,
                        charge_point=f"DE*ABC*E{evse_id}",
                        meter_name=f"outlet{evse_id}",
                        meter=meters[evse_id],
                        connectors=kinds,
                    )
                    for evse_id, kinds in connectors.items()
                ],
            )
            supervisor.keep("station", station.run)
            await until(lambda: all(evse.meter.reading for evse in station.evses.values()))
            async with LocalServer(
                station,
                station_id="CP1",
                identity=FakeIdentity(),
                session=session,
                link=link,
                listen=("127.0.0.1", port),
                token=token,
                ready_file=ready_file,
                drive=drive,
                more=more,
            ) as server:
                yield Served(station, server, session, link, meters)
