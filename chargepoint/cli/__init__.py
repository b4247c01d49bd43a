"""The command ``chargepoint``: subcommands that are imported when used, errors as exit codes."""

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Final

import click

from chargepoint.cli import logs
from chargepoint.errors import ConfigError, CsmsError, StoreError
from meters.errors import MeterError

COMMANDS: Final = {
    "run": ("chargepoint.cli.run:run", "Run the station of a config."),
    "demo": ("chargepoint.cli.demo:demo", "One signed session, simulated, told step by step."),
    "check": ("chargepoint.cli.check:check", "Check a config; try its meters and its CSMS."),
    "schema": ("chargepoint.cli.schema:schema", "Print the JSON Schema of the config."),
    "csms": ("chargepoint.cli.csms:csms", "Run the small CSMS on its own."),
    "simulate": ("chargepoint.cli.simulate:simulate", "Simulate a meter on its wire protocol."),
    "meter": ("chargepoint.cli.meter:meter", "Read meters without a station."),
    "ocmf": ("chargepoint.cli.ocmf:ocmf", "Verify or show signed records."),
    "health": ("chargepoint.cli.health:health", "Say whether the station that runs here is well."),
    "systemd-unit": (
        "chargepoint.cli.systemd_unit:systemd_unit",
        "Print a systemd unit for a config.",
    ),
    "records": ("chargepoint.cli.records:records", "List, show, export the records kept."),
}
"""Where each subcommand is, and what ``--help`` says without importing it."""

EXIT_CODES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (ConfigError, 2),
    (MeterError, 3),
    (CsmsError, 4),
    (StoreError, 5),
)
INTERRUPTED: Final = 130
_UNWRITTEN: Final = 2  # as of a file that ``records export`` cannot write
_NOT_TAKEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

# The check itself tells what it finds.
_LEVELS: Final = {"run": "info", "check": "error", "meter": "error"}


class LazyGroup(click.Group):
    """A group that imports a subcommand only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, D102
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002, D102
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002, D102
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if wanted and not ctx.resilient_parsing:
        click.echo(f"chargepoint {version('chargepoint')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--log-level",
    type=click.Choice(logs.LEVELS),
    help="Default: info with run, error with check, else warning.",
)
@click.option("--log-format", type=click.Choice(logs.FORMATS), default="text")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version)
@click.pass_context
def cli(ctx: click.Context, log_level: str | None, log_format: str) -> None:
    """The software inside an EV charger: OCPP to the back office, signed records from the meter.

    Exit codes: 0 fine, 1 the check failed, 2 usage or config, 3 meter unreachable, 4 CSMS
    unreachable or refused, 5 state store refused, 130 Ctrl-C.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    level = log_level or _LEVELS.get(ctx.invoked_subcommand or "", "warning")
    logs.set_up(level, as_json=log_format == "json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Expected errors are told without traceback.

    A command's own exit code is what it returns, if that is an int, or gives to ``ctx.exit``.
    """
    _open_streams()
    try:
        result = cli.main(arguments, prog_name="chargepoint", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        for leaf in _leaves(error):
            if _is_unwritten(leaf):
                _forget_output()
            with suppress(OSError):  # stderr may be on the same disk
                click.echo(_words(leaf), err=True)
        return code
    return result if isinstance(result, int) else 0


def _open_streams() -> None:
    """Whoever starts a command may have closed some; then nobody reads what it says there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error, or group of errors, that users may meet; None for a defect."""
    codes = []
    for leaf in _leaves(error):
        if _is_unwritten(leaf):
            codes.append(_UNWRITTEN)
            continue
        code = next((code for kind, code in EXIT_CODES if isinstance(leaf, kind)), None)
        if code is None:
            return None
        codes.append(code)
    return min(codes)


def _is_unwritten(error: BaseException) -> bool:
    """Whether the disk did not take what a command says; it names no file then."""
    return isinstance(error, OSError) and error.errno in _NOT_TAKEN and error.filename is None


def _words(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"Cannot write the output: {error.strerror}"
    return str(error)


def _forget_output() -> None:
    """What could not be written must not be tried once more at the exit (``sys.stdout``)."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside groups: what a TaskGroup wrapped on its way up."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
