"""Transactions of a LEM DCBM when answers, power, connections or processes are lost."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lem_rig import OTHER, UUID, charged, rig, transaction

from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.model import OpenTransaction, Quantity
from meters.ocmf import parse, verify
from meters.simulators.faults import FaultKind
from meters.simulators.http import HttpRequest, HttpResponse
from meters.simulators.lem_dcbm import PowerCut, record

DONE = (  # faults in which the command is carried out and its answer is of no use
    (FaultKind.LOST_REPLY, {}),
    (FaultKind.TRUNCATED, {}),
    (FaultKind.MALFORMED, {}),
    (FaultKind.CONTENT_TYPE, {"value": 1}),
)
NOT_DONE = (  # and those in which it is not
    (FaultKind.SILENCE, {}),
    (FaultKind.RESET, {}),
    (FaultKind.STATUS, {"value": 500}),
)


@pytest.mark.parametrize(("kind", "how"), DONE)
@pytest.mark.parametrize("tls", [False, True])
async def test_a_begin_whose_answer_was_lost_is_not_given_twice(
    kind: FaultKind, how: dict[str, int], *, tls: bool
) -> None:
    async with rig(tls=tls) as found:
        meter = found.driver()
        found.fault(kind, method="POST", **how)
        reading = await meter.begin(transaction())

    assert reading.value(Quantity.ENERGY_IMPORT) == 1637
    assert found.done() == (1, 0)
    assert len(found.asked("POST", "/v1/legal")) == 1


async def test_a_begin_answered_too_late_is_not_given_twice() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.DELAY, value=600, method="POST")
        await meter.begin(transaction())

    assert found.done() == (1, 0)


@pytest.mark.parametrize(("kind", "how"), NOT_DONE)
async def test_a_begin_that_never_arrived_can_be_repeated(
    kind: FaultKind, how: dict[str, int]
) -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(kind, method="POST", **how)
        with pytest.raises(MeterUnreachable, match="does not show"):
            await meter.begin(transaction())
        assert await meter.open_transaction() is None
        await meter.begin(transaction())

    assert found.done() == (1, 0)


async def test_a_begin_that_is_declined_although_it_runs_is_a_begin() -> None:
    async with rig() as found:
        meter = found.driver()
        genuine = found.device.handle

        def twice(request: Any) -> Any:
            if request.method == "POST":
                genuine(request)
            return genuine(request)

        found.device.handle = twice  # type: ignore[method-assign]
        await meter.begin(transaction())

    assert found.done() == (1, 0)


async def test_a_begin_whose_reading_fails_is_completed_by_the_next_call() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.identify()
        found.fault(FaultKind.SILENCE, method="GET", path="/v1/legal", skip=1, count=2)
        with pytest.raises(MeterUnreachable):
            await meter.begin(transaction())
        assert found.done() == (1, 0)
        await charged(found.device)
        reading = await meter.begin(transaction())

    assert reading.value(Quantity.ENERGY_IMPORT) == 1637
    assert found.done() == (1, 0)


@pytest.mark.parametrize(("kind", "how"), DONE)
async def test_an_end_whose_answer_was_lost_is_not_given_twice(
    kind: FaultKind, how: dict[str, int]
) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(kind, method="PUT", path="/v1/legal", **how)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.done() == (1, 1)
    assert len(found.asked("PUT", "/v1/legal")) == 1


@pytest.mark.parametrize(("kind", "how"), NOT_DONE)
async def test_an_end_that_never_arrived_is_given_by_the_next_call(
    kind: FaultKind, how: dict[str, int]
) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(kind, method="PUT", path="/v1/legal", **how)
        with pytest.raises(MeterUnreachable, match="does not show"):
            await meter.end(UUID)
        assert found.done() == (1, 0)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.done() == (1, 1)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        (FaultKind.SILENCE, {}),
        (FaultKind.STATUS, {"value": 503}),
        (FaultKind.TRUNCATED, {}),
        (FaultKind.STATUS, {"value": 403}),
        (FaultKind.MALFORMED, {}),
        (FaultKind.CONTENT_TYPE, {"value": 1}),
    ],
)
async def test_a_record_that_cannot_be_read_is_read_by_the_next_call(
    kind: FaultKind, how: dict[str, int]
) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(kind, path="/v1/ocmf", count=None, **how)
        with pytest.raises((MeterUnreachable, MeterDataError)):
            await meter.end(UUID)
        found.device.faults.clear()
        end = await meter.end(UUID)

    assert end.signed is not None
    assert verify(parse(end.signed.document), end.signed.public_key).valid
    assert found.done() == (1, 1)


async def test_an_intermediate_record_is_never_taken_for_the_end() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        running = found.device.memory.open
        assert running is not None
        shown = record.ocmf_record(
            found.device.settings, running, found.device.key, found.device.taken()
        )
        genuine, left = found.device.handle, [1, 1]

        def stubborn(request: HttpRequest) -> HttpResponse:
            """Shows the record from before the end as long as there is something left."""
            if request.path == "/v1/ocmf" and left:
                return HttpResponse(200, shown.encode(), f"text/plain; left={left.pop()}")
            return genuine(request)

        found.device.handle = stubborn  # type: ignore[method-assign]
        end = await meter.end(UUID)

    assert end.signed is not None
    assert parse(end.signed.document).end is not None


async def test_a_cancelled_begin_and_a_cancelled_end_can_be_repeated() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.identify()
        found.fault(FaultKind.DELAY, value=300, method="POST")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await meter.begin(transaction())
        await meter.begin(transaction())
        found.fault(FaultKind.DELAY, value=300, method="PUT")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await meter.end(UUID)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.done() == (1, 1)


async def test_a_power_cut_of_the_meter_leaves_a_record_that_end_only_fetches() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        await charged(found.device)
        found.device.reboot()
        waiting = await meter.open_transaction()
        end = await meter.end(UUID)

    assert waiting == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    last = parse(end.signed.document).end
    assert last is not None
    assert last.cause == "P"
    assert last.energy_wh == end.value(Quantity.ENERGY_IMPORT)
    assert not found.asked("PUT", "/v1/legal")


async def test_a_power_cut_that_spoils_the_status_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rig(power_cut_status=128) as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.reboot()
        end = await meter.end(UUID)

    assert end.signed is not None
    assert "not billable: status 145, measuring failed" in caplog.text


async def test_a_session_that_survived_the_cut_is_ended_in_the_ordinary_way() -> None:
    async with rig(power_cut=PowerCut.RESUMED) as found:
        await found.driver().begin(transaction())
        found.device.reboot()
        restarted = found.driver()
        open_one = await restarted.open_transaction()
        end = await restarted.end(UUID)

    assert open_one == OpenTransaction(UUID, running=True)
    assert end.signed is not None


async def test_a_meter_that_starts_up_is_waited_for_by_the_caller() -> None:
    async with rig(boot_delay_s=0.0) as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device._awake_at = found.clock.monotonic() + 60
        for call in (meter.read, meter.open_transaction, lambda: meter.end(UUID)):
            with pytest.raises(MeterUnreachable):
                await call()
        found.clock.ahead += timedelta(seconds=61)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.done() == (1, 1)


async def test_another_process_finds_and_ends_what_runs() -> None:
    async with rig() as found:
        await found.driver().begin(transaction())
        restarted = found.driver()
        held = await restarted.open_transaction()
        end = await restarted.end(UUID)

    assert held == OpenTransaction(UUID, running=True)
    assert end.signed is not None
    assert found.done() == (1, 1)


async def test_another_process_finds_and_fetches_what_waits() -> None:
    async with rig() as found:
        first = found.driver()
        await first.begin(transaction())
        before = await first.end(UUID)
        restarted = found.driver()
        held = await restarted.open_transaction()
        after = await restarted.end(UUID)
        await restarted.release(UUID)
        free = await restarted.open_transaction()

    assert held == OpenTransaction(UUID, running=False)
    assert after.signed == before.signed
    assert free is None


async def test_another_process_finds_the_last_record_once_more_although_it_was_released() -> None:
    async with rig() as found:
        first = found.driver()
        await first.begin(transaction())
        before = await first.end(UUID)
        await first.release(UUID)
        restarted = found.driver()
        held = await restarted.open_transaction()
        again = await restarted.end(UUID)
        await restarted.release(UUID)
        await restarted.begin(transaction(OTHER))

    assert held == OpenTransaction(UUID, running=False)
    assert again.signed == before.signed
    assert found.done(OTHER) == (1, 0)


async def test_a_record_survives_a_kill_of_the_meter(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"state_file": tmp_path / "meter.json"}
    async with rig(**settings) as found:
        meter = found.driver()
        await meter.begin(transaction())
        before = await meter.end(UUID)
    async with rig(**settings) as found:
        after = await found.driver().end(UUID)

    assert after.signed == before.signed


async def test_a_transaction_outlives_a_cable_that_was_pulled() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.server.unplug()
        with pytest.raises(MeterUnreachable):
            await meter.end(UUID)
        found.server.plug_in()
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.done() == (1, 1)


async def test_an_end_on_a_dead_meter_fails_soon() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SILENCE, count=None)
        started = asyncio.get_running_loop().time()
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.end(UUID)

    assert asyncio.get_running_loop().time() - started < 2


async def test_a_clock_write_whose_answer_was_lost_is_written_again() -> None:
    async with rig() as found:
        found.fault(FaultKind.LOST_REPLY, path="/v1/settings", method="PUT")
        await found.driver().begin(transaction())

    assert found.done() == (1, 0)
    assert len(found.asked("PUT", "/v1/settings")) == 2


async def test_a_swapped_meter_ends_no_transaction_of_the_other() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        other = type(found.device)(
            found.device.settings.__class__(
                serial_number="99", boot_delay_s=0.0, settings_delay_s=0.0, key_seed="other"
            )
        )
        found.server.device = other
        with pytest.raises(MeterDataError, match="another meter: serial 99"):
            await meter.end(UUID)
        with pytest.raises(MeterRefused, match="holds no record"):
            await meter.end(UUID)
        assert await meter.open_transaction() is None
