"""The begin of a running transaction, worked out from the counters of an EM580."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import pytest
from em580_rig import charged, rig, transaction

from meters.drivers.carlo_gavazzi_em580 import resumed
from meters.model import Quantity, Reading, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meters.drivers.carlo_gavazzi_em580.device import Device

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def number(value: int) -> tuple[int, ...]:
    return tuple((value >> shift) & 0xFFFF for shift in (0, 16, 32, 48))


class Counting:
    """A meter through which energy flows: so many Wh more at each request."""

    def __init__(self, *wh: int, begin: int = 1000, seconds: int = 60) -> None:
        self._used: Iterator[int] = iter(wh)
        self._begin, self._seconds = begin, seconds
        self.asked = 0

    async def optional(self, address: int, count: int) -> tuple[int, ...] | None:
        return await self.read(address, count)

    async def read(self, address: int, count: int) -> tuple[int, ...]:
        self.asked += 1
        used = next(self._used)
        if address == 0x0500:
            return (*number(self._begin + used), *[0] * 24, *number(7))
        assert (address, count) == (0x7A00, 12)
        return (*number(used), *number(2), *number(self._seconds))


async def begin(meter: Counting) -> Reading | None:
    return await resumed.begin_reading(cast("Device", meter), lambda: NOW)


async def test_without_flow_three_reads_tell_the_begin() -> None:
    meter = Counting(6, 6, 6)

    assert await begin(meter) == Reading(
        NOW - timedelta(seconds=60),
        (Sample(Quantity.ENERGY_IMPORT, Decimal(1000)), Sample(Quantity.ENERGY_EXPORT, Decimal(5))),
    )
    assert meter.asked == 3


@pytest.mark.parametrize(
    "wh", [(6, 6, 7, 7, 7), (6, 7, 7, 7, 8, 8, 8), (5, 6, 7, 7, 8, 9, 9, 9), (1, 2, 2, 3, 3, 3, 3)]
)
async def test_what_flows_meanwhile_does_not_blur_the_begin(wh: tuple[int, ...]) -> None:
    reading = await begin(Counting(*wh))

    assert reading is not None
    assert reading.value(Quantity.ENERGY_IMPORT) == 1000


async def test_what_cannot_be_told_is_the_customers() -> None:
    reading = await begin(Counting(*range(0, 1000, 3)))

    assert reading is not None
    assert reading.value(Quantity.ENERGY_IMPORT) == 1003


@pytest.mark.parametrize("seconds", [-1, 10**9])
async def test_a_counter_that_counts_nonsense_is_not_used(seconds: int) -> None:
    assert await begin(Counting(6, 6, 6, seconds=seconds)) is None


async def test_the_begin_is_found_after_a_restart_while_energy_flows() -> None:
    async with rig() as found:
        first = await found.driver().begin(transaction())
        await charged(found.device)
        found.device.set_load(Decimal(10))  # with the rig's lapse of time, 10 Wh in a second
        again = await found.driver(signed_live_map=True).begin(transaction())

    assert found.device.energy_wh > 1700
    assert again.value(Quantity.ENERGY_IMPORT) == first.value(Quantity.ENERGY_IMPORT)
    assert again.signed is None  # a map of now does not show the begin
