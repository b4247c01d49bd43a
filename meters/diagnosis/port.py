"""The serial port itself: is it there, may we use it, who else does?"""

import contextlib
import errno
import getpass
import grp
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meters.diagnosis.finding import Finding
from meters.errors import MeterUnreachable

_DEV: Final = Path("/dev")
_PROC: Final = Path("/proc")
_PATTERNS: Final = ("serial/by-id/*", "ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS[0-9]*")
_PTY_MAKERS: Final = {"/dev/ptmx", "/dev/pts/ptmx"}
_MOST_SHOWN: Final = 6
_NO_PORT: Final = (errno.ENOENT, errno.ENXIO, errno.ENODEV)
_NOT_ALLOWED: Final = (errno.EACCES, errno.EPERM)
_TAKEN: Final = (errno.EBUSY, errno.EAGAIN)


def closed_port(port: str, error: MeterUnreachable) -> Finding:
    """Why the port could not be opened, from the error that opening it gave."""
    cause = error.__cause__
    code = cause.args[0] if cause is not None and cause.args else None
    if code in _NO_PORT:
        return _no_port(port)
    if code in _NOT_ALLOWED:
        return _not_allowed(port)
    if code in _TAKEN:
        who = ", ".join(holders(port)) or "another program"
        return Finding(
            "port-in-use",
            f"The port {port} is in use by {who}.",
            "Stop that program, or look at the meters through it; only one program may use a port.",
        )
    return Finding("port-unusable", f"{error}.", "Is it a serial port at all? See `dmesg | tail`.")


def shared_port(port: str) -> Finding | None:
    """Somebody else who has the port open without locking it; None if nobody has."""
    who = list(holders(port))
    if not who:
        return None
    return Finding(
        "port-shared",
        f"The port {port} is also open in {', '.join(who)}: each takes bytes from the other.",
        "Stop that program; only one program may use a port.",
    )


def holders(port: str) -> Iterator[str]:
    """Other processes that have the port open, as far as we may see them."""
    target = os.path.realpath(port)
    for process in _PROC.glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            opened = {os.path.realpath(handle) for handle in (process / "fd").iterdir()}
            # Who made a pseudo-terminal holds both of its ends.
            if target in opened and not opened & _PTY_MAKERS:
                name = (process / "comm").read_text("utf-8", "replace").strip()
                yield f"{name} (process {process.name})"


def _no_port(port: str) -> Finding:
    there = [str(path) for pattern in _PATTERNS for path in sorted(_DEV.glob(pattern))]
    shown = ", ".join(there[:_MOST_SHOWN]) + (", ..." if len(there) > _MOST_SHOWN else "")
    sentence = f"There is no port {port}. "
    sentence += f"Ports that are there: {shown}." if there else "No serial port is there at all."
    if there:
        step = (
            "Set `port` to one of them; a name in /dev/serial/by-id stays when ports are renamed."
        )
    else:
        step = "Plug in the adapter; `dmesg | tail` says whether the system knows it."
    return Finding("no-port", sentence, step)


def _not_allowed(port: str) -> Finding:
    user, group = "this user", "dialout"
    with contextlib.suppress(OSError, KeyError):
        user = getpass.getuser()
    with contextlib.suppress(OSError, KeyError):
        group = grp.getgrgid(Path(port).stat().st_gid).gr_name
    return Finding(
        "no-permission",
        f"{user} may not use the port {port}; it belongs to the group {group}.",
        f"`sudo usermod -aG {group} {user}`, then log in again.",
    )
