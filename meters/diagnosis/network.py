"""Reaching a host and port: the failures that gateways and HTTP meters share."""

import asyncio
import errno
import socket
from typing import Final

from meters.diagnosis.finding import Finding

CONNECT_S: Final = 3.0

_NO_WAY: Final = (errno.EHOSTUNREACH, errno.ENETUNREACH)
_CLOSED: Final = (errno.ECONNREFUSED,)


async def unreachable(host: str, port: int, *, usual: tuple[int, ...] = ()) -> Finding | None:
    """Why no connection can be made; None if one can.

    ``usual`` are the ports that such a device has: the open ones are named.
    """
    reason = await _why_not(host, port)
    match reason:
        case None:
            return None
        case socket.gaierror():
            return Finding(
                "no-such-host",
                f"There is no host of the name {host}.",
                "Check `host`; an address in numbers needs no name service.",
            )
        case OSError(errno=code) if code in _CLOSED:
            return await _refused(host, port, usual)
        case OSError(errno=code) if code in _NO_WAY:
            return Finding(
                "no-route",
                f"{host} cannot be reached: no device has this address here.",
                "Is the device switched on and in the same network? `ping` it; check address and "
                "cable.",
            )
    return Finding(
        "no-connection",
        f"{host} port {port} does not react within {CONNECT_S:g} s.",
        "Is the device switched on, is the address right, and is no firewall between?",
    )


async def _refused(host: str, port: int, usual: tuple[int, ...]) -> Finding:
    others = [one for one in usual if one != port]
    reasons = await asyncio.gather(*(_why_not(host, one) for one in others))
    opened = [str(one) for one, reason in zip(others, reasons, strict=True) if reason is None]
    sentence = f"{host} is there and refuses port {port}."
    if opened:
        return Finding(
            "wrong-port",
            f"{sentence} It listens on port {', '.join(opened)}.",
            f"Set the port to {opened[0]}, if that is the service meant.",
        )
    return Finding(
        "refused",
        sentence,
        "Check the port, and that the service is switched on in the device.",
    )


async def _why_not(host: str, port: int) -> Exception | None:
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:  # a TimeoutError is one
        return error
    writer.close()
    return None
