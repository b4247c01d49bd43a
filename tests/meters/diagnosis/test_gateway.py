"""Searches behind a simulated gateway."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from meters.diagnosis import Finding, Suspect, gateway, look_at_gateway
from meters.line import TcpBusConfig
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.line import TcpLine

Make = Callable[..., Any]


async def look(port: int, suspects: list[Suspect], **config: Any) -> Finding:
    (finding,) = await look_at_gateway(
        TcpBusConfig(host="127.0.0.1", tcp_port=port, **({"framing": "rtu"} | config)), suspects
    )
    return finding


@pytest.mark.parametrize(("spoken", "expected"), [("rtu", "tcp"), ("tcp", "rtu")])
async def test_the_other_framing_is_tried_and_told(
    meter: Make, suspect: Make, spoken: str, expected: str
) -> None:
    async with TcpLine({1: meter()}, framing=spoken) as line:
        finding = await look(line.port, [suspect()], framing=expected)

    assert finding.code == "wrong-framing"
    assert f"answers in {spoken} framing, the config says {expected}" in finding.sentence
    assert finding.step == f"Set `framing: {spoken}` of the bus."


async def test_another_unit_behind_the_gateway_is_found(meter: Make, suspect: Make) -> None:
    async with TcpLine({4: meter()}) as line:
        finding = await look(line.port, [suspect()])

    assert finding.code == "wrong-unit"
    assert "but unit 4 does" in finding.sentence


async def test_a_gateway_that_cannot_reach_the_meter_says_so_itself(
    meter: Make, suspect: Make
) -> None:
    async with TcpLine({1: meter()}, framing="tcp") as line:
        line.add_fault(Fault(kind=FaultKind.EXCEPTION, value=0x0B), unit=1)
        finding = await look(line.port, [suspect()], framing="tcp")

    assert finding.code == "line-behind-gateway"
    assert "cannot reach unit 1" in finding.sentence


async def test_a_gateway_that_never_answers_is_told(suspect: Make) -> None:
    async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(idle, "127.0.0.1", 0) as server:
        finding = await look(server.sockets[0].getsockname()[1], [suspect()])

    assert finding.code == "gateway-silent"


async def test_a_refused_port_names_the_open_one(
    meter: Make, suspect: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TcpLine({1: meter()}) as line:
        alone = await look(1, [suspect()])
        monkeypatch.setattr(gateway, "_PORTS", (line.port,))
        beside = await look(1, [suspect()])

    assert alone.code == "refused"
    assert beside.code == "wrong-port"
    assert f"It listens on port {line.port}" in beside.sentence


async def test_a_host_without_address_is_told(suspect: Make) -> None:
    (finding,) = await look_at_gateway(TcpBusConfig(host="no.such.host.invalid"), [suspect()])

    assert finding.code == "no-such-host"
