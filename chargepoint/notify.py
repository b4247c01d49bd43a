"""Tells the service manager how the service is (systemd's ``sd_notify`` protocol).

Why not a library: the whole protocol is one datagram of lines to a socket that the environment
names; the bindings of systemd are C and not on every board.
"""

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Self

log = logging.getLogger(__name__)

_STATUS_MOST = 200


class Manager:
    """The service manager; without ``address`` there is none, and nothing is told.

    ``watchdog`` is how often it wants to hear that all is well, None if it does not ask.
    """

    def __init__(self, address: str = "", watchdog: timedelta | None = None) -> None:
        self.watchdog = watchdog
        self._address = address
        self._status = ""

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> Self:
        """As the variables say, which are taken away: programs that we start are not meant."""
        address = environ.pop("NOTIFY_SOCKET", "")
        every, whose = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        meant = whose in {"", str(os.getpid())}
        usable = meant and every.isdecimal() and int(every) > 0
        return cls(address, timedelta(microseconds=int(every)) if usable else None)

    def ready(self) -> None:
        """The service works, for the first time or after ``reloading``."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The config is being read again; ``ready`` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send("STOPPING=1")

    def well(self) -> None:
        """Everything that must move has moved."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """How the service is, for people; told only if it is new."""
        if text != self._status:
            self._status = text
            line = " ".join(text.split())[:_STATUS_MOST]
            self._send(f"STATUS={line}")

    def _send(self, lines: str) -> None:
        """A manager that does not listen costs nothing: it is no reason to stop or to wait."""
        if not self._address:
            return
        where = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.settimeout(0)
                to.sendto(lines.encode(), where)
        except OSError as error:
            log.debug("the service manager does not hear: %s", error)
