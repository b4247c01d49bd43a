"""What a LEM DCBM is told when a transaction begins, and how the id comes back."""

import pytest
from lem_rig import UUID, rig, transaction

from meters.errors import MeterRefused
from meters.model import Identification, OpenTransaction


@pytest.mark.parametrize("transaction_id", ["", "a|b", 'a"b', "x" * 37, " x", "ä"])
async def test_a_bad_id_is_refused_before_anything_is_asked(transaction_id: str) -> None:
    async with rig() as found:
        with pytest.raises(MeterRefused, match="transaction id"):
            await found.driver().begin(transaction(transaction_id))

    assert not found.server.requests


@pytest.mark.parametrize("transaction_id", [UUID, "4711", "Zm9v+/=&?#%20", "x" * 36])
async def test_ids_of_any_form_come_back(transaction_id: str) -> None:
    async with rig() as found:
        await found.driver().begin(transaction(transaction_id))
        restarted = found.driver()
        held = await restarted.open_transaction()
        end = await restarted.end(transaction_id)

    assert held == OpenTransaction(transaction_id, running=True)
    assert end.signed is not None


async def test_a_charging_point_that_does_not_fit_is_refused_with_what_to_do() -> None:
    async with rig() as found:
        with pytest.raises(MeterRefused, match="38 bytes, the meter takes 37: shorten evse_id"):
            await found.driver().begin(transaction(charge_point="E" * 38))

    assert found.done() == (0, 0)


@pytest.mark.parametrize(
    ("who", "client"),
    [
        (Identification(), UUID),
        (Identification(data="04A1B2C3"), "04A1B2C3"),
        (Identification(data="ä" * 20), "ä" * 18),
        (Identification(data='a|b"c'), "a/b'c"),
    ],
)
async def test_who_charges_is_told_to_the_meter(who: Identification, client: str) -> None:
    async with rig() as found:
        await found.driver(cable_id=1, tariff_id=3).begin(transaction(identification=who))
        running = found.device.memory.open

    assert running is not None
    assert running.asked.client_id == client
    assert (running.asked.cable_id, running.asked.tariff_id) == (1, 3)


async def test_what_the_second_version_takes_is_told_to_it() -> None:
    async with rig(firmware="0.2.0.1") as found:
        meter = found.driver(SC=7, UV="v", UD="d")
        await meter.begin(transaction(tariff_text="é" * 200))
        running = found.device.memory.open

    assert running is not None
    asked = running.asked
    assert (asked.session_code, asked.vendor_value, asked.vendor_data) == (7, "v", "d")
    assert asked.tariff_text == "é" * 125
