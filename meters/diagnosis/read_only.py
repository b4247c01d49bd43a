"""A bus and an HTTP device that refuse to write, so that trying a meter changes nothing in it.

Drivers write on their own accord - the clock when it is due, the data that a meter is given once -
and somebody who only looks must not start that, nor spend what a meter accepts only once.
"""

from typing import Any

from meters.errors import MeterRefused
from meters.http import Answer, HttpDevice
from meters.modbus import ModbusBus
from meters.rtu import READ_HOLDING, READ_INPUT, Request
from meters.turns import Rank

READS = frozenset({0x01, 0x02, READ_HOLDING, READ_INPUT, 0x11, 0x2B})
"""Function codes that change nothing: bits, registers, identification."""


class WouldWrite(MeterRefused):
    """The driver wanted to write. Not the meter's refusal but ours; nothing was sent."""


class ReadOnlyBus(ModbusBus):
    """Like its base, but refuses everything that is no read."""

    async def exchange(
        self, request: Request, *, rank: Rank = Rank.POLL, timeout_s: float | None = None
    ) -> bytes:
        """Send a read; see the base.

        Raises:
            WouldWrite: it is none.
        """
        if request.function not in READS:
            raise WouldWrite(f"{request} is not done: this only looks, it never writes")
        return await super().exchange(request, rank=rank, timeout_s=timeout_s)


class ReadOnlyDevice(HttpDevice):
    """Like its base, but refuses everything that is no GET."""

    async def request(self, method: str, path: str, **how: Any) -> Answer:  # noqa: ANN401
        """Send a GET; see the base.

        Raises:
            WouldWrite: it is none.
        """
        if method not in {"GET", "HEAD"}:
            raise WouldWrite(f"{method} {path} is not done: this only looks, it never writes")
        return await super().request(method, path, **how)


def would_write(error: BaseException | None) -> bool:
    """Whether the driver failed because it was kept from writing, however it worded that."""
    while error is not None:
        if isinstance(error, WouldWrite):
            return True
        error = error.__cause__ or error.__context__
    return False
