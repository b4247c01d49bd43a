"""Which registers a master may write, and with what.

A write is refused as a whole or carried out as a whole; it may run over several adjoining fields.
"""

from collections.abc import Sequence
from typing import Final

from meters.simulators.em580 import layout
from meters.simulators.em580.layout import OcmfState
from meters.simulators.em580.memory import Memory
from meters.simulators.em580.settings import Behaviour
from meters.simulators.refusal import Code, Refusal

Part = tuple[int, Sequence[int]]

_CLOCK_WORDS: Final = 4
_MOST_OFFSET_MIN: Final = 1440
_LAST_SECOND: Final = 253_370_764_800  # 9999-01-01: what a time stamp can still say
_WRITABLE: Final = (
    (layout.TARIFF, layout.TARIFF_WORDS),
    (layout.TARIFF_UPDATE, 1),
    (layout.ID_METHOD, 1),
    (layout.EXTERNAL_ID, 7),
    (layout.STATUS, layout.FIELDS_WORDS),
    (layout.UTC_OFFSET, 1),
    (layout.CLOCK, _CLOCK_WORDS),
    (layout.MODALITY, 1),
    (layout.COMMAND, 1),
    (layout.STATE, 1),
)


def parts(address: int, words: Sequence[int]) -> list[Part]:
    """The words cut where one field ends and the next begins; empty if any cannot be written."""
    found: list[Part] = []
    done = 0
    for first, count in _WRITABLE:
        at = address + done
        if done < len(words) and first <= at < first + count:
            part = words[done : done + first + count - at]
            found.append((at, part))
            done += len(part)
    return found if done == len(words) else []


def check(part: Part, memory: Memory, behaviour: Behaviour) -> None:
    """What does not depend on time.

    Raises:
        Refusal: a value that the register does not take, or a field that is locked while a
            transaction runs.
    """
    address, words = part
    for place, word in enumerate(words):
        allowed = layout.ALLOWED.get(address + place)
        if allowed is not None and word not in allowed:
            raise Refusal(Code.ILLEGAL_VALUE)
    if address == layout.UTC_OFFSET and abs(layout.signed(words[0])) > _MOST_OFFSET_MIN:
        raise Refusal(Code.ILLEGAL_VALUE)
    if is_clock(part) and (len(words) != _CLOCK_WORDS or not 0 <= unix(words) <= _LAST_SECOND):
        raise Refusal(Code.ILLEGAL_VALUE)
    locked = _lock(address, behaviour)
    if memory.state is OcmfState.RUNNING and locked is not None:
        raise Refusal(locked)


def is_clock(part: Part) -> bool:
    """Whether the part sets the clock."""
    return layout.CLOCK <= part[0] < layout.CLOCK + _CLOCK_WORDS


def unix(words: Sequence[int]) -> int:
    """Seconds in the clock registers."""
    return sum(word << (16 * place) for place, word in enumerate(words))


def _lock(address: int, behaviour: Behaviour) -> int | None:
    if layout.TARIFF <= address < layout.TARIFF + layout.TARIFF_WORDS:
        return behaviour.locked_tariff
    if layout.STATUS <= address < layout.STATUS + layout.FIELDS_WORDS:
        return behaviour.locked_fields
    if layout.CLOCK <= address < layout.CLOCK + _CLOCK_WORDS:
        return behaviour.locked_clock
    return None
