"""``chargepoint meter``: read meters without a station."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click

from chargepoint.errors import ConfigError
from meters.errors import MeterError, MeterUnreachable

if TYPE_CHECKING:
    from chargepoint.config import StationConfig
    from meters.api import Meter
    from meters.model import MeterInfo, Reading

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

    A meter that does not answer is told in words; the exit code is then 3, unless watching.
    """
    from chargepoint.config import load_config

    loaded = load_config(config)
    if name is not None and name not in loaded.meters:
        known = ", ".join(loaded.meters)
        raise ConfigError(f"{config}: meters: found {name!r}, allowed {known}")
    return asyncio.run(_read(loaded, name, watch=watch, as_json=as_json))


async def _read(config: "StationConfig", name: str | None, *, watch: bool, as_json: bool) -> int:
    from chargepoint.clock import SystemClock
    from chargepoint.config_open import open_meters

    async with open_meters(config, SystemClock().now) as meters:
        chosen = {key: meter for key, meter in meters.items() if name in {None, key}}
        while True:
            answers = [await _one(key, meter) for key, meter in chosen.items()]
            for answer in answers:
                click.echo(json.dumps(answer) if as_json else _table(answer))
            if not watch:
                return 3 if any("error" in answer for answer in answers) else 0
            await asyncio.sleep(PERIOD_S)


async def _one(name: str, meter: "Meter") -> dict[str, Any]:
    try:
        return _as_json(name, await meter.identify(), await meter.read())
    except MeterUnreachable as error:
        return {"meter": name, "error": str(error)}
    except MeterError as error:
        return {"meter": name, "error": f"the meter answers, but: {error}"}


def _as_json(name: str, info: "MeterInfo", reading: "Reading") -> dict[str, Any]:
    return {
        "meter": name,
        "vendor": info.vendor,
        "model": info.model,
        "serial_number": info.serial_number,
        "firmware": info.firmware,
        "public_key": info.public_key,
        "signing_method": info.signing_method,
        "taken_at": reading.taken_at.isoformat(),
        "samples": [
            {
                "quantity": str(sample.quantity),
                "phase": str(sample.phase) if sample.phase else None,
                "value": format(sample.value, "f"),
                "unit": UNITS[sample.quantity],
            }
            for sample in reading.samples
        ],
    }


def _table(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return click.style(f"{answer['meter']}: {answer['error']}", fg="red")
    who = f"{answer['vendor']} {answer['model']} {answer['serial_number']}".strip()
    signs = answer["signing_method"] or "does not sign"
    lines = [f"{answer['meter']}: {who}, {signs}, {answer['taken_at']}"]
    for sample in answer["samples"]:
        title = sample["quantity"].replace("_", " ") + (f" {sample['phase'] or ''}").rstrip()
        lines.append(f"  {title:<22}{sample['value']:>14} {sample['unit']}")
    return "\n".join(lines)
