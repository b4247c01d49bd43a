"""Transactions of a LEM DCBM in the ordinary way, over real HTTP and HTTPS."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lem_rig import OTHER, UUID, charged, now, rig, transaction

from meters.api import SigningMeter
from meters.drivers.lem_dcbm import Config, create, signing
from meters.drivers.lem_dcbm.answers import Status
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable, RecordLost
from meters.model import OpenTransaction, Quantity
from meters.ocmf import parse, verify
from meters.simulators.faults import FaultKind
from meters.simulators.lem_dcbm import api


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("firmware", ["0.1.4.0", "0.2.0.1"])
async def test_a_session_gives_a_record_that_verifies(*, tls: bool, firmware: str) -> None:
    async with rig(tls=tls, firmware=firmware) as found:
        meter = found.driver(meter_timezone="+01:00", IT=3)
        begin = await meter.begin(transaction(tariff_text="0.30 EUR/kWh"))
        await charged(found.device)
        end = await meter.end(UUID)
        waiting = await meter.open_transaction()
        await meter.release(UUID)
        free = await meter.open_transaction()

    assert begin.value(Quantity.ENERGY_IMPORT) == 1637
    assert begin.value(Quantity.ENERGY_EXPORT) == 12
    assert end.signed is not None
    assert (end.signed.encoding, end.signed.method) == ("OCMF", "")
    record = parse(end.signed.document)
    assert verify(record, end.signed.public_key).valid
    assert record.payload["CI"] == "DE*ABC*E123*1"
    assert record.identification.type == "ISO14443"
    assert record.identification.data == "04A1B2C3"
    assert record.tariff_text == ("0.30 EUR/kWh" if firmware == "0.2.0.1" else "")
    assert record.begin is not None
    assert record.begin.energy_wh == begin.value(Quantity.ENERGY_IMPORT)
    assert record.end is not None
    assert record.end.energy_wh == end.value(Quantity.ENERGY_IMPORT)
    assert end.value(Quantity.ENERGY_EXPORT) == 12
    assert abs(end.taken_at - now()) < timedelta(seconds=5)
    assert end.taken_at.utcoffset() == timedelta(hours=1)
    assert waiting == OpenTransaction(UUID, running=False)
    assert free is None
    assert found.done() == (1, 1)


async def test_the_document_is_what_the_meter_holds_byte_for_byte() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        end = await meter.end(UUID)

    assert end.signed is not None
    assert end.signed.document.decode() == found.device.memory.finished[-1].record
    assert end.signed.public_key == found.device.public_key


@pytest.mark.parametrize("legal_get", ["full", "bare"])
async def test_begin_may_be_repeated(legal_get: str) -> None:
    async with rig(legal_get=legal_get) as found:
        meter = found.driver()
        first = await meter.begin(transaction())
        await charged(found.device)
        again = await meter.begin(transaction())
        after_restart = await found.driver().begin(transaction())

    energy = first.value(Quantity.ENERGY_IMPORT)
    assert again == first
    assert energy == 1637
    assert after_restart.value(Quantity.ENERGY_IMPORT) == energy
    assert abs(after_restart.taken_at - first.taken_at) < timedelta(seconds=2)
    assert found.done() == (1, 0)


async def test_end_and_release_may_be_repeated() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        first = await meter.end(UUID)
        again = await meter.end(UUID)
        restarted = await found.driver().end(UUID)
        await meter.release(UUID)
        await meter.release(UUID)
        after_release = await meter.end(UUID)
        await found.driver().release(UUID)

    assert again == after_release == first
    assert (restarted.signed, restarted.samples) == (first.signed, first.samples)
    assert found.done() == (1, 1)


@pytest.mark.parametrize("unknown", ["404", "empty"])
@pytest.mark.parametrize("no_history", ["404", "empty-id"])
async def test_end_and_release_of_another_transaction_touch_nothing(
    unknown: str, no_history: str
) -> None:
    async with rig(unknown_record=unknown, no_history=no_history) as found:
        meter = found.driver()
        assert await meter.open_transaction() is None
        for name in (OTHER, ""):
            with pytest.raises(MeterRefused, match="holds no record"):
                await meter.end(name)
            await meter.release(name)
        await meter.begin(transaction())
        with pytest.raises(MeterRefused, match=f"runs transaction {UUID}"):
            await meter.end(OTHER)
        await meter.release(OTHER)
        assert found.done() == (1, 0)

        await meter.end(UUID)
        with pytest.raises(MeterRefused, match=f"no record of transaction {OTHER}"):
            await meter.end(OTHER)
        await meter.release(OTHER)
        assert await meter.open_transaction() == OpenTransaction(UUID, running=False)


async def test_a_running_transaction_is_not_released() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        with pytest.raises(MeterRefused, match="still runs"):
            await meter.release(UUID)

        assert await meter.open_transaction() == OpenTransaction(UUID, running=True)


@pytest.mark.parametrize("ended", [False, True])
async def test_begin_waits_until_another_transaction_is_stored(*, ended: bool) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        if ended:
            await meter.end(UUID)
        what = "holds the record of" if ended else "runs"
        with pytest.raises(MeterRefused, match=f"{what} transaction {UUID}"):
            await found.driver().begin(transaction(OTHER))

        assert (await meter.end(UUID)).signed is not None
        await meter.release(UUID)
        await meter.begin(transaction(OTHER))
    assert found.done(OTHER) == (1, 0)


async def test_a_transaction_that_is_over_is_not_begun_again() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        await meter.end(UUID)
        await meter.release(UUID)
        with pytest.raises(MeterRefused, match=f"transaction {UUID} is over"):
            await meter.begin(transaction())

    assert found.done() == (1, 1)


async def test_an_earlier_record_is_still_given_while_the_next_transaction_runs() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        first = await meter.end(UUID)
        await meter.release(UUID)
        await meter.begin(transaction(OTHER))
        again = await found.driver().end(UUID)

        assert again.signed == first.signed
    assert found.done(OTHER) == (1, 0)


async def test_a_record_that_comes_late_is_waited_for() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SLOW_READY, value=300)
        end = await meter.end(UUID)

    assert end.signed is not None


async def test_a_record_that_comes_too_late_is_fetched_by_the_next_call() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SLOW_READY, value=1200)
        with pytest.raises(MeterUnreachable, match="not offered within 1 s"):
            await meter.end(UUID)
        await meter.read()  # which is no reason to call the meter lost
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.done() == (1, 1)
    assert len(found.asked("PUT", "/v1/legal")) == 1


async def test_polls_go_on_while_the_record_is_awaited() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SLOW_READY, value=400)
        ending = asyncio.create_task(meter.end(UUID))
        polls = 0
        while not ending.done():
            await meter.read()
            polls += 1
            await asyncio.sleep(0.02)

        assert (await ending).signed is not None
    assert polls >= 4


async def test_a_lost_record_is_told_and_given_up_by_release() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.CORRUPTED)
        for _ in range(2):
            with pytest.raises(RecordLost, match=UUID):
                await meter.end(UUID)
        with pytest.raises(MeterRefused, match="holds the record"):
            await meter.begin(transaction(OTHER))
        assert await meter.open_transaction() == OpenTransaction(UUID, running=False)
        await meter.release(UUID)
        await meter.begin(transaction(OTHER))

    assert found.done(OTHER) == (1, 0)


async def test_a_record_that_stays_empty_is_lost_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig(unknown_record="empty") as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.CORRUPTED)
        with pytest.raises(MeterUnreachable, match="not offered"):
            await meter.end(UUID)
        monkeypatch.setattr(signing, "_LOST_AFTER_S", 0.5)
        with pytest.raises(RecordLost, match="empty for"):
            await meter.end(UUID)


async def test_a_record_that_stays_broken_is_lost_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.MALFORMED, path="/v1/ocmf", count=None)
        with pytest.raises(MeterDataError, match="no OCMF record"):
            await meter.end(UUID)
        monkeypatch.setattr(signing, "_LOST_AFTER_S", 0.0)
        with pytest.raises(RecordLost, match="is broken"):
            await meter.end(UUID)
        await meter.release(UUID)
        found.device.faults.clear()
        await meter.begin(transaction(OTHER))
        recovered = await meter.end(UUID)

    assert recovered.signed is not None  # the meter still has it
    assert found.done() == (1, 1)


async def test_a_meter_whose_memory_failed_has_lost_the_record() -> None:
    async with rig(unknown_record="empty") as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.CORRUPTED)
        found.device.flags.add("memoryAccessIsFailed")
        with pytest.raises(RecordLost, match="memoryAccessIsFailed"):
            await meter.end(UUID)


@pytest.mark.parametrize(
    ("flag", "word"),
    [
        ("suLinkStatusIsOk", "no link to the sensor unit"),
        ("muFatalErrorOccured", "fatal error"),
        ("logbookIsFull", "error logbookIsFull"),
    ],
)
async def test_what_keeps_a_transaction_from_beginning_is_told(flag: str, word: str) -> None:
    async with rig() as found:
        found.device.flags.add(flag)
        with pytest.raises(MeterRefused, match=word):
            await found.driver().begin(transaction())

    assert not found.asked("POST", "/v1/legal")


@pytest.mark.parametrize("start_refusal", ["status", "running-false"])
async def test_a_declined_start_is_refused_with_the_reason(
    start_refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(start_refusal=start_refusal) as found:
        monkeypatch.setattr(Status, "obstacles", lambda _: ())
        found.device.flags.add("suLinkStatusIsOk")
        with pytest.raises(MeterRefused, match=r"declines to begin.*no link to the sensor"):
            await found.driver().begin(transaction())

    assert found.done() == (0, 0)
    assert len(found.asked("POST", "/v1/legal")) == 1


async def test_an_early_stop_that_is_declined_is_for_later() -> None:
    async with rig(early_stop="refused") as found:
        meter = found.driver()
        await meter.begin(transaction())
        with pytest.raises(MeterUnreachable, match="first 2 minutes"):
            await meter.end(UUID)
        found.clock.ahead += timedelta(minutes=2)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.done() == (1, 1)


async def test_an_early_stop_is_for_later_although_the_clock_was_put_right_meanwhile() -> None:
    async with rig(early_stop="refused") as found:
        ahead = timedelta(0)
        config = Config(**found.config)
        meter = create(config, found.http, now=lambda: found.clock.now() + ahead)
        assert isinstance(meter, SigningMeter)
        await meter.begin(transaction())
        ahead = timedelta(hours=3)
        with pytest.raises(MeterUnreachable, match="first 2 minutes"):
            await meter.end(UUID)


async def test_a_stop_that_is_declined_for_good_is_refused() -> None:
    async with rig(early_stop="refused", least_duration_s=1e6) as found:
        await found.driver().begin(transaction())
        meter = found.driver()  # of another process, which goes by the meter's own time
        found.clock.ahead += timedelta(minutes=3)
        with pytest.raises(MeterRefused, match="declines to end"):
            await meter.end(UUID)


async def test_a_transaction_that_is_not_billable_is_told_and_handed_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.flags.add("tamperingIsDetected")
        end = await meter.end(UUID)

    assert end.signed is not None
    assert "not billable: status 25, tampering detected" in caplog.text


async def test_a_record_of_another_transaction_is_not_handed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig() as found:
        meter = found.driver(IT=3)
        await meter.begin(transaction())
        await charged(found.device)
        wrong = await meter.end(UUID)
        await meter.release(UUID)
        found.clock.ahead += timedelta(seconds=5)
        await meter.begin(transaction(OTHER))
        await charged(found.device)
        assert wrong.signed is not None
        document = wrong.signed.document
        genuine = api._HANDLERS
        swapped: Any = lambda *_: api.HttpResponse(200, document, "text/plain")  # noqa: E731
        monkeypatch.setattr(api, "_HANDLERS", {**genuine, ("GET", "ocmf"): swapped})
        with pytest.raises(MeterDataError, match=f"for transaction {OTHER} is that of another"):
            await meter.end(OTHER)
        monkeypatch.setattr(api, "_HANDLERS", genuine)
        end = await meter.end(OTHER)

    assert end.signed is not None
    assert end.signed.document != document


async def test_a_meter_without_key_cannot_sign() -> None:
    async with rig() as found:
        found.device.handle = _keyless(found.device.handle)  # type: ignore[method-assign]
        meter = found.driver()
        with pytest.raises(MeterRefused, match="cannot sign"):
            await meter.begin(transaction())

        assert (await meter.identify()).signing_method == ""
        assert (await meter.read()).samples


def _keyless(handle: Any) -> Any:
    def answer(request: Any) -> Any:
        response = handle(request)
        if request.path != "/v1/status":
            return response
        fields = json.loads(response.body)
        fields["publicKey"] = fields["publicKeyOcmf"] = ""
        return replace(response, body=json.dumps(fields).encode())

    return answer
