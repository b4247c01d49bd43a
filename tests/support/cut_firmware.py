"""The update of the firmware in the sessions of the power-cut bench that ask for things."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from file_servers import http_server
from firmware_rig import IMAGE, Maker, make_maker
from firmware_rig import firmware as worded

from chargepoint.bench.csms import CallError, SmallCsms

NUMBER: Final = 7
_MESSAGE: Final = {"1.6": "SignedFirmwareStatusNotification", "2.0.1": "FirmwareStatusNotification"}
_ACTION: Final = {"1.6": "SignedUpdateFirmware", "2.0.1": "UpdateFirmware"}
_STEPS: Final = (
    "DownloadScheduled",
    "Downloading",
    "Downloaded",
    "SignatureVerified",
    "InstallScheduled",
    "Installing",
    "InstallRebooting",
)
_GOOD: Final = "Installed"
_FAILED: Final = (
    "DownloadFailed",
    "InvalidSignature",
    "InstallVerificationFailed",
    "InstallationFailed",
)
_ENDS: Final = (_GOOD, *_FAILED)


@dataclass(slots=True)
class FirmwareOrder:
    """What is asked for, how it was answered, what came of it."""

    version: str
    folder: Path
    reboots: bool = False  # the image counts only after a restart of the station
    answer: str | None = None
    unanswered: bool = False
    _maker: Maker = field(default_factory=make_maker)
    _url: str = ""

    @property
    def config(self) -> str:
        """The section of the station's config."""
        return (
            f"firmware: {{install_command: [/bin/sh, {self._script}],"
            f" roots: {self.folder / 'roots'}}}\n"
        )

    @property
    def _script(self) -> Path:
        return self.folder / "install.sh"

    @property
    def _installs(self) -> Path:
        return self.folder / "installs"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """The file is there to be fetched."""
        self._maker.known_to(self.folder / "roots")
        status = 10 if self.reboots else 0
        self._script.write_text(f"echo begun >> {self._installs}\nsleep 0.2\nexit {status}\n")
        async with http_server() as files:
            files.files["/fw.bin"] = IMAGE
            self._url = files.url
            yield

    async def ask(self, csms: SmallCsms, station: str) -> None:
        """Ask for the update.

        Raises:
            StationAway, TimeoutError: there is no answer.
        """
        told = worded(self._maker, self._url)
        past = datetime.now(UTC) - timedelta(hours=1)
        told["retrieveDateTime"] = past.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        payload = {"requestId": NUMBER, "firmware": told}
        try:
            answer = await csms.call(station, _ACTION[self.version], payload)
        except CallError as error:
            self.answer = str(error)
            return
        self.answer = answer["status"]

    def over(self, job: dict[str, Any]) -> bool:
        """Whether the job has come to its end."""
        return job["status"] in _ENDS

    def installs(self) -> int:
        """How often the image was put in place."""
        return len(self._installs.read_text().splitlines()) if self._installs.exists() else 0

    def wrong(self, csms: SmallCsms, job: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
        """What may not be: "installs", "half", or "lost", and a sentence."""
        told = self._told(csms)
        if (many := self.installs()) > 1:
            yield "installs", f"installed {many} times: {told}"
        if job is None:
            if self.answer == "Accepted":
                yield "lost", "the update was accepted and is not there"
            return
        ends = [status for status in told if status in _ENDS]
        if ends != [job["status"]] or told[-1] != job["status"]:
            yield "half", f"the update is {job['status']}, told was {told}"
        if (_GOOD in ends) and not self.installs():
            yield "half", f"installed without an install: {told}"
        places = [_STEPS.index(status) for status in told if status in _STEPS]
        if places != sorted(set(places)):
            yield "half", f"steps in this order: {told}"

    def _told(self, csms: SmallCsms) -> list[str]:
        """Every status once per message."""
        seen: dict[str, str] = {}
        for frame in csms.frames:
            if frame.action == _MESSAGE[self.version] and frame.kind == 2:
                seen.setdefault(frame.message_id, frame.payload["status"])
        return list(seen.values())
