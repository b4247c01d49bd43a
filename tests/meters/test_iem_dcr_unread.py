"""What an IEM-DCR gives as a record and is none: hope for a while, then evidence, then free."""

import asyncio
import itertools

import pytest
from iem_dcr_rig import Rig, rig, virtual
from meter_bench import OTHER, UUID, transaction

from meters.drivers.isabellenhuette_iem_dcr.signing import IemDcr
from meters.errors import MeterDataError, MeterRefused
from meters.model import OpenTransaction, Quantity, Reading
from meters.ocmf import parse, verify, verify_document
from meters.simulators.iem_dcr import record

SIGNING_S = 30.0


def answer(found: Rig, *nodes: str) -> None:
    """These nodes answer with a page of HTML, for good."""
    for node in nodes:
        found.fault("content-type", node, "GET", value=1, count=None)


def wrap(monkeypatch: pytest.MonkeyPatch, spoilt: object) -> None:
    """Every record comes out as ``spoilt`` makes it."""
    monkeypatch.setattr(record, "wrapped", lambda signed, _: spoilt(signed))  # type: ignore[operator]


async def patient(meter: IemDcr, transaction_id: str) -> tuple[Reading, float]:
    """The end when it comes, and after how many seconds."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        try:
            reading = await meter.end(transaction_id)
        except MeterDataError:
            assert loop.time() - started < 5 * SIGNING_S
            await asyncio.sleep(0.5)
        else:
            return reading, loop.time() - started


@virtual
async def test_what_stays_no_record_is_handed_on_as_it_is_and_frees_the_meter() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        await found.charge()
        answer(found, "receipt", "transaction")
        end, waited = await patient(meter, UUID)
        again = await meter.end(UUID)
        held = await meter.open_transaction()
        with pytest.raises(MeterRefused, match=f"of transaction {UUID}, which is none"):
            await meter.begin(transaction(OTHER))
        await meter.release(UUID)
        free = await meter.open_transaction()
        begin = await meter.begin(transaction(OTHER))
        found.server.faults.clear()
        other = await meter.end(OTHER)

    assert waited > SIGNING_S
    assert end.signed is not None
    assert end.signed.document.startswith(b"<")
    assert (end.signed.encoding, bool(end.signed.public_key)) == ("OCMF", True)
    assert verify_document(end.signed.document, end.signed.public_key).outcome == "unparsable"
    assert end.value(Quantity.ENERGY_IMPORT) == begin.value(Quantity.ENERGY_IMPORT) == 447_540
    assert again.signed == end.signed
    assert held == OpenTransaction(UUID, running=False)
    assert free is None
    assert other.signed is not None
    assert parse(other.signed.document).end is not None
    assert found.commands() == {"B": 2, "E": 2}


@virtual
async def test_another_process_gives_it_to_nobody_by_name_if_it_names_nobody() -> None:
    async with rig() as found:
        await (await found.driver(signature_timeout_ms=1000)).begin(transaction())
        found.device.reboot()
        answer(found, "receipt", "transaction")
        meter = await found.driver(signature_timeout_ms=1000)
        with pytest.raises(MeterRefused, match=f"of unknown id, not {UUID}: .* no OCMF record"):
            await patient(meter, UUID)
        held = await meter.open_transaction()
        end = await meter.end("")
        await meter.release("")
        free = await meter.open_transaction()

    assert held == OpenTransaction("", running=False)
    assert end.signed is not None
    assert free is None


@virtual
@pytest.mark.parametrize("old", [b'"FV":', b'"RD":[', b"|{"], ids=["head", "readings", "seal"])
async def test_another_process_gives_it_to_the_transaction_that_it_names(
    old: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig() as found:
        await (await found.driver(signature_timeout_ms=1000)).begin(transaction())
        found.device.reboot()
        wrap(monkeypatch, lambda signed: signed.replace(old, b"\xff\0"))
        meter = await found.driver(signature_timeout_ms=1000)
        held = await meter.open_transaction()
        with pytest.raises(MeterRefused, match=f"of transaction {UUID}, not {OTHER}"):
            await patient(meter, OTHER)
        end = await meter.end(UUID)
        await meter.release(UUID)
        free = await meter.open_transaction()

    assert held == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    assert b"\xff\0" in end.signed.document
    assert free is None


@virtual
async def test_an_answer_that_is_another_each_time_is_evidence_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = itertools.count()
    async with rig() as found:
        meter = await found.driver(signature_timeout_ms=1000)
        await meter.begin(transaction())
        wrap(monkeypatch, lambda _: b"error %d" % next(numbers))
        await patient(meter, UUID)
        await meter.release(UUID)
        free = [await meter.open_transaction() for _ in range(3)]
        await meter.begin(transaction(OTHER))
        end, _ = await patient(meter, OTHER)
        held = await meter.open_transaction()

    assert free == [None, None, None]
    assert end.signed is not None
    assert held == OpenTransaction(OTHER, running=False)


@virtual
async def test_a_good_record_at_another_node_is_the_record() -> None:
    async with rig() as found:
        meter = await found.driver(signature_timeout_ms=1000)
        await meter.begin(transaction())
        answer(found, "receipt")
        end = await meter.end(UUID)

    assert end.signed is not None
    assert verify(parse(end.signed.document), end.signed.public_key).valid


@virtual
async def test_a_good_record_that_comes_after_all_is_offered_too() -> None:
    async with rig() as found:
        meter = await found.driver(signature_timeout_ms=1000)
        await meter.begin(transaction())
        answer(found, "receipt", "transaction")
        await patient(meter, UUID)
        await meter.release(UUID)
        found.server.faults.clear()
        held = await meter.open_transaction()
        end = await meter.end(UUID)
        await meter.release(UUID)
        free = await meter.open_transaction()

    assert held == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    assert verify(parse(end.signed.document), end.signed.public_key).valid
    assert free is None


@virtual
async def test_a_record_that_is_never_finished_is_evidence_and_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig() as found:
        meter = await found.driver(signature_timeout_ms=1000)
        await meter.begin(transaction())
        wrap(monkeypatch, lambda signed: signed.rpartition(b"|")[0] + b'|{"SD":""}')
        end, waited = await patient(meter, UUID)
        await meter.release(UUID)
        free = await meter.open_transaction()

    assert waited > 10
    assert end.signed is not None
    assert end.signed.document.endswith(b'|{"SD":""}')
    assert UUID.encode() in end.signed.document
    assert free is None


@virtual
async def test_a_page_in_place_of_the_begin_hinders_no_end() -> None:
    async with rig(receipt_while_running=True) as found:
        await (await found.driver(signature_timeout_ms=1000)).begin(transaction())
        answer(found, "receipt", "transaction")
        meter = await found.driver(signature_timeout_ms=1000)
        held = await meter.open_transaction()
        with pytest.raises(MeterDataError, match="no OCMF record"):
            await meter.end(UUID)
        found.server.faults.clear()
        end = await meter.end(UUID)

    assert held == OpenTransaction("", running=True)
    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}
