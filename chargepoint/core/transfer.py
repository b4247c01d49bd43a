"""Where a file is to be fetched from or put: addresses of the CSMS, taken apart and limited."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import SplitResult, unquote, urlsplit

from chargepoint.errors import Refused

LONGEST_ADDRESS = 512  # characters of LogParametersType.remoteLocation and FirmwareType.location
RETRIES_MOST = 20
INTERVAL_MOST = timedelta(hours=6)
NAME_MOST = 100


class Scheme(StrEnum):
    """How a file travels; the words of FileTransferProtocols."""

    FTP = "FTP"
    FTPS = "FTPS"
    HTTP = "HTTP"
    HTTPS = "HTTPS"
    SFTP = "SFTP"


PORTS = {Scheme.FTP: 21, Scheme.FTPS: 21, Scheme.HTTP: 80, Scheme.HTTPS: 443, Scheme.SFTP: 22}


class Trouble(StrEnum):
    """Why a transfer failed, as finely as UploadLogStatusEnumType tells it."""

    FAILED = "UploadFailure"  # anything that may be better next time
    DENIED = "PermissionDenied"
    UNFIT = "BadMessage"  # the other side did not understand
    UNSUPPORTED = "NotSupportedOperation"


@dataclass(frozen=True, slots=True)
class Location:
    """One address. ``path`` and the credentials are decoded; the password has no repr.

    ``url`` is the address as it was given, for whoever sends it; it must not be logged.
    """

    scheme: Scheme
    host: str
    port: int
    path: str
    url: str = field(repr=False)
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The address for a log: without user, password and query."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme.lower()}://{host}:{self.port}{self.path}"

    @property
    def is_folder(self) -> bool:
        """Whether the address names a place to put a file in, not the file."""
        return self.path.endswith("/")


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a transfer is tried again after it failed, and how long apart."""

    retries: int = 0
    interval: timedelta = timedelta(0)

    @classmethod
    def asked(cls, retries: int | None, interval_s: int | None, default: "Attempts") -> "Attempts":
        """What the CSMS asks for, within bounds; ``default`` for what it does not say."""
        return cls(
            default.retries if retries is None else min(max(retries, 0), RETRIES_MOST),
            default.interval
            if interval_s is None
            else timedelta(seconds=min(max(interval_s, 0), INTERVAL_MOST.total_seconds())),
        )


ONCE = Attempts()


def parse_location(
    text: str, allowed: frozenset[Scheme], longest: int = LONGEST_ADDRESS
) -> Location:
    """Take an address apart.

    Raises:
        Refused: no address, or of a scheme that this station does not have (InvalidURL). The
            message never quotes the address, which may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
        scheme = Scheme(parts.scheme.upper())
        port = parts.port or PORTS[scheme]
    except ValueError:
        raise _invalid("no address of a scheme that this station has") from None
    if scheme not in allowed:
        words = ", ".join(sorted(allowed)) or "no scheme at all"
        raise _invalid(f"found {scheme}, this station has {words}")
    if len(text) > longest:
        raise _invalid(f"longer than {longest} characters")
    path = _path(parts)
    return Location(
        scheme,
        parts.hostname or "",
        port,
        path,
        text.strip(),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _path(parts: SplitResult) -> str:
    path = unquote(parts.path) or "/"
    # A line break in a path would be a second command on an FTP control connection.
    raw = path + unquote(parts.username or "") + unquote(parts.password or "")
    if not parts.hostname or not raw.isprintable():
        raise _invalid("no host, or characters that no address may have")
    return path


def safe_name(text: str, default: str) -> str:
    """The last part of a path as a file name that cannot leave its folder."""
    last = re.split(r"[/\\]", text)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", last)[-NAME_MOST:].lstrip(".")
    return name or default


def _invalid(what: str) -> Refused:
    return Refused(f"location: {what}", reason="InvalidURL")
