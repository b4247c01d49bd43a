"""Live values, identity and outages of a WM3M4 or WM3M4C, and the pure parts of its driver."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from iskra_rig import rig
from meter_rig import OTHER, UUID, now, transaction

from meters.api import SigningMeter
from meters.catalog import load_driver
from meters.drivers.iskra_wm3m4 import Config, create, dataset, layout, record
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.model import Identification, Phase, Quantity, Sample
from meters.ocmf import parse, verify
from meters.registers import Block
from meters.simulators.faults import FaultKind

REAL_TEXT = (
    '{"FV":"1.0","GI":"eSystemsMtg OcppChargePoint_v0 ESY-00101.01.2201234567","GS":"000007","GV":'
    '"PWR P0037","PG":"T241","MV":"Iskra","MM":"WM3M4C","MS":"W4155775","MF":"2.05","IS":true,"IT":'
    '"UNDEFINED","ID":"0480423a4b5880","CT":"CBIDC","CI":"KHStation","RD":[{"TM":"2023-04-14T11:51:'
    '06,000+0000 S","TX":"B","RV":80.77,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC","EF":"t","ST":"G"},{"'
    'TM":"2023-04-14T11:54:43,000+0000 S","TX":"E","RV":80.97,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC"'
    ',"EF":"t","ST":"G"}]}'
)
REAL_SIGNATURE = (
    "30450220331E469735684E31F6F5903457C6DD8873CEAE1DFDBE4001FFBF94D124481DE7022100B8375F730A0B719B99"
    "B2DB89BA5B03CFDF4CE1A8829816BF7BBB75C3042C289D"
)
REAL_KEY = (
    "3059301306072A8648CE3D020106082A8648CE3D03010703420004890ADD61803B4665C9BFC3F4E40C4696DF54C8FB8E"
    "067613CC465D7EA67411C0A9517C0D1A021B0859A829B85D5F6FA567047E5CBD91CD9C01F643003FEA3646"
)


async def test_all_values_in_exact_decimals() -> None:
    async with rig(begin_export_wh=12, counter_exponent=-1, time_lapse=Decimal(1)) as found:
        found.device.set_load(Decimal(-2300), phases=1)
        meter = found.driver()
        info = await meter.identify()
        found.line.requests.clear()
        reading = await meter.read()
        requests = [(one.function, one.address, one.count) for one in found.line.requests]

    assert (info.vendor, info.model, info.serial_number) == ("Iskra", "WM3M4C", "W4155775")
    assert info.public_key == found.device.public_key
    assert info.signing_method == "ECDSA-secp256r1-SHA256"
    assert {(one.quantity, one.phase) for one in reading.samples} == info.quantities
    assert reading.value(Quantity.ENERGY_IMPORT) == Decimal(80770)
    assert reading.value(Quantity.POWER) == reading.value(Quantity.POWER, Phase.L1) == -2300
    assert reading.value(Quantity.CURRENT, Phase.L1) == -10
    assert reading.value(Quantity.CURRENT, Phase.L2) == 0
    assert reading.value(Quantity.VOLTAGE, Phase.L3) == 230
    assert reading.value(Quantity.FREQUENCY) == 50
    assert requests[:2] == [(4, 105, 51), (4, 414, 8)]


def test_parts_of_a_watt_hour_need_a_negative_exponent() -> None:
    words: dict[Block, list[int]] = {
        Block(4, 105, 51): [0] * 51,
        Block(4, 414, 8): [0xFFFE, 0xFFFF, 0, 0, 0x0001, 0x0003, 0xFFFF, 0xFFFE],
    }

    found = layout.samples(words)

    assert Sample(Quantity.ENERGY_IMPORT, Decimal("655.39")) in found
    assert Sample(Quantity.ENERGY_EXPORT, Decimal("-0.2")) in found


@pytest.mark.parametrize("exponent", [16, 0x7FFF, 0x8000])
def test_an_exponent_that_no_meter_means_is_nonsense(exponent: int) -> None:
    words = {Block(4, 105, 51): [0] * 51, Block(4, 414, 8): [exponent, 0, 0, 0, 0, 1, 0, 0]}

    with pytest.raises(MeterDataError, match="measured value 1E"):
        layout.samples(words)


async def test_an_imported_energy_below_zero_is_nonsense() -> None:
    async with rig() as found:
        found.device.override(418, [0x8000, 0])
        with pytest.raises(MeterDataError, match="imported energy -2147483648"):
            await found.driver().read()


async def test_a_meter_that_refuses_gaps_is_asked_without_from_then_on() -> None:
    async with rig(gaps_readable=False) as found:
        meter = found.driver()
        first = await meter.read()
        before = found.asked(126)
        second = await meter.read()

    assert first.samples == second.samples
    assert (before, found.asked(126)) == (1, 2)
    assert found.line.counters.exceptions == 1


async def test_between_two_tries_a_lost_meter_does_not_burden_the_bus() -> None:
    async with rig() as found:
        meter = found.driver(communication_errors_threshold=1)
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
        meter = found.driver(read_meter_values_interval_ms=0)
        await meter.identify()
        found.fault(FaultKind.SILENCE, count=2)
        with pytest.raises(MeterUnreachable):
            await meter.read()
        found.device.override(9, [0x5858] * 4)
        await asyncio.sleep(0.01)
        with pytest.raises(MeterDataError, match="another meter"):
            await meter.read()
        await meter.read()


@pytest.mark.parametrize(
    ("register", "words", "sentence"),
    [
        (9, [0] * 4, "serial number"),
        (8124, [0x4141] * 32, "public key 41414141"),
        (7000, [9], "charging state 9, 0 to 3 are known"),
        (7057, [2000, 70], "record of 2000 and 70 bytes"),
    ],
)
async def test_nonsense_is_named(register: int, words: list[int], sentence: str) -> None:
    async with rig() as found:
        meter = found.driver()
        if register in {7000, 7057}:
            await meter.begin(transaction())
        found.device.override(register, words)
        with pytest.raises(MeterDataError, match=sentence):
            await meter.end(UUID)


async def test_a_key_of_zeros_is_no_key() -> None:
    async with rig() as found:
        found.device.override(8124, [0] * 32)
        info = await found.driver().identify()

    assert (info.public_key, info.signing_method) == ("", "")


async def test_a_meter_that_shall_only_be_read_is_no_signing_meter() -> None:
    async with rig() as found:
        meter = create(Config(transactions=False), found.bus, now=now)
        reading = await meter.read()

    assert not isinstance(meter, SigningMeter)
    assert reading.value(Quantity.ENERGY_IMPORT) == 80770


def test_the_record_of_a_real_meter_is_put_together_as_it_was() -> None:
    document = record.assemble(REAL_TEXT.encode(), bytes.fromhex(REAL_SIGNATURE))

    assert document.decode() == f'OCMF|{REAL_TEXT}|{{"SD":"{REAL_SIGNATURE}"}}'
    assert verify(parse(document), REAL_KEY).valid
    reading = record.end_reading(document, public_key=REAL_KEY, received=now())
    assert reading.samples == (Sample(Quantity.ENERGY_IMPORT, Decimal(80970)),)
    assert reading.taken_at.isoformat() == "2023-04-14T11:54:43+00:00"
    begin = record.begin_of(REAL_TEXT.encode())
    assert begin is not None
    assert begin.energy_wh == 80770


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("300402020001", "3003020101"),
        ("3006020200010201ff", "3006020200010201ff"),  # length does not fit
        ("30070202000102010a", "300602010102010a"),
        ("3008020300000102010a", "300602010102010a"),
        ("30080202008002020080", "30080202008002020080"),  # keeps a number positive
        ("300502020080", "300502020080"),
        ("3003020100", "3003020100"),
        ("", ""),
        ("30", "30"),
        ("3000", "3000"),
        ("3002020a", "3002020a"),
        ("30020200", "30020200"),
        ("310402020001", "310402020001"),
    ],
)
def test_signatures_are_repaired_or_left_alone(given: str, expected: str) -> None:
    assert record.repaired(bytes.fromhex(given)).hex() == expected


@pytest.mark.parametrize("data", [b"", b"not base64!", b"AAAA"])
def test_what_is_no_signature_stays_as_it_is(data: bytes) -> None:
    assert record.as_der(data) == data


def test_the_data_set_has_the_order_and_form_that_the_manual_wants() -> None:
    config = Config(ocmf_gateway_identification="GW", ocmf_gateway_serial="7")

    data = dataset.build(config, transaction())

    assert data.decode() == (
        '{"FV":"1.0","GI":"GW","GS":"7","GV":"","PG":"","MV":"","MM":"","MS":"","MF":"","IS":true,'
        '"IF":["OCPP_AUTH"],"IT":"UNDEFINED","ID":"04A1B2C3 <=>' + UUID + '","CT":"EVSEID",'
        '"CI":"DE*ABC*E123*1","RD":[]}'
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ("EVSEID", "DE*ABC*E123*1", f"04A1B2C3 <=>{UUID}")),
        (
            {
                "ocmf_charge_point_identification_type": "CBIDC",
                "ocmf_charge_point_identification": "CP|1 1",
            },
            ("CBIDC", "CP 1 1", f"04A1B2C3 DE*ABC*E123*1 <=>{UUID}"),
        ),
    ],
)
def test_the_charge_point_is_named_once(config: dict[str, Any], expected: tuple[str, ...]) -> None:
    fields = json.loads(dataset.build(Config(**config), transaction()))

    assert (fields["CT"], fields["CI"], fields["ID"]) == expected


@pytest.mark.parametrize(
    ("kind", "written"),
    [("ISO14443", "UNDEFINED"), ("NONE", "UNDEFINED"), ("CENTRAL", "CENTRAL"), ("x", "UNDEFINED")],
)
def test_a_type_that_prescribes_a_form_would_be_a_lie(kind: str, written: str) -> None:
    who = Identification(assigned=True, type=kind, data="A1")
    given = transaction()
    given = type(given)(given.transaction_id, given.charge_point, who)

    assert json.loads(dataset.build(Config(), given))["IT"] == written


def test_a_long_tariff_is_cut_and_the_id_is_not(caplog: pytest.LogCaptureFixture) -> None:
    data = dataset.build(Config(), transaction(tariff_text='0.30 "EUR"|kWh\n' + "é" * 600))

    assert len(data) <= layout.MOST_DATA_SET_BYTES
    identification = json.loads(data)["ID"]
    assert identification.startswith("04A1B2C3 0.30 'EUR' kWh éé")
    assert identification.endswith(f"<=>{UUID}")
    assert "of the tariff text do not fit" in caplog.text


def test_texts_of_the_config_that_leave_no_room_are_refused() -> None:
    long = Config(ocmf_gateway_identification="x" * 300, ocmf_gateway_serial="y" * 300)
    with pytest.raises(MeterRefused, match="shorten the ocmf_ texts"):
        dataset.build(long, transaction())


@pytest.mark.parametrize("name", ["", "x" * 37, "a b", "a|b", 'a"b', "ä", "a<=>b", "a\\b"])
async def test_an_id_that_would_not_come_back_is_refused_before_anything_is_asked(
    name: str,
) -> None:
    async with rig() as found:
        with pytest.raises(MeterRefused, match="transaction id"):
            await found.driver().begin(transaction(name))

    assert not found.line.requests


@pytest.mark.parametrize("data", [b"", b"\0\0", b"{", b"[1]", b'"x"', b"[" * 100_000])
def test_what_is_no_data_set(data: bytes) -> None:
    assert dataset.read(data) is None


def test_a_data_set_is_read_though_an_older_one_is_left_behind_it() -> None:
    found = dataset.read(dataset.build(Config(), transaction()) + b'<=>other","RD":[]}')

    assert found is not None
    assert (found.owner, found.complete) == (UUID, False)


def test_a_released_data_set_has_no_owner() -> None:
    found = dataset.read(dataset.released(Config()))

    assert found is not None
    assert found.owner is None
    nameless = dataset.read(dataset.nameless(Config(), OTHER))
    assert nameless is not None
    assert nameless.owner == OTHER


@pytest.mark.parametrize(
    "options",
    [
        {"powermeter_device_id": 0},
        {"powermeter_device_id": 248},
        {"read_meter_values_interval_ms": 999},
        {"ocmf_format_version": "1"},
        {"ocmf_charge_point_identification_type": "x"},
        {"lcd_main_text": "123456789"},
        {"lcd_label_text": "12345"},
        {"unknown": 1},
    ],
)
def test_what_an_installer_cannot_say(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, Config)


def test_the_driver_is_found_by_its_name() -> None:
    found = load_driver("iskra_wm3m4")

    assert found.TRANSPORT == "modbus"
    assert found.Config is Config
    assert Config().powermeter_device_id == 33
