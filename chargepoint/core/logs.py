"""The rules of sending a log: which one, of which time, how far the upload is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from chargepoint.core.transfer import ONCE, Attempts, Trouble
from chargepoint.errors import Refused


class LogKind(StrEnum):
    """Which log (OCPP 2.0.1 LogEnumType)."""

    DIAGNOSTICS = "DiagnosticsLog"
    SECURITY = "SecurityLog"


class LogStatus(StrEnum):
    """How far an upload is (OCPP 2.0.1 UploadLogStatusEnumType)."""

    IDLE = "Idle"  # only as an answer to a trigger
    UPLOADING = "Uploading"
    UPLOADED = "Uploaded"
    UPLOAD_FAILURE = "UploadFailure"
    BAD_MESSAGE = "BadMessage"
    PERMISSION_DENIED = "PermissionDenied"
    NOT_SUPPORTED = "NotSupportedOperation"
    ACCEPTED_CANCELED = "AcceptedCanceled"


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time; an open end is None, both bounds belong to it."""

    oldest: datetime | None = None
    latest: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        after = self.oldest is None or moment >= self.oldest
        return after and (self.latest is None or moment <= self.latest)

    def check(self) -> None:
        """Accept a span that has an inside.

        Raises:
            Refused: it ends before it begins.
        """
        if self.oldest and self.latest and self.oldest > self.latest:
            raise Refused("the interval ends before it begins", reason="InvalidValue")


EVER = Interval()


@dataclass(frozen=True, slots=True)
class LogJob:
    """One upload as the CSMS asked for it.

    ``request_id`` is None for a GetDiagnostics of OCPP 1.6, which ``diagnostics`` marks.
    ``file_name`` was told in the answer, so it stays.
    """

    request_id: int | None
    kind: LogKind
    location: str
    file_name: str
    interval: Interval = EVER
    attempts: Attempts = ONCE
    diagnostics: bool = False
    status: LogStatus | None = None

    def __repr__(self) -> str:
        return f"LogJob({self.request_id}, {self.kind}, {self.status})"


def file_name(station_id: str, kind: LogKind, at: datetime) -> str:
    """The name of an archive: station, kind and time, unique to the second."""
    kept = "".join(c if (c.isalnum() and c.isascii()) or c in "-_" else "_" for c in station_id)
    word = "security" if kind is LogKind.SECURITY else "diagnostics"
    return f"{kept or 'station'}_{word}_{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar.gz"


def failed(trouble: Trouble) -> LogStatus:
    """The status of an upload that is given up."""
    return LogStatus(str(trouble))
