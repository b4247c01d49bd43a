"""Simulated meters on their own: ``chargepoint simulate ...``."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from meters.simulators.bus import Line
    from meters.simulators.control import ControlServer
    from meters.simulators.em580 import Em580, Em580Settings
    from meters.simulators.faults import Fault

_INTERRUPTED = 130
_CURVES = ("brainpoolP384r1", "brainpoolP256r1", "none")


@click.group()
def simulate() -> None:
    """Run a simulated meter on its real wire protocol."""


def _watts(_: click.Context, option: click.Parameter, value: str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise click.BadParameter(f"{value!r} is no number", param=option) from error


def _faults(
    _: click.Context, option: click.Parameter, values: Sequence[str]
) -> tuple["Fault", ...]:
    from meters.simulators.faults import parse

    try:
        return tuple(parse(value) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error), param=option) from error


def _address(
    _: click.Context, option: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    from meters.simulators.control import tcp_address

    if value is None:
        return None
    try:
        address = tcp_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=option) from error
    if address is None:
        raise click.BadParameter(f"{value!r}, expected HOST:PORT", param=option)
    return address


@dataclass(frozen=True, slots=True, kw_only=True)
class Em580Options:
    """What the command line of ``simulate em580`` says, checked as far as click can."""

    pty: Path | None
    tcp: tuple[str, int] | None
    framing: str
    unit: tuple[int, ...]
    baudrate: int | None
    bits: int
    reaction: float | None
    state: Path | None
    load: Decimal
    phases: int
    control: str | None
    serial_number: tuple[str, ...]
    curve: str
    key_seed: str | None
    begin_energy: int
    identification_code: int | None
    record_size: int | None
    signing_delay: float
    boot_delay: float
    time_lapse: Decimal
    resume: bool
    fault: tuple["Fault", ...]
    ready_file: Path | None


@simulate.command(context_settings={"show_default": True})
@click.option(
    "--pty", type=click.Path(path_type=Path), help="Make a pseudo-terminal, link it here."
)
@click.option("--tcp", metavar="HOST:PORT", callback=_address, help="Listen here; port 0 is any.")
@click.option("--framing", type=click.Choice(["rtu", "tcp"]), default="rtu", help="On TCP.")
@click.option(
    "--unit", type=click.IntRange(1, 247), multiple=True, default=(1,), help="Repeatable."
)
@click.option("--baudrate", type=click.IntRange(300, 1_000_000), help="As slow as real wire.")
@click.option("--bits", type=click.IntRange(10, 12), default=10, help="Per character on the wire.")
@click.option("--reaction", type=click.FloatRange(0), help="Milliseconds before an answer.")
@click.option("--state", type=click.Path(path_type=Path), help="File that survives a power cut.")
@click.option("--load", default="0", callback=_watts, help="W taken from the start on.")
@click.option("--phases", type=click.IntRange(1, 3), default=3, help="That the load uses.")
@click.option("--control", metavar="PATH|HOST:PORT", help="Listen for orders, one JSON per line.")
@click.option("--serial-number", multiple=True, help="Once per unit.")
@click.option("--curve", type=click.Choice(_CURVES), default=_CURVES[0], help="Of the key.")
@click.option("--key-seed", help="The same seed gives the same key.")
@click.option("--begin-energy", type=click.IntRange(0), default=0, help="Wh of a new meter.")
@click.option("--identification-code", type=click.IntRange(0, 65_535), help="340 is an EM340.")
@click.option(
    "--record-size", type=click.IntRange(1, 4062), help="Fill records up to so many bytes."
)
@click.option("--signing-delay", type=click.FloatRange(0), default=0.3, help="Seconds.")
@click.option("--boot-delay", type=click.FloatRange(0), default=6.0, help="Seconds of silence.")
@click.option("--time-lapse", default="1", callback=_watts, help="Energy grows so much faster.")
@click.option("--resume", is_flag=True, help="After a power cut a transaction goes on.")
@click.option(
    "--fault",
    multiple=True,
    callback=_faults,
    metavar="KIND[:NAME=VALUE,...]",
    help="Repeatable; e.g. lost-reply:command=B,count=1.",
)
@click.option("--ready-file", type=click.Path(path_type=Path), help="Written when listening.")
def em580(**given: Any) -> None:  # noqa: ANN401 - click passes options by name
    """A Carlo Gavazzi EM580: AC meter, Modbus RTU, signed transactions."""
    options = Em580Options(**given)
    try:
        line, devices, control = _build(options)
        status = asyncio.run(_run(options, line, devices, control))
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    except KeyboardInterrupt:
        status = _INTERRUPTED  # before or after the loop that listens for it
    sys.exit(status)


def _build(
    options: Em580Options,
) -> tuple["Line", dict[int, "Em580"], "ControlServer | None"]:
    """The parts, not yet running.

    Raises:
        ValueError: options that do not go together, or a state file that is none.
    """
    from meters.simulators.control import ControlServer
    from meters.simulators.em580 import Em580

    if (options.pty is None) == (options.tcp is None):
        raise ValueError("give either --pty or --tcp")
    if options.serial_number and len(options.serial_number) != len(options.unit):
        raise ValueError("give --serial-number once per --unit, or not at all")
    if len(set(options.unit)) != len(options.unit):
        raise ValueError("each --unit once")
    devices = {unit: Em580(_settings(options, place)) for place, unit in enumerate(options.unit)}
    for device in devices.values():
        device.set_load(options.load, options.phases)
    line = _line(options, devices)
    for fault in options.fault:
        line.add_fault(fault)
    control = ControlServer(options.control, line, devices) if options.control else None
    return line, devices, control


def _line(options: Em580Options, devices: dict[int, "Em580"]) -> "Line":
    from meters.simulators.line import PtyLine, TcpLine

    reaction_s = None if options.reaction is None else options.reaction / 1000
    if options.tcp is None:
        return PtyLine(
            devices,
            options.pty,
            baudrate=options.baudrate,
            bits_per_character=options.bits,
            reaction_s=reaction_s,
        )
    return TcpLine(
        devices,
        *options.tcp,
        framing=options.framing,
        baudrate=options.baudrate,
        bits_per_character=options.bits,
        reaction_s=reaction_s,
    )


def _settings(options: Em580Options, place: int) -> "Em580Settings":
    from meters.simulators.em580 import Behaviour, Em580Settings, KeyCurve

    unit, several = options.unit[place], len(options.unit) > 1
    serial = options.serial_number[place] if options.serial_number else f"KZ1660104{unit:03}D"
    seed, state = options.key_seed, options.state
    if several and seed is not None:
        seed = f"{seed} {unit}"
    if several and state is not None:
        state = state.with_name(f"{state.stem}-{unit}{state.suffix}")
    settings = Em580Settings(
        serial_number=serial,
        curve=KeyCurve(options.curve),
        key_seed=seed,
        begin_energy_wh=options.begin_energy,
        record_size=options.record_size,
        signing_delay=timedelta(seconds=options.signing_delay),
        boot_silence=timedelta(seconds=options.boot_delay),
        clock_refusal=timedelta(seconds=min(options.boot_delay, 2)),
        time_lapse=options.time_lapse,
        state_file=state,
        behaviour=Behaviour(resumes=options.resume),
    )
    if options.identification_code is None:
        return settings
    return replace(settings, identification_code=options.identification_code)


async def _run(
    options: Em580Options,
    line: "Line",
    devices: dict[int, "Em580"],
    control: "ControlServer | None",
) -> int:
    """Serve until a signal comes; the exit code.

    Raises:
        OSError: an address or path cannot be used.
    """
    stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_signals(stop))
        await stack.enter_async_context(line)
        if control is not None:
            await stack.enter_async_context(control)
        click.echo(_sentence(line, devices, control))
        sys.stdout.flush()
        if options.ready_file is not None:
            _write_ready(options.ready_file, line, devices, control)
            stack.callback(options.ready_file.unlink, missing_ok=True)
        return await stop


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


def _sentence(line: "Line", devices: dict[int, "Em580"], control: "ControlServer | None") -> str:
    meters = "; ".join(
        f"unit {unit} serial {device.settings.serial_number} key "
        + (device.key.fingerprint if device.key else "none")
        for unit, device in devices.items()
    )
    return f"EM580 on {line.where}: {meters}" + (f"; control {control.where}" if control else "")


def _write_ready(
    path: Path, line: "Line", devices: dict[int, "Em580"], control: "ControlServer | None"
) -> None:
    """Tell scripts where to go, in one step, so that a script that waits reads all or nothing."""
    content = {
        "where": line.where,
        "control": control.where if control else None,
        "pid": os.getpid(),
        "units": {
            unit: {
                "serial_number": device.settings.serial_number,
                "public_key": device.public_key,
            }
            for unit, device in devices.items()
        },
    }
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(content) + "\n")
    draft.replace(path)
