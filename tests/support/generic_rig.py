"""A simulated meter of a profile on a line, and the driver that a station would use for it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from meters.drivers.generic_modbus import Config, create
from meters.drivers.generic_modbus.meter import ProfileMeter
from meters.line import TcpBusConfig
from meters.modbus import ModbusBus
from meters.model import Phase, Quantity, Reading
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.generic_modbus import QUICK_DRIVER, GenericMeter, Settings
from meters.simulators.generic_modbus import create as simulate
from meters.simulators.line import TcpLine

TIMEOUT_MS = 70


def now() -> datetime:
    return datetime.now(UTC)


class Time:
    """Monotonic time that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Rig:
    """One line with a meter on it, and the bus that a station would use."""

    line: TcpLine
    bus: ModbusBus
    device: GenericMeter
    profile: str
    time: Time

    def driver(self, **config: Any) -> ProfileMeter:
        options = {**QUICK_DRIVER, "profile": Path(self.profile), **config}
        meter = create(Config(**options), self.bus, now=now)
        assert isinstance(meter, ProfileMeter)
        return meter

    def fault(self, kind: FaultKind, **how: Any) -> None:
        fields: dict[str, Any] = {"count": 1, **how}
        self.device.faults.add(Fault(kind=kind, **fields))

    def asked(self) -> list[tuple[int, int, int]]:
        """What was read since the last call: function, address, words."""
        requests = [(one.function, one.address, one.count) for one in self.line.requests]
        self.line.requests.clear()
        return requests


@asynccontextmanager
async def rig(profile: str = "eastron_sdm630_v2", **settings: Any) -> AsyncIterator[Rig]:
    """A meter that is awake, behind a gateway; its time stands still."""
    time = Time()
    made = Settings(**{"profile": profile, "boot_delay_s": 0.0, **settings})
    device = simulate(made, monotonic=time)
    async with AsyncExitStack() as opened:
        line = await opened.enter_async_context(TcpLine({1: device}))
        config = TcpBusConfig(
            host="127.0.0.1", tcp_port=line.port, framing="rtu", timeout_ms=TIMEOUT_MS
        )
        bus = await opened.enter_async_context(ModbusBus(config))
        yield Rig(line, bus, device, profile, time)


def values(reading: Reading) -> dict[tuple[Quantity, Phase | None], Decimal]:
    """All samples by what they are."""
    return {(sample.quantity, sample.phase): sample.value for sample in reading.samples}
