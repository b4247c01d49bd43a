"""``chargepoint run CONFIG``: the station, until SIGTERM or Ctrl-C."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from chargepoint.config import StationConfig

log = logging.getLogger(__name__)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
def run(config: Path) -> None:
    """Run the station that CONFIG describes until SIGTERM or Ctrl-C.

    Running transactions are ended in order first; what the CSMS could not be told stays in the
    state folder. Ctrl-C ends with exit code 130, SIGTERM with 0. SIGHUP reads CONFIG again: where
    the CSMS is changes at once, the rest with the next start; a config with mistakes changes
    nothing.
    """
    from chargepoint.config import load_config

    interrupted = asyncio.run(_run(load_config(config), config))
    if interrupted:
        raise KeyboardInterrupt


async def _run(loaded: "StationConfig", path: Path) -> bool:
    from chargepoint import app
    from chargepoint.config import load_config
    from chargepoint.config_warnings import warnings

    stop = asyncio.Event()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    reload = app.Reload(asyncio.Event(), lambda: load_config(path))
    loop.add_signal_handler(signal.SIGHUP, reload.wanted.set)
    log.info("station %s from %s", loaded.station.id, path)
    for sentence in warnings(loaded):
        log.warning("%s", sentence)
    await app.run(loaded, stop=stop, reload=reload)
    return interrupted
