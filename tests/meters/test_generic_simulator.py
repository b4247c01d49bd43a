"""The simulated meter of a profile: what it shows, refuses and keeps."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from generic_rig import Time

from meters.model import Quantity
from meters.profiles import Profile, load, profile_names
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.generic_modbus import GenericMeter, Settings, create
from meters.simulators.refusal import Code, Refusal

SDM630 = load("eastron_sdm630_v2")


def meter(time: Time | None = None, **settings: Any) -> GenericMeter:
    return create(Settings(**{"boot_delay_s": 0.0, **settings}), monotonic=time or Time())


def shown(device: GenericMeter, profile: Profile) -> dict[tuple[str, str], Decimal]:
    """All values as a master reads them."""
    memory = {block: device.read(block.address, block.count) for block in profile.blocks}
    samples = profile.samples(memory)
    return {(sample.quantity, sample.phase or "total"): sample.value for sample in samples}


@pytest.mark.parametrize("name", profile_names())
def test_every_register_of_every_profile_is_served(name: str) -> None:
    profile = load(name)

    found = shown(meter(profile=name), profile)

    assert set(found) == {(row.quantity, row.phase or "total") for row in profile.registers}


def test_energy_is_counted_per_conductor_and_survives_a_change_of_load() -> None:
    time = Time()
    device = meter(time, begin_energy_wh=3000)
    device.set_load(11_000)
    time.seconds += 3600
    device.set_load(3600, 1)
    time.seconds += 1800

    found = shown(device, SDM630)

    assert found[Quantity.ENERGY_IMPORT, "total"] == 3000 + 11_000 + 1800
    assert float(found[Quantity.ENERGY_IMPORT, "L1"]) == pytest.approx(1000 + 3666.668 + 1800)
    assert float(found[Quantity.ENERGY_IMPORT, "L2"]) == pytest.approx(1000 + 3666.666)
    assert found[Quantity.POWER, "L1"] == 3600
    assert found[Quantity.POWER, "L2"] == 0
    assert device.energy_wh == 15_800


def test_the_powers_of_the_phases_add_up_to_the_total() -> None:
    device = meter()
    device.set_load(10_000)

    found = shown(device, SDM630)

    assert sum(found[Quantity.POWER, phase] for phase in ("L1", "L2", "L3")) == 10_000


def test_a_meter_of_one_phase_carries_all_of_the_load_on_it() -> None:
    device = meter(profile="eastron_sdm230")
    device.set_load(2300, 3)

    assert shown(device, load("eastron_sdm230"))[Quantity.CURRENT, "L1"] == 10


def test_a_large_power_moves_the_decimal_point() -> None:
    device = meter(profile="acrel_djsf1352_rn")
    device.set_load(240_000)

    assert device.read(8, 2) == (2400, 5)
    device.set_load(9000)
    assert device.read(8, 2) == (9000, 3)


def test_what_the_meter_does_not_have_is_refused() -> None:
    device = meter()

    refused = {}
    for address, count in ((0x4C, 2), (0x4A, 4), (0, 81), (0xFC00, 3)):
        with pytest.raises(Refusal) as caught:
            device.read(address, count)
        refused[address, count] = caught.value.code

    assert refused == {
        (0x4C, 2): Code.ILLEGAL_ADDRESS,
        (0x4A, 4): Code.ILLEGAL_ADDRESS,
        (0, 81): Code.ILLEGAL_VALUE,
        (0xFC00, 3): Code.ILLEGAL_ADDRESS,
    }
    with pytest.raises(Refusal):
        device.write(0, [1])
    assert device.functions == {3, 4}


def test_the_code_of_the_model_shares_its_address_with_a_voltage() -> None:
    device = meter(profile="carlo_gavazzi_em24", identification_code=72)

    assert device.read(0x0B, 1) == (72,)
    assert device.read(0x0A, 2) == (3984, 0)


def test_a_meter_is_silent_while_it_starts() -> None:
    time = Time()
    device = meter(time, boot_delay_s=2.0)

    before = device.silent()
    time.seconds += 2
    after = device.silent()
    device.reboot()

    assert (before, after, device.silent()) == (True, False, True)


def test_energy_survives_a_kill_and_never_goes_back(tmp_path: Path) -> None:
    time = Time()
    file = tmp_path / "meter.json"
    device = meter(time, state_file=file)
    device.set_load(-7200)
    time.seconds += 3600
    before = shown(device, SDM630)

    again = meter(Time(), state_file=file)

    assert shown(again, SDM630)[Quantity.ENERGY_EXPORT, "total"] == 7200
    assert (
        before[Quantity.ENERGY_EXPORT, "L3"] == shown(again, SDM630)[Quantity.ENERGY_EXPORT, "L3"]
    )
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_state_file_of_another_kind_of_meter_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "meter.json"
    meter(profile="eastron_sdm72d_m", state_file=file).tick()

    with pytest.raises(ValueError, match="another kind of meter"):
        meter(state_file=file)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"profile": "nobodys"}, "no profile 'nobodys'"),
        ({"serial_number": "KZ1"}, "'KZ1' is nothing for a register of kind u32"),
        ({"profile": "carlo_gavazzi_em340", "serial_number": "12345678"}, "7 characters fit"),
        ({"time_lapse": Decimal(0)}, "time lapse 0"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        meter(**settings)


def test_words_can_be_overridden_and_disturbed() -> None:
    device = meter()

    device.override(0, [1, 2])
    overridden = device.read(0, 2)
    device.clear_overrides()
    device.faults.add(Fault(kind=FaultKind.VALUE, register=1, value=9))

    assert overridden == (1, 2)
    assert device.read(0, 2)[1] == 9


def test_the_status_says_what_the_meter_is() -> None:
    device = meter(begin_energy_wh=5)
    device.set_load(100)

    status = device.status()

    assert status["serial_number"] == "20260001"
    assert status["import_wh"] == "5"
    assert status["model"] == "Eastron SDM630-Modbus V2"
    assert status["load_w"] == "100"
