"""A meter whose record never comes out readable: evidence is kept, and the outlet is free again.

Whole stations with the real driver on a simulated IEM-DCR behind real HTTP, in virtual time.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commit_cuts import keep_cuts
from iem_dcr_rig import Rig, rig, virtual
from meter_bench import now
from station_bench import Bench, station_bench

from chargepoint.core.facts import SecurityEvent, TransactionEnded
from chargepoint.core.model import Stage
from chargepoint.station.meter_health import METER_FAILURE, Health
from meters.model import Quantity
from meters.ocmf import verify_document
from meters.simulators.iem_dcr import record

PAGE = b"<html>not found</html>"
PATIENCE_S = 120.0


@dataclass
class LoopClock:
    """The time of the loop."""

    lives: "itertools.count[int]" = field(default_factory=itertools.count)

    def now(self) -> datetime:
        return now()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def elapsed(self) -> int:
        """Part of the ids of transactions: another one for each."""
        return next(self.lives)

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds())

    async def sleep_until(self, moment: datetime) -> None:
        await self.sleep(moment - self.now())

    async def settle(self) -> None:
        await asyncio.sleep(0.1)


@asynccontextmanager
async def station(folder: Path, found: Rig, clock: LoopClock) -> AsyncIterator[Bench]:
    """A life of a station, with a driver of its own."""
    meter: Any = await found.driver(signature_timeout_ms=1000, CI="DE*ABC*E1")

    async def verify(reading: Any) -> str:
        signed = reading.signed
        return str(verify_document(signed.document, signed.public_key).outcome)

    def real(wiring: Any) -> None:
        object.__setattr__(wiring, "verify", verify)

    given: dict[str, Any] = {"clock": clock, "meters": {1: meter}, "prepare": real}
    async with station_bench(folder, running=True, **given) as bench:
        yield bench


async def session(bench: Bench, found: Rig) -> str:
    """Charge 1 kWh and go; the id of the transaction."""
    transaction = await bench.charge()
    await found.charge()
    await bench.finish()
    return transaction.transaction_id


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.5)


def spoil(monkeypatch: pytest.MonkeyPatch, how: Callable[[bytes], bytes]) -> None:
    monkeypatch.setattr(record, "wrapped", lambda signed, _: how(signed))


def total(bench: Bench) -> int:
    return sum(bench.store.records.count().values())


@pytest.mark.parametrize(
    "how",
    [lambda _: PAGE, lambda signed: signed.replace(b'"RD":[', b"\xff\0")],
    ids=["a page", "a damaged record"],
)
@virtual
async def test_what_the_meter_gives_in_place_of_its_record_is_kept_told_and_blocks_nobody(
    how: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig() as found, station(tmp_path, found, LoopClock()) as bench:
        spoil(monkeypatch, how)
        first = await session(bench, found)
        (ended,) = bench.facts(TransactionEnded)
        (row,) = bench.store.records.of(first)
        events = [event.type for event in bench.facts(SecurityEvent)]
        spoil(monkeypatch, lambda signed: signed)
        second = await session(bench, found)
        later = [row.verdict for row in bench.store.records.of(first)]
        (good,) = bench.store.records.of(second)

        assert ended.end.signed.document == row.document
        assert ended.end.value(Quantity.ENERGY_IMPORT) == 447_540
        assert (row.verdict, row.released_at is not None) == ("unparsable", True)
        assert "TamperDetectionActivated" in events
        assert later == ["unparsable", "valid"], "it came after all"
        assert good.verdict == "valid"
        assert bench.evse().meter.known().health is Health.OK


@virtual
async def test_a_station_that_starts_before_a_meter_with_a_spoilt_record_serves_the_next_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = LoopClock()
    async with rig() as found:
        spoil(monkeypatch, lambda _: PAGE)
        async with station(tmp_path, found, clock) as bench:
            await session(bench, found)
        for sessions in (1, 2):
            async with station(tmp_path, found, clock) as bench:
                await bench.charge()
                assert bench.state().stage is Stage.CHARGING
                assert total(bench) == sessions
                await found.charge()
                await bench.finish()
                assert total(bench) == sessions + 1


@virtual
async def test_a_power_cut_at_any_moment_doubles_nothing_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig() as found:
        with monkeypatch.context() as patched:
            cuts = keep_cuts(tmp_path, patched)
            spoil(monkeypatch, lambda _: PAGE)
            async with station(tmp_path, found, LoopClock()) as bench:
                await session(bench, found)
                await bench.evse().meter.refresh()
        assert cuts.count > 5
        for folder in cuts:
            async with station(folder, found, LoopClock()) as bench:
                meter = bench.evse().meter
                await until(lambda meter=meter: not meter._left_over)  # type: ignore[misc]

                (row,) = bench.store._db.execute(
                    "SELECT document, verdict, released_at FROM record"
                ).fetchall()
                assert (row[0], row[1]) == (PAGE, "unparsable")
                assert row[2] is not None
                assert bench.state().stage is not Stage.CLOSING


@virtual
async def test_a_meter_that_gives_no_byte_of_its_record_says_so_and_keeps_it(
    tmp_path: Path,
) -> None:
    async with rig() as found, station(tmp_path, found, LoopClock()) as bench:
        found.fault("truncated", "receipt", "GET", count=None, value=60_000)
        first = await session(bench, found)
        (ended,) = bench.facts(TransactionEnded)
        await asyncio.sleep(90)
        known, faults = bench.evse().meter.known(), bench.state().faults
        found.server.faults.clear()
        await until(lambda: not bench.state().faults)
        (row,) = bench.store.records.of(first)
        await bench.charge()

        assert ended.missing.startswith("unreachable: ")
        assert known.health is Health.REFUSING
        assert known.error.startswith("no session over an unread record: ")
        assert [(one.error_code, one.blocks) for one in faults] == [(METER_FAILURE, True)]
        assert faults[0].info.startswith("no session over an unread record: ")
        assert row.verdict == "valid"
        assert bench.state().stage is Stage.CHARGING
