"""Finds the variables of one station: by row, by 2.0.1 address, by 1.6 key, by what a file says."""

import difflib
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from chargepoint.core.variables import Address, AnyVariable
from chargepoint.core.variables_answers import Answer, Outcome
from chargepoint.core.variables_layout import Cell
from chargepoint.errors import Refused

K = TypeVar("K")


class Directory:
    """All variables of one station, in the order in which they were given.

    Raises:
        Refused: two of them have the same name in one of the versions.
    """

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.cells = tuple(cells)
        self._places: dict[tuple[AnyVariable, int | None, int | None], Cell] = {}
        self._addresses: dict[Address, Cell] = {}
        self._keys: dict[str, Cell] = {}
        for cell in self.cells:
            self._add(cell)
        self._components = {_component(address) for address in self._addresses}

    def at(self, variable: AnyVariable, evse: int | None, connector: int | None) -> Cell | None:
        """The variable of a row at a place; None if the station has none there."""
        return self._places.get((variable, evse, connector))

    def key(self, name: str) -> Cell | None:
        """The variable that 1.6 calls so, ignoring case."""
        return self._keys.get(name.strip().casefold())

    def find(self, address: Address, attribute: str) -> Cell | Outcome:
        """The variable at an address, or which part of the address is wrong.

        Instances count as part of the name: an address without one does not reach a variable that
        has one (OCPP 2.0.1 B06.FR.14, .15). Every variable has the attribute Actual only.
        """
        folded = address.folded()
        if (cell := self._addresses.get(folded)) is None:
            if _component(folded) not in self._components:
                return Outcome(Answer.UNKNOWN_COMPONENT, sentence=f"no component for {address}")
            return Outcome(Answer.UNKNOWN_VARIABLE, sentence=f"no variable {address}")
        if attribute != "Actual":
            return Outcome(Answer.NOT_SUPPORTED_ATTRIBUTE, sentence=f"{address} has Actual only")
        return cell

    def named(self, name: str) -> Cell:
        """The variable that a person calls so, by either name.

        Raises:
            Refused: there is none; the message suggests the nearest name.
        """
        cell = self.key(name)
        if cell is None and "." in name:
            cell = self._addresses.get(Address.parse(name).folded())
        if cell is None:
            raise Refused(f"no such setting{self._nearest(name)}")
        return cell

    def _nearest(self, name: str) -> str:
        names = {cell.name.casefold(): cell.name for cell in self.cells}
        names |= {key.casefold(): key for cell in self.cells for key in cell.keys}
        near = difflib.get_close_matches(name.casefold(), names, n=1)
        return f"; did you mean {names[near[0]]}?" if near else ""

    def _add(self, cell: Cell) -> None:
        self._places[cell.variable, cell.evse, cell.connector] = cell
        if cell.address:
            self._claim(self._addresses, cell.address.folded(), cell, str(cell.address))
        for key in cell.keys:
            self._claim(self._keys, key.casefold(), cell, key)

    @staticmethod
    def _claim(names: dict[K, Cell], name: K, cell: Cell, shown: str) -> None:
        if name in names:
            raise Refused(f"{shown} is already the name of {names[name].name}")
        names[name] = cell


def _component(address: Address) -> Address:
    """The part of an address that names the component."""
    return replace(address, variable="", variable_instance=None)
