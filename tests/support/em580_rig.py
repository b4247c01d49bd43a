"""Simulated EM580 meters on a line, and the driver that a station would use for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from meters.api import SigningMeter
from meters.drivers.carlo_gavazzi_em580 import Config, clock, create, signing, unread
from meters.line import SerialBusConfig, TcpBusConfig
from meters.modbus import ModbusBus
from meters.model import BillingTransaction, Identification
from meters.simulators.em580 import Em580, Em580Settings
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.line import PtyLine, TcpLine

UUID = "12345678-1234-5678-1234-567812345678"
OTHER = "87654321-4321-8765-4321-876543218765"
AWAKE = Em580Settings(
    boot_silence=timedelta(0),
    clock_refusal=timedelta(0),
    signing_delay=timedelta(milliseconds=20),
    begin_energy_wh=1637,
    time_lapse=Decimal(3600),
    key_seed="driver",
)
# Shorter than an installer may choose: the limits are checked when a config is read.
QUICK: dict[str, Any] = {
    "communication_retry_count": 2,
    "communication_retry_delay_ms": 10,
    "communication_error_pause_delay_s": 1,
    "initial_connection_retry_delay_ms": 50,
    "ready_timeout_s": 0.4,
}
TIMEOUT_MS = 70


def now() -> datetime:
    return datetime.now(UTC)


def transaction(transaction_id: str = UUID, **more: Any) -> BillingTransaction:
    who = Identification(
        assigned=True, level="TRUSTED", flags=("OCPP_AUTH",), type="ISO14443", data="04A1B2C3"
    )
    return BillingTransaction(transaction_id, "DE*ABC*E123*1", who, **more)


@dataclass
class Rig:
    """One line with meters on it, and the bus that a station would use."""

    line: PtyLine | TcpLine
    bus: ModbusBus
    devices: dict[int, Em580]
    made: list[SigningMeter] = field(default_factory=list)

    @property
    def device(self) -> Em580:
        return self.devices[1]

    def driver(self, unit: int = 1, **config: Any) -> SigningMeter:
        settings = Config(powermeter_device_id=unit, **{**QUICK, **config})
        meter = create(settings, self.bus, now=now)
        assert isinstance(meter, SigningMeter)
        self.made.append(meter)
        return meter

    def fault(self, kind: FaultKind, **how: Any) -> None:
        fields: dict[str, Any] = {"count": 1, **how}
        self.device.faults.add(Fault(kind=kind, **fields))

    def received(self, command: str) -> int:
        """How often the meter got this command, whether it carried it out or not."""
        counts = self.device.memory.received
        return sum(count for name, count in counts.items() if name == command)

    def written(self, address: int) -> int:
        """How many writes began at this address."""
        return sum((r.address, r.function) == (address, 0x10) for r in self.line.requests)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What the driver made last says that the meter complains about."""
        faults: tuple[str, ...] = getattr(self.made[-1], "faults")  # noqa: B009 - not of all meters
        return faults

    def asked(self, address: int) -> int:
        """How many requests began at this address."""
        return sum(request.address == address for request in self.line.requests)


@asynccontextmanager
async def rig(*settings: Em580Settings, pty: bool = False) -> AsyncIterator[Rig]:
    """Meters on a pseudo-terminal, or behind a gateway, where a test takes half the time."""
    devices = {unit: Em580(setting) for unit, setting in enumerate(settings or (AWAKE,), start=1)}
    config: SerialBusConfig | TcpBusConfig
    async with AsyncExitStack() as opened:
        _shorten(opened.enter_context(pytest.MonkeyPatch.context()))
        line: PtyLine | TcpLine
        if pty:
            line = await opened.enter_async_context(PtyLine(devices))
            config = SerialBusConfig(port=line.port, baudrate=115200, timeout_ms=TIMEOUT_MS)
        else:
            line = await opened.enter_async_context(TcpLine(devices))
            config = TcpBusConfig(
                host="127.0.0.1", tcp_port=line.port, framing="rtu", timeout_ms=TIMEOUT_MS
            )
        bus = await opened.enter_async_context(ModbusBus(config))
        yield Rig(line, bus, devices)


def _shorten(patch: pytest.MonkeyPatch) -> None:
    """Wait less than for a real meter."""
    patch.setattr(signing, "_DOUBT_S", 0.2)
    patch.setattr(signing, "_START_TIMEOUT_S", 0.2)
    patch.setattr(signing, "_GRACE_S", 0.5)
    patch.setattr(signing, "_FAST_POLL_S", 0.02)
    patch.setattr(signing, "_SLOW_POLL_S", 0.05)
    patch.setattr(clock, "_TRY_DELAY_S", 0.05)
    patch.setattr(unread, "_PATIENCE_S", 0.0)


async def charged(device: Em580, watts: int = 11000) -> None:
    """Let a little energy flow."""
    device.set_load(Decimal(watts))
    await asyncio.sleep(0.02)
    device.set_load(Decimal(0))
