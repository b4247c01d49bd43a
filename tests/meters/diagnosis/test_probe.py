"""The question that a silent meter is tried with is what its own driver asks first."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from meters.catalog import driver_names, load_driver
from meters.diagnosis import first_request
from meters.diagnosis.read_only import READS
from meters.errors import MeterError
from meters.line import TcpBusConfig
from meters.rtu import write_request

BUS = TcpBusConfig(host="127.0.0.1", tcp_port=1)
OPTIONS = {"generic_modbus": {"profile": Path("eastron_sdm630_v2")}}


def modbus_drivers() -> list[str]:
    return [name for name in driver_names() if load_driver(name).TRANSPORT == "modbus"]


@pytest.mark.parametrize("name", modbus_drivers())
async def test_every_driver_begins_with_a_read_of_its_own_unit(name: str) -> None:
    driver = load_driver(name)
    given: dict[str, Any] = {"powermeter_device_id": 9} | OPTIONS.get(name, {})
    options = msgspec.convert(given, driver.Config, strict=False)

    request = await first_request(driver, options, BUS)

    assert request.unit == 9
    assert request.function in READS


class Writes:
    """A driver that writes before it asks anything."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    async def identify(self) -> None:
        await self._bus.exchange(write_request(3, 0, [1]))
        raise MeterError

    read = identify


class Driver:
    TRANSPORT = "modbus"
    Config = msgspec.Struct

    @staticmethod
    def create(_: Any, bus: Any, *, now: Any) -> Any:  # noqa: ARG004
        return Writes(bus)


async def test_a_driver_that_writes_first_is_tried_with_a_harmless_read() -> None:
    request = await first_request(Driver, None, BUS)

    assert (request.unit, request.function) == (3, 3)
