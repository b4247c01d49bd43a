"""What every driver of a meter that signs promises, tried like in ``test_contract``."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from contract import assert_energy, energy_of, left_behind, some
from meter_bench import (
    OTHER,
    UUID,
    Bench,
    Interrupted,
    bench,
    cleared,
    now,
    pairs,
    patiently,
    transaction,
)
from record_check import assert_authentic
from virtual_time import run

from meters.api import SigningMeter
from meters.errors import MeterRefused, MeterUnreachable
from meters.model import OpenTransaction, SignedReading
from meters.simulators.catalog import keeps_records


def signing_pairs() -> list[tuple[str, str]]:
    """Those whose simulated meter has a key; a driver of such a one must be a SigningMeter."""

    async def has_key(driver: str, simulator: str) -> bool:
        async with bench(driver, simulator) as found:
            return bool(found.device.public_key)

    return [pair for pair in pairs() if pair[1] and run(has_key(*pair))]


SIGNING = pytest.mark.parametrize(("driver", "simulator"), signing_pairs())


@SIGNING
def test_a_transaction_gives_a_record_that_verifies(driver: str, simulator: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.signing()
            begin = await meter.begin(transaction())
            at_begin = found.device.energy_wh
            assert await meter.open_transaction() == OpenTransaction(UUID, running=True)
            await found.charge()
            end = await meter.end(UUID)
            assert await meter.open_transaction() == OpenTransaction(UUID, running=False)
            await meter.release(UUID)
            assert await meter.open_transaction() is None

            assert_energy(begin, at_begin)
            assert_energy(end, found.device.energy_wh)
            assert energy_of(end) > energy_of(begin)
            assert begin.taken_at.astimezone(UTC) <= end.taken_at.astimezone(UTC)
            assert end.signed is not None
            assert (begin.signed is not None) is getattr(meter, "signs_begin", False)
            if begin.signed is None:  # one record for both
                assert_authentic(
                    end.signed, found.device, begin=energy_of(begin), end=energy_of(end)
                )
            else:
                assert_authentic(begin.signed, found.device)
                assert_authentic(end.signed, found.device)

    run(look())


class Uncertain:
    """A time that may be known to be wrong."""

    def __init__(self) -> None:
        self.wrong = True

    def __call__(self) -> datetime:
        return now() - timedelta(days=20_000 if self.wrong else 0)

    def usable(self) -> bool:
        return not self.wrong


@SIGNING
def test_no_meter_is_set_by_a_time_that_is_known_to_be_wrong(driver: str, simulator: str) -> None:
    """One that has no time begins nothing; one that has goes on by its own."""

    async def look() -> None:
        async with bench(driver, simulator) as found:
            found.now = Uncertain()
            meter = await found.signing()
            await meter.read()
            try:
                await meter.begin(transaction())
            except MeterRefused as error:
                assert "time is not known" in str(error)  # noqa: PT017 - or it begins, see below
                assert found.executed("begin") == 0
            else:
                await found.charge()
                end = await meter.end(UUID)
                assert end.signed is not None
                assert b"2026-" in end.signed.document or b"2025-" in end.signed.document

    run(look())


@SIGNING
def test_a_meter_that_has_the_time_begins_although_nobody_else_does(
    driver: str, simulator: str
) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            found.now = time = Uncertain()
            time.wrong = False
            meter = await found.signing()
            await meter.begin(transaction())
            await found.charge()
            await meter.end(UUID)
            await meter.release(UUID)
            time.wrong = True
            await meter.begin(transaction(OTHER))
            await found.charge()
            end = await meter.end(OTHER)

            assert end.signed is not None
            assert b"1971-" not in end.signed.document

    run(look())


class Unconfirmed:
    """A time that nobody has confirmed: it is a month ahead until somebody does."""

    def __init__(self) -> None:
        self.known = True

    def __call__(self) -> datetime:
        return now() + timedelta(days=0 if self.known else 30)

    def confirmed(self) -> bool:
        return self.known


@SIGNING
def test_a_meter_that_has_the_time_keeps_it_until_another_is_confirmed(
    driver: str, simulator: str
) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            found.now = time = Unconfirmed()
            meter = await found.signing()
            await meter.begin(transaction())
            await found.charge()
            await meter.end(UUID)
            time.known = False
            wrong_day = f"{time():%Y-%m-%d}".encode()
            meter = await found.signing()  # by a station that has just started
            await meter.read()
            await meter.release(UUID)
            await meter.begin(transaction(OTHER))
            await found.charge()
            end = await meter.end(OTHER)

            assert end.signed is not None
            assert wrong_day not in end.signed.document

    run(look())


@SIGNING
def test_a_meter_set_by_an_unconfirmed_time_is_set_again_before_the_next_transaction(
    driver: str, simulator: str
) -> None:
    """It had no time, so it was given one; the CSMS put that right a moment later."""

    async def look() -> None:
        async with bench(driver, simulator) as found:
            found.now = time = Unconfirmed()
            time.known = False
            wrong_day = f"{time():%Y-%m-%d}".encode()
            meter = await found.signing()
            await meter.read()
            await meter.begin(transaction())
            await found.charge()
            await meter.end(UUID)
            await meter.release(UUID)
            time.known = True
            await meter.begin(transaction(OTHER))
            await found.charge()
            end = await meter.end(OTHER)

            assert end.signed is not None
            assert wrong_day not in end.signed.document

    run(look())


@SIGNING
def test_an_end_that_needs_the_time_waits_until_it_is_known(driver: str, simulator: str) -> None:
    """Meter and station were without power; the meter signs nothing before it has the time."""

    async def look() -> None:
        async with bench(driver, simulator, boot_delay_s=2.0) as found:
            found.now = time = Uncertain()
            time.wrong = False
            meter = await found.signing()
            await patiently(lambda: meter.begin(transaction()))
            await found.charge()
            found.device.reboot()
            time.wrong = True
            for caller in (meter, await found.signing()):
                await asyncio.sleep(3)
                with contextlib.suppress(MeterUnreachable):
                    await patiently(caller.read)
                try:
                    await caller.end(UUID)
                except MeterUnreachable:  # to be repeated, and the record is not given up
                    pass
                except MeterRefused as error:
                    assert "time is not known" not in str(error)  # noqa: PT017 - lost with the power
            time.wrong = False
            if keeps_records(simulator):
                assert (await patiently(lambda: meter.end(UUID))).signed is not None

    run(look())


@SIGNING
def test_begin_end_and_release_may_be_repeated(driver: str, simulator: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.signing()
            begins = [await meter.begin(transaction())]
            await found.charge()
            begins += [await meter.begin(transaction())]
            begins += [await (await found.signing()).begin(transaction())]
            ends = [await meter.end(UUID), await meter.end(UUID)]
            ends += [await (await found.signing()).end(UUID)]
            await meter.release(UUID)
            await meter.release(UUID)
            await (await found.signing()).release(UUID)

            assert len({energy_of(begin) for begin in begins}) == 1
            assert len({end.signed for end in ends}) == 1
            assert ends[0].signed is not None
            assert len({energy_of(end) for end in ends}) == 1
            assert (found.executed("begin"), found.executed("end")) == (1, 1)
            assert await meter.open_transaction() is None

    run(look())


@SIGNING
def test_several_tasks_may_give_the_same_order_at_once(driver: str, simulator: str) -> None:
    async def at_once(call: Call) -> list[Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_coroutine(call)) for _ in range(3)]
        return [task.result() for task in tasks]

    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.signing()
            begins = await at_once(lambda: meter.begin(transaction()))
            await found.charge()
            ends = await at_once(lambda: meter.end(UUID))
            await at_once(lambda: meter.release(UUID))

            assert len({energy_of(begin) for begin in begins}) == 1
            assert len({end.signed for end in ends}) == 1
            assert (found.executed("begin"), found.executed("end")) == (1, 1)
            assert await meter.open_transaction() is None

    run(look())


@SIGNING
def test_nothing_is_discarded_that_was_not_released(driver: str, simulator: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.signing()
            await meter.begin(transaction())
            for caller in (meter, await found.signing()):
                with pytest.raises(MeterRefused):
                    await caller.begin(transaction(OTHER))
            await found.charge()
            first = await meter.end(UUID)
            for caller in (meter, await found.signing()):
                with pytest.raises(MeterRefused):
                    await caller.begin(transaction(OTHER))
                await caller.release(OTHER)  # of a transaction that the meter does not have
                assert await caller.open_transaction() == OpenTransaction(UUID, running=False)
                assert (await caller.end(UUID)).signed == first.signed
            await meter.release(UUID)

            assert found.executed("begin", OTHER) == 0
            await meter.begin(transaction(OTHER))
            other = await meter.end(OTHER)
            assert other.signed is not None
            assert other.signed.document != getattr(first.signed, "document", None)

    run(look())


@SIGNING
def test_the_end_of_an_unknown_transaction_is_refused(driver: str, simulator: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.signing()
            with pytest.raises(MeterRefused):
                await meter.end(UUID)
            await meter.begin(transaction(OTHER))
            with pytest.raises(MeterRefused):
                await meter.end(UUID)

            assert await meter.open_transaction() == OpenTransaction(OTHER, running=True)
            assert found.executed("end", OTHER) == 0

    run(look())


@SIGNING
def test_readings_go_on_while_a_transaction_runs(driver: str, simulator: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.signing()
            begin = await meter.begin(transaction())
            await found.charge()
            assert energy_of(await meter.read()) > energy_of(begin)
            async with asyncio.TaskGroup() as group:
                reads = [group.create_task(meter.read()) for _ in range(3)]
                end = group.create_task(meter.end(UUID))

            assert end.result().signed is not None
            assert all(read.result().samples for read in reads)

    run(look())


@SIGNING
@pytest.mark.parametrize("state", ["free", "running", "ended", "released"])
def test_a_meter_that_reboots_keeps_what_was_begun(driver: str, simulator: str, state: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator, boot_delay_s=4.0) as found:
            meter = await found.signing()
            document = await _brought_into(meter, found, state)
            found.device.reboot()
            for caller in (meter, await found.signing()):
                await asyncio.sleep(1)
                left = await patiently(caller.open_transaction)
                if state == "free":
                    assert left is None
                elif state == "released":  # a meter without memory for that may show it again
                    assert left in {None, OpenTransaction(UUID, running=False)}
                elif keeps_records(found.simulator):
                    assert left is not None
                    assert left.transaction_id == UUID
                    end = await patiently(lambda caller=caller: caller.end(UUID))
                    assert document in {None, end.signed}
                    assert end.signed is not None
                    assert_authentic(end.signed, found.device)
                else:
                    await _record_or_refusal(found, caller)
            await cleared(meter)
            await meter.release(UUID)
            assert (await meter.begin(transaction(OTHER))).samples
            assert (await meter.end(OTHER)).signed is not None

    run(look())


@SIGNING
@pytest.mark.parametrize("fault", ["lost-reply", "silence"])
@pytest.mark.parametrize("operation", ["begin", "end", "release"])
def test_a_lost_reply_never_gives_a_command_twice(
    driver: str, simulator: str, operation: str, fault: str
) -> None:
    async def once(place: int | None) -> int:
        async with bench(driver, simulator) as found:
            meter, call = await _brought_to(found, operation)
            before = len(found.wire.requests)
            if place is not None:
                found.fault(fault, skip=place, count=1)
            await patiently(call)
            asked = len(found.wire.requests) - before
            found.device.faults.clear()
            await _finished(found, meter, operation)
            return asked

    for place in some(run(once(None))):
        run(once(place))


@SIGNING
@pytest.mark.parametrize("same", [True, False], ids=["same driver", "another process"])
@pytest.mark.parametrize("operation", ["begin", "end", "release"])
def test_a_command_may_be_cancelled_wherever_it_waits(
    driver: str, simulator: str, operation: str, *, same: bool
) -> None:
    async def once(place: int | None) -> int:
        async with bench(driver, simulator) as found:
            meter, call = await _brought_to(found, operation)
            interrupted = Interrupted(_coroutine(call), place)
            await interrupted.run()
            assert await left_behind() == []
            if not same:
                meter, call = await _again(found, operation)
            await patiently(call)
            await _finished(found, meter, operation)
            return interrupted.waits

    for place in some(run(once(None))):
        run(once(place))


async def _brought_into(meter: SigningMeter, found: Bench, state: str) -> SignedReading | None:
    """A transaction as far as wanted; its record if it has ended."""
    await patiently(meter.read)
    if state == "free":
        return None
    await patiently(lambda: meter.begin(transaction()))
    await found.charge()
    if state == "running":
        return None
    document = (await meter.end(UUID)).signed
    if state == "released":
        await meter.release(UUID)
    return document


async def _record_or_refusal(found: Bench, meter: SigningMeter) -> None:
    """Of a meter that loses its memory: what it still has is right, or it says that it is lost."""
    try:
        end = await patiently(lambda: meter.end(UUID))
    except MeterRefused:
        return
    assert end.signed is not None
    assert_authentic(end.signed, found.device)


Call = Callable[[], Awaitable[Any]]


async def _brought_to(found: Bench, operation: str) -> tuple[SigningMeter, Call]:
    """A meter in the state before the operation, and the operation."""
    meter, call = await _again(found, operation)
    if operation != "begin":
        await meter.begin(transaction())
        await found.charge()
    if operation == "release":
        await meter.end(UUID)
    return meter, call


async def _again(found: Bench, operation: str) -> tuple[SigningMeter, Call]:
    meter = await found.signing()
    calls: dict[str, Call] = {
        "begin": lambda: meter.begin(transaction()),
        "end": lambda: meter.end(UUID),
        "release": lambda: meter.release(UUID),
    }
    return meter, calls[operation]


async def _finished(found: Bench, meter: SigningMeter, operation: str) -> None:
    """Bring the transaction to its end and look what the device had to do for it."""
    if operation == "begin":
        assert await meter.open_transaction() == OpenTransaction(UUID, running=True)
        await found.charge()
    if operation in {"begin", "end"}:
        end = await patiently(lambda: meter.end(UUID))
        assert end.signed is not None
        assert_authentic(end.signed, found.device)
        await patiently(lambda: meter.release(UUID))
    assert await meter.open_transaction() is None
    assert (found.executed("begin"), found.executed("end")) == (1, 1)


def _coroutine(call: Call) -> Coroutine[Any, Any, Any]:
    async def awaited() -> Any:
        return await call()

    return awaited()
