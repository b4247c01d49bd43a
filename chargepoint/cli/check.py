"""``chargepoint check``: is the config right, and with ``--connect``, is what it names there?"""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chargepoint.cli.trial import Trial
from chargepoint.errors import CsmsError

if TYPE_CHECKING:
    from chargepoint.config import StationConfig
    from chargepoint.csms.recognise import Signs
    from meters.diagnosis import Finding

CSMS_FAILED = 4
_NO_WRAP = 10_000


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--connect", is_flag=True, help="Also try each meter and the CSMS.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def check(config: str, *, connect: bool, as_json: bool) -> int:
    """Check a config and say what the station would be.

    Mistakes are told with file and line, all at once (exit code 2); what gives up a protection is
    allowed and told as a warning. With --connect a meter that
    does not answer makes the exit code 3, a CSMS that does not let the station in makes it 4.
    Why a meter does not answer is then searched for, which may take a minute; nothing is ever
    written to it.
    """
    from chargepoint.config import load_config
    from chargepoint.config_warnings import warnings

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
        for sentence in warnings(station):
            click.echo(f"{click.style('warning', 'yellow')}: {sentence}")
        for trial in trials:
            _tell(trial)
    return next((trial.code for trial in trials if not trial.good), 0)


def _tell(trial: Trial) -> None:
    """One trial in words: what came of it, why, and what to do next."""
    from meters.ocmf.report import printable  # a meter or a CSMS may have chosen the words

    mark = click.style("ok", "green") if trial.good else click.style("FAILED", "red")
    click.echo(f"{trial.what}: {mark}: {printable(trial.words)}")
    for finding in trial.findings:
        for label, words in (("  found: ", finding.sentence), ("  next:  ", finding.step)):
            click.echo(click.wrap_text(printable(words), _width(), label, " " * len(label)))


def _width() -> int:
    """Columns for sentences: those of the terminal, and one long line where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_WRAP


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
    from chargepoint.config_warnings import warnings

    return {
        "ok": all(trial.good for trial in trials),
        "station_id": station.station.id,
        "url": station.csms.url,
        "ocpp": station.csms.ocpp,
        "meters": {name: meter.driver for name, meter in station.meters.items()},
        "evses": [evse.id for evse in station.evses],
        "warnings": warnings(station),
        "trials": [
            {
                "what": trial.what,
                "ok": trial.good,
                "words": trial.words,
                "findings": [
                    {"code": one.code, "sentence": one.sentence, "next": one.step}
                    for one in trial.findings
                ],
            }
            for trial in trials
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
    from chargepoint.cli.check_meters import try_meters

    return [*await try_meters(station, _progress()), await try_csms(station)]


def _progress() -> Callable[[str], None]:
    """Says on a terminal what takes so long."""

    def tell(words: str) -> None:
        click.echo(f"... {words}", err=True)

    return tell if sys.stderr.isatty() else lambda _: None


async def try_csms(station: "StationConfig") -> Trial:
    """Connect once as the station would, and hang up.

    That is what the config says, with what a CSMS changed since, such as the password.
    """
    from chargepoint.csms.recognise import look
    from chargepoint.stored_link import stored_link

    link = await stored_link(station)
    changed = f" (set by a CSMS: {', '.join(link.changes)})" if link.changes else ""
    try:
        signs = await look(link.config)
    except CsmsError as error:
        return Trial("CSMS", good=False, words=f"{error}{changed}", code=CSMS_FAILED)
    words = f"lets the station in, speaks {signs.subprotocol}{changed}"
    return Trial("CSMS", good=True, words=words, findings=_advice(station, signs))


def _advice(station: "StationConfig", signs: "Signs") -> tuple["Finding", ...]:
    """Another CSMS profile than the one of the config, if the CSMS looks like that."""
    from chargepoint.csms.recognise import recommend
    from meters.diagnosis import Finding

    advice = recommend(signs)
    if advice is None or advice.profile == station.csms.profile:
        return ()
    step = f"if it is, set csms.profile to {advice.profile} (now {station.csms.profile})"
    return (Finding("csms-profile", advice.why, step),)
