"""Reading an EM580: identity, values, outages, what a meter may lack; several on one line."""

import asyncio
import json
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from em580_rig import AWAKE, OTHER, QUICK, TIMEOUT_MS, UUID, now, rig, transaction

from meters.api import SigningMeter
from meters.drivers.carlo_gavazzi_em580 import Config, create
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.model import Phase, Quantity
from meters.ocmf import parse
from meters.simulators.em580 import Em580, KeyCurve
from meters.simulators.em580.settings import EM300_CODES
from meters.simulators.faults import FaultKind


async def test_the_meter_says_who_it_is() -> None:
    async with rig() as found:
        info = await found.driver().identify()

    assert (info.vendor, info.model) == ("Carlo Gavazzi", "EM580DINAV23XS3DET")
    assert info.serial_number == "KZ1660104001D"
    assert info.firmware == "M_1.6.3-C_1.6.3"
    assert info.public_key == found.device.public_key
    assert info.signing_method == "ECDSA-brainpoolP384r1-SHA256"
    assert (Quantity.ENERGY_IMPORT, None) in info.quantities


@pytest.mark.parametrize("curve", [KeyCurve.P256, KeyCurve.P384])
async def test_the_key_comes_as_point_or_as_der(curve: KeyCurve) -> None:
    async with rig(replace(AWAKE, curve=curve)) as found:
        point = (await found.driver().identify()).public_key
        der = (await found.driver(public_key_format="der").identify()).public_key

    assert point == found.device.public_key
    assert der.startswith("30")
    assert der.endswith(point)


async def test_a_reading_is_what_the_meter_shows() -> None:
    async with rig() as found:
        found.device.set_load(Decimal(6900))
        reading = await found.driver().read()

    assert reading.value(Quantity.POWER) == pytest.approx(Decimal(6900), abs=1)
    assert reading.value(Quantity.VOLTAGE, Phase.L1) == pytest.approx(Decimal(230), abs=5)
    assert reading.value(Quantity.CURRENT, Phase.L2) == pytest.approx(Decimal(10), abs=1)
    assert reading.value(Quantity.FREQUENCY) == pytest.approx(Decimal(50), abs=1)
    assert reading.value(Quantity.TEMPERATURE) is not None
    energy = reading.value(Quantity.ENERGY_IMPORT)
    assert energy is not None
    assert energy >= 1637
    assert abs(reading.taken_at - now()) < timedelta(seconds=5)
    assert reading.signed is None


async def test_the_installer_says_how_often_a_meter_is_read() -> None:
    async with rig() as found:
        meter = found.driver(live_measurement_interval_ms=5000)

    assert getattr(meter, "poll_interval") == timedelta(seconds=5)  # noqa: B009 - not of all meters


async def test_a_poll_costs_two_requests() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        found.line.requests.clear()
        await meter.read()

    assert [(request.address, request.count) for request in found.line.requests] == [
        (0x0000, 52),
        (0x0500, 32),
    ]


@pytest.mark.parametrize("energy", [16777217, 123456789, 5000000123])
async def test_no_watt_hour_is_lost_on_the_way(energy: int) -> None:
    async with rig(replace(AWAKE, begin_energy_wh=energy)) as found:
        reading = await found.driver().read()

    assert reading.value(Quantity.ENERGY_IMPORT) == energy


async def test_a_damaged_answer_costs_one_request_and_no_new_start() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        found.fault(FaultKind.BAD_CRC)
        await meter.read()

        assert found.asked(0x000B) == 1
        assert found.bus.counters.crc_errors == 1


async def test_a_silent_meter_fails_polls_at_once_and_comes_back() -> None:
    async with rig(pty=True) as found:
        meter = found.driver()
        await meter.read()
        found.fault(FaultKind.SILENCE, count=2)
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.read()
        asked = len(found.line.requests)
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.read()
        assert len(found.line.requests) == asked

        await asyncio.sleep(0.06)
        await meter.read()
        assert found.asked(0x5000) == 2  # it might have been another meter


async def test_tries_become_rare_when_a_meter_stays_away() -> None:
    async with rig() as found:
        meter = found.driver(initial_connection_retry_count=2)
        found.fault(FaultKind.SILENCE, count=None)
        for _ in range(3):
            with pytest.raises(MeterUnreachable):
                await meter.read()
            await asyncio.sleep(0.06)
        asked = len(found.line.requests)
        with pytest.raises(MeterUnreachable):
            await meter.read()

    assert len(found.line.requests) == asked == 3


async def test_an_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "meters.drivers")
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        found.fault(FaultKind.SILENCE, count=4)
        for _ in range(3):
            with pytest.raises(MeterUnreachable):
                await meter.read()
            await asyncio.sleep(0.06)
        await meter.read()

    told = [entry.getMessage() for entry in caplog.records if "meter" in entry.getMessage()]
    assert sum("lost" in text for text in told) == 1
    assert sum("answers again" in text for text in told) == 1


async def test_another_meter_in_the_place_of_the_old_one_is_reported() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.devices[1] = Em580(replace(AWAKE, serial_number="KZ9999999999Z", key_seed="other"))
        with pytest.raises(MeterDataError, match="serial KZ9999999999Z where KZ1660104001D was"):
            await meter.begin(transaction(OTHER))

        assert (await meter.identify()).serial_number == "KZ9999999999Z"
        with pytest.raises(MeterRefused, match="holds no record"):
            await meter.end(UUID)


async def test_what_the_meter_complains_about_is_told_and_taken_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "meters")
    voltage, fault = "voltage L1-N above range", "fault of the measuring module"
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=0)
        seen = []
        for bits in (0x0000, 0x2001, 0x2001, 0x2000, 0x0000, 0x0001):
            found.device.override(0x5012, [bits])
            await meter.read()
            seen.append(found.complaints)

    assert seen == [(), (voltage, fault), (voltage, fault), (fault,), (), (voltage,)]
    logged = [
        (entry.levelname, entry.getMessage().partition(" reports: ")[2], entry.getMessage())
        for entry in caplog.records
        if "reports: " in entry.getMessage()
    ]
    assert [(level, words) for level, words, _ in logged] == [
        ("WARNING", voltage),
        ("WARNING", fault),
        ("INFO", voltage),
        ("INFO", fault),
        ("WARNING", voltage),
    ]
    assert all("no longer" in text for level, _, text in logged if level == "INFO")


async def test_a_wrong_phase_sequence_is_told_and_taken_back() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=0)
        found.device.override(0x0032, [0xFFFF])
        await meter.read()
        wrong = found.complaints
        found.device.clear_overrides()
        await meter.read()
        right = found.complaints

    assert (wrong, right) == (("phase sequence L1-L3-L2",), ())


async def test_an_em340_tells_a_wrong_phase_sequence_by_zero_and_its_firmware_by_a_letter() -> None:
    async with rig(replace(AWAKE, identification_code=340)) as found:
        meter = found.driver(device_state_read_interval_ms=0)
        found.device.override(0x0032, [0])
        info = await meter.identify()
        await meter.read()

    assert found.complaints == ("phase sequence L1-L3-L2",)
    assert info.firmware == "B.3"


async def test_faults_are_looked_for_at_once_when_a_meter_comes_back() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=60_000)
        await meter.read()
        found.device.override(0x5012, [0x0200])
        await meter.read()
        assert found.complaints == ()
        found.fault(FaultKind.SILENCE, count=2)
        with pytest.raises(MeterUnreachable):
            await meter.read()
        await asyncio.sleep(0.06)
        await meter.read()

    assert found.complaints == ("frequency out of range",)


@pytest.mark.parametrize("code", [2, 4, 6])
async def test_no_temperature_is_no_reason_to_have_no_reading(code: int) -> None:
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=0x0307, value=code, count=None)
        reading = await found.driver(temperature_read_interval_s=1).read()

    assert reading.value(Quantity.TEMPERATURE) is None
    assert reading.value(Quantity.ENERGY_IMPORT) == 1637


async def test_a_frost_shows_in_the_temperature() -> None:
    async with rig() as found:
        found.device.override(0x0307, [0xFF38])

        reading = await found.driver().read()

    assert reading.value(Quantity.TEMPERATURE) == -20


async def test_the_temperature_is_read_rarely_and_not_at_all_if_not_wanted() -> None:
    async with rig() as found:
        rare, never = found.driver(), found.driver(temperature_read_interval_s=0)
        await rare.read()
        again = await rare.read()
        without = await never.read()

    assert found.asked(0x0307) == 1
    assert again.value(Quantity.TEMPERATURE) == 25
    assert without.value(Quantity.TEMPERATURE) is None


async def test_a_counter_that_falls_is_told_once_and_then_believed() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        found.device.override(0x0500, [1000, 0, 0, 0])
        with pytest.raises(MeterDataError, match="imported energy 1000 Wh, it was 1637 Wh before"):
            await meter.read()
        reading = await meter.read()

    assert reading.value(Quantity.ENERGY_IMPORT) == 1000


async def test_a_meter_without_temperature_is_asked_for_it_once() -> None:
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=0x0307, value=2, count=None)
        meter = found.driver(temperature_read_interval_s=0.03)
        first = await meter.read()
        await asyncio.sleep(0.04)
        await meter.read()

    assert first.value(Quantity.TEMPERATURE) is None
    assert found.asked(0x0307) == 1


async def test_a_meter_without_optional_registers_is_used_all_the_same() -> None:
    async with rig() as found:
        for register in (0x0302, 0x0303, 0x0824, 0x5007, 0x5012, 0x7060, 0x7A00):
            found.fault(FaultKind.EXCEPTION, register=register, value=2, count=None)
        meter = found.driver()
        info = await meter.identify()
        await meter.read()
        begin = await meter.begin(transaction())
        end = await meter.end(UUID)

    assert (info.model, info.firmware) == ("EM580", "")
    assert begin.value(Quantity.ENERGY_IMPORT) == 1637
    assert end.signed is not None


@pytest.mark.parametrize(
    ("address", "sentence"), [(0x2500, "public key begins with"), (0x5000, "serial number")]
)
async def test_an_identity_that_cannot_be_is_a_data_error(address: int, sentence: str) -> None:
    async with rig() as found:
        found.device.override(address, [0])
        with pytest.raises(MeterDataError, match=sentence):
            await found.driver().identify()


async def test_a_passing_failure_does_not_make_a_meter_one_without_key() -> None:
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=0x24FF, value=4)
        meter = found.driver()
        with pytest.raises(MeterDataError, match="device failure"):
            await meter.identify()

        assert (await meter.identify()).public_key == found.device.public_key


async def test_a_meter_without_signature_register_is_one_without_key() -> None:
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=0x24FF, value=2)

        assert (await found.driver().identify()).signing_method == ""


async def test_a_negative_counter_is_a_data_error() -> None:
    async with rig() as found:
        found.device.override(0x0500, [0xFFFB, 0xFFFF, 0xFFFF, 0xFFFF])
        with pytest.raises(MeterDataError, match="imported energy -5 Wh"):
            await found.driver().read()


async def test_a_state_that_nobody_knows_is_a_data_error() -> None:
    async with rig() as found:
        found.device.override(0x7100, [7])
        with pytest.raises(MeterDataError, match="OCMF state 7"):
            await found.driver().open_transaction()


async def test_a_meter_without_key_is_read_and_does_not_sign() -> None:
    async with rig(replace(AWAKE, curve=KeyCurve.NONE)) as found:
        meter = found.driver()
        info = await meter.identify()
        reading = await meter.read()

        assert (info.public_key, info.signing_method) == ("", "")
        assert reading.value(Quantity.ENERGY_IMPORT) == 1637
        with pytest.raises(MeterRefused, match="cannot sign"):
            await meter.begin(transaction())
        with pytest.raises(MeterRefused, match="cannot sign"):
            await meter.end(UUID)
        assert await meter.open_transaction() is None
        await meter.release(UUID)
    assert found.written(0x7032) == 0


async def test_the_em300_series_is_read_and_nothing_is_written() -> None:
    settings = replace(AWAKE, identification_code=340, begin_energy_wh=12345678)
    settings = replace(settings, serial_number="274123S", production_year=None)
    async with rig(settings) as found:
        config = Config(transactions=False, **QUICK)
        meter = create(config, found.bus, now=now)
        info = await meter.identify()
        reading = await meter.read()

    assert not isinstance(meter, SigningMeter)
    assert info.serial_number == "274123S"
    assert info.model == "EM300 series (code 340)"
    assert reading.value(Quantity.ENERGY_IMPORT) == 12345678
    assert reading.value(Quantity.VOLTAGE, Phase.L1) is not None
    assert reading.value(Quantity.FREQUENCY) is not None
    assert {request.function for request in found.line.requests} == {4}


async def test_old_meters_of_the_em300_series_say_how_to_use_them() -> None:
    settings = replace(AWAKE, identification_code=331, production_year=None)
    async with rig(settings) as found:
        meter = found.driver()
        reading = await meter.read()
        info = await meter.identify()
        with pytest.raises(MeterRefused, match=r"\(code 331\) cannot sign; `transactions: false`"):
            await meter.begin(transaction())
        assert await meter.open_transaction() is None

    assert reading.value(Quantity.ENERGY_IMPORT) == 1637
    assert info.signing_method == ""
    assert {request.function for request in found.line.requests} == {4}


@pytest.mark.parametrize("code", sorted(EM300_CODES))
async def test_every_code_of_the_em300_series_is_known(code: int) -> None:
    async with rig(replace(AWAKE, identification_code=code)) as found:
        info = await found.driver().identify()

    assert info.model == f"EM300 series (code {code})"


@pytest.mark.parametrize("curve", [KeyCurve.P256, KeyCurve.P384])
async def test_the_signed_map_comes_on_demand(curve: KeyCurve) -> None:
    async with rig(replace(AWAKE, curve=curve)) as found:
        reading = await found.driver(signed_live_map=True).read()

    assert reading.signed is not None
    assert reading.signed.encoding == "plain"
    assert reading.signed.method == f"ECDSA-{curve}-SHA256"
    assert reading.signed.document.startswith(b'{"signedData":"0100010800FF0000')
    assert reading.signed.public_key == found.device.public_key
    _check_map(reading.signed.document, reading.signed.public_key)


def _check_map(document: bytes, public_key: str) -> None:
    """The signature over the map, with plain ``cryptography``."""
    told = json.loads(document)
    signed, numbers = bytes.fromhex(told["signedData"]), bytes.fromhex(told["signature"])
    half = len(numbers) // 2
    curve = ec.BrainpoolP256R1() if half == 32 else ec.BrainpoolP384R1()
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes.fromhex(public_key))
    r, s = int.from_bytes(numbers[:half]), int.from_bytes(numbers[half:])
    key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(utils.encode_dss_signature(r, s), signed[::-1], ec.ECDSA(SHA256()))


@pytest.mark.parametrize(("code", "asked"), [(2, 1), (4, 2)])
async def test_a_meter_without_signed_map_is_read_all_the_same(code: int, asked: int) -> None:
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=0x0800, value=code, count=None)
        meter = found.driver(signed_live_map=True)
        await meter.read()
        reading = await meter.read()

    maps = [r for r in found.line.requests if (r.address, r.count) == (0x0800, 109)]
    assert reading.value(Quantity.ENERGY_IMPORT) == 1637
    assert reading.signed is None
    assert len(maps) == asked


async def test_two_meters_on_one_line_do_not_disturb_each_other() -> None:
    other = replace(AWAKE, serial_number="KZ2", key_seed="second", begin_energy_wh=99)
    async with rig(AWAKE, other, pty=True) as found:
        meters = found.driver(1), found.driver(2)

        async def session(meter: SigningMeter, transaction_id: str) -> bytes:
            await meter.begin(transaction(transaction_id))
            await meter.read()
            end = await meter.end(transaction_id)
            await meter.release(transaction_id)
            assert end.signed is not None
            return end.signed.document

        first, second = await asyncio.gather(session(meters[0], UUID), session(meters[1], OTHER))

    assert parse(first).meter_serial == "KZ1660104001D"
    assert parse(second).meter_serial == "KZ2"
    assert found.bus.counters.timeouts == 0


async def test_a_dead_meter_hardly_slows_down_the_others() -> None:
    async with rig(AWAKE, AWAKE) as found:
        alive, dead = found.driver(2), found.driver(1, initial_connection_retry_delay_ms=60_000)
        await alive.read()
        found.fault(FaultKind.SILENCE, count=None)
        started = asyncio.get_running_loop().time()
        for _ in range(10):
            with pytest.raises(MeterUnreachable):
                await dead.read()
            await alive.read()
        spent = asyncio.get_running_loop().time() - started

    assert spent < 10 * TIMEOUT_MS / 1000
    assert found.bus.counters_of(1).timeouts == 1
