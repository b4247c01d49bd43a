"""``chargepoint check``: is the config right, and with ``--connect``, is what it names there?"""

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from chargepoint.errors import CsmsError
from meters.errors import MeterError

if TYPE_CHECKING:
    from chargepoint.config import StationConfig
    from meters.api import Meter
    from meters.model import MeterInfo, Reading

METER_FAILED = 3
CSMS_FAILED = 4
_READ_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying one thing; ``code`` is the exit code it asks for."""

    what: str
    good: bool
    words: str
    code: int = 0


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--connect", is_flag=True, help="Also try each meter and the CSMS.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def check(config: str, *, connect: bool, as_json: bool) -> int:
    """Check a config and say what the station would be.

    Mistakes are told with file and line, all at once (exit code 2). With --connect a meter that
    does not answer makes the exit code 3, a CSMS that does not let the station in makes it 4.
    """
    from chargepoint.config import load_config

    station = load_config(config)
    asyncio.run(_check_settings(station))
    trials = asyncio.run(_try_everything(station)) if connect else []
    if as_json:
        click.echo(json.dumps(_as_json(station, trials)))
    else:
        rows = _table(station)
        width = max(len(name) for name, _ in rows)
        for name, words in rows:
            click.echo(f"{name:<{width}}  {words}")
        for trial in trials:
            mark = click.style("ok", "green") if trial.good else click.style("FAILED", "red")
            click.echo(f"{trial.what}: {mark}: {trial.words}")
    return next((trial.code for trial in trials if not trial.good), 0)


def _table(station: "StationConfig") -> list[tuple[str, str]]:
    """What the station would be, as lines of a name and words."""
    who, csms, local = station.station, station.csms, station.local
    rows = [
        ("station", f"{who.id}, {who.vendor} {who.model} {who.serial_number}".rstrip()),
        ("state", str(who.state)),
        ("CSMS", f"{csms.url.rstrip('/')}/{who.id}, OCPP {' or '.join(csms.ocpp)}"),
        ("", f"security profile {csms.security_profile}, CSMS profile {csms.profile}"),
    ]
    for name, meter in station.meters.items():
        bus = f" on {meter.bus}" if meter.bus else ""
        rows.append((f"meter {name}", f"{meter.driver}{bus}"))
    for evse in station.evses:
        connectors = ", ".join(connector.type for connector in evse.connectors)
        words = f"{evse.evse_id or 'no EVSE id'}, {connectors}, {evse.max_current_a} A, "
        words += f"{evse.phases} phases, meter {evse.meter}, hardware {evse.hardware.driver}"
        rows.append((f"EVSE {evse.id}", words))
    rows.append(("settings", f"{len(station.settings) + len(station.custom_settings)} given"))
    rows.append(("local", local.listen if local else "no local interface"))
    return rows


def _as_json(station: "StationConfig", trials: list[Trial]) -> dict[str, Any]:
    return {
        "ok": all(trial.good for trial in trials),
        "station_id": station.station.id,
        "url": station.csms.url,
        "ocpp": station.csms.ocpp,
        "meters": {name: meter.driver for name, meter in station.meters.items()},
        "evses": [evse.id for evse in station.evses],
        "trials": [
            {"what": trial.what, "ok": trial.good, "words": trial.words} for trial in trials
        ],
    }


class _NothingKept:
    """Settings of a station that never ran."""

    def load_settings(self) -> dict[str, str]:
        return {}

    def save_setting(self, key: str, value: str) -> None:
        """Nothing is kept: a check changes nothing."""


async def _check_settings(station: "StationConfig") -> None:
    """Raises ConfigError for a setting that does not exist or cannot have its value."""
    from chargepoint.clock import SystemClock
    from chargepoint.config_open import open_meters
    from chargepoint.wiring import device_model

    async with open_meters(station, SystemClock().now) as meters:
        device_model(station, _NothingKept(), meters)


async def _try_everything(station: "StationConfig") -> list[Trial]:
    """Meters first, in the order of the file, then the CSMS."""
    from chargepoint.clock import SystemClock
    from chargepoint.config_open import open_meters

    async with open_meters(station, SystemClock().now) as meters:
        trials = [await try_meter(name, meter) for name, meter in meters.items()]
    return [*trials, await try_csms(station)]


async def try_meter(name: str, meter: "Meter") -> Trial:
    """Ask a meter who it is and read it once."""
    what = f"meter {name}"
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            who = await meter.identify()
            reading = await meter.read()
    except TimeoutError:
        return Trial(
            what, good=False, words=f"no answer in {_READ_TIMEOUT_S:g} s", code=METER_FAILED
        )
    except MeterError as error:
        return Trial(what, good=False, words=str(error), code=METER_FAILED)
    return Trial(what, good=True, words=_who(who, reading))


def _who(who: "MeterInfo", reading: "Reading") -> str:
    from meters.model import Quantity

    words = [f"{who.vendor} {who.model}"]
    words += [f"serial {who.serial_number}"] if who.serial_number else []
    words += [f"firmware {who.firmware}"] if who.firmware else []
    words.append(f"signs with {who.signing_method}" if who.signing_method else "does not sign")
    energy = reading.value(Quantity.ENERGY_IMPORT)
    words.append("no energy register" if energy is None else f"{energy / 1000:.3f} kWh")
    return ", ".join(words)


async def try_csms(station: "StationConfig") -> Trial:
    """Connect once with what the config says, and hang up."""
    from chargepoint.config_open import link_config
    from chargepoint.csms.link import probe

    try:
        subprotocol = await probe(link_config(station))
    except CsmsError as error:
        return Trial("CSMS", good=False, words=str(error), code=CSMS_FAILED)
    return Trial("CSMS", good=True, words=f"lets the station in, speaks {subprotocol}")
