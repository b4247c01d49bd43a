"""From what is measured to the words of the registers: the other direction of the driver."""

import struct
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Final

from meters.model import Phase, Quantity
from meters.profiles import IdentityKind, IdentityRegister, Profile
from meters.registers import Kind, Order, Register

_DIGITS: Final = 9999  # that a meter with an exponent shows
_LARGEST_EXPONENT: Final = 15
_ENERGIES: Final = frozenset({Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT})
_SERIAL: Final = "20260001"
_VERSION: Final = {Kind.F32: "1.18", IdentityKind.HEX: "0103", IdentityKind.TEXT: "1.18"}

Value = Callable[[Quantity, Phase | None], Decimal]


def measured_words(profile: Profile, value: Value) -> dict[int, int]:
    """Every word that a register of the profile takes, by address."""
    words: dict[int, int] = {}
    shifts = _exponents(profile.registers, value)
    left: dict[tuple[Quantity, Phase | None], Decimal] = {}
    for register in sorted(profile.registers, key=lambda one: -abs(one.scale)):
        key = register.quantity, register.phase
        rest = left.get(key, value(*key))
        shift = shifts.get(register.exponent)
        unit = register.scale
        if shift is not None:
            unit = unit.scaleb(shift + register.exponent_offset)
            words[register.exponent or 0] = shift
        raw = _raw(rest / unit, register)
        left[key] = rest - raw * unit
        for place, word in enumerate(encode(raw, register.kind, register.order)):
            words[register.address + place] = word
    return words


def _exponents(registers: Iterable[Register], value: Value) -> dict[int | None, int]:
    """What each exponent register shows: enough for all the numbers that it belongs to."""
    shifts: dict[int | None, int] = {}
    for register in registers:
        if register.exponent is None:
            continue
        number = abs(value(register.quantity, register.phase) / register.scale)
        shift = shifts.get(register.exponent, 0)
        while shift < _LARGEST_EXPONENT:
            if number.scaleb(-shift - register.exponent_offset) <= _DIGITS:
                break
            shift += 1
        shifts[register.exponent] = shift
    return shifts


def _raw(number: Decimal, register: Register) -> Decimal:
    """The number that goes on the wire; a current in a kind without sign loses it."""
    if register.quantity is Quantity.CURRENT and not register.signed:
        number = abs(number)
    if register.kind in {Kind.F32, Kind.F64}:
        return number
    energy = register.quantity in _ENERGIES
    return number.to_integral_value(ROUND_DOWN if energy else ROUND_HALF_UP)


def encode(number: Decimal, kind: Kind, order: Order) -> tuple[int, ...]:
    """The words of a number; at the limit of the kind if it is more than fits."""
    match kind:
        case Kind.F32:
            data = struct.pack(">f", float(number))
        case Kind.F64:
            data = struct.pack(">d", float(number))
        case _:
            signed, bits = kind.startswith("s"), kind.words * 16 - kind.startswith("s")
            whole = min(max(int(number), -(2**bits) if signed else 0), 2**bits - 1)
            data = whole.to_bytes(kind.words * 2, "big", signed=signed)
    words = struct.unpack(f">{kind.words}H", data)
    return words if order == "big" else words[::-1]


def serial_words(registers: Sequence[IdentityRegister], serial: str) -> dict[int, int]:
    """The serial number in the registers that hold it, each as much as fits; {} without any.

    Raises:
        ValueError: it cannot be written that way.
    """
    words: dict[int, int] = {}
    left = serial
    for register in registers:
        part, left = left[: _capacity(register)], left[_capacity(register) :]
        for place, word in enumerate(_identity(register, part)):
            words[register.address + place] = word
    if left and registers:
        raise ValueError(f"serial number {serial!r}, {len(serial) - len(left)} characters fit")
    return words


def new_serial(registers: Sequence[IdentityRegister]) -> str:
    """A serial number that fits the registers."""
    return _SERIAL[-min(sum(map(_capacity, registers)), len(_SERIAL)) :] if registers else ""


def firmware_words(registers: Iterable[IdentityRegister]) -> dict[int, int]:
    """Some version."""
    words: dict[int, int] = {}
    for register in registers:
        shown = _VERSION.get(register.kind, "1")[: _capacity(register)]
        for place, word in enumerate(_identity(register, shown)):
            words[register.address + place] = word
    return words


def _capacity(register: IdentityRegister) -> int:
    match register.kind:
        case IdentityKind.TEXT:
            return 2 * register.words
        case IdentityKind.HEX:
            return 4 * register.words
        case IdentityKind.LOW_BYTES:
            return register.words
        case IdentityKind.LETTER | IdentityKind.PACKED_VERSION:
            return 1
        case _:
            return 20


def _identity(register: IdentityRegister, shown: str) -> tuple[int, ...]:
    size = 2 * register.words
    try:
        match register.kind:
            case IdentityKind.TEXT:
                data = shown.encode("ascii").ljust(size, b"\0")
            case IdentityKind.LOW_BYTES:
                data = b"".join(b"\0" + bytes([byte]) for byte in shown.encode("ascii"))
                data = data.ljust(size, b"\0")
            case IdentityKind.HEX:
                data = bytes.fromhex(shown.zfill(2 * size))
            case IdentityKind.LETTER | IdentityKind.PACKED_VERSION:
                data = int(shown).to_bytes(size, "big")
            case _:
                return encode(Decimal(shown or 0), Kind(register.kind), register.order)
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{shown!r} is nothing for a register of kind {register.kind}") from error
    return struct.unpack(f">{register.words}H", data)
