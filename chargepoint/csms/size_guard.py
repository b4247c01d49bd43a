"""What becomes of a signed record that the CSMS has no room for: never cut, never dropped.

The energy must reach the CSMS whatever becomes of the record. So a message is worded in several
forms, each with fewer records in it than the one before, the last with none. What is left out goes
by itself afterwards.

Why there is anything to decide: OCPP 2.0.1 gives ``signedMeterData`` 2500 characters, which are
1875 bytes of record; 2.1 gives it 32768. A system with a strict schema refuses the whole message
(seen with a record of 2772 characters in CitrineOS: the readings of the session were lost).

Another kind of system does not refuse a message that is too long for it: it closes the connection,
with 1009 if it keeps to RFC 6455, else without a word. The rule for those is in ``Closes``. A
message that is too long without any record goes with its first and its last reading alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
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


TOO_BIG: Final = 1009
"""Close code of a message that is too big to process (RFC 6455 section 7.4.1)."""

# Close codes of a CSMS that ends a connection for reasons of its own: it stops, restarts, or has
# too much to do (RFC 6455 section 7.4.1, and the registry of close codes of IANA).
_OF_ITS_OWN: Final = frozenset({1000, 1001, 1012, 1013})

CLOSES_MOST: Final = 15
"""Closes right upon one message, none of them 1009, until it is told in its next form.

A bad line cuts long messages more often than short ones, but not as often in a row, each time after
a heartbeat came through, unless it is cut on purpose or at every new connection."""

LASTING: Final = timedelta(minutes=15)
"""From the first of these closes to the last one at least: a line may be bad for some minutes."""

BELIEVED: Final = timedelta(days=1)
"""How long it is believed that a CSMS closes upon a length without having said so by 1009."""

PROMPT: Final = timedelta(seconds=5)
"""How soon after the message a close is one right upon it."""


def is_upon(code: int | None, after: timedelta | None) -> bool:
    """Whether a close may be for the message that was out so long; see ``Closes.met``."""
    return code == TOO_BIG or (code not in _OF_ITS_OWN and after is not None and after <= PROMPT)


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the message of a fact."""

    message_id: str
    part: int


@dataclass(slots=True)
class _Met:
    """Closes upon one form, none of them 1009."""

    since: float
    count: int = 0


@dataclass(frozen=True, slots=True)
class _GivenUp:
    length: int
    said: bool  # by a 1009


class Closes:
    """What is known of a CSMS that closes the connection instead of answering a long message.

    The rule: after one close with 1009, or ``CLOSES_MOST`` others right upon the same message that
    came over ``LASTING`` or longer, that message is told in its next form. A message that was met
    by a close is sent again only after the CSMS has answered a heartbeat on the same connection, so
    that a link that breaks by itself, or a CSMS that restarts, is not taken for one that cannot
    read the message. Once a shorter form was taken, no message of that length is tried again until
    the next start; without a 1009 only for ``BELIEVED``, for it may have been the line, or a thief
    on it, after all. If even the form without records is met by a close, it was not the records:
    all forms are tried anew.

    ``monotonic`` are the seconds of a clock that never jumps.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._met: dict[Form, _Met] = {}
        self._given_up: dict[Form, _GivenUp] = {}
        self._said: int | None = None  # what is that long or longer is too big, by a 1009
        self._believed: int | None = None  # the same without a word
        self._doubt_at = 0.0  # when that is believed no more

    def doubtful(self, form: Form) -> bool:
        """Whether the connection is to be tried before this form is sent."""
        return form in self._met

    def fits(self, form: Form, length: Callable[[], int]) -> bool:
        """Whether this form may be sent; ``length`` is only asked where a limit is known."""
        if form in self._given_up:
            return False
        most = self._known()
        return most is None or length() < most

    def met(self, form: Form, length: int, code: int | None, after: timedelta | None) -> bool:
        """A close came while this form waited for its answer; whether the form is given up.

        ``code`` None is a connection that broke; ``after`` None one that may have been gone before.
        """
        said = code == TOO_BIG
        if not said:
            if not is_upon(code, after):
                return False
            met = self._met.setdefault(form, _Met(self._monotonic()))
            met.count += 1
            lasted = self._monotonic() - met.since
            if met.count < CLOSES_MOST or lasted < LASTING.total_seconds():
                return False
        self._given_up[form] = _GivenUp(length, said)
        return True

    def told(self, message_id: str) -> None:
        """A message was taken, or kept, without the forms that were given up: that is learned."""
        for form, gone in self._given_up.items():
            if form.message_id != message_id:
                continue
            known = self._known()
            if gone.said:
                self._said = min(gone.length, self._said or gone.length)
            elif known is None or gone.length < known:
                self._believed = gone.length
                self._doubt_at = self._monotonic() + BELIEVED.total_seconds()
        self.forget(message_id)

    def forget(self, message_id: str) -> None:
        """Begin anew with a message."""
        for form in [one for one in self._met if one.message_id == message_id]:
            del self._met[form]
        for form in [one for one in self._given_up if one.message_id == message_id]:
            del self._given_up[form]

    def _known(self) -> int | None:
        """The least length that is too long, as far as it is known now."""
        if self._believed is not None and self._monotonic() >= self._doubt_at:
            self._believed = None
        return min((one for one in (self._said, self._believed) if one is not None), default=None)
