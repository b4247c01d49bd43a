"""Meter drivers that are answered with whatever an input says, and rightly where it says nothing.

The right answers are those of the simulated meters, so an input needs to spoil one of them only.
Nothing here has a wire, and time passes only when nothing else is left to do: what would wait for
ever ends with an error.
"""

import asyncio
import functools
import json
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from meter_bench import OTHER, UUID, create_device, driver_config, now, transaction

from meters.api import Meter, SigningMeter
from meters.catalog import load_driver
from meters.errors import MeterError
from meters.http import Answer, HttpDevice
from meters.line import Line, TcpBusConfig
from meters.modbus import ModbusBus
from meters.ocmf import verify_document
from meters.rtu import WRITE_MULTIPLE, crc16
from meters.simulators.catalog import Simulator, load_simulator
from meters.simulators.http import HttpRequest
from meters.simulators.refusal import NoReply, Refusal
from meters.table import plain, table

T = TypeVar("T")

UNIT: Final = 1
LONGEST_S: Final = 3600.0
"""A driver that is still at it after this time is taken to hang."""


class Stuck(Exception):  # noqa: N818 - a finding
    """Nobody will ever go on."""


class _Still(selectors.BaseSelector):
    """No descriptor is ever ready; instead of waiting, time jumps."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck
        self._jump(max(timeout, 0.0))
        return []

    def register(self, *_: Any) -> selectors.SelectorKey:
        raise AssertionError("no wires here")

    def unregister(self, _: Any) -> selectors.SelectorKey:
        raise AssertionError("no wires here")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class StillLoop(asyncio.SelectorEventLoop):
    """A loop whose clock begins at 1000 s and is moved by waiting only."""

    def __init__(self) -> None:
        self._now = 1000.0
        super().__init__(_Still(self._jump))

    def time(self) -> float:
        return self._now

    def _jump(self, seconds: float) -> None:
        self._now += seconds

    def run_in_executor(self, _: Any, func: Any, *args: Any) -> Any:
        """At once, so that an input always goes the same way."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for who waits
            future.set_exception(error)
        return future

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a loop of its own."""
    with asyncio.Runner(loop_factory=StillLoop) as runner:
        return runner.run(work)


class Script:
    """What an input says about one answer after the other."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = iter(parts)

    def next(self) -> Any:
        return next(self._parts, None)


class ScriptedLine(Line):
    """A line with one simulated meter, whose answers the script spoils.

    A text is hexadecimal data in the place of that of a good answer, a number the code of an
    exception, ``[place, text]`` data laid over that of the good answer, ``[text]`` all that
    arrives, false silence.
    """

    def __init__(self, config: TcpBusConfig, device: Any, script: Script) -> None:
        super().__init__("line", config)
        self._device = device
        self._script = script
        self._there = False

    @property
    def is_open(self) -> bool:
        return self._there

    async def _open(self) -> None:
        self._there = True

    def close(self) -> None:
        self._there = False

    def doubt(self, units: int, *, known: int) -> None:
        pass

    def _send(self, frame: bytes) -> None:
        loop = asyncio.get_running_loop()
        for piece in self._answer_to(frame):
            loop.call_soon(self._arrived, piece)

    def _answer_to(self, frame: bytes) -> Iterator[bytes]:
        asked, pdu = self._script.next(), self._right(frame[1:-2])
        match asked:
            case False:
                return
            case [str(text)]:
                yield _bytes(text)
                return
            case int() | float() if asked is not True:
                pdu = bytes((frame[1] | 0x80, int(asked) & 0xFF if abs(asked) < 1e9 else 4))
            case str() if pdu is not None:
                data = _bytes(asked)
                pdu = pdu[:2] + (data + pdu[2 + len(data) :])[: len(pdu) - 2]
            case [int(place), str(text)] if pdu is not None and 0 <= place < len(pdu) - 2:
                data, place = _bytes(text), place + 2
                pdu = (pdu[:place] + data + pdu[place + len(data) :])[: len(pdu)]
        if pdu is not None:
            body = frame[:1] + pdu
            yield body + crc16(body).to_bytes(2, "little")

    def _right(self, pdu: bytes) -> bytes | None:
        address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        try:
            if pdu[0] == WRITE_MULTIPLE:
                words = [int.from_bytes(pdu[at : at + 2], "big") for at in range(6, len(pdu), 2)]
                self._device.write(address, words)
                return pdu[:5]
            if pdu[0] not in self._device.functions:
                return bytes((pdu[0] | 0x80, 1))
            found = self._device.read(address, count)
        except Refusal as refusal:
            return bytes((pdu[0] | 0x80, refusal.code))
        except NoReply:
            return None
        return bytes((pdu[0], 2 * count)) + b"".join(word.to_bytes(2, "big") for word in found)


class ScriptedDevice(HttpDevice):
    """A simulated meter that speaks HTTP; ``[status, body]`` is said in its place.

    A body that is no text is sent as JSON; ``{"member": value}`` alone is laid over the members of
    the good answer, a text alone is the body.
    """

    def __init__(self, config: Any, device: Any, script: Script) -> None:
        super().__init__(config)
        self._device = device
        self._script = script

    async def _exchange(self, where: str, asked: Any) -> Answer:
        await asyncio.sleep(0.01)
        request = HttpRequest(
            asked.method, asked.path, dict(asked.query or {}), {}, asked.body or b""
        )
        right = self._device.handle(request)
        status, body = right.status, right.body
        match self._script.next():
            case str(text):
                body = text.encode("utf-8", "surrogatepass")
            case int(code) if code is not True and 200 <= code < 600:
                status = code
            case [int(code), content]:
                status = code if 200 <= code < 600 else 200
                whole = content if isinstance(content, str) else json.dumps(content)
                body = whole.encode("utf-8", "surrogatepass")
            case dict(members):
                try:
                    body = json.dumps(_laid_over(json.loads(body), members)).encode()
                except ValueError:
                    body = json.dumps(members).encode()
        return Answer(status, {"content-type": "application/json"}, body, where)


def _laid_over(good: Any, members: dict[str, Any]) -> Any:
    if not isinstance(good, dict):
        return members
    return good | {
        name: _laid_over(good[name], value)
        if isinstance(value, dict) and isinstance(good.get(name), dict)
        else value
        for name, value in members.items()
    }


def _bytes(text: str) -> bytes:
    digits = "".join(one for one in text if one in "0123456789abcdefABCDEF")
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


async def modbus_meter(driver: str, simulator: str, answers: Sequence[Any]) -> str:
    """A life of a meter on a line; how it ended, one word for each call."""
    found, module = _loaded(driver, simulator)
    config = TcpBusConfig(host="127.0.0.1", tcp_port=9, framing="rtu", timeout_ms=100)
    async with ModbusBus(config) as bus:
        bus._line = ScriptedLine(config, create_device(found), Script(answers))
        options = {"powermeter_device_id": UNIT}
        meter = module.create(driver_config(found, module.Config, options), bus, now=now)
        return await _live(driver, meter)


async def http_meter(driver: str, simulator: str, answers: Sequence[Any]) -> str:
    """Likewise of one that speaks HTTP."""
    found, module = _loaded(driver, simulator)
    config = driver_config(found, module.Config, {})
    device = ScriptedDevice(module.http_config(config), create_device(found), Script(answers))
    async with device:
        return await _live(driver, module.create(config, device, now=now))


@functools.cache
def _loaded(driver: str, simulator: str) -> tuple[Simulator, Any]:
    return load_simulator(simulator), load_driver(driver)


async def _live(name: str, meter: Meter) -> str:
    calls: list[Callable[[], Awaitable[Any]]] = [meter.identify, meter.read]
    if isinstance(meter, SigningMeter):
        signing = meter
        calls += [
            signing.open_transaction,
            lambda: signing.begin(transaction()),
            signing.read,
            lambda: signing.end(UUID),
            lambda: signing.release(UUID),
            signing.open_transaction,
            lambda: signing.end(OTHER),
        ]
    ends, info = [], None
    for call in calls:
        try:
            async with asyncio.timeout(LONGEST_S):
                result = await call()
        except MeterError as error:
            ends.append(type(error).__name__ if str(error) else "an error without a sentence")
            continue
        ends.append("fine")
        info = result if call == meter.identify else info
        if info is not None and call == meter.read:
            assert table(info, result)
            assert plain(name, info, result)
        signed = getattr(result, "signed", None)
        if signed is not None:
            verify_document(signed.document, signed.public_key, method=signed.method)
            ends[-1] = "signed"
    return " ".join(ends)
