"""What the station needs from outside for updates and logs, and the two services made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargepoint.core.facts import Fact
from chargepoint.core.firmware import WhileCharging
from chargepoint.core.reach import Reach
from chargepoint.core.transfer import Attempts, Scheme
from chargepoint.core.variables import (
    ALLOW_NEW_SESSIONS_PENDING_FIRMWARE_UPDATE,
    FIRMWARE_MOST,
    TRANSFER_RETRIES,
    TRANSFER_RETRY_INTERVAL,
)
from chargepoint.station.condition import condition
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.firmware import Firmware, FirmwareRules
from chargepoint.station.installer import Installer
from chargepoint.station.logs import LogRules, Logs
from chargepoint.station.transfer import Transfer, Trust

if TYPE_CHECKING:
    from chargepoint.station.station import Station

ROOTS = Path("keys", "ManufacturerRootCertificate")
KNOWN_HOSTS = Path("keys", "known_hosts")
LOG = Path("log")
TRANSFERS = Path("transfer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What the installer said of updates and logs; paths are below the state folder by default.

    ``installer`` None: this station installs no firmware. ``config`` gives the config as a tree of
    plain values.
    """

    installer: Installer | None = None
    unsigned: bool = False
    while_charging: WhileCharging = WhileCharging.DOWNLOAD
    size_most: int = int(FIRMWARE_MOST.default or 0)
    ca_file: Path | None = None
    roots: Path | None = None
    station_id: str = "station"
    reach: Reach = Reach()  # noqa: RUF009 - frozen
    schemes: frozenset[Scheme] = frozenset(Scheme)
    config: Callable[[], Mapping[str, Any]] = dict


@dataclass(slots=True)
class Services:
    """The services for updates and logs."""

    transfer: Transfer
    firmware: Firmware
    logs: Logs
    model: DeviceModel

    @classmethod
    def build(cls, upkeep: Upkeep, home: "Station", online: Callable[[], bool]) -> "Services":
        """The services of one life of the station; ``online``: whether the CSMS is there."""
        store, clock, model = home.store, home.clock, home.model
        hosts = store.folder / KNOWN_HOSTS
        transfer = Transfer(clock, Trust(upkeep.ca_file, hosts, upkeep.reach, upkeep.schemes))

        def tell(name: str, job: object | None, facts: tuple[Fact, ...]) -> None:
            store.commit_job(name, job, facts, offline=not online())
            home.recorded(0, facts)

        def describe() -> dict[str, Any]:
            return {
                "status": condition(home, online=online()),
                "settings": {view.name: view.value for view in model.all_settings()},
                "config": dict(upkeep.config()),
                "versions": versions(),
            }

        firmware = Firmware(
            {evse_id: evse.runner for evse_id, evse in home.evses.items()},
            store=store,
            clock=clock,
            rules=_firmware_rules(upkeep, store.folder),
            transfer=transfer,
            maintenance=home.maintenance,
            new_sessions=lambda: model[ALLOW_NEW_SESSIONS_PENDING_FIRMWARE_UPDATE],
            tell=tell,
            spawn=home.spawn,
        )
        logs = Logs(
            store=store,
            clock=clock,
            rules=LogRules(
                store.folder / TRANSFERS / "log", store.folder / LOG, upkeep.station_id, describe
            ),
            transfer=transfer,
            tell=tell,
            spawn=home.spawn,
        )
        home.maintenance.hold(lambda: firmware.working or logs.busy)
        return cls(transfer, firmware, logs, model)

    async def resume(self) -> None:
        """After a start: go on with what a restart cut off."""
        await self.firmware.resume()
        await self.logs.resume()

    def attempts(self, payload: Mapping[str, Any]) -> Attempts:
        """How often to try, from the fields that both versions call the same."""
        default = Attempts(self.model[TRANSFER_RETRIES], self.model[TRANSFER_RETRY_INTERVAL])
        return Attempts.asked(payload.get("retries"), payload.get("retryInterval"), default)


def _firmware_rules(upkeep: Upkeep, state: Path) -> FirmwareRules:
    return FirmwareRules(
        state / TRANSFERS / "firmware",
        upkeep.roots or state / ROOTS,
        upkeep.installer,
        upkeep.size_most,
        unsigned=upkeep.unsigned,
        while_charging=upkeep.while_charging,
    )


def versions() -> dict[str, str]:
    """Of this program, of what it runs on, of the packages it uses."""
    import platform
    from importlib import metadata

    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in ("chargepoint", "websockets", "aiohttp", "msgspec", "cryptography", "pyserial"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
