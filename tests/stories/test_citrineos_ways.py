"""What CitrineOS 1.8.3 does that a station must live with, each at a CSMS that does the same.

===================================  ===============================================================
it accepts a connection without      ``test_a_port_of_another_version_is_left_and_said_so`` here,
subprotocol and then is mute         and at the real one in ``citrineos/test_doors.py``;
                                     ``csms/test_link.py::test_a_connection_without_subprotocol...``
one lock for both directions: a      ``test_a_call_that_it_loses_...`` and ``test_a_call_that_it_
call is parked for 30 s or lost      parks_...`` here; ``csms/test_rpc.py``: ``test_our_call_does_
                                     not_overtake_an_answer_we_owe`` and ``test_a_busy_csms_...``
it breaks if a station is back       ``test_it_gets_its_time_between_two_connections`` here
within 20 ms, and then refuses all   ``test_a_refusal_after_the_handshake_...`` here
a stale socket takes the new         ``test_a_new_connection_that_is_dead_...`` here
connection with it
SecurityError after storing          ``test_csms_likes.py::test_citrineos_stores_a_signed_...``
it drops signed samples and totals   ``test_csms_likes.py::test_with_its_profile_a_csms_bills_...``;
                                     at the real one in ``citrineos/test_sessions.py``
strict times                         ``test_every_moment_is_written_as_it_wants_it`` here
it closes beyond its limit of        ``test_a_refusal_after_the_handshake_...`` here, with 1013
connections
a record that is too long            ``test_csms_likes.py::test_citrineos_refuses_a_message_...``,
                                     ``test_long_records.py``; by closing: ``test_closed_upon.py``
===================================  ===============================================================
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from case_rig import SILENCE, CallError, Case, case
from long_records import END, VERSIONS, ends, records

from chargepoint.bench.csms import Direction, FaultKind
from chargepoint.csms.profiles import PROFILES

TOKEN = "04A1B2C3D4"
PAUSE = PROFILES["citrineos"].pause.total_seconds()
PARKED_S = 30
SIGNED = {
    "SampledDataCtrlr.SignReadings": "true",
    "OCPPCommCtrlr.PublicKeyWithSignedMeterValue": "EveryMeterValue",
}


@asynccontextmanager
async def station(version: str, folder: Path, **more: Any) -> AsyncIterator[Case]:
    """A station set up for CitrineOS at a CSMS that is like it."""
    settings = SIGNED | more.pop("settings", {})
    more = {"csms": {"profile": "citrineos"}, "served": {"like": "citrineos"}, **more}
    async with case(version, folder, settings=settings, **more) as run:
        await run.advance(5)
        yield run


async def session(run: Case, version: str) -> str:
    """A session that ended, and was told."""
    await run.plug()
    await run.advance(5)
    await run.swipe(TOKEN, 1)
    await run.advance(5)
    transaction = run.transaction()
    assert transaction is not None
    await run.unplug()
    await run.advance(5)
    assert ends(run.take(), version)
    return transaction.transaction_id


async def test_a_port_of_another_version_is_left_and_said_so(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, start=False, csms={"profile": "citrineos"}) as run:
        run.csms.mute = True

        await run.start()
        await run.advance(1)

        assert "check that this port serves that version" in str(run.life.link.last_error)
        assert run.csms.frames == []
        run.csms.mute = False
        await run.advance(60)
        assert run.life.session.online


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_call_that_it_loses_because_it_is_busy_comes_again_as_the_same(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path) as run:
        lost = CallError("RpcFrameworkError", PROFILES["citrineos"].busy)
        run.answers(END[version], lost, lost)

        transaction = await session(run, version)

        frames = [
            frame
            for frame in run.csms.frames
            if frame.action == END[version] and frame.direction is Direction.FROM_STATION
        ]
        assert len({frame.message_id for frame in frames[:3]}) == 1
        (row,) = run.station.store.records.of(transaction)
        assert row.delivered_at is not None
        (view,) = run.csms.stations["CP1"].transactions
        assert view.ended == 1
        for violation in run.csms.violations:  # 1.6 has no such code, and CitrineOS sends it there
            assert violation.direction is Direction.FROM_CSMS
        run.csms.violations.clear()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_call_that_it_parks_is_awaited_until_it_is_answered(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path) as run:
        await run.plug()
        await run.swipe(TOKEN, 1)
        await run.advance(5)
        connections = run.csms.stations["CP1"].connections
        run.csms.inject(FaultKind.DELAY, END[version], delay=timedelta(seconds=PARKED_S))

        await run.unplug()
        await run.advance(PARKED_S + 5)

        sent = ends(run.take(), version)
        assert len(sent) == 1
        assert run.station.store.waiting == 0
        assert run.csms.stations["CP1"].connections == connections


@pytest.mark.parametrize("version", VERSIONS)
async def test_it_gets_its_time_between_two_connections(version: str, tmp_path: Path) -> None:
    settings = {
        "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
        "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    }
    async with station(version, tmp_path, settings=settings) as run:
        for _ in range(3):
            lost_at = run.clock.elapsed
            run.csms.drop("CP1")
            await run.settle()

            await run.advance(PAUSE - 0.1)
            assert run.csms.attempts[-1] <= lost_at
            await run.advance(10)

            assert run.csms.attempts[-1] - lost_at >= PAUSE
            assert run.life.session.online


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1011, "Failed to subscribe to message broker"),
        (1013, "Tenant connection limit exceeded"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_refusal_after_the_handshake_is_waited_out_longer_and_longer(
    version: str, code: int, words: str, tmp_path: Path
) -> None:
    settings = {
        "OCPPCommCtrlr.RetryBackOffWaitMinimum": "10",
        "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
        "OCPPCommCtrlr.RetryBackOffRepeatTimes": "3",
    }
    async with case(
        version, tmp_path, start=False, csms={"profile": "citrineos"}, settings=settings
    ) as run:

        async def refuse(station: str, _: Any) -> Any:
            await run.csms.close(station, code, words)
            return CallError("InternalError", "")

        run.csms.on("BootNotification", refuse)
        await run.start()
        await run.advance(200)

        waits = [b - a for a, b in zip(run.csms.attempts, run.csms.attempts[1:], strict=False)]
        assert waits[:4] == pytest.approx([10, 20, 40, 80], abs=1)
        assert f"{code} {words}" in str(run.life.link.last_error)
        run.csms.on("BootNotification", None)
        await run.advance(100)
        assert run.life.session.online


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_new_connection_that_is_dead_is_left_for_another_and_nothing_is_lost(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path) as run:
        await run.plug()
        await run.swipe(TOKEN, 1)
        await run.advance(5)
        transaction = run.transaction()
        assert transaction is not None
        connections = run.csms.stations["CP1"].connections
        for action in ("Heartbeat", "StatusNotification", "MeterValues", END[version]):
            run.csms.standing[action] = SILENCE
            run.answers(action)
        await run.unplug()
        for _ in range(8):
            await run.advance(60)
        assert run.csms.stations["CP1"].connections > connections
        run.csms.standing.clear()

        for _ in range(8):
            await run.advance(60)

        (row,) = run.station.store.records.of(transaction.transaction_id)
        assert row.delivered_at is not None
        assert run.station.store.waiting == 0
        (view,) = run.csms.stations["CP1"].transactions
        assert view.ended == 1


async def test_every_moment_is_written_as_it_wants_it(tmp_path: Path) -> None:
    settings = {
        "AlignedDataCtrlr.Interval": "60",
        "SampledDataCtrlr.TxUpdatedInterval": "7",
    }
    async with station("2.0.1", tmp_path, settings=settings) as run:
        await run.advance(0.123456)  # the clock of the station knows microseconds
        transaction = await session(run, "2.0.1")
        await run.ask("GetBaseReport", requestId=5, reportBase="FullInventory")
        await run.advance(70)

        text = "".join(
            frame.text for frame in run.csms.frames if frame.direction is Direction.FROM_STATION
        )
        assert not re.search(r"T\d\d:\d\d:\d\d\.\d{4}", text)
        errors = [frame.text for frame in run.csms.frames if frame.kind == 4]
        assert errors == []
        assert {"MeterValues", "NotifyReport"} <= {frame.action for frame in run.csms.frames}
        (row,) = run.station.store.records.of(transaction)
        (view,) = run.csms.stations["CP1"].transactions
        assert records(view.payloads[-1]) == [row.document]
