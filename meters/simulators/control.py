"""Controls of a running simulator: one JSON object per line, one line of answer.

Socket paths and TCP addresses alike. Several orders in one object are carried out in the order
load, override, fault, clear, unplug, plug in, reboot, status. Without ``unit`` they concern every
unit, and a fault of the wire the whole line.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, Protocol, Self

import msgspec
from msgspec import Meta

from meters.simulators.faults import Fault, Faults, fault

_LONGEST_LINE: Final = 65_536
_LONGEST_PATH: Final = 107
_DEADLINE_S: Final = 2.0


class SimulatorUnreachable(Exception):  # noqa: N818 - reads as a state
    """Nobody answers at the control address."""


class SimulatorRefused(Exception):  # noqa: N818 - reads as a state
    """The simulator says what is wrong with the order."""


class Steerable(Protocol):
    """A device that can be told what happens to it."""

    faults: Faults

    def set_load(self, watts: Decimal, phases: int = 3) -> None:
        """What the vehicle takes."""
        ...

    def override(self, address: int, words: Sequence[int]) -> None:
        """Show other words."""
        ...

    def clear_overrides(self) -> None:
        """Show the truth."""
        ...

    def reboot(self) -> None:
        """Power off and on."""
        ...

    def status(self) -> dict[str, object]:
        """Ready for JSON."""
        ...


class Pluggable(Protocol):
    """The line, as far as it can be told something."""

    faults: Faults

    def add_fault(self, added: Fault, unit: int | None = None) -> None:
        """Let something go wrong."""
        ...

    def unplug(self) -> None:
        """As an adapter that is pulled."""
        ...

    def plug_in(self) -> None:
        """And put back."""
        ...

    def status(self) -> dict[str, object]:
        """Ready for JSON."""
        ...


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words to show from a register on."""

    register: Annotated[int, Meta(ge=0, le=65_535)]
    words: list[Annotated[int, Meta(ge=0, le=65_535)]]


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one line may say.

    ``load_w`` with ``phases`` sets the load; ``clear`` ends all faults and overrides; ``unplug``
    takes the line away until ``plug_in``.
    """

    unit: int | None = None
    load_w: Decimal | None = None
    phases: int | None = None
    override: Override | None = None
    fault: dict[str, Any] | None = None
    clear: bool = False
    unplug: bool = False
    plug_in: bool = False
    reboot: bool = False
    status: bool = False


class ControlServer:
    """Listens on a socket file or on ``HOST:PORT``; ``async with`` owns it.

    Everything that asks must be trusted: a socket file is for the owner only, a TCP address is
    open to all who reach it.
    """

    def __init__(self, where: str, line: Pluggable, devices: Mapping[int, Steerable]) -> None:
        self.where = where
        self._line, self._devices = line, devices
        self._server: asyncio.Server | None = None
        self.connections: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        address = tcp_address(self.where)
        if address is not None:
            self._server = await loop.create_server(lambda: _Connection(self), *address)
            host, port = self._server.sockets[0].getsockname()[:2]
            self.where = f"{host}:{port}"
            return self
        end = _bound(self.where)
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=end)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.abort()
        while self.connections:  # noqa: ASYNC110 - the loop tells each of them within a round
            await asyncio.sleep(0)
        if tcp_address(self.where) is None:
            _remove(Path(self.where))

    def answer(self, line: bytes) -> bytes:
        """Carry out one line and say what became of it; never raises for what a line can hold."""
        try:
            result = self._carry_out(msgspec.json.decode(line, type=Order))
        except (ValueError, LookupError, OSError) as error:
            result = {"error": error.args[0] if isinstance(error, LookupError) else str(error)}
        return json.dumps(result).encode() + b"\n"

    def _carry_out(self, order: Order) -> dict[str, object]:
        if order.phases is not None and order.load_w is None:
            raise ValueError("phases go with load_w")
        units = self._chosen(order.unit)
        for device in units.values():
            if order.load_w is not None:
                device.set_load(order.load_w, order.phases or 3)
            if order.override is not None:
                device.override(order.override.register, order.override.words)
        self._disturb(order)
        if order.reboot:
            for device in units.values():
                device.reboot()
        if not order.status:
            return {"ok": True}
        shown = {str(unit): device.status() for unit, device in units.items()}
        return self._line.status() | {"units": shown}

    def _disturb(self, order: Order) -> None:
        if order.fault is not None:
            self._line.add_fault(fault(order.fault), order.unit)
        if order.clear:
            self._clear(order.unit)
        if order.unplug:
            self._line.unplug()
        if order.plug_in:
            self._line.plug_in()

    def _clear(self, unit: int | None) -> None:
        if unit is None:
            self._line.faults.clear()
        for device in self._chosen(unit).values():
            device.faults.clear()
            device.clear_overrides()

    def _chosen(self, unit: int | None) -> Mapping[int, Steerable]:
        if unit is None:
            return self._devices
        if unit not in self._devices:
            known = ", ".join(str(one) for one in self._devices)
            raise LookupError(f"unit {unit} is not on the line, there are: {known}")
        return {unit: self._devices[unit]}


class _Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def abort(self) -> None:
        """Cut it."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what stream sockets have
        self._transport = transport
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            if line.strip() and self._transport is not None:
                self._transport.write(self._server.answer(line))
        if len(self._buffer) > _LONGEST_LINE and self._transport is not None:
            self._transport.write(b'{"error": "line too long"}\n')
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._server.connections.discard(self)


class ControlClient:
    """Tells a simulator what happens. One connection per order, so it may restart in between.

    Raises:
        SimulatorUnreachable: by every method, if there is no answer within 2 s.
        SimulatorRefused: by every method, if the order makes no sense to the simulator.
    """

    def __init__(self, where: str | Path) -> None:
        """``where`` is a socket file or ``HOST:PORT``."""
        self.where = str(where)

    async def set_load(self, watts: Decimal, phases: int = 3, *, unit: int | None = None) -> None:
        """From now on the vehicle takes this much; negative is export."""
        await self.order({"load_w": str(watts), "phases": phases, **_of(unit)})

    async def add_fault(self, *, unit: int | None = None, **fields: object) -> None:
        """Let something go wrong; the fields are those of ``Fault``."""
        await self.order({"fault": fields, **_of(unit)})

    async def clear(self, *, unit: int | None = None) -> None:
        """End all faults and overrides."""
        await self.order({"clear": True, **_of(unit)})

    async def reboot(self, *, unit: int | None = None) -> None:
        """Cut the power and give it back."""
        await self.order({"reboot": True, **_of(unit)})

    async def status(self, *, unit: int | None = None) -> dict[str, Any]:
        """Line and units as they are."""
        return await self.order({"status": True, **_of(unit)})

    async def order(self, fields: Mapping[str, object]) -> dict[str, Any]:
        """Send one line and return the answer."""
        try:
            async with asyncio.timeout(_DEADLINE_S):
                line = await self._exchange(json.dumps(fields).encode() + b"\n")
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as error:
            reason = str(error) or "no answer in time"
            raise SimulatorUnreachable(f"{self.where}: {reason}") from error
        if "error" in answer:
            raise SimulatorRefused(answer["error"])
        return answer

    async def _exchange(self, line: bytes) -> bytes:
        address = tcp_address(self.where)
        if address is not None:
            reader, writer = await asyncio.open_connection(*address, limit=2**20)
        else:
            reader, writer = await asyncio.open_unix_connection(self.where, limit=2**20)
        try:
            writer.write(line)
            return await reader.readline()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def tcp_address(where: str) -> tuple[str, int] | None:
    """Host and port of ``HOST:PORT``; None if it is a path.

    Raises:
        ValueError: the port is no port.
    """
    host, colon, port = where.rpartition(":")
    if not colon or "/" in where:
        return None
    if not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004 - TCP
        raise ValueError(f"{where}: expected HOST:PORT, port 0 to 65535")
    return host or "127.0.0.1", int(port)


def _of(unit: int | None) -> dict[str, object]:
    return {} if unit is None else {"unit": unit}


def _bound(where: str) -> socket.socket:
    """A socket file, for its owner only from the first moment on."""
    if len(os.fsencode(where)) > _LONGEST_PATH:
        raise OSError(f"{where}: longer than the {_LONGEST_PATH} bytes a socket path may have")
    _remove(Path(where))
    end = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        end.bind(where)
    except OSError:
        end.close()
        raise
    finally:
        os.umask(before)
    return end


def _remove(path: Path) -> None:
    if path.exists() and not path.is_socket():
        raise FileExistsError(f"{path} exists and is no socket")
    path.unlink(missing_ok=True)
