"""The driver for profiles against simulated meters of every profile."""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from generic_rig import rig, values
from msgspec import ValidationError, convert

from meters import SigningMeter, open_meter
from meters.drivers.generic_modbus import Config
from meters.errors import MeterDataError, MeterUnreachable
from meters.model import Phase, Quantity
from meters.profiles import ProfileError, load, profile_names
from meters.simulators.faults import FaultKind

FINEST = {"carlo_gavazzi_em24": 100}
"""Wh that one count of the energy is, where it is not the Wh itself or less."""


@pytest.mark.parametrize("name", profile_names())
async def test_a_reading_has_every_quantity_of_the_profile_in_si(name: str) -> None:
    async with rig(name, begin_energy_wh=123_456_789, begin_export_wh=5000) as one:
        one.device.set_load(11_000)

        reading = await one.driver().read()

    found = values(reading)
    profile = load(name)
    step = FINEST.get(name, 8)  # a 32-bit float of kWh counts 8 Wh here
    assert set(found) == {(row.quantity, row.phase) for row in profile.registers}
    assert found[Quantity.POWER, None] == 11_000
    assert abs(123_456_789 - found[Quantity.ENERGY_IMPORT, None]) < step
    assert found[Quantity.ENERGY_EXPORT, None] == 5000
    assert (reading.taken_at - datetime.now(UTC)).total_seconds() < 1
    assert reading.signed is None


@pytest.mark.parametrize("name", profile_names())
async def test_export_is_negative_power_and_negative_current(name: str) -> None:
    async with rig(name, time_lapse=Decimal(3600)) as one:
        one.device.set_load(-6900)
        one.time.seconds += 100

        found = values(await one.driver().read())

    assert found[Quantity.POWER, None] == -6900
    assert found[Quantity.ENERGY_IMPORT, None] == 0
    assert found[Quantity.ENERGY_EXPORT, None] == 690_000
    currents = [value for (quantity, _), value in found.items() if quantity == Quantity.CURRENT]
    assert all(value < 0 for value in currents)


@pytest.mark.parametrize("name", profile_names())
async def test_the_reads_are_those_of_the_profile_and_nothing_else(name: str) -> None:
    async with rig(name) as one:
        meter = one.driver()
        info = await meter.identify()
        one.asked()

        await meter.read()
        await meter.read()

        reads = [(block.function, block.address, block.count) for block in load(name).blocks]
        assert one.asked() == reads + reads

    assert info.serial_number == one.device.serial_number
    assert info.vendor == load(name).vendor
    assert not isinstance(meter, SigningMeter)


@pytest.mark.parametrize(
    ("name", "model", "serial", "firmware"),
    [
        ("carlo_gavazzi_em24", "EM24-DIN AV9/AV2", "ABC123", "1"),
        ("carlo_gavazzi_em340", "EM300 series (331)", "KR05", "B.1"),
        ("carlo_gavazzi_em540", "EM540DINAV23XS1X", "KZ1660104001D", "0.0.1"),
        ("eastron_sdm72d_m_v2", "SDM72DM-V2", "4294967295", ""),
        ("klefr_693x_694x", "693x/694x", "15060001", "1.18"),
    ],
)
async def test_a_meter_says_who_it_is(name: str, model: str, serial: str, firmware: str) -> None:
    async with rig(name, serial_number=serial) as one:
        info = await one.driver().identify()

    assert (info.model, info.serial_number, info.firmware) == (model, serial, firmware)
    assert (Quantity.POWER, None) in info.quantities


async def test_another_meter_is_refused_and_the_profile_that_fits_is_named() -> None:
    async with rig("eastron_sdm72d_m", identification_code=0x0084) as one:
        meter = one.driver(profile=Path("eastron_sdm72d_m_v2"))

        with pytest.raises(MeterDataError, match="set `profile: eastron_sdm72d_m`") as caught:
            await meter.read()

    assert "register 0xFC02 holds 132; SDM72DM-V2 has 137" in str(caught.value)


async def test_a_meter_that_does_not_tell_is_refused_unless_the_installer_says_otherwise() -> None:
    async with rig("eastron_sdm72d_m_v2", identity=False) as one:
        with pytest.raises(
            MeterDataError, match="register 0xFC02 is not there; SDM72DM-V2 has 137"
        ):
            await one.driver().read()

        info = await one.driver(check_identification=False).identify()

    assert info.model == "SDM72DM-V2"
    assert info.serial_number == info.firmware == ""


async def test_a_code_that_is_not_in_the_data_sheet_is_told_and_the_meter_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with rig("eastron_sdm630_v2", identification_code=7) as one:
        info = await one.driver().identify()

    assert info.model == "SDM630-Modbus V2"
    assert "register 0xFC02 holds 7" in caplog.text


async def test_a_meter_that_refuses_gaps_is_read_without_them() -> None:
    async with rig("eastron_sdm630_v2", gaps=False) as one:
        meter = one.driver()
        await meter.identify()

        first = await meter.read()
        one.asked()
        second = await meter.read()

        assert one.asked() == [
            (4, 0x00, 36), (4, 0x34, 2), (4, 0x38, 2), (4, 0x3C, 4), (4, 0x46, 6), (4, 0x15A, 12)
        ]  # fmt: skip
    assert values(first) == values(second)
    assert len(first.samples) == 31


async def test_a_profile_that_does_not_fit_is_told() -> None:
    async with rig("eastron_sdm230") as one:
        meter = one.driver(profile=Path("eastron_sdm630_v2"))

        with pytest.raises(MeterDataError, match=r"exception 02 .* does not fit this meter"):
            await meter.read()


async def test_a_busy_meter_is_asked_again_and_does_not_lose_its_gaps() -> None:
    async with rig() as one:
        meter = one.driver()
        await meter.identify()
        one.fault(FaultKind.EXCEPTION, value=6)

        await meter.read()
        one.asked()
        await meter.read()

        assert len(one.asked()) == 2


async def test_a_passing_failure_does_not_make_it_another_meter() -> None:
    async with rig("eastron_sdm72d_m_v2") as one:
        meter = one.driver()
        one.fault(FaultKind.EXCEPTION, value=4)

        with pytest.raises(MeterDataError, match=r"exception 04 \(device failure\)"):
            await meter.read()

        assert (await meter.identify()).model == "SDM72DM-V2"


async def test_a_register_without_a_number_gives_no_sample() -> None:
    async with rig("eastron_sdm230") as one:
        one.device.override(0, [0x7FC0, 0])

        found = values(await one.driver().read())

    assert (Quantity.VOLTAGE, Phase.L1) not in found
    assert len(found) == 8


async def test_what_is_too_much_to_be_shown_gives_no_sample() -> None:
    async with rig("carlo_gavazzi_em24") as one:
        one.device.override(0x0C, [0x1234, 0x7FFF])

        found = values(await one.driver().read())

    assert (Quantity.CURRENT, Phase.L1) not in found
    assert (Quantity.CURRENT, Phase.L2) in found


async def test_a_meter_that_measures_nothing_is_not_taken_for_one_at_rest() -> None:
    async with rig("eastron_sdm72d_m") as one:
        for address in (0x34, 0x48, 0x4A):
            one.device.override(address, [0x7FC0, 0])

        with pytest.raises(MeterDataError, match="no register of the profile eastron_sdm72d_m"):
            await one.driver().read()


async def test_energy_below_zero_is_no_energy() -> None:
    async with rig("eastron_sdm72d_m") as one:
        one.device.override(0x48, [0xBF80, 0])

        with pytest.raises(MeterDataError, match="imported energy -1000 Wh"):
            await one.driver().read()


# What an installer can say.


async def test_a_meter_that_is_connected_the_other_way_round_counts_for_the_vehicle() -> None:
    async with rig(begin_energy_wh=10, begin_export_wh=2000) as one:
        one.device.set_load(-6900)

        found = values(await one.driver(reversed=True).read())

    assert found[Quantity.POWER, Phase.L1] == 2300
    assert found[Quantity.CURRENT, Phase.L1] == 10
    assert found[Quantity.POWER_FACTOR, None] == 1
    assert found[Quantity.ENERGY_IMPORT, None] == 2000
    assert found[Quantity.ENERGY_EXPORT, None] == 10


async def test_transformers_that_the_meter_does_not_know_are_applied() -> None:
    async with rig("carlo_gavazzi_em24", begin_energy_wh=1000) as one:
        one.device.set_load(690)
        meter = one.driver(
            current_transformer_ratio=Decimal(50), voltage_transformer_ratio=Decimal("1.5")
        )

        found = values(await meter.read())

    assert found[Quantity.CURRENT, Phase.L1] == 50
    assert found[Quantity.VOLTAGE, Phase.L1] == 345
    assert found[Quantity.POWER, None] == 690 * 75
    assert found[Quantity.ENERGY_IMPORT, None] == 75_000
    assert found[Quantity.FREQUENCY, None] == 50


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"profile": Path("eastron")}, "no profile 'eastron'; known are acrel"),
        ({"profile": Path("/no/such.yaml")}, "/no/such.yaml: no such file"),
        ({"profile": Path("eastron_sdm230"), "current_transformer_ratio": Decimal(2)},
         "the profile eastron_sdm230 knows no current_transformer_ratio other than 1"),
        ({"profile": Path("carlo_gavazzi_em24"), "voltage_transformer_ratio": Decimal(0)},
         "voltage_transformer_ratio 0, above 0 and up to 100000"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Config(**options)
    with pytest.raises(ValidationError, match=sentence):
        convert(options, Config)


def test_mistakes_in_ones_own_profile_come_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("vendor: Acme\n\nmodel: One\nsource: x\nregisters: [{address: 1}]\n")

    with pytest.raises(ProfileError, match=r"mine.yaml:5: registers\[0\].kind: missing"):
        Config(profile=path)


async def test_ones_own_profile_is_one_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(
        """
vendor: Acme
model: Wattmeter
source: data sheet 3, page 7
function: 3
registers:
  - {address: 100, kind: u32, quantity: energy_import, scale: 10}
  - {address: 102, kind: s16, quantity: power, scale: -1}
""",
        encoding="utf-8",
    )
    async with rig(str(path), begin_energy_wh=12_345) as one:
        one.device.set_load(2300)
        bus = {"host": "127.0.0.1", "tcp_port": one.line.port, "framing": "rtu"}

        async with open_meter("generic_modbus", bus=bus, profile=path) as meter:
            info, reading = await meter.identify(), await meter.read()

    assert info.model == "Wattmeter"
    assert values(reading) == {
        (Quantity.ENERGY_IMPORT, None): 12_340,
        (Quantity.POWER, None): 2300,
    }


# Outages.


async def test_between_two_tries_polls_fail_at_once_with_the_same_sentence() -> None:
    async with rig() as one:
        meter = one.driver(communication_error_pause_delay_s=600)
        await meter.read()
        one.fault(FaultKind.SILENCE, count=2)
        with pytest.raises(MeterUnreachable) as first:
            await meter.read()
        one.asked()

        with pytest.raises(MeterUnreachable) as second:
            await meter.read()

        assert one.asked() == []
        assert str(first.value) == str(second.value)
        await meter.identify()  # asks in any case, and ends the outage
        await meter.read()


async def test_after_an_outage_the_meter_is_identified_again() -> None:
    async with rig() as one:
        meter = one.driver()
        await meter.read()
        one.fault(FaultKind.SILENCE, count=2)
        with pytest.raises(MeterUnreachable):
            await meter.read()
        one.asked()

        await meter.read()

        assert (3, 0xFC00, 2) in one.asked()


async def test_another_meter_in_its_place_is_told_once() -> None:
    async with rig() as first, rig(serial_number="5") as second:
        meter = first.driver()
        await meter.read()
        first.fault(FaultKind.SILENCE, count=2)
        with pytest.raises(MeterUnreachable):
            await meter.read()
        first.line.devices[1] = second.device  # type: ignore[index]

        with pytest.raises(MeterDataError, match="another meter: serial 5 where 20260001 was"):
            await meter.read()

        await meter.read()
        assert (await meter.identify()).serial_number == "5"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (FaultKind.BAD_CRC, None),
        (FaultKind.TRUNCATED, None),
        (FaultKind.FEWER_WORDS, None),
        (FaultKind.WRONG_UNIT, 9),
    ],
)
async def test_a_spoiled_answer_is_asked_again(kind: FaultKind, value: int | None) -> None:
    async with rig() as one:
        one.device.set_load(2300, 1)
        meter = one.driver()
        await meter.identify()
        one.fault(kind, value=value)

        assert values(await meter.read())[Quantity.POWER, Phase.L1] == 2300


async def test_a_cancelled_read_leaves_nothing_behind() -> None:
    cancelled = 0
    async with rig() as one:
        for wait_ms in range(0, 24, 2):
            one.fault(FaultKind.DELAY, value=5, count=4)
            meter = one.driver()
            task = asyncio.ensure_future(meter.read())
            await asyncio.sleep(wait_ms / 1000)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            cancelled += task.cancelled()
            one.device.faults.clear()

            assert len((await meter.read()).samples) == 31

    assert cancelled >= 5


async def test_two_who_ask_at_once_identify_the_meter_once() -> None:
    async with rig() as one:
        meter = one.driver()

        await asyncio.gather(meter.read(), meter.identify(), meter.read())

        assert one.asked().count((3, 0xFC00, 2)) == 1
