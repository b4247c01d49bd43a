"""``chargepoint health``: is the station that runs here well? For containers and monitoring.

Light, because it is asked twice a minute for ten years: nothing of the station is imported, and of
the config no more is read than where to ask.
"""

import http.client
import json
import os
from pathlib import Path

import click

_TIMEOUT_S = 5.0
_ANSWER_MOST = 4096
_LISTEN = "127.0.0.1:8600"  # config_model.LocalSection
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option(
    "--ready-file", type=click.Path(path_type=Path), help="Instead of CONFIG: local.ready_file."
)
def health(config: Path | None, *, ready_file: Path | None) -> int:
    """Say whether the station that CONFIG describes runs and gets on.

    Asks its local interface for /healthz: exit code 0 if all parts that must move do, else 1. A
    CSMS that is away, or a meter that does not answer, is no reason for 1; /readyz tells that.
    """
    try:
        if ready_file is not None and config is None:
            host, port = _told(ready_file)
        elif config is not None and ready_file is None:
            host, port = _configured(config)
        else:
            raise click.UsageError("needs either CONFIG or --ready-file")
        words = _asked(host, port)
    except (OSError, ValueError, http.client.HTTPException) as error:
        words = f"the station does not answer: {error}"
    click.echo(words or "ok", err=bool(words))
    return 1 if words else 0


def _told(ready_file: Path) -> tuple[str, int]:
    """Where the station says that it listens; its token is not needed."""
    told = json.loads(ready_file.read_text(encoding="utf-8"))
    place = str(told["url"]) if isinstance(told, dict) and "url" in told else ""
    return _split(place.removeprefix("http://"), f"{ready_file} is no ready file")


def _configured(config: Path) -> tuple[str, int]:
    """Where it listens by its config, or its ready file if it has one.

    Reads no more than that of the config, which the station itself checks.
    """
    from chargepoint.config_yaml import override, read
    from chargepoint.errors import ConfigError

    sections = override(read(config), os.environ).value
    local = sections.get("local") if isinstance(sections, dict) else None
    if local is None or not isinstance(local.value, dict):
        raise ConfigError(f"{config}: local: missing; allowed: a local interface to be asked")
    keys = {key: str(node.value) for key, node in local.value.items() if node.value is not None}
    if "ready_file" in keys:
        return _told(config.absolute().parent / Path(keys["ready_file"]).expanduser())
    host, port = _split(keys.get("listen", _LISTEN), f"{config}: local.listen: no HOST:PORT")
    if not port:
        raise ConfigError(f"{config}: local.ready_file: missing; needed with port 0")
    return host, port


def _split(place: str, otherwise: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(otherwise)
    return host, int(port)


def _asked(host: str, port: int) -> str:
    """Why the station is not well; empty if it is."""
    name = host.removeprefix("[").removesuffix("]")
    there = http.client.HTTPConnection(_ANYWHERE.get(name, name), port, timeout=_TIMEOUT_S)
    try:
        there.request("GET", "/healthz")
        answer = there.getresponse()
        text = answer.read(_ANSWER_MOST).decode(errors="replace")
    finally:
        there.close()
    return "" if answer.status == http.client.OK else f"{answer.status}: {text.strip()}"
