"""Whether a server may be talked to, from what lists and responders say of its certificates.

OCPP leaves it at certificates of less than a day (1.6 whitepaper A00.FR.701, 2.0.1 A00.FR.701); an
operator whose certificates live longer may want more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Word(StrEnum):
    """What is known of a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a list or a responder says of a certificate; ``why`` is for people."""

    word: Word
    why: str


def verdict(findings: Sequence[Finding]) -> Finding:
    """What counts of all that was found about one certificate.

    Revoked stays revoked, however old the list is that says so; else whoever knows counts.
    """
    for word in (Word.REVOKED, Word.GOOD):
        for finding in findings:
            if finding.word is word:
                return finding
    whys = "; ".join(finding.why for finding in findings)
    return Finding(Word.UNKNOWN, whys or "no list and no responder is known for it")


def objection(verdicts: Sequence[Finding], *, required: bool) -> str:
    """Why there must be no connection to the owner of this chain; empty if there may.

    ``required``: what nobody knows anything of is refused, too.
    """
    for finding in verdicts:
        if finding.word is Word.REVOKED:
            return f"was revoked: {finding.why}"
        if required and finding.word is Word.UNKNOWN:
            return f"may have been revoked: {finding.why}"
    return ""
