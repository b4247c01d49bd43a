"""Which records belong to one transaction.

A container that names the transaction is believed. Where nothing does - records in plain text, one
file for begin and one for end - a record with begin and end stands alone, and one with a begin
goes with the next one of the same meter that ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from meters.ocmf.containers import Contained
from meters.ocmf.readings import BEGIN
from meters.ocmf.session import place_of
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
    groups: dict[int, Group] = {}
    named: dict[tuple[str, str], Group] = {}
    alone: list[tuple[int, Contained, Verdict]] = []
    for place, (one, verdict, source) in enumerate(zip(found, verdicts, sources, strict=True)):
        if not one.transaction:
            alone.append((place, one, verdict))
            continue
        whose = (source, one.transaction)
        if whose not in named:
            named[whose] = groups[place] = Group(one.transaction)
        named[whose].add(one, verdict)
    _pair(alone, groups)
    return [groups[place] for place in sorted(groups)]


def _pair(alone: Sequence[tuple[int, Contained, Verdict]], groups: dict[int, Group]) -> None:
    """Put begins and ends together that nothing names, by meter and in the order of pages."""
    waiting: dict[tuple[object, ...], Group] = {}
    for place, one, verdict in sorted(alone, key=lambda entry: _page(entry[2])):
        causes, ends = _causes(verdict)
        if not causes:
            continue
        whose = _meter(verdict)
        group_of_it = None if BEGIN in causes else waiting.get(whose)
        if group_of_it is None:
            group_of_it = groups[place] = Group()
        group_of_it.add(one, verdict)
        if ends:
            waiting.pop(whose, None)
        else:
            waiting[whose] = group_of_it


def _page(verdict: Verdict) -> tuple[int, str]:
    return (0, "") if verdict.record is None else place_of(verdict.record)


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
