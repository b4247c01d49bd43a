"""From a token at the reader to the Authorize and to the start message on the socket.

Each swipe is a whole session with a token that nobody knows yet, so the CSMS is asked each time and
the begin is taken by the meter. The meter's line takes no time here: what is left of the begin is
requests, silences between them and the meter's own work. All commits are durable and included.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chargepoint.bench.measure_figures import Extent, Figure, percentile
from chargepoint.bench.measure_session import Plan, Seen, in_own_process

_MS: Final = 1000
_STARTS: Final = {"1.6": "StartTransaction", "2.0.1": "TransactionEvent(Started)"}
_ELSEWHERE: Final = "without store: python-ocpp call() 1.1 ms p50, 2.7 p99; floor 0.5 and 1.6"


async def measure(extent: Extent) -> list[Figure]:
    """Both versions, each in a process of its own."""
    figures: list[Figure] = []
    for version in _STARTS:
        plan = Plan(
            version=version, baudrate=None, sessions=extent.swipes, charging_s=0, jitter_s=0
        )
        with TemporaryDirectory(prefix="swipe-", dir=extent.folder) as own:
            figures += _figures(version, await in_own_process(plan, Path(own)))
    return figures


def _figures(version: str, seen: Sequence[Seen]) -> list[Figure]:
    authorize = [one.authorize * _MS for one in seen[1:]]
    started = [one.started * _MS for one in seen[1:]]
    silences = [one.begin_line * _MS for one in seen[1:]]
    of_them = f"{len(authorize)} swipes after the first"
    return [
        Figure(
            what=f"token to Authorize on the socket, OCPP {version}: p50",
            value=percentile(authorize, 0.5),
            unit="ms",
            beside=f"p99 {percentile(authorize, 0.99):.1f}, first {seen[0].authorize * _MS:.1f};"
            f" {of_them}",
            elsewhere=_ELSEWHERE,
        ),
        Figure(
            what=f"token to {_STARTS[version]} on the socket: p50",
            value=percentile(started, 0.5),
            unit="ms",
            beside=f"p99 {percentile(started, 0.99):.1f}, first {seen[0].started * _MS:.1f};"
            f" silences on the line {percentile(silences, 0.5):.1f}",
        ),
    ]
