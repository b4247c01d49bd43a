"""Files to and from the CSMS: HTTP(S), FTP(S) and SFTP behind two methods, with retries.

Each way is a module of its own, imported when it is used. The certificate of the other side is
always checked, an address is only ever logged without its credentials, and what is half there is
removed. Where a name or a redirect leads is judged when the connection is made (``core.reach``),
sizes, pauses and the whole time are bounded. A transfer is cancelled like any other task.

SFTP needs the package asyncssh and a ``known_hosts`` file among the station's keys: OCPP has no
means to tell which host key is right, and one that is not checked would be no better than FTP.
"""

import asyncio
import errno
import importlib.util
import logging
import os
import shutil
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from chargepoint.clock import Clock
from chargepoint.core.reach import Reach, is_address
from chargepoint.core.transfer import Attempts, Location, Scheme, Trouble, parse_location
from chargepoint.errors import ChargePointError, Refused
from chargepoint.station.transfer_reach import LOCAL
from chargepoint.station.validity import OwnTime, look_at_dates, own_time

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 20.0
IDLE_TIMEOUT_S = 60.0  # nothing arrived, or nothing was taken, for so long
TOTAL_TIMEOUT_S = 4 * 3600.0
BLOCK = 64 * 1024
SPARE_BYTES = 32 * 1024 * 1024  # of the disk, for the database
UPLOAD_MOST = 64 * 1024 * 1024  # several times what the station keeps of its logs


class TransferFailed(ChargePointError):  # noqa: N818 - reads as a state
    """One attempt failed; ``trouble`` says how. Caught where a status is told.

    ``begun``: some of a file had arrived.
    """

    def __init__(self, message: str, trouble: Trouble = Trouble.FAILED) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.begun = False


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: roots beside the system's, host keys for SFTP; where to go, and how.

    ``time`` is that of the station, if certificates are not to be valid by the machine's clock.
    A file server need not be the CSMS, so the roots for that are added and replace nothing.
    """

    ca_file: Path | None = None
    known_hosts: Path | None = None
    reach: Reach = Reach()  # noqa: RUF009 - frozen
    schemes: frozenset[Scheme] = frozenset(Scheme)
    time: OwnTime | None = None

    def tls(self) -> ssl.SSLContext:
        """A context that checks certificate, its dates and host name, TLS 1.2 or newer."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file is not None:
            context.load_verify_locations(self.ca_file)
        look_at_dates(context, self.time)
        return context


@dataclass(slots=True)
class Partial:
    """What attempts at one file have in common: which version of it has arrived so far.

    ``validator`` is the word of the server for that, empty if it gave none or the way knows none;
    then the next attempt begins anew.
    """

    validator: str = ""


class Transfer:
    """Fetches and puts files, one attempt after the other."""

    def __init__(self, clock: Clock, trust: Trust) -> None:
        self._clock = clock
        self._trust = trust

    def rely_on(self, ca_file: Path | None, reach: Reach) -> None:
        """Other roots beside the system's, other places to go to, from the next attempt on."""
        self._trust = replace(self._trust, ca_file=ca_file, reach=reach)

    @property
    def schemes(self) -> frozenset[Scheme]:
        """What this station may and can do; SFTP only with its package and known host keys."""
        hosts = self._trust.known_hosts
        ssh = hosts is not None and hosts.is_file() and importlib.util.find_spec("asyncssh")
        return self._trust.schemes if ssh else self._trust.schemes - {Scheme.SFTP}

    def location(self, text: str) -> Location:
        """Take an address apart.

        Raises:
            Refused: no address this station can use.
        """
        place = parse_location(text, self.schemes)
        if is_address(place.host) and not self._trust.reach.permits(place.host):
            raise Refused(f"location: {place.host} is {LOCAL}", reason="InvalidURL")
        return place

    async def download(
        self, place: Location, target: Path, most: int, so_far: Partial | None = None
    ) -> None:
        """Try to fetch a file of at most ``most`` bytes; afterwards it is whole, or not there.

        With ``so_far`` what arrived stays beside it, for the next attempt to go on with.

        Raises:
            TransferFailed: it did not come.
        """
        partial = target.with_name(target.name + ".part")
        try:
            room = min(most, _room(partial))
            job = _module(place).download(place, partial, room, self._now(), so_far or Partial())
            await _in_time(job)
            partial.replace(target)
        except TransferFailed as failed:
            failed.begun = partial.is_file() and partial.stat().st_size > 0
            log.warning("download from %s failed: %s", place.shown, failed)
            raise
        except OSError as error:
            raise TransferFailed(f"{target.name}: {error.strerror or error}") from error
        finally:
            if so_far is None:
                remove(partial)
        log.info("download from %s done", place.shown)

    async def upload(self, place: Location, source: Path, attempts: Attempts) -> None:
        """Put a file; a location that is a folder gets it under its own name.

        Raises:
            TransferFailed: the last attempt failed, too, or the file is too large for any.
        """
        if (size := source.stat().st_size) > UPLOAD_MOST:  # noqa: ASYNC240 - no wait
            raise TransferFailed(f"{size} bytes, allowed {UPLOAD_MOST}")
        for left in range(attempts.retries, -1, -1):
            try:
                await _in_time(_module(place).upload(place, source, self._now()))
            except TransferFailed as failed:
                given_up = "" if left else ", given up"
                log.warning("upload to %s failed: %s%s", place.shown, failed, given_up)
                if not left:
                    raise
            else:
                log.info("upload to %s done", place.shown)
                return
            await self._clock.sleep(attempts.interval)

    def _now(self) -> Trust:
        """For one attempt: the clock may be put right before the next one."""
        return replace(self._trust, time=own_time(self._clock))


async def _in_time(job: Awaitable[None]) -> None:
    """However slowly the other side dribbles, it comes to an end."""
    try:
        async with asyncio.timeout(TOTAL_TIMEOUT_S):
            await job
    except TimeoutError as error:
        raise TransferFailed(f"not done within {TOTAL_TIMEOUT_S:g} s") from error


def check_room(folder: Path) -> int:
    """How many bytes a file in ``folder`` may have before the disk gets too full for the database.

    Raises:
        OSError: none at all, or the folder cannot be asked.
    """
    room = shutil.disk_usage(folder).free - SPARE_BYTES
    if room <= 0:
        raise OSError(errno.ENOSPC, f"less than {SPARE_BYTES} bytes are free on the disk")
    return room


def empty(folder: Path) -> None:
    """The folder is there and holds nothing of an earlier transfer, of which a cut left some.

    A file that the disk does not let go stays: it must not keep the next one from coming.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.is_file() or file.is_symlink():
            remove(file)


def remove(file: Path) -> None:
    """A file of a transfer that is over goes; one that the disk keeps goes with the next one."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s stays on the disk: %s", file.name, error.strerror or error)


def _room(partial: Path) -> int:
    """For the whole file: what is there of it has its room already."""
    return check_room(partial.parent) + (partial.stat().st_size if partial.is_file() else 0)


def _module(place: Location) -> ModuleType:
    match place.scheme:
        case Scheme.HTTP | Scheme.HTTPS:
            from chargepoint.station import transfer_http

            return transfer_http
        case Scheme.FTP | Scheme.FTPS:
            from chargepoint.station import transfer_ftp

            return transfer_ftp
        case Scheme.SFTP:
            from chargepoint.station import transfer_sftp

            return transfer_sftp


class Sink:
    """A file that is being received: refuses to grow beyond its bound.

    With ``goes_on`` it begins behind what is there already, which ``size`` counts, too.
    """

    def __init__(self, target: Path, most: int, *, goes_on: bool = False) -> None:
        self._most = most
        mode = os.O_APPEND if goes_on else os.O_TRUNC
        # Never through a link, and nobody else's to read.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | mode, 0o600)
        self._file = os.fdopen(descriptor, "ab" if goes_on else "wb")
        self.size = self._file.tell()

    def write(self, block: bytes) -> None:
        """Append.

        Raises:
            TransferFailed: it would be larger than allowed.
        """
        self.size += len(block)
        if self.size > self._most:
            raise TransferFailed(f"larger than {self._most} bytes")
        self._file.write(block)

    def expect(self, size: int | None) -> None:
        """The size that the other side announces of what is still to come.

        Raises:
            TransferFailed: larger than allowed.
        """
        if size is not None and self.size + size > self._most:
            raise TransferFailed(f"{self.size + size} bytes, allowed {self._most}")

    def finish(self) -> None:
        """Everything arrived: it is on the disk afterwards."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more."""
        with suppress(OSError):
            self._file.close()
