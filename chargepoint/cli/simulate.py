"""Simulated meters on their own: ``chargepoint simulate ...``, one command for each simulator.

Which there are is looked up in the catalogue; what they share is here, what only one has comes from
its settings.
"""

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from chargepoint.cli.simulate_run import Simulation
    from meters.simulators.catalog import Simulator
    from meters.simulators.faults import Fault

_INTERRUPTED = 130


class Simulators(click.Group):
    """One command for each simulator that is installed; nothing is imported before it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, D102
        from meters.simulators.catalog import simulator_names

        return [name.replace("_", "-") for name in simulator_names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002, D102
        from meters.simulators.catalog import UnknownSimulator, load_simulator

        try:
            return _command(cmd_name, load_simulator(cmd_name.replace("-", "_")))
        except UnknownSimulator:
            return None


@click.group(cls=Simulators)
def simulate() -> None:
    """Run a simulated meter on its real wire protocol."""


def _command(name: str, simulator: "Simulator") -> click.Command:
    from chargepoint.cli.simulate_options import options_of

    def run(**given: Any) -> None:  # noqa: ANN401 - click passes options by name
        _run(name, simulator, given)

    wire = _HTTP if simulator.TRANSPORT == "http" else _MODBUS
    several = simulator.TRANSPORT == "modbus"
    return click.Command(
        name,
        callback=run,
        params=[
            *(option() for option in wire),
            *(option() for option in _COMMON),
            *_identity(simulator, several=several),
            *options_of(simulator.Settings),
        ],
        help=f"{simulator.TITLE}.",
        short_help=simulator.TITLE,
        context_settings={"show_default": True, "help_option_names": ["-h", "--help"]},
    )


def _run(name: str, simulator: "Simulator", given: dict[str, Any]) -> None:
    from chargepoint.cli.simulate_run import http_simulation, modbus_simulation, serve

    try:
        simulation: Simulation
        if simulator.TRANSPORT == "http":
            simulation = http_simulation(name, simulator, given)
        else:
            simulation = modbus_simulation(name, simulator, given)
        status = asyncio.run(serve(simulation))
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    except KeyboardInterrupt:
        status = _INTERRUPTED  # before or after the loop that listens for it
    sys.exit(status)


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


def _watts(context: click.Context, option: click.Parameter, value: str) -> object:
    from chargepoint.cli.simulate_options import number

    return number(context, option, value)


class _Option:
    """A click option that is made anew for each command."""

    def __init__(self, *names: str, **how: Any) -> None:  # noqa: ANN401 - those of click.Option
        self._names, self._how = names, how

    def __call__(self) -> click.Option:
        return click.Option(self._names, **self._how)


_MODBUS = (
    _Option("--pty", type=click.Path(path_type=Path), help="Make a pseudo-terminal, link it here."),
    _Option("--tcp", metavar="HOST:PORT", callback=_address, help="Listen here; port 0 is any."),
    _Option("--framing", type=click.Choice(["rtu", "tcp"]), default="rtu", help="On TCP."),
    _Option("--unit", type=click.IntRange(1, 247), multiple=True, default=(1,), help="Repeatable."),
    _Option("--baudrate", type=click.IntRange(300, 1_000_000), help="As slow as real wire."),
    _Option("--bits", type=click.IntRange(10, 12), default=10, help="Per character on the wire."),
    _Option("--reaction", type=click.FloatRange(0), help="Milliseconds before an answer."),
)
_HTTP = (
    _Option(
        "--listen",
        metavar="HOST:PORT",
        required=True,
        callback=_address,
        help="Listen here; port 0 is any.",
    ),
    _Option("--tls", is_flag=True, help="HTTPS with a self-signed certificate."),
    _Option(
        "--cert",
        type=click.Path(path_type=Path),
        help="With --tls: certificate and key (PEM); made there if there is no such file.",
    ),
    _Option(
        "--cert-key",
        type=click.Choice(["ec", "rsa-1024", "rsa-2048"]),
        default="ec",
        help="Of a certificate that is made.",
    ),
)
_COMMON = (
    _Option("--state", type=click.Path(path_type=Path), help="File that survives a power cut."),
    _Option("--load", default="0", callback=_watts, help="W taken from the start on."),
    _Option("--phases", type=click.IntRange(1, 3), default=3, help="That the load uses."),
    _Option("--control", metavar="PATH|HOST:PORT", help="Listen for orders, one JSON per line."),
    _Option(
        "--fault",
        multiple=True,
        callback=_faults,
        metavar="KIND[:NAME=VALUE,...]",
        help="Repeatable; e.g. lost-reply:count=1 or delay:value=2000,seconds=60.",
    ),
    _Option("--ready-file", type=click.Path(path_type=Path), help="Written when listening."),
)


def _identity(simulator: "Simulator", *, several: bool) -> list[click.Option]:
    """``--serial-number``, once per unit on a line, if the meter has one."""
    fields = simulator.Settings.__struct_fields__
    if "serial_number" not in fields:
        return []
    text = "Once per unit." if several else "Of the meter."
    return [click.Option(["--serial-number"], multiple=several, help=text)]


def numbered(serial: str, place: int) -> str:
    """A serial number ``place`` further on: its last number grows and keeps its width."""
    digits = list(re.finditer(r"\d+", serial))
    if not digits or not place:
        return serial
    last = digits[-1]
    grown = int(last[0]) + place
    return f"{serial[: last.start()]}{grown:0{len(last[0])}}{serial[last.end() :]}"
