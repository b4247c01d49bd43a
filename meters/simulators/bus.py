"""What happens on a Modbus line with simulated meters, whatever carries its bytes.

The wire is half-duplex like the real one: what several TCP connections ask goes over one line.
Frames for units that are not there are not answered; a write to unit 0 reaches all and is not
answered either.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType
from typing import Final, Protocol, Self

from meters.simulators.faults import (
    INSIDE,
    ON_MODBUS,
    Fault,
    FaultKind,
    Faults,
    Given,
    Piece,
    distort,
)
from meters.simulators.pacing import Pace, PunctualWriter, WireTime
from meters.simulators.refusal import Code, NoReply, Refusal
from meters.simulators.wire import READS, Codec, Framing, Request

log = logging.getLogger(__name__)

_BROADCAST: Final = 0
_TICK_S: Final = 1.0
_IDLE_S: Final = 0.05
"""After so long without a byte what has arrived is no longer the beginning of a frame."""
_REMEMBERED: Final = 2000


class Device(Protocol):
    """What a line asks of a meter."""

    faults: Faults
    functions: frozenset[int]

    def silent(self) -> bool:
        """Whether it answers nothing now."""
        ...

    def read(self, address: int, count: int) -> tuple[int, ...]:
        """The registers of one request; raises ``Refusal`` or ``NoReply``."""
        ...

    def write(self, address: int, words: Sequence[int]) -> None:
        """Carry out one request; raises ``Refusal`` or ``NoReply``."""
        ...

    def tick(self) -> None:
        """Called every second."""
        ...


@dataclass(slots=True)
class WireCounters:
    """What happened on the line since it was made."""

    requests: int = 0
    replies: int = 0
    exceptions: int = 0
    broadcasts: int = 0
    other_units: int = 0
    bad_frames: int = 0
    gap_violations: int = 0
    faults: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(slots=True, eq=False)
class Port:
    """One end of the line: where bytes go, and what has arrived of a frame.

    ``writer`` writes at exact times; None writes at once.
    """

    write: Callable[[bytes], None]
    writer: PunctualWriter | None = None
    buffer: bytearray = field(default_factory=bytearray)
    silence: asyncio.TimerHandle | None = None


class Line:
    """What both kinds of line share; ``async with`` opens and closes it.

    Attributes:
        devices: by unit id.
        faults: what goes wrong with every unit; each device has its own besides.
        counters: what happened so far.
        requests: the last requests, oldest first, those for other units included.
    """

    def __init__(
        self,
        devices: Mapping[int, Device],
        *,
        framing: Framing = Framing.RTU,
        baudrate: int | None = None,
        bits_per_character: int = 10,
        reaction_s: float | None = None,
    ) -> None:
        """Put devices on a line, by unit id.

        ``baudrate`` makes the line as slow as real wire; None answers at once. ``reaction_s`` is
        what a device takes before it answers: 1.5 ms on a slow line, else nothing.

        Raises:
            ValueError: a unit id outside 1 to 247.
        """
        for unit in devices:
            if not 1 <= unit <= 247:  # noqa: PLR2004 - Modbus over serial line 1.02, section 2.2
                raise ValueError(f"unit {unit}, 1 to 247 are allowed")
        self.devices = devices
        self.faults = Faults()
        self.counters = WireCounters()
        self.requests: deque[Request] = deque(maxlen=_REMEMBERED)
        self._codec = Codec(framing)
        self._wire = WireTime(Pace.at(baudrate, bits_per_character, reaction_s))
        self.paced = baudrate is not None
        self._timers: set[asyncio.TimerHandle] = set()
        self._held = b""

    async def __aenter__(self) -> Self:
        await self._open()
        self._tick()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        await self._close()

    @property
    def where(self) -> str:
        """Where a master finds the line."""
        raise NotImplementedError

    def add_fault(self, added: Fault, unit: int | None = None) -> None:
        """Let something go wrong with one unit; with None on the line, so with every unit.

        Raises:
            LookupError: no such unit.
            ValueError: such a thing does not happen on a Modbus line.
        """
        if added.kind not in ON_MODBUS:
            raise ValueError(f"{added.kind} does not happen on a Modbus line")
        if unit is not None:
            self.devices[unit].faults.add(added)
        elif added.kind in INSIDE:
            for device in self.devices.values():
                device.faults.add(added)
        else:
            self.faults.add(added)

    def status(self) -> dict[str, object]:
        """What happened, ready for JSON."""
        faults = [str(fault) for fault in self.faults.active()]
        return {"where": self.where, "counters": asdict(self.counters), "faults": faults}

    def plug_in(self) -> None:
        """Give the line back to its masters; nothing if they have it."""
        raise NotImplementedError

    def unplug(self) -> None:
        """Take the line away from its masters, as a cable or an adapter that is pulled."""
        raise NotImplementedError

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError

    # Bytes in.

    def new_port(self, write: Callable[[bytes], None]) -> Port:
        """A place where a master is; ``write`` must not wait, and may be called by a thread."""
        return Port(write, PunctualWriter(write, self.where) if self.paced else None)

    def let_go(self, port: Port) -> None:
        """Before a port is closed: nothing is written to it after this."""
        if port.silence is not None:
            port.silence.cancel()
        if port.writer is not None:
            port.writer.close()

    def received(self, port: Port, data: bytes) -> None:
        """Bytes of a master have arrived."""
        now = time.monotonic()
        self.counters.bytes_in += len(data)
        if not port.buffer and self._wire.begins_too_early(now):
            self.counters.gap_violations += 1
        self._wire.takes(now, len(data))
        port.buffer += data
        frame = bytes(port.buffer)
        for request in self._codec.requests(port.buffer):
            self._arrived(port, request, frame)
        self._watch(port)

    def _watch(self, port: Port) -> None:
        """What does not become a frame before the line falls silent never will."""
        if port.silence is not None:
            port.silence.cancel()
            port.silence = None
        if port.buffer:
            loop = asyncio.get_running_loop()
            port.silence = loop.call_later(_IDLE_S, self._fell_silent, port)

    def _fell_silent(self, port: Port) -> None:
        frame = bytes(port.buffer)
        self._arrived(port, self._codec.after_silence(port.buffer), frame)

    def _arrived(self, port: Port, request: Request | None, frame: bytes) -> None:
        if request is None:
            self.counters.bad_frames += 1
            log.debug("%s: no frame in %s", self.where, frame.hex())
            return
        self.counters.requests += 1
        self.requests.append(request)
        if request.unit == _BROADCAST:
            self._broadcast(request)
        else:
            self._serve(port, request, frame)

    # Frames.

    def _broadcast(self, request: Request) -> None:
        self.counters.broadcasts += 1
        for device in self.devices.values():
            if not device.silent() and request.function not in READS:
                self._execute(device, request)

    def _serve(self, port: Port, request: Request, frame: bytes) -> None:
        given = Given(request.function, request.address, request.count, request.values)
        hits = self.faults.on_the_wire(given)
        device = self.devices.get(request.unit)
        awake = device is not None and not device.silent()
        if device is not None and awake:
            hits |= device.faults.on_the_wire(given)
        self.counters.faults += len(hits)
        if FaultKind.ECHO in hits:
            self._send(port, [(self._wire.ends_at, frame)])
        if device is None:
            self.counters.other_units += 1
        if device is None or not awake or FaultKind.SILENCE in hits:
            return
        answer = self._answer(device, request, hits)
        if answer is None or FaultKind.LOST_REPLY in hits:
            return
        if FaultKind.LATE in hits:
            self._held += answer
            return
        held, self._held = self._held, b""
        self._reply(
            port, [Piece(0, held), *distort(answer, hits)] if held else distort(answer, hits)
        )

    def _answer(
        self, device: Device, request: Request, hits: Mapping[FaultKind, Fault]
    ) -> bytes | None:
        """The frame to send back; None if the device keeps silent."""
        shown = request
        if wrong := hits.get(FaultKind.WRONG_UNIT):
            shown = replace(request, unit=wrong.amount or request.unit % 247 + 1)
        if refused := hits.get(FaultKind.EXCEPTION):
            return self._refuse(shown, refused.amount)
        result = self._execute(device, request)
        if result is None:
            return None
        if isinstance(result, int):
            return self._refuse(shown, result)
        if fewer := hits.get(FaultKind.FEWER_WORDS):
            result = result[: max(len(result) - fewer.amount, 0)]
        return self._codec.reply(shown, result)

    def _execute(self, device: Device, request: Request) -> tuple[int, ...] | int | None:
        """The words read, none for a write; or an exception code; or None for silence."""
        if request.function not in device.functions:
            return Code.ILLEGAL_FUNCTION
        if request.wrong is not None:
            return request.wrong
        try:
            if request.function in READS:
                return device.read(request.address, request.count)
            device.write(request.address, request.values)
        except Refusal as refusal:
            return refusal.code
        except NoReply:
            return None
        return ()

    def _refuse(self, request: Request, code: int) -> bytes:
        self.counters.exceptions += 1
        return self._codec.exception(request, code)

    # Bytes out.

    def _reply(self, port: Port, pieces: Sequence[Piece]) -> None:
        self.counters.replies += 1
        start = self._wire.answer_starts(time.monotonic())
        for piece in pieces:
            start += piece.pause_s
            timed = self._wire.gives(start, piece.data)
            self._send(port, timed)
            start = timed[-1][0]

    def _send(self, port: Port, timed: list[tuple[float, bytes]]) -> None:
        self.counters.bytes_out += sum(len(data) for _, data in timed)
        if port.writer is not None:
            port.writer.add(timed)
            return
        for at, data in timed:
            wait = at - time.monotonic()
            if wait <= 0:
                port.write(data)
            else:
                self._later(wait, port.write, data)

    # Time.

    def _later(self, seconds: float, call: Callable[..., None], *arguments: object) -> None:
        """Call later, unless the line is closed before."""

        def due() -> None:
            self._timers.discard(timer)
            call(*arguments)

        timer = asyncio.get_running_loop().call_later(seconds, due)
        self._timers.add(timer)

    def _tick(self) -> None:
        for device in self.devices.values():
            device.tick()
        self._later(_TICK_S, self._tick)
