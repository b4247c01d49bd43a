"""``python -m meters``: a meter read from a shell, and the config that comes along."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from generic_rig import rig, values

from chargepoint.clock import SystemClock
from chargepoint.config import load_config
from chargepoint.config_open import open_meters
from meters.model import Quantity
from meters.simulators.em580 import Em580, Em580Settings
from meters.simulators.generic_modbus import Settings, create
from meters.simulators.line import PtyLine

CONFIG = Path(__file__).parents[2] / "configs/generic_modbus.yaml"


async def command(*words: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of ``python -m meters``."""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "meters", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.returncode, ended.stdout, ended.stderr


async def test_a_meter_is_read_by_the_name_of_its_profile() -> None:
    device = create(Settings(profile="eastron_sdm72d_m_v2", boot_delay_s=0, begin_energy_wh=5000))
    device.set_load(6900)
    async with PtyLine({7: device}) as line:
        code, out, err = await command("eastron_sdm72d_m_v2", line.port, "--address", "7")

    assert (code, err) == (0, "")
    assert "Eastron SDM72DM-V2 serial 20260001, does not sign" in out
    assert "power [W]             total 6900        L1 2300           L2 2300" in out


async def test_json_is_one_object_with_exact_numbers() -> None:
    async with rig("eastron_sdm72d_m", begin_energy_wh=5000) as one:
        port = f"127.0.0.1:{one.line.port}"
        code, out, _ = await command("eastron_sdm72d_m", port, "--framing", "rtu", "--json")

    told = json.loads(out)
    assert code == 0
    assert told["model"] == "SDM72D-M"
    assert {"quantity": "energy_import", "phase": None, "value": "5000", "unit": "Wh"} in told[
        "samples"
    ]


async def test_a_driver_is_read_by_its_name_with_its_options() -> None:
    settings = Em580Settings(key_seed="x", boot_silence=Em580Settings().boot_silence * 0)
    async with PtyLine({1: Em580(settings)}) as line:
        code, out, err = await command(
            "carlo_gavazzi_em580", line.port, "--baudrate", "115200", "-o", "transactions=false"
        )

    assert (code, err) == (0, "")
    assert "EM580DINAV23XS3DET" in out


async def test_ones_own_profile_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "vendor: Acme\nmodel: One\nsource: mine\nline: {parity: even}\nregisters:\n"
        "  - {address: 1, kind: u16, quantity: energy_import}\n",
        encoding="utf-8",
    )
    device = create(Settings(profile=str(path), boot_delay_s=0, begin_energy_wh=17))
    async with PtyLine({1: device}) as line:
        code, out, _ = await command(str(path), line.port)

    assert code == 0
    assert "energy import [Wh]    total 17" in out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["klefr"], 2, "no such driver or profile.\n  drivers: bauer_bsm, carlo"),
        (["none.yaml"], 2, "none.yaml: no such file"),
        (["eastron_sdm230", "-o", "colour=red"], 2, "unknown field `colour`"),
        (["eastron_sdm230", "-o", "colour"], 2, "expected KEY=VALUE"),
        (["eastron_sdm230", "--address", "0"], 2, "0 is not in the range"),
        (["eastron_sdm230"], 3, "no such port; is the adapter plugged in?"),
        (["eastron_sdm230", "--json"], 3, "no such port; is the adapter plugged in?"),
    ],
)
async def test_what_goes_wrong_is_a_sentence_and_an_exit_code(
    words: list[str], code: int, sentence: str
) -> None:
    found, out, err = await command(words[0], "/dev/no-such-port", *words[1:])

    assert found == code
    assert sentence in out + err
    assert "Traceback" not in err


async def test_another_meter_than_expected_is_told() -> None:
    async with rig("eastron_sdm72d_m") as one:
        port = f"127.0.0.1:{one.line.port}"
        code, _, err = await command("eastron_sdm72d_m_v2", port, "--framing", "rtu")

    assert code == 1
    assert "This is a SDM72D-M: set `profile: eastron_sdm72d_m`" in err


async def test_the_config_that_comes_along_reads_its_meter() -> None:
    device = create(Settings(boot_delay_s=0))
    device.set_load(11_000)
    async with PtyLine({1: device}) as line:
        config = load_config(CONFIG, {"CHARGEPOINT__BUSES__RS485__PORT": line.port})
        async with open_meters(config, SystemClock().now) as meters:
            reading = await meters["outlet1"].read()

    assert values(reading)[Quantity.POWER, None] == 11_000
