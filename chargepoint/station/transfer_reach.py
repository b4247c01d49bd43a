"""Sockets for transfers: each address that a name leads to is judged when it is connected to.

A name that was harmless when it was looked at may lead elsewhere a moment later, and so may a
redirect: what counts is the address in the hand of the system call.
"""

import asyncio
import errno
import socket
from typing import Any

from chargepoint.core.reach import Reach

LOCAL = "a local address, which the config does not allow (transfers.local_addresses)"


def judged(info: Any, reach: Reach) -> socket.socket:  # noqa: ANN401 - what getaddrinfo gives
    """A socket, not yet connected, for one answer of ``getaddrinfo``.

    Raises:
        OSError: it is for a local address.
    """
    family, kind, protocol, _, address = info
    if not reach.permits(str(address[0])):
        raise OSError(errno.EACCES, LOCAL)
    return socket.socket(family, kind, protocol)


def connected(host: str, port: int, reach: Reach, within_s: float) -> socket.socket:
    """A connection; blocks for at most ``within_s`` for each address of the host.

    Raises:
        OSError: no address of the host is allowed, or none answers.
    """
    failed: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            opened = judged(info, reach)
        except OSError as error:
            failed = error
            continue
        try:
            opened.settimeout(within_s)
            opened.connect(info[4])
        except OSError as error:
            opened.close()
            failed = error
        else:
            return opened
    raise failed


async def connecting(host: str, port: int, reach: Reach, within_s: float) -> socket.socket:
    """The same without blocking; the socket does not block either.

    Raises:
        OSError: no address of the host is allowed, or none answers.
    """
    loop = asyncio.get_running_loop()
    failed: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for info in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            opened = judged(info, reach)
        except OSError as error:
            failed = error
            continue
        opened.setblocking(False)  # noqa: FBT003 - of the library
        try:
            async with asyncio.timeout(within_s):
                await loop.sock_connect(opened, info[4])
        except OSError as error:
            opened.close()
            failed = error
        except asyncio.CancelledError:
            opened.close()
            raise
        else:
            return opened
    raise failed
