"""``chargepoint run CONFIG``: the station, until SIGTERM or Ctrl-C."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chargepoint.cli import logs

if TYPE_CHECKING:
    from chargepoint.config import StationConfig
    from chargepoint.ending import Ending

log = logging.getLogger(__name__)

_INTERRUPTED = 130
_FAILED = 1


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--log-format", type=click.Choice(logs.FORMATS), help="As before the command.")
def run(config: Path, *, log_format: str | None) -> int:
    """Run the station that CONFIG describes until SIGTERM or Ctrl-C.

    Running transactions are ended in order first; what the CSMS could not be told stays in the
    state folder. That takes 30 s at most, after a second signal 5 s; what has not ended by itself
    then is ended (exit code 1), and the next start goes on from what is stored. Ctrl-C ends with
    exit code 130, SIGTERM with 0. SIGHUP reads CONFIG again: where the CSMS is changes at once, the
    rest with the next start, which the log tells key by key; a config with mistakes changes
    nothing.
    """
    from chargepoint.allocator import be_thrifty
    from chargepoint.config import load_config
    from chargepoint.ending import Ending

    be_thrifty()
    if log_format is not None:
        logs.reformat(log_format)
    with Ending() as ending:
        return asyncio.run(_run(load_config(config), config, ending))


async def _run(loaded: "StationConfig", path: Path, ending: "Ending") -> int:
    from chargepoint.config import load_config
    from chargepoint.config_warnings import warnings
    from chargepoint.service import serve

    log.info("station %s from %s", loaded.station.id, path)
    for sentence in warnings(loaded):
        log.warning("%s", sentence)
    try:
        number = await serve(loaded, ending, lambda: load_config(path))
    except BaseException:
        ending.done(_FAILED)  # a thread that hangs must not keep a process that does nothing
        raise
    code = _INTERRUPTED if number == signal.SIGINT else 0
    ending.done(code)
    return code
