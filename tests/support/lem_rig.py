"""A simulated LEM DCBM behind real HTTP or HTTPS, and the driver that a station would use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from meters.api import SigningMeter
from meters.drivers.lem_dcbm import Config, create, http_config, setup, signing
from meters.http import HttpDevice
from meters.model import BillingTransaction, Identification
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.http import HttpRequest, HttpServer
from meters.simulators.lem_dcbm import LemDcbm, Settings

UUID = "12345678-1234-5678-1234-567812345678"
OTHER = "87654321-4321-8765-4321-876543218765"
AWAKE: dict[str, Any] = {
    "boot_delay_s": 0.0,
    "signing_delay_s": 0.0,
    "settings_delay_s": 0.0,
    "begin_energy_wh": 1637,
    "begin_export_wh": 12,
    "time_lapse": Decimal(3600),
    "key_seed": "driver",
}
QUICK: dict[str, Any] = {
    "resilience_initial_connection_retry_delay": 50,
    "resilience_transaction_request_retries": 1,
    "resilience_transaction_request_retry_delay": 10,
    "ready_timeout_s": 1,
}


def now() -> datetime:
    return datetime.now(UTC)


def transaction(transaction_id: str = UUID, **more: Any) -> BillingTransaction:
    who = Identification(
        assigned=True, level="TRUSTED", flags=("OCPP_AUTH",), type="ISO14443", data="04A1B2C3"
    )
    fields: dict[str, Any] = {
        "charge_point": "DE*ABC*E123*1",
        "identification": who,
        **more,
    }
    return BillingTransaction(transaction_id, **fields)


class Clock:
    """The world's time, which a test can move."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return now() + self.ahead

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead.total_seconds()


@dataclass
class Rig:
    """One meter on the network, and the connection that a station would have."""

    server: HttpServer
    device: LemDcbm
    http: HttpDevice
    clock: Clock
    config: dict[str, Any]

    def driver(self, **config: Any) -> SigningMeter:
        meter = create(Config(**{**self.config, **config}), self.http, now=self.clock.now)
        assert isinstance(meter, SigningMeter)
        return meter

    def fault(self, kind: FaultKind, **how: Any) -> None:
        self.device.faults.add(Fault(kind=kind, **{"count": 1, **how}))

    def asked(self, method: str, path: str) -> list[HttpRequest]:
        return [one for one in self.server.requests if (one.method, one.path) == (method, path)]

    def done(self, transaction_id: str = UUID) -> tuple[int, int]:
        """How often begin and end of a transaction were carried out."""
        counts = self.device.status()["transactions"].get(transaction_id, {})
        return counts.get("begin", 0), counts.get("end", 0)


@asynccontextmanager
async def rig(*, tls: bool = False, **settings: Any) -> AsyncIterator[Rig]:
    """A meter that is awake; ``tls`` lets it show its own certificate, which the driver pins."""
    clock = Clock()
    async with AsyncExitStack() as opened:
        _shorten(opened.enter_context(pytest.MonkeyPatch.context()))
        made = Settings(**{**AWAKE, **settings})
        device = LemDcbm(made, clock=clock.now, monotonic=clock.monotonic)
        certificate = device.certificate if tls else None
        server = await opened.enter_async_context(HttpServer(device, tls=certificate))
        config = {
            **QUICK,
            "ip_address": "127.0.0.1",
            "port": server.port,
            "meter_tls_certificate": device.certificate.pem if tls else "",
        }
        where = http_config(Config(**config))
        # Shorter than an installer may choose.
        http = HttpDevice(type(where)(**{**_fields(where), "timeout_ms": 400}))
        yield Rig(server, device, await opened.enter_async_context(http), clock, config)


def _fields(where: Any) -> dict[str, Any]:
    return {name: getattr(where, name) for name in where.__struct_fields__}


def _shorten(patch: pytest.MonkeyPatch) -> None:
    """Wait less than for a real meter."""
    patch.setattr(signing, "_DOUBT_S", 0.1)
    patch.setattr(signing, "_FAST_POLL_S", 0.02)
    patch.setattr(signing, "_SLOW_POLL_S", 0.05)
    patch.setattr(setup, "_PATIENCE_S", 0.2)
    patch.setattr(setup, "_POLL_S", 0.02)


async def charged(device: LemDcbm, watts: int = 50_000) -> None:
    """Let a little energy flow."""
    device.set_load(Decimal(watts))
    await asyncio.sleep(0.02)
    device.set_load(Decimal(0))
