"""Which variables a given station has.

The rows of the table, once per EVSE or connector they belong to, cut to what the station can do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from chargepoint.core.model import Point
from chargepoint.core.variables import (
    ALIGNED_SIGN_READINGS,
    ALIGNED_SIGN_UPDATED_READINGS,
    BOOLEAN,
    CONNECTOR_PHASE_ROTATION,
    CONNECTOR_PHASE_ROTATION_MAX_LENGTH,
    CONNECTOR_SUPPLY_PHASES,
    CONNECTOR_TYPE,
    DECIMAL,
    EVSE_ID,
    EVSE_POWER,
    EVSE_SUPPLY_PHASES,
    INTEGER,
    MEMBERS,
    MOMENT,
    NUMBER_OF_CONNECTORS,
    SEQUENCE,
    SIGN_STARTED_READINGS,
    SIGN_UPDATED_READINGS,
    STATION_SUPPLY_PHASES,
    TABLE,
    TEXT,
    TX_START_POINT,
    UNLOCK_ON_EV_SIDE_DISCONNECT,
    Address,
    AnyVariable,
    DataType,
    Feature,
    Kind,
    Limits,
    Mutability,
    Tier,
    Variable,
)
from chargepoint.errors import Refused

Plain = str | int | float | Decimal | bool | Sequence[str]  # how a YAML file may give a value


@dataclass(frozen=True, slots=True)
class Signing:
    """What a signing meter can sign beside the record of begin and end.

    ``started``: a separate begin record; ``updated``: single readings during a transaction;
    ``aligned``: the same at fixed times of day. The EM580 can do none of them.
    """

    started: bool = False
    updated: bool = False
    aligned: bool = False


@dataclass(frozen=True, slots=True)
class ConnectorDescription:
    """A plug or socket; ``type`` is a word of ConnectorEnumType."""

    id: int
    type: str

    @property
    def has_fixed_cable(self) -> bool:
        """Whether the cable belongs to the station, so that there is nothing to unlock."""
        return not self.type.startswith("s")


@dataclass(frozen=True, slots=True)
class EvseDescription:
    """An outlet as the installer wired it.

    ``phases`` is 0 for DC; ``voltage_v`` is phase to neutral, for DC that of the output.
    ``signing`` is None if the meter does not sign. ``evse_id`` is the name for the public.
    """

    id: int
    connectors: tuple[ConnectorDescription, ...]
    phases: int = 3
    max_current_a: Decimal = Decimal(32)
    voltage_v: Decimal = Decimal(230)
    signing: Signing | None = None
    evse_id: str = ""

    @property
    def rated_power_w(self) -> Decimal:
        """The most it can deliver."""
        return self.max_current_a * self.voltage_v * (self.phases or 1)


@dataclass(frozen=True, slots=True)
class CustomSetting:
    """A variable of the station's maker, from the installer's file.

    ``type`` and ``access`` are words of DataEnumType and MutabilityEnumType. ``key`` is the 1.6
    name; without it the last part of ``name`` is.
    """

    name: str
    type: str = "string"
    access: str = "ReadWrite"
    value: Plain = ""
    key: str | None = None
    unit: str = ""
    minimum: int | Decimal | None = None
    maximum: int | Decimal | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One variable of this station: a row of the table at a place.

    ``keys`` are its 1.6 names: one per connector where 1.6 counts connectors. ``initial`` is the
    value before file and CSMS. ``fixed`` means that the station cannot do otherwise.
    """

    variable: AnyVariable
    address: Address | None
    keys: tuple[str, ...]
    mutability: Mutability
    key_mutability: Mutability
    limits: Limits
    initial: str | None
    fixed: bool = False

    @property
    def name(self) -> str:
        """Its one name in the store, in messages and in the local interface."""
        return str(self.address) if self.address else self.keys[0]

    @property
    def evse(self) -> int | None:
        """Which EVSE it belongs to; None for the station."""
        return self.address.evse if self.address else None

    @property
    def connector(self) -> int | None:
        """Which connector of that EVSE it belongs to; None for the whole of it."""
        return self.address.connector if self.address else None


Place = tuple[AnyVariable, int | None, int | None]  # a row at an EVSE and connector


def lay_out(evses: Sequence[EvseDescription]) -> Iterator[Cell]:
    """Every standard variable that a station with these EVSEs has, in the order of the table."""
    known, cannot = _known(evses), _cannot(evses)
    for row in TABLE:
        for evse, connector in _places(row, evses):
            place = (row, evse.id if evse else None, connector.id if connector else None)
            cell = _cell(row, evses, evse, connector)
            cell = replace(cell, initial=known.get(place, row.default))
            yield _fixed(cell) if row in cannot else cell


def custom_cell(setting: CustomSetting) -> Cell:
    """The variable that the installer's file describes.

    Raises:
        Refused: the description contradicts itself or names a type or access that does not exist.
    """
    address = Address.parse(setting.name)
    data_type = _word(DataType, setting.type, "type")
    if (data_type.is_list or data_type is DataType.OPTION_LIST) and not setting.values:
        raise Refused(f"type {data_type} needs `values`: the words to choose from")
    row: AnyVariable = Variable(
        _CUSTOM_KINDS[data_type],
        setting.name,
        None,
        "A setting of the station's maker.",
        key=setting.key or address.variable,
        mutability=_word(Mutability, setting.access, "access"),
        low=setting.minimum,
        high=setting.maximum,
        values=setting.values,
        unit=setting.unit,
    )
    keys = (setting.key or address.variable,)
    initial = row.accept(as_text(setting.value))
    return Cell(row, address, keys, row.mutability, row.mutability, row.limits, initial)


def as_text(value: Plain) -> str:
    """A value from the file as it would be written on the wire."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{Decimal(str(value)):f}"
    return str(value) if isinstance(value, str | int | Decimal) else ",".join(value)


W = TypeVar("W", bound=StrEnum)

_CUSTOM_KINDS: Mapping[DataType, Kind[Any]] = {
    DataType.STRING: TEXT,
    DataType.DECIMAL: DECIMAL,
    DataType.INTEGER: INTEGER,
    DataType.DATE_TIME: MOMENT,
    DataType.BOOLEAN: BOOLEAN,
    DataType.OPTION_LIST: Kind(DataType.OPTION_LIST, str, str),
    DataType.SEQUENCE_LIST: SEQUENCE,
    DataType.MEMBER_LIST: MEMBERS,
}


def _word(words: type[W], text: str, where: str) -> W:
    try:
        return words(text)
    except ValueError:
        raise Refused(f"{where}: found {text!r}, allowed {', '.join(words)}") from None


def _places(
    row: AnyVariable, evses: Sequence[EvseDescription]
) -> Iterator[tuple[EvseDescription | None, ConnectorDescription | None]]:
    """Where the row exists: at the station, at each EVSE or at each connector."""
    able = [e for e in evses if row.needs is not Feature.SIGNING or e.signing]
    if row.tier is Tier.STATION and able:
        yield None, None
    elif row.tier is Tier.EVSE:
        yield from ((evse, None) for evse in able)
    elif row.tier is Tier.CONNECTOR:
        yield from ((evse, connector) for evse in able for connector in evse.connectors)


def _cell(
    row: AnyVariable,
    evses: Sequence[EvseDescription],
    evse: EvseDescription | None,
    connector: ConnectorDescription | None,
) -> Cell:
    address, limits = row.address, row.limits
    if address and evse:
        address = replace(address, evse=evse.id, connector=connector.id if connector else None)
    if row is EVSE_POWER and evse:
        limits = replace(limits, high=evse.rated_power_w)
    if row is CONNECTOR_PHASE_ROTATION:
        limits = replace(limits, values=_rotations(evses))
    if row is TX_START_POINT and not any(e.signing and e.signing.started for e in evses):
        limits = replace(limits, values=tuple(v for v in limits.values if v != Point.SIGNED))
    key_mutability = row.key_mutability or row.mutability
    return Cell(row, address, _keys(row, evses, evse), row.mutability, key_mutability, limits, None)


def _fixed(cell: Cell) -> Cell:
    """What the station cannot do: false, and nobody can change it."""
    read_only = Mutability.READ_ONLY
    return replace(
        cell, mutability=read_only, key_mutability=read_only, initial="false", fixed=True
    )


def _keys(
    row: AnyVariable, evses: Sequence[EvseDescription], evse: EvseDescription | None
) -> tuple[str, ...]:
    """The 1.6 names. Connectors count from 1 over all EVSEs; those of one EVSE share a value."""
    if row.key is None:
        return ()
    if evse is None:
        return (row.key,)
    owners = [e.id for e in evses for _ in e.connectors]
    numbers = [n for n, owner in enumerate(owners, 1) if owner == evse.id]
    return tuple(row.key.format(connector=number) for number in numbers)


def _cannot(evses: Sequence[EvseDescription]) -> frozenset[AnyVariable]:
    """The switches of functions that no meter and no connector has."""
    signing = [evse.signing for evse in evses if evse.signing]
    able = {
        SIGN_STARTED_READINGS: any(s.started for s in signing),
        SIGN_UPDATED_READINGS: any(s.updated for s in signing),
        ALIGNED_SIGN_READINGS: any(s.aligned for s in signing),
        ALIGNED_SIGN_UPDATED_READINGS: any(s.aligned for s in signing),
        UNLOCK_ON_EV_SIDE_DISCONNECT: any(
            not connector.has_fixed_cable for evse in evses for connector in evse.connectors
        ),
    }
    return frozenset(row for row, can in able.items() if not can)


def _known(evses: Sequence[EvseDescription]) -> dict[Place, str]:
    """The values that follow from how the station is built."""
    phases = [evse.phases for evse in evses for _ in evse.connectors]
    known: dict[Place, str] = {
        (NUMBER_OF_CONNECTORS, None, None): str(len(phases)),
        (STATION_SUPPLY_PHASES, None, None): str(max(phases)),
        (CONNECTOR_PHASE_ROTATION, None, None): ",".join(
            f"{n}.{'Unknown' if many > 1 else 'NotApplicable'}" for n, many in enumerate(phases, 1)
        ),
        (CONNECTOR_PHASE_ROTATION_MAX_LENGTH, None, None): str(len(phases) + 1),
    }
    for evse in evses:
        known[EVSE_SUPPLY_PHASES, evse.id, None] = str(evse.phases)
        known[EVSE_ID, evse.id, None] = evse.evse_id
        for connector in evse.connectors:
            known[CONNECTOR_TYPE, evse.id, connector.id] = connector.type
            known[CONNECTOR_SUPPLY_PHASES, evse.id, connector.id] = str(evse.phases)
    return known


def _rotations(evses: Sequence[EvseDescription]) -> tuple[str, ...]:
    """Every item that ConnectorPhaseRotation may hold; connector 0 is the supply."""
    numbers = range(sum(len(evse.connectors) for evse in evses) + 1)
    rotations = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")
    return tuple(f"{number}.{rotation}" for number in numbers for rotation in rotations)
