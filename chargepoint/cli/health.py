"""``chargepoint health``: is the station that runs here well? For containers and monitoring.

Light, because it is asked twice a minute for ten years: nothing of the station is imported, and the
config only if no ready file is given.
"""

import http.client
import json
from pathlib import Path

import click

_TIMEOUT_S = 5.0
_ANSWER_MOST = 4096
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
    if (config is None) == (ready_file is None):
        raise click.UsageError("needs either CONFIG or --ready-file")
    try:
        host, port = _told(ready_file) if ready_file is not None else _configured(config)
        words = _asked(host, port)
    except (OSError, ValueError, http.client.HTTPException) as error:
        words = f"the station does not answer: {error}"
    click.echo(words or "ok", err=bool(words))
    return 1 if words else 0


def _told(ready_file: Path) -> tuple[str, int]:
    """Where the station says that it listens; its token is not needed."""
    told = json.loads(ready_file.read_text(encoding="utf-8"))
    place = str(told["url"]) if isinstance(told, dict) and "url" in told else ""
    host, _, port = place.removeprefix("http://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{ready_file} is no ready file")
    return host, int(port)


def _configured(config: Path | None) -> tuple[str, int]:
    """Where it listens by its config, or its ready file if it has one."""
    from chargepoint.config import load_config
    from chargepoint.errors import ConfigError

    if config is None:
        raise AssertionError("checked before")
    local = load_config(config).local
    if local is None:
        raise ConfigError(f"{config}: local: missing; allowed: a local interface to be asked")
    if local.ready_file is not None:
        return _told(local.ready_file)
    if not local.port:
        raise ConfigError(f"{config}: local.ready_file: missing; needed with port 0")
    return local.host, local.port


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
