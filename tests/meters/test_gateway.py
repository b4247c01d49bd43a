"""The bus over TCP: gateways with several units, in both framings, that restart and refuse."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from modbus_slave import gateway, registers
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from meters.errors import MeterUnreachable
from meters.line import TcpBusConfig
from meters.modbus import ModbusBus, ModbusException
from meters.simulators.em580.device import Em580
from meters.simulators.line import TcpLine


async def test_rtu_frames_travel_over_tcp() -> None:
    async with gateway(registers) as config, ModbusBus(config) as bus:
        assert await bus.unit(1).read_input(6, 200) == tuple(range(6, 206))


async def test_a_gateway_that_hangs_up_is_connected_again() -> None:
    replies = iter([None, b"ok"])

    def answer(request: bytes) -> bytes | None:
        return None if next(replies, b"ok") is None else registers(request)

    async with gateway(answer) as config, ModbusBus(config) as bus:
        words = await bus.unit(1, attempts=3, retry_delay_s=0.25).read_input(6, 1)

        assert words == (6,)
        assert bus.counters.reopened == 1


async def test_a_connection_on_which_nothing_comes_back_is_given_up() -> None:
    async with gateway(lambda _: b"") as config, ModbusBus(config) as bus:
        with pytest.raises(MeterUnreachable, match="no answer"):
            await bus.unit(1, attempts=3, retry_delay_s=0.0).read_input(6, 1)

        assert bus.counters.reopened == 1


async def test_a_gateway_that_is_not_there_is_an_unreachable_meter() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with ModbusBus(TcpBusConfig(host="127.0.0.1", tcp_port=port)) as bus:
        with pytest.raises(MeterUnreachable, match=rf"127.0.0.1:{port}: no connection"):
            await bus.unit(1, attempts=1).read_input(0, 1)


async def test_modbus_tcp_is_spoken_with_an_independent_server() -> None:
    words = SimData(0, values=list(range(300)), datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(1, [words]), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert server.transport is not None
    port = server.transport.sockets[0].getsockname()[1]
    try:
        async with ModbusBus(TcpBusConfig(host="127.0.0.1", tcp_port=port)) as bus:
            unit = bus.unit(1)
            await unit.write(10, [0xABCD, 0x1234])

            assert await unit.read_holding(10, 2) == (0xABCD, 0x1234)
            assert await unit.read_holding(100, 200) == tuple(range(100, 300))
            with pytest.raises(ModbusException) as raised:
                await unit.read_holding(500, 1)
            assert raised.value.code == 2
    finally:
        await server.shutdown()


def mbap(request: bytes, *, unit: int | None = None, pdu: bytes | None = None) -> bytes:
    """The answer of a healthy unit behind a Modbus TCP gateway, or another one to its question."""
    if pdu is None:
        pdu = registers(request[6:])[1:-2]
    header = request[:4] + (len(pdu) + 1).to_bytes(2, "big")
    return header + bytes((request[6] if unit is None else unit,)) + pdu


@asynccontextmanager
async def tcp(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[ModbusBus]:
    async with gateway(answer) as config:
        modbus = msgspec.structs.replace(config, framing="tcp")
        async with ModbusBus(modbus) as bus:
            yield bus


async def test_units_behind_a_gateway_share_one_connection() -> None:
    asked: list[int] = []

    def answer(request: bytes) -> bytes:
        asked.append(request[6])
        return mbap(request, pdu=bytes((4, 2, 0, request[6])))

    async with tcp(answer) as bus:
        words = await asyncio.gather(*(bus.unit(unit).read_input(0, 1) for unit in (1, 2, 247)))

        assert words == [(1,), (2,), (247,)]
        assert bus.counters.reopened == 0
    assert sorted(asked) == [1, 2, 247]


@pytest.mark.parametrize("second", [pytest.param(1, id="same unit"), pytest.param(2, id="other")])
async def test_a_late_answer_over_tcp_is_known_by_its_number(second: int) -> None:
    late: list[bytes] = []

    def answer(request: bytes) -> bytes:
        if not late:
            late.append(mbap(request))
            return b""
        return late[0] + mbap(request)

    async with tcp(answer) as bus:
        with pytest.raises(MeterUnreachable):
            await bus.unit(1, attempts=1).read_input(0x1111, 1)

        assert await bus.unit(second, attempts=1).read_input(0x2222, 1) == (0x2222,)


async def test_an_answer_of_another_unit_with_the_right_number_is_refused() -> None:
    async with tcp(lambda request: mbap(request, unit=9)) as bus:
        with pytest.raises(MeterUnreachable, match="unit 9 answered instead"):
            await bus.unit(1, attempts=1).read_input(0, 1)


async def test_the_rest_of_a_late_answer_over_tcp_is_passed_over() -> None:
    rest: list[bytes] = []

    def answer(request: bytes) -> bytes:
        if not rest:
            whole = mbap(request)
            rest.append(whole[5:])
            return whole[:5]
        return rest[0] + mbap(request)

    async with tcp(answer) as bus:
        words = await bus.unit(1, attempts=2, retry_delay_s=0.0).read_input(6, 2)

        assert words == (6, 7)
        assert bus.counters.requests == 2


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (0x0A, r"exception 0A \(gateway path unavailable\); the gateway has no line"),
        (0x0B, r"exception 0B \(gateway target silent\); the gateway is there, the meter behind"),
    ],
)
async def test_what_a_gateway_says_of_a_meter_is_told_in_words(code: int, sentence: str) -> None:
    def answer(request: bytes) -> bytes:
        return mbap(request, pdu=bytes((0x84, code))) if request[6] == 1 else mbap(request)

    async with tcp(answer) as bus:
        with pytest.raises(MeterUnreachable, match=sentence):
            await bus.unit(1, attempts=1).read_input(0, 1)

        assert await bus.unit(2, attempts=1).read_input(0, 1) == (0,)
        assert bus.units[1].exceptions == 1


async def test_a_dead_meter_behind_a_gateway_does_not_cut_off_the_others() -> None:
    def answer(request: bytes) -> bytes:
        return b"" if request[6] == 1 else mbap(request)

    async with tcp(answer) as bus:
        await bus.unit(2).read_input(0, 1)
        with pytest.raises(MeterUnreachable):
            await bus.unit(1, attempts=3, retry_delay_s=0.0).read_input(0, 1)
        await bus.unit(2).read_input(0, 1)

        assert bus.counters.reopened == 0


async def test_a_gateway_that_speaks_rtu_frames_is_recognised() -> None:
    async with tcp(lambda request: registers(request[6:] + b"\0\0")) as bus:
        with pytest.raises(MeterUnreachable, match="try `framing: rtu`"):
            await bus.unit(1, attempts=1).read_input(0, 3)


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
async def test_a_gateway_that_restarts_is_used_again(framing: str) -> None:
    device = Em580(monotonic=lambda: 1e6)
    device._awake_at = 0.0
    async with TcpLine({1: device, 2: device}, framing=framing) as first:
        port = first.port
        config = TcpBusConfig(host="127.0.0.1", tcp_port=port, framing=framing, timeout_ms=200)
        async with ModbusBus(config) as bus:
            units = [bus.unit(unit, attempts=8, retry_delay_s=0.1) for unit in (1, 2)]
            before = [await unit.read_input(0x000B, 1) for unit in units]
            await first._close()
            with pytest.raises(MeterUnreachable):
                await bus.unit(1, attempts=1).read_input(0x000B, 1)

            async with TcpLine({1: device, 2: device}, port=port, framing=framing):
                after = await asyncio.gather(*(unit.read_input(0x000B, 1) for unit in units))

            assert before == after == [(1880,), (1880,)]
            assert bus.counters.reopened == 1


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
async def test_a_host_that_cannot_be_asked_for_is_not_reached(host: str) -> None:
    async with ModbusBus(TcpBusConfig(host=host)) as bus:
        with pytest.raises(MeterUnreachable, match="no connection"):
            await bus.unit(1, attempts=1).read_input(0, 1)


async def test_a_flood_is_no_answer_and_does_not_hold_up_the_others() -> None:
    """What begins like an answer at every third byte takes long to look through."""

    def answer(request: bytes) -> bytes:
        return request[:2] + b"\xc8" + (request[:2] + b"\xc8") * 30_000

    async with gateway(answer) as config, ModbusBus(config) as bus:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(MeterUnreachable):
            await bus.unit(1, attempts=1).read_input(6, 100)

        assert len(bus._line.received) < 10_000  # type: ignore[union-attr]
        assert loop.time() - began < 1
