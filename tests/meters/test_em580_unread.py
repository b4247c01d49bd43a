"""Records that wait in an EM580: delivered to their transaction, or rescued if they are none."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from em580_rig import AWAKE, OTHER, UUID, Rig, charged, rig, transaction

from meters.api import SigningMeter
from meters.drivers.carlo_gavazzi_em580 import unread
from meters.errors import MeterDataError, MeterRefused, RecordLost
from meters.model import OpenTransaction, Quantity, Reading
from meters.ocmf import Outcome, parse, verify, verify_document
from meters.simulators.em580 import Behaviour, OcmfState
from meters.simulators.faults import FaultKind

GARBAGE = [0x4142, 0x4344, 0x0000]


async def patiently(meter: SigningMeter, transaction_id: str) -> Reading:
    """As a station does that tries again: twice in vain; the rig has time stand for patience."""
    for _ in range(2):
        with pytest.raises(MeterDataError):
            await meter.end(transaction_id)
    return await meter.end(transaction_id)


async def ended(found: Rig, **config: object) -> SigningMeter:
    """A meter whose record waits, and a driver that does not know of it."""
    await found.driver().begin(transaction())
    await charged(found.device)
    await found.bus.unit(1).write(0x7040, [ord("E")])
    await asyncio.sleep(0.03)
    return found.driver(**config)


async def test_an_unread_record_goes_to_the_transaction_it_belongs_to() -> None:
    async with rig() as found:
        meter = await ended(found)
        held = await meter.open_transaction()
        with pytest.raises(MeterRefused, match=f"holds transaction {UUID}"):
            await meter.begin(transaction(OTHER))
        with pytest.raises(MeterRefused, match=f"record of transaction {UUID}"):
            await meter.end(OTHER)
        end = await meter.end(UUID)

        assert found.device.state is OcmfState.READY
    assert held == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    assert verify(parse(end.signed.document), end.signed.public_key).valid


async def test_what_is_no_record_is_read_again_for_a_while_and_told() -> None:
    async with rig() as found:
        meter = await ended(found)
        found.device.override(0x7110, GARBAGE)
        for _ in range(2):
            with pytest.raises(MeterDataError, match="no OCMF record"):
                await meter.end(UUID)
        assert "no OCMF record" in found.complaints[0]
        found.device.clear_overrides()
        end = await meter.end(UUID)

        assert found.complaints == ()
    assert end.signed is not None
    assert verify(parse(end.signed.document), end.signed.public_key).valid


async def test_what_stays_no_record_is_handed_on_as_evidence_and_blocks_nothing() -> None:
    async with rig() as found:
        meter = await ended(found)
        found.device.override(0x7110, GARBAGE)
        assert await meter.open_transaction() == OpenTransaction(UUID, running=False)
        end = await patiently(meter, UUID)
        again = await meter.end(UUID)
        assert found.device.state is OcmfState.READY  # nothing was released yet
        assert found.complaints != ()
        await meter.release(UUID)
        found.device.clear_overrides()
        await meter.begin(transaction(OTHER))

        assert found.complaints == ()
    assert again == end
    assert {s.quantity: s.value for s in end.samples} == {
        Quantity.ENERGY_IMPORT: int(found.device.energy_wh),
        Quantity.ENERGY_EXPORT: 0,
    }
    assert end.signed is not None
    assert (end.signed.document, end.signed.encoding) == (b"ABCD", "OCMF")
    verdict = verify_document(end.signed.document, end.signed.public_key)
    assert verdict.outcome is Outcome.UNPARSABLE


async def test_evidence_is_not_given_to_another_transaction() -> None:
    async with rig() as found:
        meter = await ended(found)
        found.device.override(0x7110, GARBAGE)
        with pytest.raises(MeterRefused, match=f"record of transaction {UUID}"):
            await patiently(meter, OTHER)
        await meter.release(OTHER)

        assert found.device.state is OcmfState.READY


async def test_a_quick_series_of_tries_is_not_enough_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig() as found:
        monkeypatch.setattr(unread, "_PATIENCE_S", 60.0)
        meter = await ended(found)
        found.device.override(0x7110, GARBAGE)
        for _ in range(5):
            with pytest.raises(MeterDataError, match="no OCMF record"):
                await meter.end(UUID)


async def test_the_patience_with_one_record_is_not_that_with_the_next() -> None:
    async with rig() as found:
        meter = await ended(found)
        found.device.override(0x7110, GARBAGE)
        await patiently(meter, UUID)
        await meter.release(UUID)
        found.device.clear_overrides()
        await meter.begin(transaction(OTHER))
        found.device.override(0x7110, GARBAGE)
        with pytest.raises(MeterDataError, match="no OCMF record"):
            await meter.end(OTHER)


async def test_an_empty_record_is_lost_and_can_be_given_up() -> None:
    async with rig() as found:
        meter = await ended(found)
        found.fault(FaultKind.SIZE, value=0, count=None)
        found.device.override(0x7110, [0])
        with pytest.raises(RecordLost, match=r"empty record.*0 words"):
            await patiently(meter, UUID)
        await meter.release(UUID)
        await meter.begin(transaction(OTHER))

        assert found.device.state is OcmfState.RUNNING


async def test_a_record_that_the_meter_refuses_to_give_is_lost() -> None:
    async with rig() as found:
        meter = await ended(found)
        found.fault(FaultKind.EXCEPTION, register=0x7110, value=2, count=None)
        assert await meter.open_transaction() == OpenTransaction(UUID, running=False)
        with pytest.raises(RecordLost, match=r"does not give its record.*illegal data address"):
            await patiently(meter, UUID)
        await meter.release(UUID)

        assert found.device.state is OcmfState.NOT_READY


async def test_a_failure_of_the_meter_is_no_reason_to_give_its_record_up() -> None:
    async with rig() as found:
        meter = await ended(found)
        found.fault(FaultKind.EXCEPTION, register=0x7110, value=4, count=5)
        for _ in range(5):
            with pytest.raises(MeterDataError, match="device failure"):
                await meter.end(UUID)
        end = await meter.end(UUID)

    assert end.signed is not None


@pytest.mark.parametrize("size", [0, 2032, 65535])
async def test_a_record_whose_size_is_told_wrongly_for_good_is_found_all_the_same(
    size: int,
) -> None:
    async with rig(replace(AWAKE, record_size=1500)) as found:
        meter = await ended(found)
        found.fault(FaultKind.SIZE, value=size, count=None)
        end = await patiently(meter, UUID)
        held = found.device.memory.record

    read = {r.address + r.count for r in found.line.requests if r.address >= 0x7110}
    assert end.signed is not None
    assert end.signed.document == held
    assert end.value(Quantity.ENERGY_IMPORT) is not None
    assert max(read) <= 0x7110 + 2031


@pytest.mark.parametrize("size", [4061, 4062])
async def test_a_record_as_large_as_the_meter_can_hold_is_read_whole(size: int) -> None:
    async with rig(replace(AWAKE, record_size=size)) as found:
        meter = await ended(found)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert len(end.signed.document) == size
    assert verify(parse(end.signed.document), end.signed.public_key).valid


async def test_a_record_larger_than_the_meter_can_hold_is_kept_as_far_as_it_goes() -> None:
    async with rig(replace(AWAKE, record_size=4062)) as found:
        meter = await ended(found)
        found.fault(FaultKind.SIZE, value=2100, count=None)
        found.device.override(0x78FE, [0x7878])  # the last word it shows is not its end
        end = await patiently(meter, UUID)
        held = found.device.memory.record

    assert end.signed is not None
    assert end.signed.document == held[:-2] + b"xx"
    assert end.value(Quantity.ENERGY_IMPORT) == int(found.device.energy_wh)


async def test_state_and_size_cost_one_request_where_the_meter_allows_it() -> None:
    async with rig() as found:
        meter = await ended(found)
        await meter.identify()
        found.line.requests.clear()
        await meter.end(UUID)

    asked = [(r.address, r.count) for r in found.line.requests]
    words = found.device.memory.record
    rest = -(-len(words) // 2) % 125
    assert asked[:2] == [(0x7100, 1), (0x7100, 2)]
    assert asked[-2][1] == rest
    assert asked[-1] == (0x7100, 2)


@pytest.mark.parametrize("code", [2, 3, 4])
async def test_a_meter_that_refuses_the_joint_read_is_asked_for_each(code: int) -> None:
    async with rig(replace(AWAKE, behaviour=Behaviour(joint_state=code))) as found:
        meter = await ended(found)
        end = await meter.end(UUID)

    joint = [r for r in found.line.requests if (r.address, r.count) == (0x7100, 2)]
    assert end.signed is not None
    assert len(joint) == 1
    assert found.asked(0x7101) == 2


async def test_a_corrupted_record_of_another_transaction_is_not_lost_by_this_one() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.CORRUPTED)
        with pytest.raises(RecordLost, match=f"record of transaction {UUID} is corrupted"):
            await meter.end(UUID)
        assert "corrupted" in found.complaints[0]
        with pytest.raises(MeterRefused) as refused:
            await meter.end(OTHER)
        await meter.release(UUID)

        assert found.complaints == ()
    assert not isinstance(refused.value, RecordLost)


async def test_a_record_that_is_corrupted_while_it_is_signed_unseen_is_lost() -> None:
    hidden = replace(
        AWAKE, behaviour=Behaviour(hides_signing=True), signing_delay=timedelta(seconds=0.3)
    )
    async with rig(hidden) as found:
        meter = await ended(found)
        found.fault(FaultKind.CORRUPTED)
        with pytest.raises(RecordLost, match="is corrupted"):
            await meter.end(UUID)


async def test_what_waits_is_looked_into_once() -> None:
    async with rig() as found:
        meter = await ended(found)
        for _ in range(3):
            await meter.open_transaction()
        await meter.release(UUID)

        assert found.device.state is OcmfState.NOT_READY
    assert found.asked(0x7110) == 1
