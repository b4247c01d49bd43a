"""A meter as ``chargepoint simulate em580`` runs it, but it may kill itself at a chosen point.

    cut_meter.py TRACE RECORDS LINK HOLD [--cut KIND:WHICH] -- OPTIONS OF THE SIMULATOR

Every record it makes is also written to RECORDS, one line of Base64 each: the meter itself forgets
a record that was released. LINK, which points to its terminal, goes before it does: another
process may get a terminal of the same name at once. No record is finished while HOLD is there.
"""

import base64
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cut_points import Cut, Points

from chargepoint.cli import main
from meters.simulators.em580 import Em580
from meters.simulators.em580.memory import Memory, StateFile


def watch_saves(points: Points) -> None:
    """``meter-save-before`` and ``-after``: each time the state is written to stay."""
    save = StateFile.save

    def saving(self: StateFile, memory: Memory, *, durable: bool) -> None:
        if not durable:
            save(self, memory, durable=False)
            return
        points.passed("meter-save-before", f"state={memory.state.name}")
        save(self, memory, durable=True)
        points.passed("meter-save-after", f"state={memory.state.name}")

    StateFile.save = saving  # type: ignore[method-assign]


def watch_commands(points: Points) -> None:
    """``meter-write-before``: asked, not done; ``meter-write-after``: done, not answered."""
    write = Em580.write

    def writing(self: Em580, address: int, words: Sequence[int]) -> None:
        points.passed("meter-write-before", f"0x{address:04x}")
        write(self, address, words)
        points.passed("meter-write-after", f"0x{address:04x}")

    Em580.write = writing  # type: ignore[method-assign]


def keep_records(file: Path) -> None:
    """Copy each record before it is saved: a record that anybody can read is then in the file."""
    save = StateFile.save
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    known = b""

    def saving(self: StateFile, memory: Memory, *, durable: bool) -> None:
        nonlocal known
        if memory.record and memory.record != known:
            known = memory.record
            os.write(out, base64.b64encode(known) + b"\n")
        save(self, memory, durable=durable)

    StateFile.save = saving  # type: ignore[method-assign]


def sign_later(hold: Path) -> None:
    """Let the signing take as long as somebody wants."""
    settle = Em580._settle

    def settling(self: Em580) -> None:
        if not hold.exists():
            settle(self)

    Em580._settle = settling  # type: ignore[method-assign]


def run(arguments: list[str]) -> int:
    """What the command line says."""
    middle = arguments.index("--")
    (trace, records, link, hold, *options), simulator = arguments[:middle], arguments[middle + 1 :]
    cut = Cut.parse(options[options.index("--cut") + 1]) if "--cut" in options else None
    points = Points(Path(trace), cut, last_words=lambda: Path(link).unlink(missing_ok=True))
    watch_saves(points)
    watch_commands(points)
    keep_records(Path(records))
    sign_later(Path(hold))
    return main(["simulate", "em580", "--pty", link, *simulator])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
