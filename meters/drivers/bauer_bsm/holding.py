"""What the meter holds, told from its registers alone.

A note stands in the third text register: our transaction id and the meter's response counter as it
was before the begin. It goes into both snapshots and is blanked by a release. The counter is kept
over a power cut and the snapshots are not, so it tells how far a transaction had come: every
snapshot counts one.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from meters.drivers.bauer_bsm.layout import FAILURES, Status
from meters.errors import MeterRefused

MARKER: Final = "<=>"
MAX_ID: Final = 36
_NOTE: Final = re.compile(rf"{MARKER}(?P<id>[ -~]*)#(?P<count>[0-9]{{1,10}})")
_BEGUN: Final = 1  # snapshots since the note was written
_ENDED: Final = 2


@dataclass(frozen=True, slots=True)
class Note:
    """Whose transaction it is, and the response counter before its begin."""

    transaction_id: str
    count: int

    def __str__(self) -> str:
        """As it stands in the meter."""
        return f"{MARKER}{self.transaction_id}#{self.count}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One of the meter's snapshots: its state, number, and the note in it."""

    status: Status
    count: int
    note: Note | None


class Kind(Enum):
    """What there is."""

    FREE = "nothing"
    RUNNING = "a running transaction"
    SIGNING = "a transaction that is being signed"
    WAITING = "a record that waits to be released"
    LOST = "an ended transaction whose record is lost"


@dataclass(frozen=True, slots=True)
class Held:
    """What the meter holds; ``note`` is None only if it is free.

    ``power_cut`` is that the snapshots were lost with the power.
    """

    kind: Kind
    note: Note | None = None
    power_cut: bool = False

    @property
    def owner(self) -> str:
        """The transaction id; empty if there is none."""
        return self.note.transaction_id if self.note is not None else ""


def read_note(text: str) -> Note | None:
    """The note in a text; None if there is none."""
    match = _NOTE.fullmatch(text)
    return Note(match["id"], int(match["count"])) if match else None


def judge(note: Note | None, count: int, start: Snapshot, end: Snapshot) -> Held:
    """What a note, the response counter and both snapshots say together."""
    power_cut = start.status is end.status is Status.INVALID
    if note is None:
        return Held(Kind.FREE, power_cut=power_cut)
    if Status.UPDATING in {start.status, end.status}:
        return Held(Kind.SIGNING, note)
    if end.status is Status.VALID and end.note == note:
        return Held(Kind.WAITING, note)
    if start.status is Status.VALID and start.note == note:
        return Held(Kind.RUNNING, note)
    since = count - note.count
    if start.status in FAILURES or since < _BEGUN or start.status is Status.VALID:
        return Held(Kind.FREE, power_cut=power_cut)  # noted, and then not begun
    kind = Kind.LOST if since >= _ENDED else Kind.RUNNING
    return Held(kind, note, power_cut=power_cut)


def check_id(transaction_id: str) -> None:
    """Refuse an id that would not come back from the meter unchanged.

    Raises:
        MeterRefused: empty, too long, or characters that a record cannot carry.
    """
    fits = 0 < len(transaction_id) <= MAX_ID and transaction_id.isascii()
    plain = transaction_id.isprintable() and not set('|"\\') & set(transaction_id)
    if not (fits and plain) or transaction_id.strip() != transaction_id:
        raise MeterRefused(
            f"transaction id {transaction_id!r}: 1 to {MAX_ID} printable ASCII characters "
            'without | " and backslash are allowed'
        )
