"""A CSMS that closes the connection upon a message that is too long for it.

Whole stations of both versions. The energy is told, no record is lost, and a link that breaks by
itself changes nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case
from long_records import (
    END,
    VERSIONS,
    document,
    ends,
    energy,
    events,
    offered,
    records,
    session,
    station,
)

from chargepoint.bench.csms import FaultKind
from chargepoint.core.facts import RecordApart
from chargepoint.csms.size_guard import CLOSES_MOST

WITH_RECORD = 2500  # characters of a message; the others of a session have far less
RECORD = 1800  # bytes
RECONNECTED = 400.0  # seconds: time enough for one more connection


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("kind", "least"), [(FaultKind.TOO_BIG, 1), (FaultKind.DROP, CLOSES_MOST)])
async def test_the_energy_is_told_without_the_record_that_the_connection_is_closed_upon(
    version: str, kind: FaultKind, least: int, tmp_path: Path
) -> None:
    async with station(version, tmp_path, end=RECORD) as run:
        run.csms.inject(kind, longer=WITH_RECORD, times=None)
        transaction = await session(run)
        for _ in range(2 * least + 1):
            await run.advance(RECONNECTED)

        sent = run.take()
        *closed, told = ends(sent, version)
        (row,) = run.station.store.records.of(transaction)
        assert [records(one.payload) for one in closed] == [[row.document]] * len(closed)
        assert records(told.payload) == []
        assert energy(told) == 2500
        by_itself = offered(sent)  # as long
        if kind is FaultKind.TOO_BIG:
            assert (len(closed), len(by_itself)) == (least, least)
        else:
            assert min(len(closed), len(by_itself)) >= least
        assert events(sent).count("SignedRecordNotTold") == 1
        (kept,) = run.station.store.untold.all()
        assert isinstance(kept.fact, RecordApart)
        assert "closes the connection" in kept.lack.why
        assert row.document == run.station.store.records.of(transaction)[0].document
        assert run.station.store.waiting == 0


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_end_that_is_too_long_without_its_record_goes_without_readings_in_between(
    version: str, tmp_path: Path
) -> None:
    often = {"SampledDataCtrlr.TxEndedInterval": "10"}
    async with station(version, tmp_path, end=900, settings=often) as run:
        run.csms.inject(FaultKind.TOO_BIG, longer=WITH_RECORD, times=None)
        await run.plug()
        await run.swipe("04A1B2C3D4", 1)
        await run.advance(600)
        run.meters[1].energy_wh += 1500
        await run.unplug()
        for _ in range(5):
            await run.advance(RECONNECTED)

        sent = run.take()
        told = ends(sent, version)[-1]
        assert energy(told) == 2500
        assert run.station.store.waiting == 0
        whys = [one.lack.why for one in run.station.store.untold.all()]
        assert any("readings in between: the CSMS closes the connection" in why for why in whys)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_length_that_was_closed_upon_is_not_tried_again(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path, end=RECORD) as run:
        run.csms.inject(FaultKind.TOO_BIG, longer=WITH_RECORD, times=None)
        await session(run)
        for _ in range(3):
            await run.advance(RECONNECTED)
        run.take()
        connections = run.csms.stations["CP1"].connections

        transaction = await session(run)

        sent = run.take()
        (told,) = ends(sent, version)
        assert records(told.payload) == []
        assert offered(sent) == []
        assert run.csms.stations["CP1"].connections == connections
        why = [one.lack.why for one in run.station.store.untold.all()]
        assert len(why) == 2
        (row,) = run.station.store.records.of(transaction)
        assert row.delivered_at is None


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_begin_record_that_makes_it_too_long_goes_by_itself(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path, end=900, begin=900) as run:
        run.csms.inject(FaultKind.TOO_BIG, END[version], longer=3000, times=None)
        transaction = await session(run)
        await run.advance(RECONNECTED)

        sent = run.take()
        begin, end = run.station.store.records.of(transaction)
        closed, told = ends(sent, version)
        assert records(closed.payload) == [begin.document, end.document]
        assert records(told.payload) == [end.document]
        assert [document(data) for data in offered(sent)] == [begin.document]
        assert run.station.store.untold.count() == 0


def cut_at_ends(run: Case, version: str, times: int) -> None:
    run.csms.inject(FaultKind.DROP, END[version], longer=WITH_RECORD, times=times)


def cut_at_everything(run: Case, _: str, times: int) -> None:
    run.csms.inject(FaultKind.DROP, times=times)


def close_for_other_reasons(run: Case, version: str, times: int) -> None:
    action = END[version]
    run.csms.inject(FaultKind.CLOSE_BEFORE, action, longer=WITH_RECORD, times=times)


@pytest.mark.parametrize(
    ("cut", "times"),
    [
        pytest.param(cut_at_ends, 2 * CLOSES_MOST, id="many cuts at the same message"),
        pytest.param(cut_at_everything, 12, id="cuts whatever is sent"),
        pytest.param(close_for_other_reasons, 12, id="a CSMS that goes away again and again"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_link_that_breaks_never_leaves_a_record_out(
    version: str, cut: Callable[[Case, str, int], Any], times: int, tmp_path: Path
) -> None:
    async with station(version, tmp_path, end=RECORD) as run:
        await run.plug()
        await run.swipe("04A1B2C3D4", 1)
        await run.advance(5)
        transaction = run.transaction()
        assert transaction is not None
        run.take()
        cut(run, version, times)
        await run.unplug()
        for _ in range(times + 1):
            await run.advance(RECONNECTED)

        sent = run.take()
        (row,) = run.station.store.records.of(transaction.transaction_id)
        assert {tuple(records(one.payload)) for one in ends(sent, version)} == {(row.document,)}
        assert row.delivered_at is not None
        assert offered(sent) == []
        assert run.station.store.untold.count() == 0


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_csms_that_takes_no_form_gets_the_record_once_it_is_well(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path, end=RECORD) as run:
        await run.plug()
        await run.swipe("04A1B2C3D4", 1)
        await run.advance(5)
        transaction = run.transaction()
        assert transaction is not None
        run.csms.inject(FaultKind.DROP, END[version], times=None)
        await run.unplug()
        told: list[Any] = []
        for _ in range(1000):
            await run.advance(10)
            told += ends(run.take(), version)
            if told and not records(told[-1].payload):
                break
        run.csms.faults.clear()
        await run.advance(RECONNECTED)

        told += ends(run.take(), version)
        (row,) = run.station.store.records.of(transaction.transaction_id)
        assert len(told) > CLOSES_MOST
        assert records(told[-1].payload) == [row.document]
        assert row.delivered_at is not None
