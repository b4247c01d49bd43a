"""The maker's commands: their exit status is what counts."""

import asyncio
import sys
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
