"""The simplest master there is: a blocking read, no loop, no checks; the floor for a real one.

What it takes beyond wire time and silences is the meter's reaction and the price of two processes
on one machine; a master that shares a loop with a whole station cannot be faster.
"""

import os
import select
import time
import tty
from pathlib import Path
from typing import Final

from chargepoint.bench.measure_ledger import Wire
from chargepoint.bench.measure_rig import MeasurementFailed
from meters.rtu import READ_INPUT, RtuFraming, read_request

_UNIT: Final = 1
_SHORT, _LONG = (0x7100, 1), (0x7110, 125)
_TIMEOUT_S: Final = 5.0


def reaction_s(port: Path, wire: Wire, rounds: int) -> float:
    """The least that one exchange takes beyond its bytes and the silence before the answer.

    The least, because on a busy machine any other figure would excuse the station for the noise.
    Half of the exchanges are of one register, half of 125.

    Raises:
        MeasurementFailed: the meter does not answer.
    """
    terminal = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(terminal)
        taken = [
            _exchange(terminal, wire, address, count)
            for _ in range(rounds)
            for address, count in (_SHORT, _LONG)
        ]
    finally:
        os.close(terminal)
    return max(0.0, min(taken))


def _exchange(terminal: int, wire: Wire, address: int, count: int) -> float:
    time.sleep(2 * wire.gap_s + 0.001)
    frame, _ = RtuFraming().prepare(read_request(_UNIT, READ_INPUT, address, count))
    size = 5 + 2 * count
    started, received = time.monotonic(), 0
    os.write(terminal, frame)
    while received < size:
        if not select.select([terminal], [], [], _TIMEOUT_S)[0]:
            raise MeasurementFailed(f"the meter gave {received} of {size} bytes")
        received += len(os.read(terminal, 512))
    taken = time.monotonic() - started
    return taken - (len(frame) + size) * wire.character_s - wire.gap_s
