"""The begin of a transaction that runs already, for a process that was not there when it began."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from meters.drivers.carlo_gavazzi_em580 import layout
from meters.drivers.carlo_gavazzi_em580.device import Device
from meters.model import Quantity, Reading, Sample
from meters.registers import decode

if TYPE_CHECKING:
    from decimal import Decimal

_PLACES: Final = {Quantity.ENERGY_IMPORT: 0, Quantity.ENERGY_EXPORT: 4}
_TRIES: Final = 8
_LONGEST_S: Final = 366 * 24 * 3600


async def begin_reading(device: Device, now: Callable[[], datetime]) -> Reading | None:
    """Both energies as they were at the begin, and when that was; None if the meter cannot tell.

    The meter counts what flowed since the begin, beside its totals, but the two are not read at
    the same moment: what flows between two reads bounds the begin from both sides, and a few reads
    make the bounds meet. Should they not, the customer gets the difference.
    """
    session = await device.optional(layout.SESSION, layout.SESSION_WORDS)
    if session is None or not 0 <= _seconds(session) < _LONGEST_S:
        return None
    least: dict[Quantity, Decimal] = {}
    most: dict[Quantity, Decimal] = {}
    for _ in range(_TRIES):
        block, before = layout.ENERGY_BLOCK, session
        totals = {block: await device.read(block.address, block.count)}
        session = await device.read(layout.SESSION, layout.SESSION_WORDS)
        for sample in decode(layout.ENERGY, totals):
            kind, total = sample.quantity, sample.value
            low, high = total - _used(session, kind), total - _used(before, kind)
            least[kind] = max(low, least.get(kind, low))
            most[kind] = min(high, most.get(kind, high))
        if least == most:
            break
    begun_at = now() - timedelta(seconds=_seconds(session))
    return Reading(begun_at, tuple(Sample(kind, value) for kind, value in most.items()))


def _used(session: tuple[int, ...], kind: Quantity) -> int:
    at = _PLACES[kind]
    return layout.whole(session[at : at + 4])


def _seconds(session: tuple[int, ...]) -> int:
    return layout.whole(session[8:12])
