"""A meter used alone, as the README of a program that has no station would show it."""

from datetime import timedelta

import pytest
from msgspec import ValidationError

from meters import SigningMeter, open_meter
from meters.catalog import UnknownDriver
from meters.simulators.em580 import Em580, Em580Settings
from meters.simulators.line import PtyLine

DRIVER = "carlo_gavazzi_em580"


async def test_a_meter_can_be_read_without_a_station() -> None:
    device = Em580(Em580Settings(boot_silence=timedelta(0), clock_refusal=timedelta(0)))
    async with PtyLine({3: device}) as line:
        bus = {"port": line.port, "baudrate": 115200}
        async with open_meter(DRIVER, bus=bus, powermeter_device_id=3) as meter:
            info = await meter.identify()

    assert isinstance(meter, SigningMeter)
    assert info.serial_number == device.settings.serial_number


async def test_an_unknown_driver_a_wrong_option_and_a_missing_bus_are_refused() -> None:
    with pytest.raises(UnknownDriver, match="known are"):
        async with open_meter("nobodys"):
            pass
    with pytest.raises(ValidationError, match="colour"):
        async with open_meter(DRIVER, bus={"port": "/dev/null"}, colour="red"):
            pass
    with pytest.raises(ValueError, match="needs a bus"):
        async with open_meter(DRIVER):
            pass
