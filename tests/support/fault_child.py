"""Stations as ``chargepoint run`` makes them, each in a process forked from one that knows it all.

For each line of JSON on stdin, a config file and whether a vehicle is there already, one process is
made; its number and then its exit code are told on stdout. So a start costs no imports.
"""

import asyncio
import importlib
import json
import logging
import os
import sys
from pathlib import Path

from chargepoint.cli import run
from chargepoint.config import load_config
from chargepoint.ending import Ending
from chargepoint.hardware.simulated import SimulatedBoard, SimulatedOutlet, Vehicle

PRELOADED = (
    "chargepoint.app",
    "chargepoint.v16",
    "chargepoint.v201",
    "chargepoint.local.server",
    "meters.drivers.carlo_gavazzi_em580",
)


def station(config: str, *, plugged: bool) -> None:
    """Run until SIGTERM; ``plugged``: the vehicle stayed there while there was no power."""
    logging.basicConfig(level=logging.CRITICAL)
    if plugged:
        make = SimulatedBoard.__init__

        def making(self: SimulatedBoard, outlets: list[SimulatedOutlet]) -> None:
            make(self, outlets)
            outlets[0].plug_in(Vehicle())

        SimulatedBoard.__init__ = making  # type: ignore[method-assign]
    with Ending() as ending:
        asyncio.run(run._run(load_config(Path(config)), Path(config), ending))


def main() -> None:
    """One station after the other, until stdin is closed."""
    for name in PRELOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        config, plugged = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(config, plugged=plugged)
        _say(pid)
        _, status = os.waitpid(pid, 0)
        _say(os.waitstatus_to_exitcode(status))


def _child(config: str, *, plugged: bool) -> None:
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        station(config, plugged=plugged)
        code = 0
    finally:
        os._exit(code)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
