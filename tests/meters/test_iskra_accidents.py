"""A WM3M4C that loses power or behaves in the ways that nobody but the vendor knows."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from iskra_rig import rig
from meter_rig import OTHER, UUID, WRITE, check_record, transaction

from meters import patience
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.model import OpenTransaction, Quantity
from meters.ocmf import parse
from meters.simulators.faults import FaultKind
from meters.simulators.iskra_wm3m4.layout import State


async def test_a_power_cut_of_the_meter_does_not_end_the_session() -> None:
    async with rig() as found:
        meter = found.driver()
        first = await meter.begin(transaction())
        found.device.reboot()
        held = await meter.open_transaction()
        by_another = await found.driver().open_transaction()
        again = await meter.begin(transaction())
        end = await meter.end(UUID)

    assert held == by_another == OpenTransaction(UUID, running=True)
    assert again == first
    payload = check_record(end)
    assert payload["ID"] == f"04A1B2C3 <=>{UUID}"
    assert [reading["TX"] for reading in payload["RD"]] == ["B", "E"]
    assert payload["RD"][1]["TM"].endswith("S")
    assert found.executed() == {"B": 1, "E": 1}


@pytest.mark.parametrize("wakes_as", ["after-power-failure", "after-reset"])
async def test_after_a_power_cut_of_both_the_owner_gets_its_record(wakes_as: str) -> None:
    async with rig(wakes_as=wakes_as) as found:
        await found.driver().begin(transaction())
        found.device.reboot()
        restarted = found.driver()
        held = await restarted.open_transaction()
        with pytest.raises(MeterRefused, match="transaction of unknown id"):
            await restarted.begin(transaction(OTHER))
        end = await restarted.end(UUID)
        waiting = await found.driver().open_transaction()
        await found.driver().release(UUID)
        free = await found.driver().open_transaction()

    assert held == OpenTransaction("", running=True)
    assert check_record(end)["ID"] == f"<=>{UUID}"
    assert waiting == OpenTransaction(UUID, running=False)
    assert free is None
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_nameless_transaction_is_ended_and_released_without_name() -> None:
    async with rig() as found:
        await found.driver().begin(transaction())
        found.device.reboot()
        restarted = found.driver()
        end = await restarted.end("")
        waiting = await restarted.open_transaction()
        await restarted.release(UUID)
        still = await restarted.open_transaction()
        await restarted.release("")
        free = await restarted.open_transaction()

    assert check_record(end)["ID"] == "<=>"
    assert waiting == still == OpenTransaction("", running=False)
    assert free is None


async def test_who_began_another_transaction_does_not_end_a_nameless_one() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.reboot()
        with pytest.raises(MeterRefused, match=f"runs transaction {UUID}"):
            await meter.end(OTHER)

    assert found.device.state is State.AFTER_POWER_FAILURE


async def test_a_meter_that_keeps_its_data_set_keeps_the_name() -> None:
    async with rig(keeps_data_set=True) as found:
        await found.driver().begin(transaction())
        found.device.reboot()
        restarted = found.driver()
        held = await restarted.open_transaction()
        with pytest.raises(MeterRefused, match=f"transaction {UUID}"):
            await restarted.begin(transaction(OTHER))
        begun = await restarted.begin(transaction())
        end = await restarted.end(UUID)

    assert held == OpenTransaction(UUID, running=True)
    assert begun.value(Quantity.ENERGY_IMPORT) == 80770
    assert check_record(end)["ID"] == f"04A1B2C3 <=>{UUID}"
    assert found.executed() == {"B": 1, "E": 1}


@pytest.mark.parametrize("keeps", [False, True])
async def test_a_transaction_that_the_meter_gave_up_is_gone(keeps: bool) -> None:  # noqa: FBT001
    async with rig(wakes_as="idle", keeps_data_set=keeps) as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.reboot()
        held = await meter.open_transaction()
        with pytest.raises(MeterRefused, match="holds no record"):
            await meter.end(UUID)
        await meter.begin(transaction(OTHER))

    assert held is None


@pytest.mark.parametrize("keeps", [False, True])
async def test_an_unread_record_does_not_survive_the_power(keeps: bool) -> None:  # noqa: FBT001
    async with rig(keeps_data_set=keeps) as found:
        meter = found.driver()
        await meter.begin(transaction())
        first = await meter.end(UUID)
        found.device.reboot()
        held = await found.driver().open_transaction()
        known = await meter.end(UUID)
        with pytest.raises(MeterRefused, match="holds no record"):
            await found.driver().end(UUID)

    assert held is None
    assert known == first


async def test_a_killed_meter_comes_back_with_its_transaction_and_counters(tmp_path: Path) -> None:
    settings = {"state_file": tmp_path / "meter.json", "keeps_data_set": True}
    async with rig(**settings) as found:
        await found.driver().begin(transaction())
    async with rig(**settings) as found:
        end = await found.driver().end(UUID)
        key = found.device.public_key

    check_record(end)
    assert end.signed is not None
    assert end.signed.public_key == key


async def test_a_reboot_while_the_end_is_signed_is_told() -> None:
    async with rig(signing_delay_s=0.5) as found:
        meter = found.driver()
        await meter.begin(transaction())
        ending = asyncio.create_task(meter.end(UUID))
        while found.device.state is not State.IDLE:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        found.device.reboot()
        with pytest.raises(MeterRefused, match="holds no record"):
            await ending


@pytest.mark.parametrize(
    "switches",
    [
        {"padded_signature": True},
        {"base64_at_power_up": True},
        {"unsigned_at_power_up": True},
        {"needs_clock": False},
        {"gaps_readable": False},
        {"counter_exponent": -2},
        {"counter_exponent": 1},
        {"record_places": 3},
        {"error_flags": "t"},
    ],
    ids=str,
)
async def test_a_session_with_other_firmware(switches: dict[str, Any]) -> None:
    async with rig(**switches) as found:
        meter = found.driver()
        reading = await meter.read()
        begin = await meter.begin(transaction())
        end = await meter.end(UUID)

    check_record(end)
    energies = {one.value(Quantity.ENERGY_IMPORT) for one in (reading, begin, end)}
    assert energies == {80770}


async def test_the_clock_is_set_before_the_begin_and_left_alone_during_a_transaction() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=0)
        await meter.begin(transaction())
        writes = found.device.status()["meter_time"]
        for _ in range(3):
            await meter.read()
        set_in_transaction = sum(
            request.function == WRITE and request.address == 7054 for request in found.line.requests
        )

    assert writes
    assert set_in_transaction == 1


async def test_a_clock_that_cannot_be_set_stops_the_begin() -> None:
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=7054, function=WRITE, value=4)
        with pytest.raises(MeterRefused, match=r"does not take the time.*device failure"):
            await found.driver().begin(transaction())

    assert found.executed() == {}


async def test_the_clock_is_kept_right_while_nothing_runs() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()

    assert found.device.status()["synchronised"] is True


async def test_texts_on_the_display_come_back_after_a_power_cut() -> None:
    async with rig() as found:
        meter = found.driver(
            lcd_main_text="HELLO", lcd_label_text="CP 1", device_state_read_interval_ms=0
        )
        await meter.read()
        shown = found.device.status()["display"]
        found.device.reboot()
        await meter.read()

    assert shown == found.device.status()["display"] == "HELLO   CP 1"


async def test_a_foreign_record_is_held_until_it_is_asked_for_without_id() -> None:
    data = json.dumps(
        {
            "FV": "1.0", "GI": "", "GS": "", "GV": "", "PG": "", "MV": "", "MM": "", "MS": "",
            "MF": "", "IS": True, "IF": [], "IT": "NONE", "ID": "other software", "CT": "EVSEID",
            "CI": "", "RD": [],
        },
        separators=(",", ":"),
    ).encode()  # fmt: skip
    words = [int.from_bytes(data[at : at + 2].ljust(2, b"\0")) for at in range(0, len(data), 2)]
    async with rig() as found:
        unit = found.bus.unit(33)
        await unit.write(7071, [2])
        for at in range(0, len(words), 100):
            await unit.write(7100 + at, words[at : at + 100])
        await unit.write(7056, [len(data)])
        await unit.write(7051, [ord("B") << 8])
        meter = found.driver()
        running = await meter.open_transaction()
        with pytest.raises(MeterRefused, match="of unknown id"):
            await meter.begin(transaction())
        with pytest.raises(MeterRefused, match="of unknown id"):
            await meter.end(UUID)
        end = await meter.end("")
        waiting = await meter.open_transaction()
        await meter.release("")
        free = await meter.open_transaction()

    assert running == OpenTransaction("", running=True)
    assert waiting == OpenTransaction("", running=False)
    assert free is None
    assert end.signed is not None
    assert parse(end.signed.document).identification.data == "other software"


async def test_an_end_on_a_dead_meter_fails_soon() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SILENCE, count=None)
        started = asyncio.get_running_loop().time()
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.end(UUID)

    assert asyncio.get_running_loop().time() - started < 1.0


async def test_what_stays_no_record_is_handed_on_as_it_is_and_frees_the_meter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "_LONGEST_S", 0.0)
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.override(7615, [int.from_bytes(b'"9', "big")])  # format version 9.0
        for _ in range(2):
            with pytest.raises(MeterDataError, match="format version 9"):
                await meter.end(UUID)
        end = await meter.end(UUID)
        await meter.release(UUID)
        held = await meter.open_transaction()

    assert end.signed is not None
    assert end.signed.document.startswith(b'OCMF|{"FV":"9.0"')
    assert end.value(Quantity.ENERGY_IMPORT) is not None
    assert held is None


async def test_a_text_that_changes_while_it_is_read_is_no_free_meter() -> None:
    """The text of the end takes the place of that of the begin, and we read a part of each."""
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.override(7615, [0x7B7B])
        async with asyncio.TaskGroup() as group:
            end = group.create_task(meter.end(UUID))
            while not found.executed().get("E"):  # noqa: ASYNC110 - the simulated meter
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.15)
            found.device.clear_overrides()

    check_record(end.result())


async def test_a_text_that_stays_impossible_to_read_is_evidence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "_LONGEST_S", 0.0)
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.override(7615, [0x7B7B])
        for _ in range(2):
            with pytest.raises(MeterDataError):
                await meter.end(UUID)
        held = await meter.open_transaction()
        end = await meter.end(UUID)
        await meter.release(UUID)
        free = await meter.open_transaction()

    assert held == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    assert b"{{" in end.signed.document
    assert free is None


@pytest.mark.parametrize(
    ("register", "size", "told"),
    [
        (7057, 0xFFFF, "record of 65535 and"),
        (7058, 0xFFFF, "and 65535 bytes"),
        (7057, 10, "no OCMF record"),
        (7058, 3, "only 3 bytes of a signature"),
    ],
)
async def test_a_record_whose_size_stays_wrong_is_found_in_its_place_and_frees_the_meter(
    register: int, size: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_LONGEST_S", 0.0)
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.override(register, [size])
        for _ in range(2):
            with pytest.raises(MeterDataError, match=told):
                await meter.end(UUID)
        held = await meter.open_transaction()
        end = await meter.end(UUID)
        with pytest.raises(MeterRefused, match="a record that waits to be released"):
            await meter.begin(transaction(OTHER))
        await meter.release(UUID)
        begin = await meter.begin(transaction(OTHER))

    assert held == OpenTransaction(UUID, running=False)
    check_record(end)
    assert begin.value(Quantity.ENERGY_IMPORT) is not None


async def test_what_stands_in_place_of_a_record_of_wrong_size_is_evidence_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "_LONGEST_S", 0.0)
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.override(7057, [0xFFFF, 0xFFFF])
        found.device.override(7615, [0x7B7B])
        found.device.override(8188, [0x0102])
        for _ in range(2):
            with pytest.raises(MeterDataError, match="65535 and 65535 bytes"):
                await meter.end(UUID)
        restarted = found.driver()
        held = await restarted.open_transaction()
        for _ in range(2):
            with pytest.raises(MeterDataError, match="65535 and 65535 bytes"):
                await restarted.end(UUID)
        again, end = await restarted.end(UUID), await meter.end(UUID)
        await meter.release(UUID)
        free = await meter.open_transaction()

    assert held == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    assert end.signed == again.signed
    text, _, seal = end.signed.document.removeprefix(b"OCMF|").rpartition(b"|")
    assert text.startswith(b'{"FV"')
    assert b"{{" in text
    assert b'"TX":"E"' in text
    assert seal.startswith(b'{"SD":"0102')
    assert end.value(Quantity.ENERGY_IMPORT) is not None
    assert "record of 65535 and 65535 bytes" in caplog.text
    assert free is None
