"""The station as ``chargepoint run`` starts it, but it may kill itself at a chosen point.

    cut_station.py CONFIG TRACE [--cut KIND:WHICH] [--plugged]

Points are taken where the station meets something outside: the database, its orders, the socket to
the CSMS, the serial line. The product knows nothing of it.
"""

import json
import os
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cut_points import Cut, Points
from fresh_boot import switch_on
from websockets.asyncio.client import ClientConnection

from chargepoint.cli import main
from chargepoint.core.inputs import Input
from chargepoint.core.orders import Order
from chargepoint.hardware.simulated import SimulatedBoard, SimulatedOutlet, Vehicle
from chargepoint.station.evse import EvseRunner
from chargepoint.store import opening
from chargepoint.store.watched import Watched, WatchedCursor
from meters.line import SerialLine

_WRITES = {"INSERT", "UPDATE", "DELETE", "REPLACE"}
_CALL = 2
_WRITE_REGISTERS = 0x10


def watch_commits(points: Points) -> None:
    """``commit-before``: all is written but the COMMIT; ``commit-after``: it has returned.

    Also statements that are a commit of their own.
    """

    class Connection(Watched):
        facts: list[str]

        def execute(self, sql: str, *rest: Any) -> WatchedCursor:
            word = sql.split(None, 1)[0].upper()
            if word == "BEGIN":
                self.facts = []
            elif word in _WRITES and self.in_transaction:
                self.facts.append(_written(sql, *rest))
            commits = word == "COMMIT" or (word in _WRITES and not self.in_transaction)
            if not commits:
                return super().execute(sql, *rest)
            label = "+".join(self.facts) if word == "COMMIT" else _written(sql, *rest)
            points.passed("commit-before", label)
            cursor = super().execute(sql, *rest)
            points.passed("commit-after", label)
            return cursor

        def executemany(self, sql: str, rows: Iterable[Any], /) -> WatchedCursor:
            self.facts.append(_written(sql))
            return super().executemany(sql, rows)

        def executescript(self, script: str) -> sqlite3.Cursor:
            points.passed("commit-before", "script")
            cursor = super().executescript(script)
            points.passed("commit-after", "script")
            return cursor

    opening.Watched = Connection  # type: ignore[misc]


def _written(sql: str, parameters: Any = ()) -> str:
    """What a statement writes: the kind of a fact, else verb and table."""
    words = sql.replace("OR IGNORE ", "").replace("OR REPLACE ", "").split()
    table = words[1] if words[0] == "UPDATE" else words[2]
    if (words[0], table) == ("INSERT", "journal"):
        return str(parameters[2])
    return f"{words[0].lower()}-{table}"


def watch_orders(points: Points) -> None:
    """``order-before`` and ``order-after``: carried out, but what came of it is not known yet."""
    do = EvseRunner._do

    async def watched(self: EvseRunner, order: Order) -> Input | None:
        points.passed("order-before", type(order).__name__)
        answer = await do(self, order)
        points.passed("order-after", type(order).__name__)
        return answer

    EvseRunner._do = watched  # type: ignore[method-assign]


def watch_messages(points: Points) -> None:
    """``sent``: the frame has left; ``received``: it has come, and nobody has looked at it."""
    send, recv = ClientConnection.send, ClientConnection.recv
    actions: dict[str, str] = {}

    async def sending(self: ClientConnection, message: Any, *rest: Any, **more: Any) -> None:
        await send(self, message, *rest, **more)
        points.passed("sent", _label(message, actions))

    async def receiving(self: ClientConnection, *rest: Any, **more: Any) -> Any:
        message = await recv(self, *rest, **more)
        points.passed("received", _label(message, actions))
        return message

    ClientConnection.send = sending  # type: ignore[method-assign,assignment]
    ClientConnection.recv = receiving  # type: ignore[method-assign,assignment]


def _label(text: str, actions: dict[str, str]) -> str:
    """The action of a message; of an answer that of the call, which ``actions`` remembers."""
    kind, message_id, *rest = json.loads(text)
    if kind != _CALL:
        return f"answer-{actions.get(message_id, '')}"
    actions[message_id] = f"{rest[0]}{rest[1].get('eventType', '')}"
    return actions[message_id]


def watch_line(points: Points) -> None:
    """``command-sent``: registers were written, the meter has not answered."""
    send = SerialLine._send

    def sending(self: SerialLine, frame: bytes) -> None:
        send(self, frame)
        if frame[1] == _WRITE_REGISTERS:
            address, first_word = frame[2:4].hex(), frame[7:9].hex()
            points.passed("command-sent", f"0x{address}={first_word}")

    SerialLine._send = sending  # type: ignore[method-assign]


def keep_plugged() -> None:
    """The vehicle at the first outlet stayed there while the station had no power."""
    make = SimulatedBoard.__init__

    def making(self: SimulatedBoard, outlets: list[SimulatedOutlet]) -> None:
        make(self, outlets)
        outlets[0].plug_in(Vehicle())

    SimulatedBoard.__init__ = making  # type: ignore[method-assign]


def run(arguments: list[str]) -> int:
    """What the command line says."""
    config, trace, *options = arguments
    cut = Cut.parse(options[options.index("--cut") + 1]) if "--cut" in options else None
    points = Points(Path(trace), cut)
    switch_on()
    for watch in (watch_commits, watch_orders, watch_messages, watch_line):
        watch(points)
    if "--plugged" in options:
        keep_plugged()
    level = os.environ.get("POWER_CUT_LOG", "info")
    return main(["--log-level", level, "run", config])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
