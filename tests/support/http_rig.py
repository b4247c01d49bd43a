"""A simulated device that only repeats what it was asked, and a client of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meters.http import HttpConfig, HttpDevice
from meters.simulators.certificate import Certificate
from meters.simulators.faults import Faults, parse
from meters.simulators.http import HttpRequest, HttpResponse, HttpServer, json_response


class Mirror:
    """Answers with what was asked; ``handled`` counts, ``next`` answers instead."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.handled = 0
        self.ticks = 0
        self.booting = False
        self.next: HttpResponse | None = None
        self.certificate_pem = ""

    def silent(self) -> bool:
        return self.booting

    def tick(self) -> None:
        self.ticks += 1

    def handle(self, request: HttpRequest) -> HttpResponse:
        self.handled += 1
        if self.next is not None:
            return self.next
        return json_response(
            {
                "energy": Decimal("1234567.1230"),
                "method": request.method,
                "path": request.path,
                "query": dict(request.query),
                "body": request.body.decode(),
                "kind": request.headers.get("content-type"),
                "who": request.headers.get("authorization"),
            }
        )


@dataclass
class Rig:
    device: Mirror
    server: HttpServer
    client: HttpDevice

    def fault(self, spec: str) -> None:
        self.server.add_fault(parse(spec))


@asynccontextmanager
async def rig(
    *, shown: Certificate | None = None, timeout_ms: int = 500, **config: Any
) -> AsyncIterator[Rig]:
    """``shown`` is the certificate of the device; ``config`` are fields of ``HttpConfig``."""
    device = Mirror()
    async with HttpServer(device, tls=shown) as server:
        where = HttpConfig(
            host="127.0.0.1",
            port=server.port,
            timeout_ms=timeout_ms,
            **{"tls": shown is not None, "retry_delay_s": 0.01, **config},
        )
        async with HttpDevice(where) as client:
            yield Rig(device, server, client)
