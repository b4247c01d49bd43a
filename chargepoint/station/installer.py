"""What puts a new firmware in place: a command of the station's maker.

The command gets the path of the verified file as its last argument. Its exit status is the result:
0 installed, 10 in place but a restart is needed, 20 the image is unfit and nothing was changed,
anything else failed. ``confirm`` is asked after a restart, 0 meaning that the new firmware runs;
``reboot`` restarts the machine. None of them may wait for the station: a command that is still at
work when the station stops, or when its time is over, is ended with all it started. What it leaves
at work after its own end stays.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from chargepoint.core.firmware import InstallResult

log = logging.getLogger(__name__)

_RESULTS = {0: InstallResult.DONE, 10: InstallResult.REBOOT, 20: InstallResult.UNFIT}
_CONFIRM_TIMEOUT = timedelta(minutes=2)
_KILL_AFTER_S = 5.0
_LINE_MOST = 300
_KEPT = 4096
_OURS = "CHARGEPOINT__"  # what the environment says of our config, passwords among it
_LAST_WORDS_S = 1.0


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
    said, its_end = os.pipe()  # asyncio's own would be waited for as long as anybody holds it
    with os.fdopen(said, "rb") as read:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=its_end,
                start_new_session=True,
                env={name: text for name, text in os.environ.items() if not name.startswith(_OURS)},
            )
        except OSError as error:
            log.error("%s cannot be started: %s", command[0], error)  # noqa: TRY400 - not a defect
            return -1
        finally:
            os.close(its_end)
        try:
            async with asyncio.timeout(timeout.total_seconds()), _LastLine(read) as last:
                status = await process.wait()
        except TimeoutError:
            log.error("%s took longer than %s", command[0], timeout)  # noqa: TRY400
            return -1
        finally:
            await _end(process)
    log.info("%s ended with status %d%s", command[0], status, f": {last.text}" if last.text else "")
    return status


class _LastLine:
    """The last thing a command says while the context is open; what it said before is not kept."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._end = b""
        self._over = asyncio.Event()

    @property
    def text(self) -> str:
        line = self._end.decode(errors="replace").strip().rpartition("\n")[2][:_LINE_MOST]
        return "".join(filter(str.isprintable, line))

    async def __aenter__(self) -> Self:
        os.set_blocking(self._pipe.fileno(), False)
        asyncio.get_running_loop().add_reader(self._pipe, self._read)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with suppress(TimeoutError):
            if kind is None:  # what the command started may hold the pipe for ever
                async with asyncio.timeout(_LAST_WORDS_S):
                    await self._over.wait()
        asyncio.get_running_loop().remove_reader(self._pipe)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            block = os.read(self._pipe.fileno(), _KEPT)
            self._end = (self._end + block)[-_KEPT:]
            if not block:
                self._over.set()
                asyncio.get_running_loop().remove_reader(self._pipe)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing stays behind: a process that still runs is asked to end, then made to."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)  # its own session, so its group is its own, too
    try:
        async with asyncio.timeout(_KILL_AFTER_S):
            await process.wait()
    except TimeoutError:
        log.warning("the command does not end by itself")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
