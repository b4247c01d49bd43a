"""The live settings: typed look-up, change by the CSMS in either version, persistence, reports.

A value comes from the first of these that has one: a provider (what is so at this moment), what
was changed while running (the store keeps it over restarts), the installer's file, another variable
that it follows, the default of the table.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol, TypeVar

from chargepoint.core.variables import (
    Address,
    AnyVariable,
    Limits,
    Mutability,
    Reason,
    Variable,
    words,
)
from chargepoint.core.variables_answers import (
    Answer,
    Inventory,
    KeyValue,
    Outcome,
    ReportRow,
    SettingView,
    rejected,
)
from chargepoint.core.variables_directory import Directory
from chargepoint.core.variables_layout import (
    Cell,
    CustomSetting,
    EvseDescription,
    Plain,
    as_text,
    custom_cell,
    lay_out,
)
from chargepoint.core.variables_report import SUMMARY
from chargepoint.errors import Refused, StoreError

log = logging.getLogger(__name__)

T = TypeVar("T")


class SettingsStore(Protocol):
    """What keeps changed settings over a restart."""

    def load_settings(self) -> dict[str, str]:
        """Everything ever saved, by the name it was saved under."""
        ...

    def save_setting(self, key: str, value: str) -> None:
        """Keep one value; a return means that it survives a power cut.

        Raises:
            StoreError: it could not be kept; the old value stays.
        """
        ...


class SettingRefused(Refused):
    """The installer's file gives a setting that cannot be.

    ``name`` is what the file calls it, ``section`` where: settings or custom_settings. Caught by
    the composition root, which makes it a ConfigError with file and line.
    """

    def __init__(self, section: str, name: str, refused: Refused) -> None:
        super().__init__(f"{name}: {refused}", reason=refused.reason)
        self.section = section
        self.name = name


class DeviceModel:
    """All variables of one station.

    ``settings`` are the first values from the installer's file, under either name. What the store
    holds is never refused: a value that is no longer allowed is logged and passed over, and a name
    that no longer exists stays in the store for the day it does again.

    Raises:
        SettingRefused: the file names a setting that does not exist, names one twice, gives a
            value that cannot be, or describes a custom setting that cannot be.
        StoreError: the store cannot be read.
    """

    def __init__(
        self,
        *,
        evses: Sequence[EvseDescription],
        store: SettingsStore,
        settings: Mapping[str, Plain] | None = None,
        custom: Iterable[CustomSetting] = (),
    ) -> None:
        self._store = store
        self._directory = _directory(evses, custom)
        self._texts = {cell: cell.initial for cell in self._directory.cells}
        self._providers: dict[Cell, Callable[[], str | None]] = {}
        self._followed: dict[Cell, tuple[Cell, Cell]] = {}
        self._words: dict[AnyVariable, Callable[[], Sequence[str]]] = {}
        self._checks: dict[AnyVariable, list[Callable[[str], None]]] = {}
        self._listeners: dict[Cell, list[Callable[[str], None]]] = {}
        chosen = _from_file(self._directory, settings or {})
        self._ceilings = _ceilings(chosen)
        chosen |= _from_store(self._directory, store.load_settings(), self._limits)
        self._texts |= chosen
        self._chosen = set(chosen)

    def __getitem__(self, variable: Variable[T]) -> T:
        return self.for_evse(variable, None)

    def for_evse(self, variable: Variable[T], evse: int | None, connector: int | None = None) -> T:
        """The value at an EVSE or connector, or what a station lacking the feature would say.

        Raises:
            LookupError: the variable does not exist there, or nobody provided its value yet.
        """
        cell = self._directory.at(variable, evse, connector)
        text = variable.lacking if cell is None else self._actual(cell)
        if text is None:
            raise LookupError(f"{variable.name} has no value at EVSE {evse}, {connector}")
        return variable.kind.parse(text)

    def assign(
        self, variable: Variable[T], value: T, evse: int | None = None, connector: int | None = None
    ) -> None:
        """Change a value on the station's own account, whoever else may; kept like every change.

        Raises:
            Refused: it is outside the limits.
            StoreError: it could not be kept; the old value stays.
            LookupError: the variable does not exist there.
        """
        cell = self._at(variable, evse, connector)
        text = variable.accept(variable.kind.format(value), self._limits(cell))
        if text != self._texts[cell]:
            self._keep(cell, text)

    def provide(
        self,
        variable: Variable[T],
        provider: Callable[[], T | None],
        evse: int | None = None,
        connector: int | None = None,
    ) -> None:
        """Ask ``provider`` for the value from now on; None from it means the value kept here.

        Raises:
            LookupError: the variable does not exist there.
        """

        def text() -> str | None:
            value = provider()
            return None if value is None else variable.kind.format(value)

        self._providers[self._at(variable, evse, connector)] = text

    def follow(self, variable: Variable[T], other: Variable[T], given: AnyVariable) -> None:
        """Let a variable of the station be as ``other`` until it is chosen, once ``given`` is.

        Chosen is what the file or the CSMS gave a value.

        Raises:
            LookupError: one of them does not exist.
        """
        cell, leader, asked = (self._at(row, None, None) for row in (variable, other, given))
        self._followed[cell] = leader, asked

    def provide_words(self, variable: AnyVariable, provider: Callable[[], Sequence[str]]) -> None:
        """Ask ``provider`` which words a list may hold; none from it means those of the table.

        A list shows only words that are allowed now; the others come back when they are again.
        """
        self._words[variable] = provider

    def require(self, variable: Variable[T], check: Callable[[T], None]) -> None:
        """Ask ``check`` before the CSMS changes a value; it raises Refused to prevent that."""
        parse = variable.kind.parse
        self._checks.setdefault(variable, []).append(lambda text: check(parse(text)))

    def subscribe(
        self,
        variable: Variable[T],
        callback: Callable[[T], None],
        evse: int | None = None,
        connector: int | None = None,
    ) -> None:
        """Call back after each change, once it is kept and in force. It must not block.

        Raises:
            LookupError: the variable does not exist there.
        """
        parse = variable.kind.parse
        listeners = self._listeners.setdefault(self._at(variable, evse, connector), [])
        listeners.append(lambda text: callback(parse(text)))

    def get(self, address: Address, attribute: str = "Actual") -> Outcome:
        """Read one variable (OCPP 2.0.1 B06)."""
        cell = self._directory.find(address, attribute)
        if isinstance(cell, Outcome):
            return cell
        if cell.mutability is Mutability.WRITE_ONLY:
            return rejected(Reason.WRITE_ONLY, f"{cell.name} cannot be read")
        return Outcome(Answer.ACCEPTED, value=self._actual(cell) or "")

    def set(self, address: Address, text: str, attribute: str = "Actual") -> Outcome:
        """Change one variable (OCPP 2.0.1 B05); ACCEPTED means kept and in force."""
        cell = self._directory.find(address, attribute)
        return cell if isinstance(cell, Outcome) else self._change(cell, cell.mutability, text)

    def report(self, inventory: Inventory) -> Iterator[ReportRow]:
        """Every variable, those that the CSMS can set, or a summary (OCPP 2.0.1 B07)."""
        for cell in self._directory.cells:
            if cell.address and _belongs(cell, cell.address, inventory):
                yield self._row(cell, cell.address)

    def row(self, address: Address) -> ReportRow | Outcome:
        """One variable as in a report, or which part of the address is wrong."""
        cell = self._directory.find(address, "Actual")
        return cell if isinstance(cell, Outcome) else self._row(cell, cell.address or address)

    def keys(self) -> tuple[str, ...]:
        """Every OCPP 1.6 key."""
        return tuple(key for cell in self._directory.cells for key in cell.keys)

    def get_key(self, name: str) -> KeyValue | None:
        """One key (OCPP 1.6 section 5.8); None if there is none of that name."""
        if (cell := self._directory.key(name)) is None:
            return None
        readable = cell.key_mutability is not Mutability.WRITE_ONLY
        value = (self._actual(cell) or "") if readable else None
        return KeyValue(value, readonly=cell.key_mutability is Mutability.READ_ONLY)

    def set_key(self, name: str, text: str) -> Outcome:
        """Change one key (OCPP 1.6 section 5.3); an unknown one is an UNKNOWN_VARIABLE."""
        if (cell := self._directory.key(name)) is None:
            return Outcome(Answer.UNKNOWN_VARIABLE, sentence=f"no key {name}")
        return self._change(cell, cell.key_mutability, text)

    def all_settings(self) -> Iterator[SettingView]:
        """Every variable under its names in both versions."""
        for cell in self._directory.cells:
            secret = cell.mutability is Mutability.WRITE_ONLY
            value = "*****" if secret else self._actual(cell) or ""
            about = cell.variable.about
            yield SettingView(
                cell.name, cell.keys, value, cell.mutability, cell.key_mutability, about
            )

    def _at(self, variable: AnyVariable, evse: int | None, connector: int | None) -> Cell:
        if (cell := self._directory.at(variable, evse, connector)) is None:
            raise LookupError(f"{variable.name} does not exist at EVSE {evse}, {connector}")
        return cell

    def _limits(self, cell: Cell) -> Limits:
        provider = self._words.get(cell.variable)
        allowed = tuple(provider()) if provider else ()
        limits = replace(cell.limits, values=allowed) if allowed else cell.limits
        most = self._ceilings.get(cell)
        return limits if most is None else replace(limits, high=most, positive=True)

    def _actual(self, cell: Cell) -> str | None:
        provider = self._providers.get(cell)
        text = provider() if provider else None
        if text is None:
            text = self._texts[self._source(cell)]
        data_type = cell.variable.kind.data_type
        if text and data_type.is_list and cell.variable in self._words:
            limits = self._limits(cell)
            return ",".join(word for word in words(data_type, text) if limits.allows(word))
        return text

    def _source(self, cell: Cell) -> Cell:
        """Where the value that is kept comes from."""
        leader, asked = self._followed.get(cell, (cell, cell))
        return leader if asked in self._chosen and cell not in self._chosen else cell

    def _change(self, cell: Cell, mutability: Mutability, text: str) -> Outcome:
        if mutability is Mutability.READ_ONLY:
            return rejected(Reason.READ_ONLY, f"{cell.name} cannot be changed")
        try:
            text = cell.variable.accept(text, self._limits(cell))
            for check in self._checks.get(cell.variable, ()):
                check(text)
            self._keep(cell, text)
        except Refused as refused:
            return rejected(refused.reason or Reason.INVALID_VALUE, f"{cell.name}: {refused}")
        except StoreError as error:
            log.error("%s could not be stored: %s", cell.name, error)  # noqa: TRY400 - no defect
            return rejected(Reason.INTERNAL_ERROR, "the value could not be stored")
        reboot = cell.variable.reboot
        return Outcome(Answer.REBOOT_REQUIRED if reboot else Answer.ACCEPTED)

    def _keep(self, cell: Cell, text: str) -> None:
        """Store first, then put in force, then tell."""
        self._store.save_setting(cell.name, text)
        self._texts[cell] = text
        self._chosen.add(cell)
        for listener in self._listeners.get(cell, ()):
            listener(text)

    def _row(self, cell: Cell, address: Address) -> ReportRow:
        row = cell.variable
        readable = cell.mutability is not Mutability.WRITE_ONLY
        return ReportRow(
            address,
            (self._actual(cell) or "") if readable else None,
            cell.mutability,
            persistent=cell.mutability is not Mutability.READ_ONLY,
            constant=row.constant,
            data_type=row.kind.data_type,
            unit=row.unit or row.kind.unit,
            limits=self._limits(cell),
            supports_monitoring=not row.constant,
        )


def _belongs(cell: Cell, address: Address, inventory: Inventory) -> bool:
    match inventory:
        case Inventory.CONFIGURATION:
            return cell.mutability is not Mutability.READ_ONLY
        case Inventory.SUMMARY:
            return address.variable.casefold() in SUMMARY
        case Inventory.FULL:
            return True


def _directory(evses: Sequence[EvseDescription], custom: Iterable[CustomSetting]) -> Directory:
    cells = list(lay_out(evses))
    for setting in custom:
        try:
            cells.append(custom_cell(setting))
            Directory(cells)
        except Refused as refused:
            raise SettingRefused("custom_settings", setting.name, refused) from refused
    return Directory(cells)


def _from_file(directory: Directory, settings: Mapping[str, Plain]) -> dict[Cell, str | None]:
    texts: dict[Cell, str | None] = {}
    for name, value in settings.items():
        try:
            cell = directory.named(name)
            text = _chosen(cell, cell.variable.accept(as_text(value), cell.limits))
        except Refused as refused:
            raise SettingRefused("settings", name, refused) from refused
        if cell in texts:
            both = " and ".join((cell.name, *cell.keys))
            twice = Refused(f"given twice: {both} are one setting")
            raise SettingRefused("settings", name, twice)
        texts[cell] = text
    return texts


def _chosen(cell: Cell, text: str) -> str:
    """A value of the installer's, unless it is not for the installer to choose."""
    if cell.variable.fact:
        raise Refused("what the station finds out by itself cannot be set", reason=Reason.READ_ONLY)
    if cell.fixed and text != cell.initial:
        raise Refused(f"this station can only have {cell.initial}", reason=Reason.READ_ONLY)
    return text


def _ceilings(chosen: Mapping[Cell, str | None]) -> dict[Cell, Decimal]:
    """The most that may be chosen of what the file limits."""
    limited = {cell: Decimal(text or 0) for cell, text in chosen.items() if cell.variable.ceiling}
    return {cell: most for cell, most in limited.items() if most}


def _from_store(
    directory: Directory, saved: Mapping[str, str], limits: Callable[[Cell], Limits]
) -> dict[Cell, str | None]:
    cells = {cell.name: cell for cell in directory.cells if not cell.fixed}
    texts: dict[Cell, str | None] = {}
    for name in saved.keys() & cells.keys():
        try:
            texts[cells[name]] = cells[name].variable.accept(saved[name], limits(cells[name]))
        except Refused as refused:
            log.warning("the stored value of %s is passed over: %s", name, refused)
    return texts
