"""Reads one meter, without a station: ``python -m meters NAME PORT``."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

import click
import yaml

from meters import MeterError, MeterUnreachable, open_meter
from meters.catalog import UnknownDriver, driver_names, load_driver
from meters.profiles import Profile, load, profile_names
from meters.profiles.catalog import ENDINGS
from meters.table import plain, table

_PERIOD_S: Final = 1.0
_GENERIC: Final = "generic_modbus"
_FAILED, _USAGE, _UNREACHABLE, _INTERRUPTED = 1, 2, 3, 130


@click.command(context_settings={"show_default": True})
@click.argument("name")
@click.argument("port")
@click.option("--address", type=click.IntRange(1, 255), default=1, help="Modbus address.")
@click.option("--baudrate", type=int, help="Of the serial line; default: as the profile says.")
@click.option("--parity", type=click.Choice(["none", "even", "odd"]), help="Likewise.")
@click.option("--stopbits", type=click.Choice(["1", "2"]), help="Likewise.")
@click.option(
    "--framing", type=click.Choice(["rtu", "tcp"]), default="tcp", help="Behind a gateway."
)
@click.option(
    "--option", "-o", "more", multiple=True, metavar="KEY=VALUE", help="Of the driver; repeatable."
)
@click.option("--watch", is_flag=True, help="Read once a second until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per reading.")
def main(name: str, port: str, *, watch: bool, as_json: bool, **given: Any) -> None:  # noqa: ANN401
    """Read the meter NAME at PORT.

    NAME is a driver, a profile, or the path of a profile (.yaml). PORT is a serial port such as
    /dev/ttyUSB0, or HOST:PORT of a gateway or of a meter in the network.

    Exit codes: 0 read, 1 the meter answers nonsense, 2 usage, 3 no answer.
    """
    try:
        driver, bus, options = _meter(name, port, given)
        status = asyncio.run(_read(driver, bus, options, watch=watch, as_json=as_json))
    except (UnknownDriver, ValueError) as error:
        click.echo(click.style(f"{name}: {error.args[0]}", fg="red"), err=True)
        status = _USAGE
    except KeyboardInterrupt:
        status = _INTERRUPTED
    sys.exit(status)


def _meter(
    name: str, port: str, given: dict[str, Any]
) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
    """Driver, bus and options of the driver.

    Raises:
        UnknownDriver: the name is neither a driver nor a profile.
        ValueError: the profile is wrong, or an option.
    """
    options = dict(_pair(word) for word in given["more"])
    profile = _profile(name)
    driver = name if profile is None else _GENERIC
    if profile is not None:
        options["profile"] = Path(name)
    host, _, number = port.rpartition(":")
    network = bool(host) and number.isdecimal() and "/" not in port
    if load_driver(driver).TRANSPORT == "http":
        options |= {"host": host, "port": int(number)} if network else {"host": port}
        return driver, None, options
    options.setdefault("powermeter_device_id", given["address"])
    if network:
        return driver, {"host": host, "tcp_port": int(number), "framing": given["framing"]}, options
    line = None if profile is None else profile.line
    stopbits = given["stopbits"]
    said = {
        "baudrate": given["baudrate"] or (line and line.baudrate),
        "parity": given["parity"] or (line and line.parity),
        "stopbits": int(stopbits) if stopbits else (line and line.stopbits),
    }
    return driver, {"port": port} | {key: value for key, value in said.items() if value}, options


def _profile(name: str) -> Profile | None:
    """The profile of that name; None if it is the name of a driver.

    Raises:
        UnknownDriver: it is neither.
        ProfileError: it is a profile with mistakes.
    """
    if name in driver_names():
        return None
    if name not in profile_names() and Path(name).suffix not in ENDINGS:
        drivers, profiles = ", ".join(driver_names()), ", ".join(profile_names())
        raise UnknownDriver(
            f"no such driver or profile.\n  drivers: {drivers}\n  profiles: {profiles}, "
            "or the path of a .yaml file"
        )
    return load(name)


def _pair(word: str) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"--option {word}, expected KEY=VALUE")
    return key, yaml.safe_load(value)


async def _read(
    driver: str,
    bus: dict[str, Any] | None,
    options: dict[str, Any],
    *,
    watch: bool,
    as_json: bool,
) -> int:
    async with open_meter(driver, bus=bus, **options) as meter:
        while True:
            status = 0
            try:
                info, reading = await meter.identify(), await meter.read()
            except MeterUnreachable as error:
                status = _tell(str(error), _UNREACHABLE, as_json=as_json)
            except MeterError as error:
                status = _tell(f"the meter answers, but: {error}", _FAILED, as_json=as_json)
            else:
                shown = plain(driver, info, reading)
                click.echo(json.dumps(shown) if as_json else table(info, reading))
            if not watch:
                return status
            await asyncio.sleep(_PERIOD_S)


def _tell(sentence: str, status: int, *, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"error": sentence}))
    else:
        click.echo(click.style(sentence, fg="red"), err=True)
    return status


if __name__ == "__main__":
    main(prog_name="python -m meters")
