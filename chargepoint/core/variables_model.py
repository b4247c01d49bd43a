"""What a setting is: its names in both versions, its type, its limits, who may change it.

Values travel as text in both versions, so text is what the table, the store and the file hold; its
``Kind`` turns it into a Python value and back. ``Variable[T]`` names one setting, and
``model[HEARTBEAT_INTERVAL]`` is therefore a ``timedelta`` for the type checker.
"""

import re
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeAlias

from chargepoint.core.sampling import plain
from chargepoint.core.variables_kinds import (
    MEASURAND_LIST,
    DataType,
    Kind,
    Reason,
    T,
    shown,
    words,
)
from chargepoint.errors import Refused

MEASURANDS_MOST = 20  # in one list: every one that a meter knows, some of them by phase
LONGEST_VALUE = 1000  # characters of SetVariableData.attributeValue; 1.6 allows 500


class Mutability(StrEnum):
    """Who may do what (OCPP 2.0.1 MutabilityEnumType)."""

    READ_ONLY = "ReadOnly"
    READ_WRITE = "ReadWrite"
    WRITE_ONLY = "WriteOnly"


class Tier(StrEnum):
    """What a variable belongs to: it exists once per station, per EVSE or per connector."""

    STATION = "station"
    EVSE = "evse"
    CONNECTOR = "connector"


class Feature(StrEnum):
    """What a station may lack; a variable that needs it then does not exist."""

    SIGNING = "signing"  # a meter that signs


@dataclass(frozen=True, slots=True)
class Address:
    """Where a variable is in the device model of OCPP 2.0.1.

    Written as ``Component#instance[evse,connector].Variable#instance``, without the parts that are
    None. Names compare ignoring case: compare what ``folded`` gives.
    """

    component: str
    variable: str
    component_instance: str | None = None
    variable_instance: str | None = None
    evse: int | None = None
    connector: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read the written form.

        Raises:
            Refused: it does not have that form.
        """
        if (found := _ADDRESS.fullmatch(text.strip())) is None:
            raise Refused(f"found {text!r}, allowed Component#instance[evse].Variable#instance")
        component, component_instance, evse, connector, variable, instance = found.groups()
        return cls(
            component,
            variable,
            component_instance,
            instance,
            int(evse) if evse else None,
            int(connector) if connector else None,
        )

    def folded(self) -> "Address":
        """The same for every spelling of the names; an empty instance is no instance."""
        return Address(
            self.component.casefold(),
            self.variable.casefold(),
            (self.component_instance or "").casefold() or None,
            (self.variable_instance or "").casefold() or None,
            self.evse,
            self.connector,
        )

    def __str__(self) -> str:
        component = self.component
        if self.component_instance:
            component += f"#{self.component_instance}"
        if self.evse is not None:
            component += f"[{self.evse}{'' if self.connector is None else f',{self.connector}'}]"
        instance = f"#{self.variable_instance}" if self.variable_instance else ""
        return f"{component}.{self.variable}{instance}"


_ADDRESS = re.compile(
    r"([^.#\[\]]+)(?:#([^.\[\]]+))?(?:\[(\d{1,9})(?:,(\d{1,9}))?\])?\.([^.#\[\]]+)(?:#(.+))?"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a value must keep to. None and an empty tuple are no limit.

    ``low`` and ``high`` bound a number, or the characters of a text or list; a list or option is
    made of ``values``, of which a measurand may name one ``phased``: Voltage.L1. A list has at most
    ``items`` words. ``positive``: a number must not be 0, which would mean that there is no limit.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    values: tuple[str, ...] = ()
    phased: bool = False
    items: int | None = None
    positive: bool = False

    def check(self, data_type: DataType, text: str) -> None:
        """Accept a value in its canonical text, or say what is wrong.

        Raises:
            Refused: with the word of the reasonCode list in ``reason``.
        """
        if data_type.is_number:
            self._check_number(Decimal(text))
            return
        if data_type in {DataType.STRING, DataType.SEQUENCE_LIST, DataType.MEMBER_LIST}:
            self._check_length(len(text))
        if self.items is not None and len(found := words(data_type, text)) > self.items:
            raise Refused(
                f"found {len(found)} items, allowed {self.items}", reason=Reason.TOO_LARGE
            )
        if self.values and (strange := [w for w in words(data_type, text) if not self.allows(w)]):
            raise Refused(
                f"found {shown(strange[0])}, allowed {', '.join(self.values)}",
                reason=Reason.INVALID_VALUE,
            )

    def allows(self, word: str) -> bool:
        """Whether a word of a list is one of ``values``."""
        return word in self.values or (self.phased and plain(word) in self.values)

    def _check_number(self, number: Decimal) -> None:
        if (self.low is not None and number < self.low) or (self.positive and number <= 0):
            raise Refused(f"found {number}, allowed {self._range()}", reason=self._too_low(number))
        if self.high is not None and number > self.high:
            raise Refused(f"found {number}, allowed {self._range()}", reason=Reason.TOO_HIGH)

    def _check_length(self, length: int) -> None:
        if self.low is not None and length < self.low:
            raise Refused(
                f"found {length} characters, allowed {self._range()}", reason=Reason.INVALID_VALUE
            )
        if self.high is not None and length > self.high:
            raise Refused(
                f"found {length} characters, allowed {self._range()}", reason=Reason.TOO_LARGE
            )

    def _too_low(self, number: Decimal) -> Reason:
        if number == 0:
            return Reason.ZERO
        return Reason.NOT_POSITIVE if number < 0 else Reason.TOO_LOW

    def _range(self) -> str:
        if self.positive:
            return f"more than 0, at most {self.high}"
        if self.high is None:
            return f"{self.low} or more"
        return f"at most {self.high}" if self.low is None else f"{self.low} to {self.high}"


@dataclass(frozen=True, slots=True, eq=False)
class Variable(Generic[T]):
    """One setting, or one fact that is reported like one: a row of the table.

    ``name`` is the 2.0.1 address without EVSE, or the 1.6 key of what only 1.6 knows. ``default``
    is text; None means that there is no value until the station provides one. ``key`` is the 1.6
    name, None if that version has none; ``{connector}`` in it stands for the number of the
    connector. ``fact`` marks what is so and cannot be chosen: the installer's file may not name it.
    ``items`` bounds a list; ``reboot`` means that a change counts from the next start on.
    ``ceiling``: what the installer's file says is the most that anybody may choose; 0 is no limit,
    in the file as well. A variable whose ``needs`` the station lacks does not exist and reads as
    ``lacking``.
    """

    kind: Kind[T]
    name: str
    default: str | None
    about: str
    _: KW_ONLY
    key: str | None = None
    tier: Tier = Tier.STATION
    mutability: Mutability = Mutability.READ_WRITE
    key_mutability: Mutability | None = None
    low: int | Decimal | None = None
    high: int | Decimal | None = None
    values: tuple[str, ...] = ()
    items: int | None = None
    unit: str = ""
    constant: bool = False
    fact: bool = False
    reboot: bool = False
    ceiling: bool = False
    needs: Feature | None = None
    lacking: str | None = None

    @property
    def address(self) -> Address | None:
        """Where it is in 2.0.1, without EVSE; None if only 1.6 knows it."""
        return Address.parse(self.name) if "." in self.name else None

    @property
    def limits(self) -> Limits:
        """The limits that hold for every station."""
        return Limits(
            None if self.low is None else Decimal(self.low),
            None if self.high is None else Decimal(self.high),
            self.values,
            phased=self.kind is MEASURAND_LIST,
            items=self.items,
        )

    def accept(self, text: str, limits: Limits | None = None) -> str:
        """The canonical text of a value that is allowed.

        Raises:
            Refused: it has another type or is outside the limits (of the row, if none are given).
        """
        if len(text) > LONGEST_VALUE:
            raise Refused(
                f"found {len(text)} characters, allowed {LONGEST_VALUE}", reason=Reason.TOO_LARGE
            )
        canonical = self.kind.format(self.kind.parse(text))
        (limits or self.limits).check(self.kind.data_type, canonical)
        return canonical


AnyVariable: TypeAlias = Variable[Any]  # a row whatever its type: the table holds them all
