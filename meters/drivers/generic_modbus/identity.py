"""Who the meter is, and whether it is the one of the profile."""

import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from meters.errors import MeterDataError
from meters.modbus import ModbusException, ModbusUnit
from meters.model import MeterInfo
from meters.profiles import Identification, IdentityRegister, Profile, load, profile_names
from meters.registers import Kind, number
from meters.rtu import READ_HOLDING

log = logging.getLogger(__name__)

_FEW: Final = 3
_NOT_THERE: Final = frozenset({0x01, 0x02, 0x03})  # no such function, address, length
_UNANSWERED: Final = 1
"""Attempts of the first request, so that a missing meter costs one time-out."""


async def identify(unit: ModbusUnit, profile: Profile, *, strict: bool) -> MeterInfo:
    """Ask the meter who it is. Registers that it does not have are left out.

    Unless ``strict`` a meter that is not the one of the profile is only told.

    Raises:
        MeterUnreachable: no answer.
        MeterDataError: it is another meter than the profile says, and that matters.
    """
    model = await _model(unit, profile, strict=strict)
    return MeterInfo(
        vendor=profile.vendor,
        model=model,
        serial_number="".join(await _texts(unit, profile.serial_number)),
        firmware=".".join(await _texts(unit, profile.firmware)),
        quantities=frozenset((row.quantity, row.phase) for row in profile.registers),
    )


async def _model(unit: ModbusUnit, profile: Profile, *, strict: bool) -> str:
    check = profile.identification
    if check is None:
        return profile.model
    words = await _words(unit, check.register, attempts=_UNANSWERED)
    code = None if words is None else number(words, Kind(check.register.kind), check.register.order)
    if code is not None and (model := check.models.get(int(code))):
        return model
    sentence = _complaint(profile, check, code)
    if strict and check.required:
        raise MeterDataError(sentence)
    log.info("%s; read all the same", sentence)
    return profile.model


def _complaint(profile: Profile, check: Identification, code: Decimal | None) -> str:
    """What the meter shows instead, and the profile that would fit if one comes along."""
    few = len(check.models) <= _FEW
    expected = " or ".join(
        f"{code} ({model})" if few else f"{code}" for code, model in check.models.items()
    )
    where = f"register 0x{check.register.address:04X}"
    if code is None:
        return f"{where} is not there; {profile.model} has {expected} in it"
    sentence = f"{where} holds {code}; {profile.model} has {expected} in it"
    fitting = _fitting(check, int(code))
    if fitting is not None:
        model, name = fitting
        sentence += f". This is a {model}: set `profile: {name}`"
    return sentence


def _fitting(check: Identification, code: int) -> tuple[str, str] | None:
    """Model and profile of another meter with the same register and this code in it."""
    for name in profile_names():
        other = load(name).identification
        if other is not None and other.register == check.register and code in other.models:
            return other.models[code], name
    return None


async def _texts(unit: ModbusUnit, registers: Iterable[IdentityRegister]) -> list[str]:
    found = []
    for register in registers:
        words = await _words(unit, register)
        if words is not None and (text := register.read(words)) and text.isprintable():
            found.append(text)
    return found


async def _words(
    unit: ModbusUnit, register: IdentityRegister, *, attempts: int | None = None
) -> tuple[int, ...] | None:
    """The words of a register; None if the meter says that it has none."""
    holding = register.function == READ_HOLDING
    read = unit.read_holding if holding else unit.read_input
    try:
        return await read(register.address, register.words, attempts=attempts)
    except ModbusException as error:
        if error.code not in _NOT_THERE:
            raise  # a passing failure must not make it another meter
        return None
