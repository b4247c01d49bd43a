"""A simulated register meter on a line, and drivers as one process after the other would have."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from meters.api import SigningMeter
from meters.line import SerialBusConfig, TcpBusConfig
from meters.modbus import ModbusBus
from meters.model import BillingTransaction, Identification, Reading
from meters.ocmf import parse, verify
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.line import PtyLine, TcpLine

UUID = "12345678-1234-5678-1234-567812345678"
OTHER = "87654321-4321-8765-4321-876543218765"
TIMEOUT_MS = 70
WRITE = 0x10


def now() -> datetime:
    return datetime.now(UTC)


def transaction(transaction_id: str = UUID, **more: Any) -> BillingTransaction:
    who = Identification(
        assigned=True, level="TRUSTED", flags=("OCPP_AUTH",), type="ISO14443", data="04A1B2C3"
    )
    return BillingTransaction(transaction_id, "DE*ABC*E123*1", who, **more)


@dataclass
class Rig:
    """One meter on a line, and the bus that a station would use."""

    line: PtyLine | TcpLine
    bus: ModbusBus
    device: Any
    make: Callable[..., Any]

    def driver(self, **config: Any) -> SigningMeter:
        """A driver that knows nothing yet, as that of another process."""
        meter = self.make(self.bus, **config)
        assert isinstance(meter, SigningMeter)
        return meter

    def fault(self, kind: FaultKind, **how: Any) -> None:
        fields: dict[str, Any] = {"count": 1, **how}
        self.device.faults.add(Fault(kind=kind, **fields))

    def executed(self, transaction_id: str = UUID) -> dict[str, int]:
        """How often the meter carried out a begin (B) and an end (E) of a transaction."""
        counts: Mapping[str, dict[str, int]] = self.device.status()["transactions"]
        return counts.get(transaction_id, {})

    def asked(self, address: int) -> int:
        """How many requests began at this address."""
        return sum(request.address == address for request in self.line.requests)


def check_record(reading: Reading) -> dict[str, Any]:
    """The payload of the record, after both ways of verifying it."""
    assert reading.signed is not None
    record = parse(reading.signed.document)
    verdict = verify(record, reading.signed.public_key, method=reading.signed.method)
    assert verdict.valid, verdict.reason
    header, payload, seal = reading.signed.document.split(b"|")
    assert header == b"OCMF"
    public = load_der_public_key(bytes.fromhex(reading.signed.public_key))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(bytes.fromhex(json.loads(seal)["SD"]), payload, ec.ECDSA(SHA256()))
    content: dict[str, Any] = json.loads(payload)
    return content


@asynccontextmanager
async def rig(
    device: Any, unit: int, make: Callable[..., Any], *, pty: bool = False
) -> AsyncIterator[Rig]:
    """A meter on a pseudo-terminal, or behind a gateway, where a test takes half the time."""
    config: SerialBusConfig | TcpBusConfig
    async with AsyncExitStack() as opened:
        line: PtyLine | TcpLine
        if pty:
            line = await opened.enter_async_context(PtyLine({unit: device}))
            config = SerialBusConfig(port=line.port, baudrate=115200, timeout_ms=TIMEOUT_MS)
        else:
            line = await opened.enter_async_context(TcpLine({unit: device}))
            config = TcpBusConfig(
                host="127.0.0.1", tcp_port=line.port, framing="rtu", timeout_ms=TIMEOUT_MS
            )
        bus = await opened.enter_async_context(ModbusBus(config))
        yield Rig(line, bus, device, make)
