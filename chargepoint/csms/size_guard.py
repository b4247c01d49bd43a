"""What becomes of a signed record that the CSMS has no room for: never cut, never dropped.

The energy must reach the CSMS whatever becomes of the record. So a message is worded in several
forms, each with fewer records in it than the one before, the last with none. What is left out goes
by itself afterwards.

Why there is anything to decide: OCPP 2.0.1 gives ``signedMeterData`` 2500 characters, which are
1875 bytes of record; 2.1 gives it 32768. A system with a strict schema refuses the whole message
(seen with a record of 2772 characters in CitrineOS: the readings of the session were lost).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

STANDARD_MOST: Final = 2500
"""Characters of a record in OCPP 2.0.1 (SignedMeterValueType)."""

# A CSMS that could not take the message as it was. FormatViolation is sent by some in 1.6, too.
TOO_MUCH: Final = frozenset(
    {
        "FormatViolation",
        "FormationViolation",
        "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation",
        "PropertyConstraintViolation",
        "TypeConstraintViolation",
    }
)
UNWANTED: Final = TOO_MUCH | {"NotImplemented", "NotSupported"}
"""Codes after which a DataTransfer is not tried again."""


class Way(StrEnum):
    """A way for a record that does not fit; a CSMS profile has them in the order to be tried."""

    END_ONLY = "end only"  # in the message, but without the begin record that it repeats
    ANNOUNCED = "announced"  # in the message, as long as it is: FieldLength says so
    DATA_TRANSFER = "data transfer"  # by itself, once the message was taken
    ARCHIVE = "archive"  # kept in the station; log, security log and list of untold facts say so


@dataclass(frozen=True, slots=True)
class Record:
    """One signed record of a message; ``begin``: it is from the begin of the transaction."""

    length: int
    begin: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """How many characters a CSMS takes for sure, and how many at most; None is no limit."""

    sure: int | None
    most: int | None

    def narrowed(self, refused: int) -> "Room":
        """The room after a record of this length was too long, and was all that was wrong."""
        sure = refused - 1 if self.sure is None else min(self.sure, refused - 1)
        return Room(sure, sure)


def forms(records: Sequence[Record], ways: Sequence[Way], room: Room) -> Iterator[frozenset[int]]:
    """Which records are in a message, form by form in the order to be tried; the last has none.

    Each is worked out when it is asked for: nearly always the first one is taken.
    """
    tried: set[frozenset[int]] = set()
    for form in _forms(records, ways, room):
        if form and form not in tried:
            tried.add(form)
            yield form
    yield frozenset()


def _forms(records: Sequence[Record], ways: Sequence[Way], room: Room) -> Iterator[frozenset[int]]:
    fitting = _within(records, room.sure)
    if len(fitting) == len(records):
        yield fitting
    for way in ways:
        if way is Way.END_ONLY:
            yield frozenset(place for place in fitting if not records[place].begin)
        elif way is Way.ANNOUNCED:
            yield _within(records, room.most)
    yield fitting


def _within(records: Sequence[Record], most: int | None) -> frozenset[int]:
    if most is None:
        return frozenset(range(len(records)))
    return frozenset(place for place, one in enumerate(records) if one.length <= most)


def by_itself(ways: Sequence[Way]) -> bool:
    """Whether a record that is in no message is offered by DataTransfer before it is kept here."""
    return Way.DATA_TRANSFER in ways
