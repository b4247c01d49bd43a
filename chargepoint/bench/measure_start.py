"""From the start of the process to BootNotification and to Accepted, also with a full journal."""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chargepoint.bench import measure_rig as rig
from chargepoint.bench.csms import Frame, SmallCsms
from chargepoint.bench.measure_figures import Extent, Figure, spread
from chargepoint.core.facts import TransactionUpdated
from chargepoint.core.model import Cause, ChargingState, Context, Sampled
from chargepoint.store.sqlite import Store
from meters.model import Quantity, Reading, Sample

GOAL_S: Final = 1.0
_BATCH: Final = 1000
_IMPORTS: Final = (
    "import chargepoint.cli.run, chargepoint.app, chargepoint.v201, chargepoint.local.server,"
    " meters.drivers.carlo_gavazzi_em580, yaml, serial"
)
_ELSEWHERE: Final = "bare python-ocpp client 0.22 s, Node simulator 3.7 s, both to Accepted"


@dataclass(slots=True)
class _Arrivals:
    """When the CSMS got each BootNotification."""

    boots: list[float] = field(default_factory=list)

    def frame(self, frame: Frame) -> None:
        now = time.monotonic()
        if frame.action == "BootNotification" and frame.kind == 2:  # noqa: PLR2004 - CALL
            self.boots.append(now)


async def measure(extent: Extent) -> list[Figure]:
    """Starts with an empty state folder and with undelivered facts in it, in turn."""
    with TemporaryDirectory(prefix="start-", dir=extent.folder) as own:
        folder = Path(own)
        _fill(folder / "full", extent.journal)
        empty: list[tuple[float, float]] = []
        full: list[tuple[float, float]] = []
        imports: list[float] = []
        arrivals = _Arrivals()
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(rig.meter(folder, rig.MeterLine()))
            csms = await stack.enter_async_context(SmallCsms(on_frame=arrivals.frame, keep=100))
            await _start(folder, csms.url, port, "warm", arrivals)  # the CSMS's first, too
            for number in range(extent.starts):
                imports.append(await _import_s())
                empty.append(await _start(folder, csms.url, port, f"empty{number}", arrivals))
                if number < 3:  # noqa: PLR2004 - enough for a median; each takes a farewell
                    full.append(await _start(folder, csms.url, port, "full", arrivals))
    return _figures(extent, empty, full, imports)


def _figures(
    extent: Extent,
    empty: Sequence[tuple[float, float]],
    full: Sequence[tuple[float, float]],
    imports: Sequence[float],
) -> list[Figure]:
    boots, accepts = ([pair[place] for pair in empty] for place in (0, 1))
    full_boots = [pair[0] for pair in full]
    return [
        _seconds("process start to BootNotification received", boots),
        _seconds("process start to Accepted", accepts),
        Figure(
            what="  of it interpreter and imports, nothing done with them",
            value=statistics.median(imports),
            unit="s",
            beside=f"least / median / most {spread(imports)}",
        ),
        _seconds(
            f"process start to BootNotification, {extent.journal} undelivered facts", full_boots
        ),
    ]


def _seconds(what: str, values: Sequence[float]) -> Figure:
    return Figure(
        what=what,
        value=statistics.median(values),
        unit="s",
        goal=GOAL_S,
        beside=f"least / median / most {spread(values)}",
        elsewhere=_ELSEWHERE,
    )


async def _start(
    folder: Path, url: str, port: Path, state: str, arrivals: _Arrivals
) -> tuple[float, float]:
    config = rig.write_config(folder, url=url, port=port, state=state)
    known, started = len(arrivals.boots), time.monotonic()
    async with rig.station(config, errors=rig.PIPE) as process:
        await rig.said(process, "accepted by the CSMS")
        accepted = time.monotonic() - started
    if len(arrivals.boots) == known:
        raise rig.MeasurementFailed("accepted without a BootNotification")
    return arrivals.boots[known] - started, accepted


async def _import_s() -> float:
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _IMPORTS)
    await process.wait()
    return time.monotonic() - started


def _fill(state: Path, count: int) -> None:
    """A journal as a long time without network leaves it: readings of one transaction."""
    with Store(state, rig.STATION_ID) as store:
        for first in range(0, count, _BATCH):
            facts = (reading_fact(number) for number in range(first, min(first + _BATCH, count)))
            store.record(*facts, offline=True)


def reading_fact(number: int) -> TransactionUpdated:
    """A periodic reading with the usual seven values; each number gives another one."""
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=30 * number)
    samples = (
        Sample(Quantity.ENERGY_IMPORT, Decimal(1_000_000 + 90 * number)),
        Sample(Quantity.POWER, Decimal(11000)),
        *(Sample(Quantity.CURRENT, Decimal("15.98")) for _ in range(3)),
        *(Sample(Quantity.VOLTAGE, Decimal("229.9")) for _ in range(2)),
    )
    names = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage")
    return TransactionUpdated(
        evse_id=1,
        connector_id=1,
        transaction_id="2f7c1c2e-5a86-4f3a-9c55-3d1f0f6d7f10",
        seq=number,
        at=at,
        cause=Cause.METER_PERIODIC,
        charging_state=ChargingState.CHARGING,
        samples=(Sampled(Reading(at, samples), Context.PERIODIC, names),),
    )
