"""Do the records of one transaction make a bill? Begin, end, energy, and every doubt.

Each record may be authentic and the transaction still not billable: a reading the meter itself
marks as faulty, two begins, a register that runs backwards. The rules follow OCMF 1.4 chapter
"Transaction" and the practice of verifiers; they are the same whether begin and end share a
record or stand in two.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from msgspec.structs import replace

from meters.ocmf import registers
from meters.ocmf.containers import Contained
from meters.ocmf.keys import PublicKey
from meters.ocmf.readings import BEGIN, RegisterReading
from meters.ocmf.record import Record
from meters.ocmf.registers import Span
from meters.ocmf.verification import Outcome, Verdict, verify_document

LEVELS_OF_ERROR = frozenset({"MISMATCH", "INVALID", "OUTDATED", "UNKNOWN"})
CAUSE_ERROR = "X"
STATE_GOOD = "G"
EXACT_DURATION = "R"
SYNCHRONISED = "S"
UNKNOWN_CLOCK = "U"
CONTEXT_BEGIN = "Transaction.Begin"
CONTEXT_END = "Transaction.End"
INCOMPLETE = frozenset({"open", "begin-missing"})
"""Codes of findings that say only that more records belong to the transaction."""

_PAGE = re.compile(r"([TF])([0-9]{1,18})")


class Severity(StrEnum):
    """How much a finding weighs.

    ERROR: the transaction is not billable, other verifiers refuse it too. DOUBT: it should not be
    billed without a look, though the reference verifier (Transparenzsoftware) passes it. NOTE:
    worth knowing.
    """

    ERROR = "error"
    DOUBT = "doubt"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a transaction that its records alone do not show."""

    code: str
    sentence: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Session:
    """What the records of one transaction say together; None where they do not say it."""

    verdicts: tuple[Verdict, ...]
    span: Span
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether every record is authentic and no finding is an error."""
        return all(one.valid for one in self.verdicts) and not any(
            one.severity is Severity.ERROR for one in self.findings
        )

    @property
    def incomplete(self) -> bool:
        """Whether all that keeps it from being sound is that records are missing."""
        errors = {one.code for one in self.findings if one.severity is Severity.ERROR}
        return all(one.valid for one in self.verdicts) and bool(errors) and errors <= INCOMPLETE

    @property
    def energy_wh(self) -> Decimal | None:
        """Energy between begin and end, exact, in Wh."""
        return self.span.energy_wh

    @property
    def duration(self) -> timedelta | None:
        """Time between begin and end."""
        begin, end = self.span.begin, self.span.end
        if begin is None or end is None or begin.time is None or end.time is None:
            return None
        return end.time - begin.time


def check_session(verdicts: Sequence[Verdict], contexts: Sequence[str] = ()) -> Session:
    """Judge the records of one transaction, given in any order.

    ``contexts`` are the reading contexts that the container tells, one per verdict, if it does.
    A record delivered twice counts once. Never raises.
    """
    unique: dict[bytes, Record] = {}
    for verdict in verdicts:
        if verdict.record is not None:
            unique.setdefault(verdict.record.signed, verdict.record)
    records = sorted(unique.values(), key=place_of)
    readings = [reading for record in records for reading in record.readings]
    span = registers.billing_span(readings)
    name = next((one.register for one in (span.begin, span.end) if one), "")
    code = registers.obis(name)
    billed = [one for one in readings if name and registers.obis(one.register) == code]
    findings: list[Finding] = [*_keys(verdicts), *_contexts(verdicts, contexts)]
    for rule in _RECORD_RULES:
        findings += rule(records)
    for check in _READING_RULES:
        findings += check(billed)
    findings += _registers(span, readings)
    return Session(tuple(verdicts), span, tuple(findings))


def verify_contained(contained: Contained, key: PublicKey | str | bytes = "") -> Verdict:
    """Check what a container held, with the key given or else the container's own.

    A given key is the one to trust: a key that travels beside a record proves only that the two
    belong together. Never raises.
    """
    chosen = key or contained.key
    verdict = verify_document(contained.record, chosen, method=contained.method)
    if verdict.outcome is Outcome.UNPARSABLE and contained.encoding.upper() != "OCMF":
        reason = f"Cannot verify: the format is {contained.encoding:.40}, only OCMF is known."
        return replace(verdict, outcome=Outcome.UNSUPPORTED, reason=reason)
    if verdict.outcome is Outcome.BAD_KEY and not chosen:
        return replace(verdict, reason="Cannot verify: no public key came with the record.")
    return verdict


def place_of(record: Record) -> tuple[int, str]:
    """What records of one meter are sorted by: page, then time."""
    match = _PAGE.fullmatch(record.pagination)
    first = record.readings[0].time_text if record.readings else ""
    return (int(match.group(2)) if match else 0), first


def _keys(verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    if len({(one.key.curve, one.key.x, one.key.y) for one in verdicts if one.key}) > 1:
        yield Finding("keys-differ", "The records were signed with different keys.")
    count = sum(one.outcome is not Outcome.VALID for one in verdicts)
    if count:
        yield Finding("not-authentic", f"{count} of {len(verdicts)} records could not be verified.")


def _contexts(verdicts: Sequence[Verdict], contexts: Sequence[str]) -> Iterator[Finding]:
    """Does the container call the records what they are?"""
    told: dict[bytes, set[str]] = {}
    for verdict, context in zip(verdicts, contexts, strict=False):
        if verdict.record is None:
            continue
        told.setdefault(verdict.record.signed, set()).add(context)
        causes = {one.cause for one in verdict.record.readings}
        if context == CONTEXT_BEGIN and BEGIN not in causes:
            sentence = "A record is called Transaction.Begin and holds no begin reading."
            yield Finding("context-differs", sentence, Severity.DOUBT)
        if context == CONTEXT_END and not any(one.ends for one in verdict.record.readings):
            sentence = "A record is called Transaction.End and holds no end reading."
            yield Finding("context-differs", sentence, Severity.DOUBT)
    if any({CONTEXT_BEGIN, CONTEXT_END} <= names for names in told.values()):
        yield Finding("same-record-twice", "Begin and end are one and the same record.")


def _registers(span: Span, readings: Sequence[RegisterReading]) -> Iterator[Finding]:
    """What the registers beside the billed one say about it."""
    for deviation in span.deviations:
        yield Finding("energies-differ", deviation.sentence, Severity.DOUBT)
    begin, end = span.begin, span.end
    if (begin is None) != (end is None):
        alone = begin or end
        others = {
            one.register
            for one in readings
            if alone is not None and (one.ends if begin else one.cause == BEGIN)
        }
        if others:
            sentence = f"Begin and end stand on different registers ({', '.join(sorted(others))})."
            yield Finding("registers-differ", f"{sentence:.200}")
    code = registers.obis(begin.register) if begin else None
    if begin and code and code.c in registers.OF_THIS_TRANSACTION and begin.value:
        sentence = f"The register of this transaction begins at {begin.value_text}, not at 0."
        yield Finding("start-not-zero", f"{sentence:.120}", Severity.NOTE)


def _identities(records: Sequence[Record]) -> Iterator[Finding]:
    for name in ("GS", "MS", "GI", "CI"):
        if len({str(one.payload[name]) for one in records if one.payload.get(name)}) > 1:
            yield Finding(
                "device-differs", f"The records name different devices ({name}).", Severity.DOUBT
            )
    users = {
        (one.identification.type, one.identification.data)
        for one in records
        if one.identification.assigned
    }
    if len(users) > 1:
        yield Finding("user-differs", "The records name different users.", Severity.DOUBT)
    for level in {one.identification.level for one in records} & LEVELS_OF_ERROR:
        yield Finding("user-refused", f"The user's identification failed: {level}.")


def _pages(records: Sequence[Record]) -> Iterator[Finding]:
    pages = [_PAGE.fullmatch(one.pagination) for one in records]
    found = [(match.group(1), int(match.group(2))) for match in pages if match]
    if len(found) < len(records):
        yield Finding("page-unknown", "A page number cannot be read.", Severity.NOTE)
    if any(kind == "F" for kind, _ in found):
        yield Finding("page-fiscal", "A fiscal record is no part of a transaction.", Severity.DOUBT)
    for (_, one), (_, other) in pairwise(found):
        if other == one:
            yield Finding(
                "page-repeated", f"Two different records have page {one}.", Severity.DOUBT
            )
        elif other > one + 1:
            sentence = f"Pages {one + 1} to {other - 1} are not here."
            yield Finding("page-gap", sentence, Severity.NOTE)


def _causes(readings: Sequence[RegisterReading]) -> Iterator[Finding]:
    begins = [place for place, one in enumerate(readings) if one.cause == BEGIN]
    ends = [place for place, one in enumerate(readings) if one.ends]
    if not begins:
        yield Finding("begin-missing", "No begin reading of a register that can be billed.")
    if not ends:
        yield Finding("open", "No end reading: the transaction is not complete.")
    if len(begins) > 1 or len(ends) > 1:
        yield Finding("several", f"{len(begins)} begins and {len(ends)} ends, expected one each.")
    elif begins and ends and (begins[0] != 0 or ends[0] != len(readings) - 1):
        yield Finding("order", "A reading stands before the begin or after the end.")
    if any(one.cause == CAUSE_ERROR for one in readings):
        yield Finding(
            "error-reading", "An error made the quantities unusable (TX is X).", Severity.DOUBT
        )


def _values(readings: Sequence[RegisterReading]) -> Iterator[Finding]:
    if len({one.unit for one in readings}) > 1:
        yield Finding("units-differ", "The readings of the register have different units.")
    if any(one.value is None for one in readings):
        yield Finding("value-missing", "A reading of the register has no value.")
    known = [one.energy_wh for one in readings if one.energy_wh is not None]
    if any(later < earlier for earlier, later in pairwise(known)):
        yield Finding("value-falls", "The register runs backwards.")
    if any(one.loss for one in readings if one.cause == BEGIN):
        yield Finding("loss-at-begin", "The loss in the cable is not 0 at begin.", Severity.DOUBT)
    losses = [one.loss for one in readings if one.loss is not None]
    if any(later < earlier for earlier, later in pairwise(losses)) or any(x < 0 for x in losses):
        yield Finding("loss-falls", "The loss in the cable runs backwards.", Severity.DOUBT)


def _times(readings: Sequence[RegisterReading]) -> Iterator[Finding]:
    known = [one.time for one in readings if one.time is not None]
    if len(known) < len(readings):
        yield Finding("time-missing", "A reading of the register has no time.")
    if any(later < earlier for earlier, later in pairwise(known)):
        yield Finding("time-falls", "The time runs backwards.")
    for earlier, later in pairwise(readings):
        if earlier.clock == EXACT_DURATION and later.clock != EXACT_DURATION:
            yield Finding("clock-lost", f"The clock fell from exact duration to {later.clock!r}.")
    ends = [one for one in readings if one.cause == BEGIN or one.ends]
    if ends and all(one.clock == SYNCHRONISED for one in ends):
        return
    if any(one.clock in {UNKNOWN_CLOCK, ""} for one in ends) and ends[-1].clock != EXACT_DURATION:
        sentence = "The meter's clock was not set: its times prove nothing."
        yield Finding("clock-unknown", sentence, Severity.NOTE)
    elif ends:
        exact = ends[-1].clock == EXACT_DURATION
        what = "the duration is exact" if exact else "the duration is not exact either"
        sentence = f"The time of day is for information only; {what}."
        yield Finding("clock-informative", sentence, Severity.NOTE)


def _states(readings: Sequence[RegisterReading]) -> Iterator[Finding]:
    bad = {one.state for one in readings} - {STATE_GOOD}
    if bad:
        words = ", ".join(sorted(f"{one!s:.10}" for one in bad)) or "empty"
        yield Finding("meter-state", f"The meter was not in good state: {words}.")
    letters = {letter for one in readings for letter in one.errors}
    if "E" in letters:
        yield Finding("energy-unusable", "The meter marks the energy as unusable (EF).")
    if "t" in letters:
        yield Finding("time-unusable", "The meter marks the time as unusable (EF).", Severity.NOTE)


_RECORD_RULES: tuple[Callable[[Sequence[Record]], Iterator[Finding]], ...] = (_identities, _pages)
_READING_RULES: tuple[Callable[[Sequence[RegisterReading]], Iterator[Finding]], ...] = (
    _causes,
    _values,
    _times,
    _states,
)
