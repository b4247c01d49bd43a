"""Which variables a report is about: by kind of inventory, by criteria, by address.

OCPP 2.0.1 B07, B08; the addresses also serve the report of monitors (N02).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from chargepoint.core.variables_answers import ReportRow
from chargepoint.core.variables_model import Address

# Variables of a summary: the availability and condition of every part (B07.FR.09).
SUMMARY = frozenset({"availabilitystate", "problem"})


class Criterion(StrEnum):
    """What a component must be (ComponentCriterionEnumType); each is the name of a variable."""

    ACTIVE = "Active"
    AVAILABLE = "Available"
    ENABLED = "Enabled"
    PROBLEM = "Problem"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pattern of addresses: what is None stands for everything (B08.FR.20 to .25)."""

    component: str
    variable: str | None = None
    component_instance: str | None = None
    variable_instance: str | None = None
    evse: int | None = None
    connector: int | None = None

    def fits(self, address: Address) -> bool:
        """Whether the address is one of those meant; names compare ignoring case."""
        return (
            _same(self.component, address.component)
            and _same(self.component_instance, address.component_instance)
            and _same(self.variable, address.variable)
            and _same(self.variable_instance, address.variable_instance)
            and self.evse in {None, address.evse}
            and self.connector in {None, address.connector}
        )


def select(
    rows: Sequence[ReportRow], criteria: Collection[Criterion], wanted: Sequence[Wanted]
) -> list[ReportRow]:
    """The rows of components that meet one of the criteria, if they are wanted.

    No criteria and nothing wanted each mean no restriction. A criterion is met by a component
    whose variable of that name is true, and but for PROBLEM by one that has no such variable
    (B08.FR.07 to .15).
    """
    met = [component for component in _components(rows) if _meets(component, rows, criteria)]
    meeting = set(met)
    return [
        row
        for row in rows
        if _component(row.address) in meeting
        and (not wanted or any(one.fits(row.address) for one in wanted))
    ]


def _components(rows: Sequence[ReportRow]) -> dict[Address, None]:
    return dict.fromkeys(_component(row.address) for row in rows)


def _meets(component: Address, rows: Sequence[ReportRow], criteria: Collection[Criterion]) -> bool:
    if not criteria:
        return True
    mine = [row for row in rows if _component(row.address) == component]
    values = {row.address.variable.casefold(): row.value for row in mine}
    for criterion in criteria:
        value = values.get(criterion.casefold())
        if value == "true" or (value is None and criterion is not Criterion.PROBLEM):
            return True
    return False


def _component(address: Address) -> Address:
    return replace(address.folded(), variable="", variable_instance=None)


def _same(wanted: str | None, found: str | None) -> bool:
    return not wanted or wanted.casefold() == (found or "").casefold()
