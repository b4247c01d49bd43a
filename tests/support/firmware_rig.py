"""A maker of firmware, an installer that does as it is told, and what the CSMS asks with."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from fake_clock import START
from file_servers import Issued, issue, signature
from station_bench import until

from chargepoint.core.firmware import InstallResult

IMAGE = b"firmware" * 5000


@dataclass
class FakeInstaller:
    """Installs what it is given with the result it is told; remembers the files."""

    result: InstallResult = InstallResult.DONE
    confirms: bool | None = None
    installed: list[bytes] = field(default_factory=list)

    async def install(self, file: Path) -> InstallResult:
        self.installed.append(file.read_bytes())  # noqa: ASYNC240 - a small one
        return self.result

    async def confirm(self) -> bool | None:
        return self.confirms

    async def reboot(self) -> bool:
        return False


@dataclass(frozen=True)
class Maker:
    """Who makes firmware: a root that the station knows, a certificate for signing."""

    root: Issued
    signer: Issued

    def known_to(self, folder: Path) -> Path:
        """A folder of roots with the root in it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "root.pem").write_text(self.root.pem)
        return folder


def make_maker() -> Maker:
    root = issue("Maker")
    return Maker(root, issue("Signer", root))


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def firmware(
    maker: Maker, url: str, *, retrieve_s: float = 0, install_s: float | None = None, **more: Any
) -> dict[str, Any]:
    """FirmwareType of both versions, signed over IMAGE."""
    told: dict[str, Any] = {
        "location": f"{url}/fw.bin",
        "retrieveDateTime": at(retrieve_s),
        "signingCertificate": maker.signer.pem,
        "signature": signature(maker.signer, IMAGE),
    }
    if install_s is not None:
        told["installDateTime"] = at(install_s)
    return told | more


async def settled(station: Any, clock: Any) -> None:
    """The update is over, or waits for time or for a session."""
    service = station.services.firmware

    def still() -> bool:
        return service._task is None or service._task.done() or clock.sleeping > 0

    await until(still)
    await clock.settle()


async def update(talk: Any, told: dict[str, Any], request_id: int = 7, **more: Any) -> Any:
    """Ask for an update; its answer, once nothing more happens by itself."""
    answer = await talk.ask("UpdateFirmware", {"requestId": request_id, "firmware": told, **more})
    await settled(talk.bench.station, talk.bench.clock)
    return answer


async def statuses(talk: Any) -> list[str]:
    """What was told of the update, each with the request's id."""
    told = [s.payload for s in await talk.tell() if s.action == "FirmwareStatusNotification"]
    assert {payload["requestId"] for payload in told} <= {7}
    return [payload["status"] for payload in told]
