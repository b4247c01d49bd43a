"""Reads a profile file and checks it; all mistakes are told at once, each with file and line.

Checked: unknown, missing and doubled keys; every value against what is allowed; addresses within
the 65536 registers; two registers for one quantity and phase; registers that share words without
being the same; a register longer than the meter's longest read; a missing value that the kind
cannot hold; a phase that the quantity cannot have; energy that would count backwards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from meters.model import Phase, Quantity
from meters.profiles.model import (
    Identification,
    IdentityKind,
    IdentityRegister,
    LineDefaults,
    Profile,
)
from meters.profiles.nodes import (
    Complaints,
    Mistake,
    Section,
    boolean,
    choice,
    factor,
    integer,
    root,
    several,
    shown,
    text,
    words_of,
)
from meters.registers import ONE, Kind, Register
from meters.rtu import MAX_READ, READ_HOLDING, READ_INPUT

_SPACE: Final = 65_536
_FUNCTIONS: Final = {"3": READ_HOLDING, "4": READ_INPUT}
_ORDERS: Final = words_of(("big", "little"))
_PAIRS: Final = frozenset({Phase.L1_L2, Phase.L2_L3, Phase.L3_L1})
_ENERGIES: Final = frozenset({Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT})
_FREE_LENGTH: Final = {IdentityKind.TEXT: 16, IdentityKind.LOW_BYTES: 16, IdentityKind.HEX: 8}
"""Identity kinds whose number of words is to be said, and the most words of each."""

Place = tuple[int, int | None]
"""An address as on the wire, and the function if the number says it."""


def _zero_based(node: yaml.Node) -> Place:
    return integer(0, _SPACE - 1)(node), None


def _one_based(node: yaml.Node) -> Place:
    return integer(1, _SPACE)(node) - 1, None


def _modicon(node: yaml.Node) -> Place:
    digits = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    function = {"3": READ_INPUT, "4": READ_HOLDING}.get(digits[:1])
    if not digits.isdecimal() or len(digits) not in {5, 6} or function is None:
        raise Mistake(shown(node), "a number from 30001 or 40001 on, with five or six digits")
    number = int(digits[1:])
    if not 1 <= number <= _SPACE:
        raise Mistake(shown(node), f"{digits[0]}0001 to {digits[0]}65536")
    return number - 1, function


_NOWHERE: Final[Place] = (0, None)
_ADDRESSES: Final[dict[str, Callable[[yaml.Node], Place]]] = {
    "zero-based": _zero_based,
    "one-based": _one_based,
    "modicon": _modicon,
}


def _addressing(node: yaml.Node) -> Callable[[yaml.Node], Place]:
    return _ADDRESSES[choice(words_of(_ADDRESSES))(node)]


@dataclass(frozen=True, slots=True)
class _Header:
    """What holds for all registers that do not say otherwise."""

    place: Callable[[yaml.Node], Place]
    order: Any
    function: int
    max_words: int
    missing: dict[Kind, int]
    overflow: dict[Kind, int]


def read_profile(path: Path) -> Profile:
    """The profile in a file.

    Raises:
        ProfileError: all that is wrong with it.
    """
    complaints = Complaints(path)
    top = Section(root(path), "", complaints)
    header = _Header(
        place=top.get("addresses", _addressing, _zero_based),
        order=top.get("order", choice(_ORDERS), "big"),
        function=top.get("function", choice(_FUNCTIONS), READ_INPUT),
        max_words=top.get("max_words", integer(1, MAX_READ), MAX_READ),
        missing=_by_kind(top, "missing"),
        overflow=_by_kind(top, "overflow"),
    )
    profile = Profile(
        name=path.stem,
        vendor=top.need("vendor", text, ""),
        model=top.need("model", text, ""),
        source=top.need("source", text, ""),
        line=_line(top),
        max_words=header.max_words,
        max_gap=top.get("max_gap", integer(0, MAX_READ - 1), 0),
        transformers=frozenset(top.get("transformers", several(choice(_TRANSFORMERS)), ())),
        serial_number=tuple(_identity(one, header) for one in top.sections("serial_number")),
        firmware=tuple(_identity(one, header) for one in top.sections("firmware")),
        identification=_identification(top, header),
        registers=_registers(top, header),
    )
    top.finish()
    complaints.check()
    return profile


_TRANSFORMERS: Final = words_of(("current", "voltage"))


def _by_kind(top: Section, key: str) -> dict[Kind, int]:
    """Raw numbers with a meaning of their own, one per kind."""
    section = top.section(key)
    if section is None:
        return {}
    given = {kind: section.get(kind, integer(*_limits(kind)), None) for kind in Kind}
    section.finish()
    return {kind: value for kind, value in given.items() if value is not None}


def _limits(kind: Kind) -> tuple[int, int]:
    """The lowest and the highest whole number that the kind holds."""
    bits = kind.words * 16
    if kind.startswith("u"):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _line(top: Section) -> LineDefaults:
    section = top.section("line")
    if section is None:
        return LineDefaults()
    line = LineDefaults(
        baudrate=section.get("baudrate", integer(300, 1_000_000), 9600),
        parity=section.get("parity", choice(words_of(("none", "even", "odd"))), "none"),
        stopbits=section.get("stopbits", choice({"1": 1, "2": 2}), 1),
    )
    section.finish()
    return line


def _function(section: Section, header: _Header, said: int | None) -> int:
    if said is None:
        return section.get("function", choice(_FUNCTIONS), header.function)
    if "function" in section:
        section.complain("function", "found beside a number that says it; allowed: one of both")
    section.get("function", text, "")
    return said


def _identity(section: Section, header: _Header) -> IdentityRegister:
    address, function = section.need("address", header.place, _NOWHERE)
    kinds: dict[str, Kind | IdentityKind] = {**words_of(Kind), **words_of(IdentityKind)}
    kind = section.need("kind", choice(kinds), Kind.U16)
    words = kind.words if isinstance(kind, Kind) else 1
    if isinstance(kind, IdentityKind) and kind in _FREE_LENGTH:
        words = section.need("words", integer(1, _FREE_LENGTH[kind]), 1)
    found = IdentityRegister(
        address=address,
        kind=kind,
        words=words,
        function=_function(section, header, function),
        order=section.get("order", choice(_ORDERS), header.order),
    )
    _fits(section, found.address + found.words)
    section.finish()
    return found


def _identification(top: Section, header: _Header) -> Identification | None:
    section = top.section("identification")
    if section is None:
        return None
    before = section.complaints()
    names = section.section("models")
    models = names.pairs(integer(0, 2**64 - 1)) if names else {}
    if not models and section.complaints() == before:
        section.complain("models", "missing, or empty; allowed: codes with the models' names")
    required = section.get("required", boolean, default=True)
    register = _identity(section, header)
    if not isinstance(register.kind, Kind) or register.kind in {Kind.F32, Kind.F64}:
        section.complain("kind", "found no whole number; allowed: u16, s16, u32, s32, u64, s64")
    return Identification(register, models, required=required)


def _registers(top: Section, header: _Header) -> tuple[Register, ...]:
    rows: list[tuple[Section, Register]] = []
    sections = top.sections("registers")
    if not sections:
        top.complain("registers", "missing, or empty; allowed: a list of registers")
    for section in sections:
        before = section.complaints()
        register = _register(section, header)
        if section.complaints() > before:
            continue
        for other, earlier in rows:
            _compare(section, register, other, earlier)
        rows.append((section, register))
    return tuple(register for _, register in rows)


def _register(section: Section, header: _Header) -> Register:
    before = section.complaints()
    address, said = section.need("address", header.place, _NOWHERE)
    exponent, _ = section.get("exponent", header.place, (None, None))
    kind = section.need("kind", choice(words_of(Kind)), Kind.U16)
    quantity = section.need("quantity", choice(words_of(Quantity)), Quantity.TEMPERATURE)
    whole = integer(*_limits(kind))
    register = Register(
        address=address,
        kind=kind,
        quantity=quantity,
        phase=section.get("phase", choice(words_of(Phase)), None),
        scale=section.get("scale", factor, ONE),
        order=section.get("order", choice(_ORDERS), header.order),
        function=_function(section, header, said),
        missing=section.get("missing", whole, header.missing.get(kind)),
        overflow=section.get("overflow", whole, header.overflow.get(kind)),
        exponent=exponent,
        exponent_offset=section.get("exponent_offset", integer(-12, 12), 0),
    )
    section.get("part", choice({"true": True}), default=None)
    section.finish()
    if section.complaints() == before:  # of half a register nothing more can be said
        _fits(section, register.end)
        _sensible(section, register, header.max_words)
    return register


def _fits(section: Section, end: int) -> None:
    if end > _SPACE:
        section.complain("address", f"the last word would be {end - 1}; allowed: up to 65535")


def _sensible(section: Section, register: Register, max_words: int) -> None:
    """What the single values allow and the register as a whole does not."""
    length = register.end - register.start
    if length > max_words:
        what = "exponent" if "exponent" in section else "address"
        section.complain(what, f"spans {length} words; allowed: max_words, which is {max_words}")
    if register.exponent is None and "exponent_offset" in section:
        section.complain("exponent_offset", "found without an exponent; allowed: beside `exponent`")
    if register.phase in _PAIRS and register.quantity is not Quantity.VOLTAGE:
        section.complain("phase", f"found a pair with {register.quantity}; allowed: with voltage")
    if register.quantity in _ENERGIES and register.scale < 0:
        section.complain("scale", f'found "{register.scale}"; allowed: energy counts upwards')


def _compare(section: Section, new: Register, other: Section, old: Register) -> None:
    """Two registers of one profile must not stand in each other's way."""
    line = other.node.start_mark.line + 1
    parts = "part" in section and "part" in other
    if (new.quantity, new.phase) == (old.quantity, old.phase) and not parts:
        what = f"{new.quantity} {new.phase or 'total'}"
        allowed = "once, or `part: true` in each line"
        section.complain("quantity", f"found {what} again, as in line {line}; allowed: {allowed}")
    ends = new.address + new.kind.words, old.address + old.kind.words
    if new.function == old.function and new.address < ends[1] and old.address < ends[0]:
        section.complain("address", f"found words of the register in line {line}; allowed: others")
