"""The maker's commands: their exit status is what counts."""

import asyncio
import logging
import os
import signal
import sys
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest

from chargepoint.core.firmware import InstallResult
from chargepoint.station.installer import CommandInstaller


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (0, InstallResult.DONE),
        (10, InstallResult.REBOOT),
        (20, InstallResult.UNFIT),
        (1, InstallResult.FAILED),
    ],
)
async def test_the_exit_status_is_the_result(
    status: int, result: InstallResult, tmp_path: Path
) -> None:
    assert await CommandInstaller(script(f"exit({status})")).install(tmp_path) is result


async def test_the_command_gets_the_file(tmp_path: Path) -> None:
    file = tmp_path / "firmware.bin"
    file.write_bytes(b"x")
    command = script("import sys; exit(0 if open(sys.argv[1]).read() == 'x' else 1)")

    assert await CommandInstaller(command).install(file) is InstallResult.DONE


async def test_a_command_that_cannot_be_started_is_a_failure(tmp_path: Path) -> None:
    installer = CommandInstaller(("/no/such/program",))

    assert await installer.install(tmp_path) is InstallResult.FAILED


async def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    installer = CommandInstaller(
        script("import time; time.sleep(60)"), timeout=timedelta(seconds=0.2)
    )

    assert await installer.install(tmp_path) is InstallResult.FAILED


async def test_a_command_ends_with_the_station(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    text = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(CommandInstaller(script(text)).install(tmp_path))
    async with asyncio.timeout(10):
        while not (mark.exists() and mark.read_text()):  # noqa: ASYNC110 - a test
            await asyncio.sleep(0.01)

    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()
    assert not Path(f"/proc/{mark.read_text()}").exists()  # noqa: ASYNC240 - a test


async def test_without_further_commands_nothing_is_confirmed_or_rebooted() -> None:
    installer = CommandInstaller(script("exit(0)"))

    assert await installer.confirm() is None
    assert await installer.reboot() is False


@pytest.mark.parametrize("status", [0, 1])
async def test_the_other_commands_say_yes_with_zero(status: int) -> None:
    command = script(f"exit({status})")
    installer = CommandInstaller((), command, command)

    assert await installer.confirm() is (status == 0)
    assert await installer.reboot() is (status == 0)


async def test_what_a_command_says_without_end_costs_no_memory_without_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    noisy = "import sys; sys.stderr.write('x' * 80 + chr(10)) and None"
    text = f"for _ in range(200_000): {noisy}\nsys.stderr.write('at \x1b[31mlast' + chr(10))"
    tracemalloc.start()
    try:
        installed = await CommandInstaller(script(f"import sys\n{text}")).install(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert installed is InstallResult.DONE
    assert "ended with status 0: at [31mlast" in caplog.text
    assert peak < 2 * 1024 * 1024


async def test_what_a_command_leaves_at_work_is_not_waited_for(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    text = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c',"
        f" 'import time; time.sleep(60)']); open({str(mark)!r}, 'w').write(str(child.pid))"
    )
    try:
        async with asyncio.timeout(20):
            assert await CommandInstaller(script(text)).install(tmp_path) is InstallResult.DONE
    finally:
        os.kill(int(mark.read_text()), signal.SIGKILL)


async def test_a_command_that_takes_too_long_ends_with_all_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    text = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(mark)!r}, 'w').write(str(child.pid)); child.wait(); exit(0)"
    )
    installer = CommandInstaller(script(text), timeout=timedelta(seconds=2))

    assert await installer.install(tmp_path) is InstallResult.FAILED
    async with asyncio.timeout(10):
        while alive(mark.read_text()):  # noqa: ASYNC110 - a test
            await asyncio.sleep(0.01)


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


async def test_a_command_does_not_learn_the_passwords_of_the_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGEPOINT__CSMS__PASSWORD", "hush")
    monkeypatch.setenv("OF_THE_BOARD", "1")
    text = (
        "from os import environ; exit('hush' in environ.values() or 'OF_THE_BOARD' not in environ)"
    )

    assert await CommandInstaller(script(text)).install(tmp_path) is InstallResult.DONE
