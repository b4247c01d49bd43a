"""Which records belong to one transaction.

A container that names the transaction is believed. Where nothing does - records in plain text, one
file for begin and one for end - a record with begin and end stands alone, and one with a begin
goes with the next one of the same meter that ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from meters.ocmf.containers import Contained
from meters.ocmf.readings import BEGIN
from meters.ocmf.verification import Verdict


@dataclass(slots=True)
class Group:
    """Records of one transaction; ``name`` is empty if nothing names it."""

    name: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)

    def add(self, contained: Contained, verdict: Verdict) -> None:
        """Take one more record in."""
        self.verdicts.append(verdict)
        self.contexts.append(contained.context)


def group(
    found: Sequence[Contained], verdicts: Sequence[Verdict], sources: Sequence[str]
) -> list[Group]:
    """Records by transaction, in the order of their first ones.

    ``sources`` tells for each where it is from: names of transactions count within one source
    only. What is no record, and fiscal records that nothing names, belong to no transaction.
    """
    named: dict[tuple[str, str], Group] = {}
    open_ones: dict[tuple[object, ...], Group] = {}
    groups: list[Group] = []
    for one, verdict, source in zip(found, verdicts, sources, strict=True):
        if one.transaction:
            place = (source, one.transaction)
            if place not in named:
                named[place] = Group(one.transaction)
                groups.append(named[place])
            named[place].add(one, verdict)
            continue
        causes, ends = _causes(verdict)
        if not causes and not ends:
            continue
        whose = _meter(verdict)
        begins = BEGIN in causes
        waiting = None if begins else open_ones.get(whose)
        if waiting is None:
            waiting = Group()
            groups.append(waiting)
        waiting.add(one, verdict)
        if ends:
            open_ones.pop(whose, None)
        else:
            open_ones[whose] = waiting
    return groups


def _causes(verdict: Verdict) -> tuple[set[str], bool]:
    """Reasons of the readings, and whether one of them is an end."""
    if verdict.record is None:
        return set(), False
    readings = verdict.record.readings
    return {one.cause for one in readings} - {""}, any(one.ends for one in readings)


def _meter(verdict: Verdict) -> tuple[object, ...]:
    record, key = verdict.record, verdict.key
    serial = record.meter_serial if record else ""
    return (serial, key.curve, key.x, key.y) if key else (serial,)
