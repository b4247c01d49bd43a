"""Live values, identity, events and outages of a BSM-WS36A, and the pure parts of its driver."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from bauer_rig import rig
from meter_rig import UUID, now, transaction

from meters.api import SigningMeter
from meters.catalog import load_driver
from meters.drivers.bauer_bsm import Config, create, layout, record, wording
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.model import Phase, Quantity, Sample
from meters.ocmf import parse
from meters.simulators.faults import FaultKind

REAL = (
    'OCMF|{"FV":"1.0","GI":"BAUER Electronic BSM-WS36A-H01-1311-0000","GS":"001BZR1521070006","GV":'
    '"1.9:32CA:AFF4, f1d3d06","PG":"T4277","MV":"BAUER Electronic","MM":"BSM-WS36A-H01-1311-0000",'
    '"MS":"001BZR1521070006","IS":true,"IT":"UNDEFINED","ID":"contract-id: rfid:12345678abcdef",'
    '"X2":"evse-id: DE*BDO*E8025334492*2","X3":"csc-sw-version: v1.2.34","RD":[{"TM":"2022-07-08T10'
    ':05:52,000+0200 S","TX":"E","RV":0.15,"RI":"1-0:1.8.0*198","RU":"kWh","XV":100.00,"XI":"1-0:1.'
    '8.0*255","XU":"kWh","XT":2,"RT":"AC","EF":"","ST":"G"}]}|{"SA":"ECDSA-secp256r1-SHA256","SD":"'
    "3044022014f0be0063d22f3b847218f42cd2a852f6d2a487c6668160613ce5542787c10302206f83d65044da4874da"
    '4e671742e4de5236202d52f4bd4d9fca4130bd16ef76dc"}'
)
KEY = (
    "3059301306072a8648ce3d020106082a8648ce3d030107034200044bfd02c1d85272ceea9977db26d72cc401d9e560"
    "2faeee7ec7b6b62f9c0cce34ad8d345d5ac0e8f65deb5ff0bb402b1b87926bd1b7fc2dbc3a9774e8e70c7254"
)


async def test_all_values_in_exact_decimals_with_one_read() -> None:
    async with rig(begin_export_wh=40, time_lapse=Decimal(1)) as found:
        found.device.set_load(Decimal(2300), phases=1)
        meter = found.driver()
        info = await meter.identify()
        found.line.requests.clear()
        reading = await meter.read()
        requests = [(one.function, one.address, one.count) for one in found.line.requests]

    assert (info.vendor, info.model) == ("BAUER Electronic", "BSM-WS36A-H01-1311-0000")
    assert (info.serial_number, info.firmware) == ("001BZR1521070006", "1.9:32CA:AFF4")
    assert info.public_key == found.device.public_key
    assert info.signing_method == "ECDSA-secp256r1-SHA256"
    assert {(one.quantity, one.phase) for one in reading.samples} == info.quantities
    assert reading.value(Quantity.ENERGY_IMPORT) == 99840
    assert reading.value(Quantity.ENERGY_EXPORT) == 40
    assert reading.value(Quantity.POWER) == reading.value(Quantity.POWER, Phase.L1) == 2300
    assert reading.value(Quantity.CURRENT, Phase.L1) == 10
    assert reading.value(Quantity.VOLTAGE, Phase.L2) == 230
    assert reading.value(Quantity.VOLTAGE, Phase.L1_L2) == Decimal("398.4")
    assert reading.value(Quantity.FREQUENCY) == 50
    assert requests[0] == (3, 40092, 53)


def test_what_the_meter_does_not_measure_gives_no_sample() -> None:
    words = [0x8000] * layout.LIVE_WORDS
    words[106 - layout.LIVE], words[107 - layout.LIVE] = 4998, 0xFFFE

    assert layout.samples(words) == (Sample(Quantity.FREQUENCY, Decimal("49.98")),)


def test_a_power_of_ten_that_no_meter_means_gives_no_sample() -> None:
    words = [0x7FFF] * layout.LIVE_WORDS
    words[106 - layout.LIVE], words[107 - layout.LIVE] = 4998, 0xFFFE

    assert layout.samples(words) == (Sample(Quantity.FREQUENCY, Decimal("49.98")),)


@pytest.mark.parametrize(
    ("register", "words", "sentence"),
    [
        (40000, [0, 0], "is sunspec_base_address right"),
        (40052, [0] * 16, "serial number"),
        (40451, [0x4141] * 45, "public key of 91 bytes"),
        (41286, [9], "state 9 of a snapshot, 0 to 5 are known"),
    ],
)
async def test_nonsense_is_named(register: int, words: list[int], sentence: str) -> None:
    async with rig() as found:
        found.device.override(register, words)
        with pytest.raises(MeterDataError, match=sentence):
            await found.driver().end(UUID)


async def test_events_are_told_when_they_come_and_go(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with rig() as found:
        meter: Any = found.driver(device_state_read_interval_ms=0)
        found.device.override(40195, [0, 1 << 5 | 1 << 2])
        await meter.read()
        await meter.read()
        told = meter.faults
        found.device.clear_overrides()
        await meter.read()

    assert told == ("power failure", "current too high")
    assert meter.faults == ()
    assert caplog.text.count("meter 42 reports: power failure, current too high") == 1
    assert caplog.text.count("meter 42 reports no fault any more") == 1


async def test_between_two_tries_a_lost_meter_does_not_burden_the_bus() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        found.fault(FaultKind.SILENCE, count=None)
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.read()
        asked = len(found.line.requests)
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.read()

    assert len(found.line.requests) == asked


async def test_a_meter_swapped_during_an_outage_is_told_once() -> None:
    async with rig() as found:
        meter = found.driver(update_interval=0)
        await meter.identify()
        found.fault(FaultKind.SILENCE, count=2)
        with pytest.raises(MeterUnreachable):
            await meter.read()
        found.device.override(40052, [0x5858] * 8)
        await asyncio.sleep(0.01)
        with pytest.raises(MeterDataError, match="another meter"):
            await meter.read()
        await meter.read()


async def test_a_meter_that_shall_only_be_read_is_no_signing_meter() -> None:
    async with rig() as found:
        meter = create(Config(transactions=False), found.bus, now=now)
        reading = await meter.read()

    assert not isinstance(meter, SigningMeter)
    assert reading.value(Quantity.ENERGY_IMPORT) == 99840


async def test_the_address_under_its_older_name() -> None:
    async with rig() as found:
        reading = await found.driver(powermeter_device_id=7, power_unit_id=42).read()

    assert reading.value(Quantity.ENERGY_IMPORT) == 99840


def test_the_record_of_a_real_meter_becomes_a_reading_of_its_total() -> None:
    found = record.read(REAL.encode(), public_key=KEY, page=4277)

    reading = record.reading(found, public_key=KEY, received=now())

    assert reading.samples == (Sample(Quantity.ENERGY_IMPORT, Decimal(100_000)),)
    assert reading.taken_at.isoformat() == "2022-07-08T10:05:52+02:00"
    assert reading.signed is not None
    assert (reading.signed.document, reading.signed.method) == (REAL.encode(), "")


@pytest.mark.parametrize(
    ("document", "page", "sentence"),
    [
        (b"OCMF|{", 4277, "6 bytes that are no OCMF record"),
        (REAL.encode(), 4278, "record T4277, expected T4278"),
        (REAL.replace('"XV":100', '"XV":900').encode(), 4277, "the record does not verify"),
    ],
)
def test_what_is_not_the_record(document: bytes, page: int, sentence: str) -> None:
    with pytest.raises(MeterDataError, match=sentence):
        record.read(document, public_key=KEY, page=page)


@pytest.mark.parametrize("part", ['"XV":100.00,', '"XU":"kWh",'])
def test_a_record_without_total_gives_no_sample(part: str) -> None:
    assert record.total_wh(parse(REAL.replace(part, ""))) is None


def test_texts_are_cleaned_and_cut_and_told_without_the_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = transaction()
    who = type(given.identification)(assigned=True, data='secret|"\\\n' + "é" * 100)
    words = wording.texts(type(given)(UUID, "DE*ABC*E123*1", who))

    data = layout.raw(words[: layout.META_1_WORDS])
    assert data.decode().startswith("secret/'/ éé")
    assert len(data) == 140
    assert layout.raw(words[layout.META_1_WORDS :]).rstrip(b"\0") == b"DE*ABC*E123*1"
    assert "identification data does not fit" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("name", ["", "x" * 37, "a|b", 'a"b', "ä", " a", "a\\b", "a\n"])
async def test_an_id_that_would_not_come_back_is_refused_before_anything_is_asked(
    name: str,
) -> None:
    async with rig() as found:
        with pytest.raises(MeterRefused, match="transaction id"):
            await found.driver().begin(transaction(name))

    assert not found.line.requests


@pytest.mark.parametrize(
    "options",
    [
        {"powermeter_device_id": 0},
        {"power_unit_id": 248},
        {"sunspec_base_address": -1},
        {"update_interval": 0},
        {"watchdog_wakeup_interval": 0},
        {"clock_sync_interval_h": 23},
        {"unknown": 1},
    ],
)
def test_what_an_installer_cannot_say(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, Config)


def test_the_driver_is_found_by_its_name() -> None:
    found = load_driver("bauer_bsm")

    assert found.TRANSPORT == "modbus"
    assert found.Config is Config
    assert (Config().powermeter_device_id, Config().sunspec_base_address) == (42, 40_000)
    assert msgspec.convert({"power_unit_id": 7}, Config).powermeter_device_id == 7
