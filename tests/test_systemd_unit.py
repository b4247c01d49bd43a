"""The unit that is printed: what systemd itself says of it, and what it takes from the config."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chargepoint.cli import main

CONFIGS = Path(__file__).parent.parent / "configs"
DEMO = CONFIGS / "demo.yaml"
ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSED = 20  # of 100; systemd calls below 20 "ok"


def unit(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["systemd-unit", *arguments]) == 0
    return capsys.readouterr().out


def config(folder: Path, **changes: str) -> Path:
    """The demo with some of its lines changed."""
    text = DEMO.read_text().replace("./state/local.json", "/run/chargepoint/local.json")
    for old, new in {"./state": "/var/lib/chargepoint", **changes}.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "station.yaml"
    path.write_text(text)
    return path


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("options", [(), ("--dynamic-user",), ("--reboot-after", "5")])
def test_systemd_finds_nothing_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    written = tmp_path / "chargepoint.service"
    written.write_text(unit(capsys, str(config(tmp_path)), "--command", "/bin/true", *options))
    environment = {**os.environ, "SYSTEMD_COLORS": "0"}

    verified = subprocess.run(
        [ANALYZE or "", "verify", str(written)], capture_output=True, text=True, check=False
    )
    said = [line for line in verified.stderr.splitlines() if written.name in line]
    assert (verified.returncode, said) == (0, [])

    judged = subprocess.run(
        [ANALYZE or "", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(written)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert judged.returncode == 0, judged.stdout


def test_it_says_ready_is_watched_and_is_started_again_for_ever(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = unit(capsys, str(config(tmp_path)))

    for line in (
        "Type=notify",
        "WatchdogSec=60",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "RestartPreventExitStatus=2",
        "TimeoutStopSec=45",
        "User=chargepoint",
        "SupplementaryGroups=dialout",
    ):
        assert f"\n{line}\n" in text
    assert re.search(rf"^ExecStart=/\S+ .*run {tmp_path}/station.yaml$", text, re.MULTILINE)


def test_it_may_write_where_the_config_says_and_nowhere_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inside = unit(capsys, str(config(tmp_path)))
    assert "\nStateDirectory=chargepoint\n" in inside
    assert "\nRuntimeDirectory=chargepoint\n" in inside
    assert "ReadWritePaths" not in inside

    elsewhere = unit(capsys, str(config(tmp_path, **{"/var/lib/chargepoint": "/data/my state"})))
    assert '\nReadWritePaths="/data/my state"\n' in elsewhere
    assert "StateDirectory" not in elsewhere


def test_a_user_of_its_own_needs_a_state_folder_of_its_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    there = str(config(tmp_path))
    assert "\nDynamicUser=yes\n" in unit(capsys, there, "--dynamic-user")

    elsewhere = str(config(tmp_path, **{"/var/lib/chargepoint": "/data"}))
    assert main(["systemd-unit", elsewhere, "--dynamic-user"]) == 2
    assert "--dynamic-user needs station.state inside /var/lib" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("port", "allowed"),
    [
        ("/dev/ttyUSB3", ["char-ttyUSB rw"]),
        ("/dev/ttyACM0", ["char-ttyACM rw"]),
        ("/dev/ttyAMA0", ["/dev/ttyAMA0 rw"]),
        ("/dev/serial/by-id/usb-FTDI-if00", ["char-ttyUSB rw", "char-ttyACM rw"]),
        ("/tmp/a-simulated-one", []),  # noqa: S108
    ],
)
def test_it_may_open_the_serial_ports_of_the_config_and_no_other_device(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, port: str, allowed: list[str]
) -> None:
    path = config(tmp_path, **{"port: /tmp/chargepoint-em580": f"port: {port}"})
    text = unit(capsys, str(path), "--device", "/dev/gpiochip0")

    assert "\nDevicePolicy=closed\n" in text
    assert re.findall("^DeviceAllow=(.*)$", text, re.MULTILINE) == [*allowed, "/dev/gpiochip0 rw"]
    assert "PrivateDevices" not in text


def test_without_any_device_it_sees_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "\nPrivateDevices=yes\n" in unit(capsys, str(config(tmp_path)))


def test_a_port_below_1024_is_the_only_privilege(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "\nCapabilityBoundingSet=\n" in unit(capsys, str(config(tmp_path)))
    low = unit(capsys, str(config(tmp_path, **{"127.0.0.1:8600": "127.0.0.1:80"})))
    assert "\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in low


def test_a_path_with_special_characters_stays_one_word(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "a 100% $HOME"
    folder.mkdir()
    text = unit(capsys, str(config(folder)))

    assert f'run "{tmp_path}/a 100%% $$HOME/station.yaml"\n' in text


def test_a_config_with_mistakes_gives_no_unit(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["systemd-unit", str(tmp_path / "nowhere.yaml")]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_there_is_a_unit_for_every_config(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert unit(capsys, str(path)).startswith("# Printed by")
