"""The rules of a firmware update: its stations in order, what counts after a restart.

An update is one value, ``FirmwareJob``, stored before each step; its ``status`` is both what the
CSMS was told last and where the work goes on after a power cut. Nothing here waits.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chargepoint.core.transfer import ONCE, Attempts


class FirmwareStatus(StrEnum):
    """How far an update is (OCPP 2.0.1 FirmwareStatusEnumType)."""

    IDLE = "Idle"  # only as an answer to a trigger
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOADING = "Downloading"
    DOWNLOAD_PAUSED = "DownloadPaused"  # it broke off in the middle, and goes on by itself
    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    SIGNATURE_VERIFIED = "SignatureVerified"
    INVALID_SIGNATURE = "InvalidSignature"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALLING = "Installing"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLED = "Installed"


OVER = frozenset(
    {
        FirmwareStatus.DOWNLOAD_FAILED,
        FirmwareStatus.INVALID_SIGNATURE,
        FirmwareStatus.INSTALL_VERIFICATION_FAILED,
        FirmwareStatus.INSTALLATION_FAILED,
        FirmwareStatus.INSTALLED,
    }
)
WAITING = frozenset({FirmwareStatus.DOWNLOAD_SCHEDULED, FirmwareStatus.INSTALL_SCHEDULED})
UNTOUCHABLE = frozenset({FirmwareStatus.INSTALLING, FirmwareStatus.INSTALL_REBOOTING})
_BEFORE_DOWNLOADED = frozenset(
    {
        None,
        FirmwareStatus.DOWNLOAD_SCHEDULED,
        FirmwareStatus.DOWNLOADING,
        FirmwareStatus.DOWNLOAD_PAUSED,
    }
)


class WhileCharging(StrEnum):
    """How much of an update may be done while sessions run; all else waits for their end (L01)."""

    NOTHING = "nothing"
    DOWNLOAD = "download"
    INSTALL = "install"


@dataclass(frozen=True, slots=True)
class FirmwareJob:
    """One update as the CSMS asked for it, and how far it is.

    ``certificate`` (PEM) and ``signature`` (Base64) are empty for an update without them.
    ``request_id`` is None where the version in use has none. ``status`` None: nothing told yet.
    """

    request_id: int | None
    location: str
    retrieve_at: datetime
    install_at: datetime | None = None
    certificate: str = ""
    signature: str = ""
    attempts: Attempts = ONCE
    status: FirmwareStatus | None = None

    @property
    def signed(self) -> bool:
        """Whether a certificate and a signature came along (OCPP 2.0.1 L01)."""
        return bool(self.certificate and self.signature)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in OVER

    @property
    def touchable(self) -> bool:
        """Whether a newer request may take its place (OCPP 2.0.1 L01.FR.24)."""
        return self.status not in UNTOUCHABLE

    @property
    def waits(self) -> bool:
        """Whether its hour, or the end of sessions, is waited for."""
        return self.status in WAITING

    @property
    def has_file(self) -> bool:
        """Whether the download is behind it."""
        return self.status not in _BEFORE_DOWNLOADED and not self.over

    def __repr__(self) -> str:
        return f"FirmwareJob({self.request_id}, {self.status})"


class InstallResult(StrEnum):
    """What the installer's command said by its exit status."""

    DONE = "done"
    REBOOT = "reboot"  # in place, counts from the next start on
    UNFIT = "unfit"  # the image is not for this station, or broken; nothing was changed
    FAILED = "failed"


RESULTS = {
    InstallResult.DONE: FirmwareStatus.INSTALLED,
    InstallResult.REBOOT: FirmwareStatus.INSTALL_REBOOTING,
    InstallResult.UNFIT: FirmwareStatus.INSTALL_VERIFICATION_FAILED,
    InstallResult.FAILED: FirmwareStatus.INSTALLATION_FAILED,
}


def after_start(status: FirmwareStatus | None, *, confirmed: bool | None) -> FirmwareStatus | None:
    """What a station that starts finds of an installation; None if there is nothing to judge.

    ``confirmed`` is what the command for it said, None without such a command: then an update that
    wanted the restart has got it, and one that was cut off in the middle failed (L01.FR.25 to .28).
    """
    if status is FirmwareStatus.INSTALL_REBOOTING:
        good = confirmed is not False
    elif status is FirmwareStatus.INSTALLING:
        good = confirmed is True
    else:
        return None
    return FirmwareStatus.INSTALLED if good else FirmwareStatus.INSTALLATION_FAILED


def on_trigger(status: FirmwareStatus | None) -> FirmwareStatus:
    """What a trigger is answered with: Idle once installed, else the last word (L01.FR.25, .26)."""
    if status is None or status is FirmwareStatus.INSTALLED:
        return FirmwareStatus.IDLE
    return status
