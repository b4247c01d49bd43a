"""Any part of the station fails at any of its awaits: a session ends once, with its record."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from case_rig import Case, case
from part_crash import Injection, breaking

from chargepoint.csms.outbox import DEFECT_PAUSE
from chargepoint.hardware.simulated import Vehicle

PARTS = (
    "EVSE 1",
    "board",
    "limits",
    "meter outlet1",
    "samples of EVSE 1",
    "screens",
    "security",
    "reservations",
    "monitors",
    "records",
    "link",
)
SETTINGS = {"SampledDataCtrlr.TxUpdatedInterval": "10", "TxCtrlr.EVConnectionTimeOut": "30"}
MOST = 200  # awaits of one part


async def session(run: Case) -> None:
    """A driver comes, charges for half a minute and leaves, whatever the station makes of it."""
    runner = run.evse().runner
    run.outlets[1].plug_in(Vehicle())
    await run.settle()
    await run.swipe("04A1B2C3D4")
    for _ in range(3):
        run.meters[1].energy_wh += 100
        await run.advance(10)
        assert runner.supervised or not run.outlets[1].closed, "closed, and nobody looks after it"
    run.outlets[1].plug_out()
    await run.advance(20)


async def crash(version: str, home: Path, injection: Injection) -> None:
    """One session with the defect, another one after it."""
    with breaking(injection):
        async with case(version, home, settings=SETTINGS) as run:
            await session(run)
            await run.advance(5)
            injection.armed = False
            before = len(run.station.store.transactions.page(9))
            await session(run)
            await run.advance(5)

            store = run.station.store
            if store.waiting:  # a message that could not be worded waits
                await run.advance(DEFECT_PAUSE.total_seconds())

            rows = store.transactions.page(9)
            assert len(rows) == before + 1, "the station is fit for the next driver"
            for row in rows:
                records = store.records.of(row.transaction_id)
                assert [record.verdict for record in records] == ["valid"]
                assert records[0].released_at is not None
                assert records[0].delivered_at is not None
            assert store.waiting == 0
            assert not run.outlets[1].closed
            stopped = [books for books in run.station.parts.values() if not books.running]
            assert stopped == []
            told = defaultdict(set)
            for one in run.take():
                event = one.payload.get("eventType", one.action)
                if event in {"StartTransaction", "StopTransaction", "Started", "Ended"}:
                    told[event, of(one.payload)].add(json.dumps(one.payload))
            assert {len(messages) for messages in told.values()} == {1}, "again is the same again"
            assert len(told) == 2 * len(rows)
    if injection.done:
        books = run.station.parts[injection.name]
        assert books.failures <= 1, "once, and well since"


def of(payload: dict[str, object]) -> object:
    """Which transaction a message is about; a number of a CSMS comes with the end alone."""
    info = payload.get("transactionInfo")
    return info["transactionId"] if isinstance(info, dict) else payload.get("timestamp")


def folder(within: Path, at: int) -> Path:
    new = within / str(at)
    new.mkdir()
    return new


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_fails_costs_no_session_its_record(tmp_path: Path, part: str) -> None:
    injections = [Injection(part, at) for at in (1, 20)]
    for injection in injections:
        await crash("2.0.1", folder(tmp_path, injection.at), injection)

    assert injections[0].done


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_fails_at_any_await_costs_no_session_its_record(
    tmp_path: Path, part: str, version: str
) -> None:
    for at in range(1, MOST):
        injection = Injection(part, at)
        await crash(version, folder(tmp_path, at), injection)
        if not injection.done:
            break
