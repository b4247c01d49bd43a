"""Carries out ``chargepoint simulate``: devices, what they are reached by, and their life."""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from chargepoint.cli.simulate import numbered
from chargepoint.cli.simulate_options import settings_of
from meters.simulators.catalog import Simulator
from meters.simulators.control import ControlServer, Pluggable, Steerable

if TYPE_CHECKING:
    from meters.simulators.bus import Line
    from meters.simulators.certificate import Certificate

_INTERRUPTED = 130


class Wire(Pluggable, Protocol):
    """A line or server that opens and closes."""

    @property
    def where(self) -> str:
        """Where a master or client finds it."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Simulation:
    """Everything that runs, not yet running; ``told`` goes into the ready file as it is."""

    label: str
    devices: Mapping[int, Steerable]
    wire: Wire
    control: ControlServer | None
    ready_file: Path | None
    told: Mapping[str, str] = field(default_factory=dict)


def modbus_simulation(name: str, simulator: Simulator, given: Mapping[str, Any]) -> Simulation:
    """Meters on a line of their own.

    Raises:
        ValueError: options that do not go together, or a state file that is none.
        OSError: a state file cannot be used.
    """
    units: tuple[int, ...] = given["unit"]
    if (given["pty"] is None) == (given["tcp"] is None):
        raise ValueError("give either --pty or --tcp")
    if given.get("serial_number") and len(given["serial_number"]) != len(units):
        raise ValueError("give --serial-number once per --unit, or not at all")
    if len(set(units)) != len(units):
        raise ValueError("each --unit once")
    devices = {
        unit: _device(simulator, given, **_own(simulator, given, place))
        for place, unit in enumerate(units)
    }
    return _simulation(name, given, devices, _line(given, devices))


def http_simulation(name: str, simulator: Simulator, given: Mapping[str, Any]) -> Simulation:
    """A meter behind an HTTP server.

    Raises:
        ValueError: options that do not go together, or a file that holds something else.
        OSError: a file cannot be used.
    """
    from meters.simulators.http import HttpServer

    own = {"serial_number": given["serial_number"]} if given.get("serial_number") else {}
    device = _device(simulator, given, state_file=given["state"], **own)
    host, port = given["listen"]
    tls = _certificate(given, host)
    server = HttpServer(device, host, port, tls=tls)
    told = {} if tls is None else {"certificate": tls.pem}
    return _simulation(name, given, {1: device}, server, told)


async def serve(simulation: Simulation) -> int:
    """Serve until a signal comes; the exit code.

    Raises:
        OSError: an address or path cannot be used.
    """
    stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_signals(stop))
        await stack.enter_async_context(simulation.wire)
        if simulation.control is not None:
            await stack.enter_async_context(simulation.control)
        click.echo(_sentence(simulation))
        sys.stdout.flush()
        if simulation.ready_file is not None:
            _write_ready(simulation.ready_file, simulation)
            stack.callback(simulation.ready_file.unlink, missing_ok=True)
        return await stop


def _device(simulator: Simulator, given: Mapping[str, Any], **own: object) -> Any:  # noqa: ANN401
    """One device, switched on, with its load."""
    options = {key: value for key, value in given.items() if key != "serial_number"}
    device = simulator.create(settings_of(simulator.Settings, options, **own))
    device.set_load(given["load"], given["phases"])
    return device


def _own(simulator: Simulator, given: Mapping[str, Any], place: int) -> dict[str, object]:
    """What each of several meters on a line has for itself."""
    unit, several = given["unit"][place], len(given["unit"]) > 1
    own: dict[str, object] = {"state_file": given["state"]}
    if "serial_number" in simulator.Settings.__struct_fields__:
        serials = given["serial_number"]
        first = str(getattr(simulator.Settings(), "serial_number"))  # noqa: B009 - not of every one
        own["serial_number"] = serials[place] if serials else numbered(first, unit - 1)
    if several and given.get("key_seed") is not None:
        own["key_seed"] = f"{given['key_seed']} {unit}"
    if several and given["state"] is not None:
        state: Path = given["state"]
        own["state_file"] = state.with_name(f"{state.stem}-{unit}{state.suffix}")
    return own


def _line(given: Mapping[str, Any], devices: Mapping[int, Any]) -> "Line":
    from meters.simulators.line import PtyLine, TcpLine

    how = {
        "baudrate": given["baudrate"],
        "bits_per_character": given["bits"],
        "reaction_s": None if given["reaction"] is None else given["reaction"] / 1000,
    }
    if given["tcp"] is None:
        return PtyLine(devices, given["pty"], **how)
    return TcpLine(devices, *given["tcp"], framing=given["framing"], **how)


def _certificate(given: Mapping[str, Any], host: str) -> "Certificate | None":
    from meters.simulators.certificate import Certificate, self_signed

    path: Path | None = given["cert"]
    if not given["tls"]:
        if path is not None:
            raise ValueError("--cert goes with --tls")
        return None
    if path is not None and path.exists():
        return Certificate.load(path)
    made = self_signed(host, "localhost", "127.0.0.1", key=given["cert_key"])
    if path is not None:
        made.save(path)
    return made


def _simulation(
    name: str,
    given: Mapping[str, Any],
    devices: Mapping[int, Any],
    wire: Wire,
    told: Mapping[str, str] | None = None,
) -> Simulation:
    for fault in given["fault"]:
        wire.add_fault(fault)
    control = ControlServer(given["control"], wire, devices) if given["control"] else None
    return Simulation(name.upper(), devices, wire, control, given["ready_file"], told or {})


@contextlib.contextmanager
def _signals(stop: "asyncio.Future[int]") -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def end(code: int) -> None:
        if not stop.done():
            stop.set_result(code)

    codes = {signal.SIGTERM: 0, signal.SIGINT: _INTERRUPTED}
    for number, code in codes.items():
        loop.add_signal_handler(number, end, code)
    try:
        yield
    finally:
        for number in codes:
            loop.remove_signal_handler(number)


def _sentence(simulation: Simulation) -> str:
    several = not hasattr(simulation.wire, "url")
    meters = "; ".join(
        (f"unit {unit} " if several else "")
        + f"serial {status.get('serial_number') or 'none'} key {_fingerprint(status)}"
        for unit, status in _statuses(simulation).items()
    )
    control = simulation.control
    where = getattr(simulation.wire, "url", simulation.wire.where)
    return f"{simulation.label} on {where}: {meters}" + (
        f"; control {control.where}" if control else ""
    )


def _fingerprint(status: Mapping[str, object]) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, the first 16 bytes in hex; "none" without a key."""
    from meters.ocmf import PublicKeyError, load_public_key

    key = str(status.get("public_key") or "")
    if not key:
        return "none"
    try:
        spki = load_public_key(key).spki
    except PublicKeyError:
        spki = bytes.fromhex(key)
    return hashlib.sha256(spki).hexdigest()[:32]


def _statuses(simulation: Simulation) -> dict[int, dict[str, object]]:
    return {unit: device.status() for unit, device in simulation.devices.items()}


def _write_ready(path: Path, simulation: Simulation) -> None:
    """Tell scripts where to go, in one step, so that a script that waits reads all or nothing."""
    control = simulation.control
    content: dict[str, object] = {
        "where": simulation.wire.where,
        "control": control.where if control else None,
        "pid": os.getpid(),
        "units": {
            unit: {
                "serial_number": status.get("serial_number", ""),
                "public_key": status.get("public_key", ""),
            }
            for unit, status in _statuses(simulation).items()
        },
    }
    if hasattr(simulation.wire, "url"):
        content["url"] = simulation.wire.url
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(content | dict(simulation.told)) + "\n")
    draft.replace(path)
