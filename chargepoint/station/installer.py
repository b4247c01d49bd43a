"""What puts a new firmware in place: a command of the station's maker.

The command gets the path of the verified file as its last argument. Its exit status is the result:
0 installed, 10 in place but a restart is needed, 20 the image is unfit and nothing was changed,
anything else failed. ``confirm`` is asked after a restart, 0 meaning that the new firmware runs;
``reboot`` restarts the machine. None of them may wait for the station: a command that is still at
work when the station stops is ended with it.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from chargepoint.core.firmware import InstallResult

log = logging.getLogger(__name__)

_RESULTS = {0: InstallResult.DONE, 10: InstallResult.REBOOT, 20: InstallResult.UNFIT}
_CONFIRM_TIMEOUT = timedelta(minutes=2)
_KILL_AFTER_S = 5.0
_LINE_MOST = 300


class Installer(Protocol):
    """Installs firmware."""

    async def install(self, file: Path) -> InstallResult:
        """Put the file in place; returns once that is done or failed."""
        ...

    async def confirm(self) -> bool | None:
        """Whether the new firmware runs; None if there is no way to tell."""
        ...

    async def reboot(self) -> bool:
        """Restart the machine; False if that is not this one's to do."""
        ...


@dataclass(frozen=True, slots=True)
class CommandInstaller:
    """The commands of the config, each a program with its arguments, run without a shell."""

    install_command: Sequence[str]
    confirm_command: Sequence[str] = ()
    reboot_command: Sequence[str] = ()
    timeout: timedelta = timedelta(minutes=30)

    async def install(self, file: Path) -> InstallResult:
        """Run the install command on the file."""
        status = await _run([*self.install_command, str(file)], self.timeout)
        return _RESULTS.get(status, InstallResult.FAILED)

    async def confirm(self) -> bool | None:
        """Run the confirm command, if there is one."""
        if not self.confirm_command:
            return None
        return await _run(self.confirm_command, _CONFIRM_TIMEOUT) == 0

    async def reboot(self) -> bool:
        """Run the reboot command, if there is one."""
        if not self.reboot_command:
            return False
        return await _run(self.reboot_command, _CONFIRM_TIMEOUT) == 0


async def _run(command: Sequence[str], timeout: timedelta) -> int:  # noqa: ASYNC109 - of a process
    """The exit status of a command; -1 if it cannot be started or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        log.error("%s cannot be started: %s", command[0], error)  # noqa: TRY400 - not a defect
        return -1
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            _, said = await process.communicate()
    except TimeoutError:
        log.error("%s took longer than %s", command[0], timeout)  # noqa: TRY400
        return -1
    finally:
        await _end(process)
    status = process.returncode or 0
    last = said.decode(errors="replace").strip().rpartition("\n")[2][:_LINE_MOST]
    log.info("%s ended with status %d%s", command[0], status, f": {last}" if last else "")
    return status


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing stays behind: a process that still runs is asked to end, then made to."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_KILL_AFTER_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
