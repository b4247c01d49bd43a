"""``chargepoint meter``: read meters without a station."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chargepoint.errors import ConfigError
from meters.errors import MeterError, MeterUnreachable

if TYPE_CHECKING:
    from chargepoint.config import StationConfig
    from meters.api import Meter
    from meters.model import MeterInfo, Reading, Sample

PERIOD_S = 1.0

UNITS = {
    "energy_import": "Wh",
    "energy_export": "Wh",
    "power": "W",
    "reactive_power": "var",
    "apparent_power": "VA",
    "power_factor": "",
    "voltage": "V",
    "current": "A",
    "frequency": "Hz",
    "temperature": "°C",
}

Answer = dict[str, Any]
"""One reading, or the sentence under ``error`` that says why there is none."""


@click.group()
def meter() -> None:
    """Read meters without a station."""


@meter.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.argument("name", required=False)
@click.option("--watch", is_flag=True, help="Read once a second until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per reading.")
def read(config: str, name: str | None, *, watch: bool, as_json: bool) -> int:
    """Read the meters of CONFIG, or the one called NAME, and print what they say.

    A meter that does not answer is told in words; the exit code is then 3, unless watching. On a
    terminal --watch shows a table that is kept up to date, elsewhere one block per reading.
    """
    from chargepoint.config import load_config

    loaded = load_config(config)
    if name is not None and name not in loaded.meters:
        known = ", ".join(loaded.meters)
        raise ConfigError(f"{config}: meters: found {name!r}, allowed {known}")
    try:
        return asyncio.run(_read(loaded, name, watch=watch, as_json=as_json))
    except* BrokenPipeError:
        # Whoever read the output has seen enough; Python must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


async def _read(config: "StationConfig", name: str | None, *, watch: bool, as_json: bool) -> int:
    from chargepoint.clock import SystemClock
    from chargepoint.config_open import open_meters

    async with open_meters(config, SystemClock().now) as meters:
        chosen = {key: meter for key, meter in meters.items() if name in {None, key}}
        if not watch:
            answers = await asyncio.gather(*(ask(key, one) for key, one in chosen.items()))
            for answer in answers:
                _print(answer, as_json=as_json)
            return 3 if any("error" in answer for answer in answers) else 0
        if as_json or not _on_terminal():
            await follow(chosen, lambda answer: _print(answer, as_json=as_json))
            return 0
        from chargepoint.cli.meter_watch import watch_on_terminal

        return await watch_on_terminal(chosen)


async def follow(
    meters: dict[str, "Meter"], told: Callable[[Answer], None], *, period_s: float = PERIOD_S
) -> None:
    """Read each meter once a period, for ever, each by itself: a slow one delays no other."""

    async def one(name: str, meter: "Meter") -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            told(await ask(name, meter))
            due = max(due + period_s, clock())
            await asyncio.sleep(due - clock())

    async with asyncio.TaskGroup() as group:
        for name, meter in meters.items():
            group.create_task(one(name, meter))


async def ask(name: str, meter: "Meter") -> Answer:
    """One reading, with who the meter is."""
    try:
        info = await meter.identify()
        return _answer(name, info, await meter.read())
    except MeterUnreachable as error:
        return {"meter": name, "error": str(error), "health": "unreachable"}
    except MeterError as error:
        sentence = f"the meter answers, but: {error}"
        return {"meter": name, "error": sentence, "health": "refusing"}


def _on_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _print(answer: Answer, *, as_json: bool) -> None:
    click.echo(json.dumps(answer) if as_json else _block(answer))
    sys.stdout.flush()


def _answer(name: str, info: "MeterInfo", reading: "Reading") -> Answer:
    return {
        "meter": name,
        "health": "ok",
        "vendor": info.vendor,
        "model": info.model,
        "serial_number": info.serial_number,
        "firmware": info.firmware,
        "public_key": info.public_key,
        "signing_method": info.signing_method,
        "taken_at": reading.taken_at.isoformat(),
        "samples": [_sample(sample) for sample in reading.samples],
    }


def _sample(sample: "Sample") -> dict[str, str | None]:
    return {
        "quantity": str(sample.quantity),
        "phase": str(sample.phase) if sample.phase else None,
        "value": format(sample.value, "f"),
        "unit": UNITS[sample.quantity],
    }


def title(sample: dict[str, Any]) -> str:
    """What a sample is, for people: ``voltage L1``."""
    return f"{sample['quantity'].replace('_', ' ')} {sample['phase'] or ''}".rstrip()


def who(answer: Answer) -> str:
    """The meter in words: maker, model, serial number, and how it signs."""
    from meters.ocmf.report import printable

    name = f"{answer['vendor']} {answer['model']} {answer['serial_number']}".strip()
    return printable(f"{name}, {answer['signing_method'] or 'does not sign'}")


def _block(answer: Answer) -> str:
    from meters.ocmf.report import printable

    if "error" in answer:
        return click.style(f"{answer['meter']}: {printable(answer['error'])}", fg="red")
    lines = [f"{answer['meter']}: {who(answer)}, {answer['taken_at']}"]
    lines += [
        f"  {title(sample):<22}{sample['value']:>14} {sample['unit']}"
        for sample in answer["samples"]
    ]
    return "\n".join(lines)
