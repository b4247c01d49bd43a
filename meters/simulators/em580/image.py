"""The register image: which word stands where at one moment.

A request is answered from one ``Snapshot``; only the areas it touches are made. Reading across the
border of two areas works where they adjoin; an address in none is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from meters.simulators.em580 import layout, session
from meters.simulators.em580.keys import SigningKey
from meters.simulators.em580.layout import OcmfState, Words, blob, number, text
from meters.simulators.em580.memory import Memory, Moment
from meters.simulators.em580.settings import Em580Settings
from meters.simulators.energy import NOMINAL_VOLTAGE, Load, rounded
from meters.simulators.refusal import Code, Refusal

_SQRT3: Final = Decimal(3).sqrt()
_MOST_EM300_LIVE_WORDS: Final = 50
_UNIT_WH, _UNIT_W, _UNIT_OHM = 30, 27, 38  # DLMS unit codes, IEC 62056-6-2 table 4


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the registers show, at one moment; energies are whole Wh."""

    settings: Em580Settings
    key: SigningKey | None
    memory: Memory
    load: Load
    import_wh: int
    export_wh: int
    moment: Moment
    temperature: int = 250


@dataclass(frozen=True, slots=True)
class Area:
    """Adjoining registers that are made together."""

    first: int
    count: int
    words: Callable[[Snapshot], Sequence[int]]


def read(snapshot: Snapshot, address: int, count: int) -> list[int]:
    """The words of one request.

    Raises:
        Refusal: an address without register, or a shape that this register does not allow.
    """
    if (address, count) == (layout.IDENTIFICATION, 1):
        return [snapshot.settings.identification_code]
    _check_shape(snapshot, address, count)
    areas = _EM300_AREAS if snapshot.settings.is_em300 else _AREAS
    result: list[int] = []
    for area in areas:
        at = address + len(result)
        if area.first <= at < area.first + area.count:
            words = area.words(snapshot)
            result += words[at - area.first : address + count - area.first]
            if len(result) == count:
                return result
    raise Refusal(Code.ILLEGAL_ADDRESS)


def _check_shape(snapshot: Snapshot, address: int, count: int) -> None:
    settings = snapshot.settings
    if settings.is_em300:
        if address == layout.LIVE and count > _MOST_EM300_LIVE_WORDS:
            raise Refusal(Code.ILLEGAL_VALUE)
        return
    code = settings.behaviour.joint_state
    if code is not None and address <= layout.STATE < layout.FILE_SIZE < address + count:
        raise Refusal(code)
    code = settings.behaviour.partial_der_key
    if code is None or snapshot.key is None:
        return
    whole = (layout.DER_KEY, len(snapshot.key.spki) // 2)
    if 0 <= address - layout.DER_KEY < _DER_KEY_WORDS and (address, count) != whole:
        raise Refusal(code)


def live(snapshot: Snapshot) -> list[int]:
    """0x0000 to 0x0057: instantaneous values and the coarse energy counters."""
    watts = snapshot.load.tenths()
    volts = rounded(NOMINAL_VOLTAGE * 10)
    chained = rounded(NOMINAL_VOLTAGE * _SQRT3 * 10)
    amps = [rounded(Decimal(power) * 100 / NOMINAL_VOLTAGE) for power in watts]
    total = sum(watts)
    rows = [volts] * 3 + [chained] * 3 + amps + list(watts) + [abs(power) for power in watts]
    rows += [0, 0, 0, volts, chained, total, abs(total), 0]
    words = [word for row in rows for word in number(row, 2)]
    words += [number(-1000 if power < 0 else 1000, 1)[0] for power in (*watts, total)]
    words += [1, 500]  # phase sequence, 50.0 Hz
    coarse = {0x34: snapshot.import_wh, 0x4E: snapshot.export_wh, 0x56: snapshot.import_wh}
    while len(words) < _LIVE_WORDS:
        words += number(coarse.get(len(words), 0) // 100, 2)
    return words


def _firmware(snapshot: Snapshot) -> list[int]:
    """Both modules packed; on the EM300 series the number of a letter, and a revision."""
    measure, communication = snapshot.settings.firmware
    if snapshot.settings.is_em300:
        return [measure >> 12, communication & 0xFF]
    return [measure, communication]


def _temperature(snapshot: Snapshot) -> Words:
    return number(snapshot.temperature, 1)


def _energy(snapshot: Snapshot) -> list[int]:
    words = [0] * 32
    words[0:4] = number(snapshot.import_wh, 4)
    words[28:32] = number(snapshot.export_wh, 4)
    return words


def _em300_energy(snapshot: Snapshot) -> list[int]:
    words = [0] * 12
    for place, energy in ((0, snapshot.import_wh), (8, snapshot.export_wh)):
        words[place : place + 4] = number(energy // 1000, 2) + number(energy % 1000, 2)
    return words


def signed_map(snapshot: Snapshot) -> Words:
    """0x0800: 61 words of content and their signature."""
    if snapshot.key is None:
        raise Refusal(Code.ILLEGAL_ADDRESS)
    settings = snapshot.settings
    content = (
        *_measured("0100010800FF0000", _UNIT_WH, 0, snapshot.import_wh, 4),
        *_measured("0100020800FF0000", _UNIT_WH, 0, snapshot.export_wh, 4),
        *_measured("0100100700FF0000", _UNIT_W, -1, sum(snapshot.load.tenths()), 2),
        *_measured("01008C0700FF0000", _UNIT_OHM, -3, 0, 2),
        *text(settings.model, 10),
        *text(settings.serial_number, 7),
        *text(settings.device_tag, 8),
    )
    return (*content, *_signature(snapshot.key, content))


@lru_cache(maxsize=64)
def _signature(key: SigningKey, content: Words) -> Words:
    """Kept while the content stays the same: a 384-bit signature costs half a millisecond."""
    return blob(key.sign_plain(layout.raw(content)), key.size)


def _measured(code: str, unit: int, exponent: int, value: int, words: int) -> Words:
    return (
        *blob(bytes.fromhex(code), 4),
        unit,
        *number(exponent, 1),
        *number(value, words),
    )


def _signature_type(snapshot: Snapshot) -> list[int]:
    return [2 if snapshot.key is None else snapshot.key.type_code]


def _raw_key(snapshot: Snapshot) -> Words:
    if snapshot.key is None:
        raise Refusal(Code.ILLEGAL_ADDRESS)
    return blob(snapshot.key.point, layout.RAW_KEY_WORDS)


def _der_key(snapshot: Snapshot) -> Words:
    if snapshot.key is None:
        raise Refusal(Code.ILLEGAL_ADDRESS)
    return blob(snapshot.key.spki, len(snapshot.key.spki) // 2)


def _serial(snapshot: Snapshot) -> Words:
    serial = snapshot.settings.serial_number
    if snapshot.settings.is_em300:
        return tuple(serial.encode()[:7].ljust(7, b"\0"))
    return text(serial, 7)


def _year(snapshot: Snapshot) -> list[int]:
    year = snapshot.settings.production_year
    if year is None:
        raise Refusal(Code.ILLEGAL_ADDRESS)
    return [year]


def _stored(first: int, count: int) -> Area:
    """Registers that show what was written to them."""
    places = range(first, first + count)
    return Area(first, count, lambda snapshot: [snapshot.memory.words.get(at, 0) for at in places])


def _clock(snapshot: Snapshot) -> Words:
    return number(int(snapshot.moment.at.timestamp()), 4)


def _zero(_: Snapshot) -> list[int]:
    return [0]


def _state(snapshot: Snapshot) -> Words:
    memory = snapshot.memory
    hidden = snapshot.settings.behaviour.hides_signing and session.is_signing(memory)
    state = OcmfState.NOT_READY if hidden else memory.state
    return (state, -(-len(memory.record) // 2), *number(memory.last_number, 2))


def _session(snapshot: Snapshot) -> Words:
    """Since the begin, or between begin and end while the record waits."""
    running = snapshot.memory.session
    if running is None:
        return (0,) * 12
    end = running.end
    moment = snapshot.moment if end is None else end.moment
    imported = snapshot.import_wh if end is None else end.import_wh
    exported = snapshot.export_wh if end is None else end.export_wh
    seconds = int((moment.at - running.begin.moment.at).total_seconds())
    return (
        *number(imported - running.begin.import_wh, 4),
        *number(exported - running.begin.export_wh, 4),
        *number(max(seconds, 0), 4),
    )


_LIVE_WORDS: Final = 0x58
_DER_KEY_WORDS: Final = 62
_COMMON: Final = (
    Area(layout.LIVE, _LIVE_WORDS, live),
    Area(layout.FIRMWARE, 2, _firmware),
)
_AREAS: Final = (
    *_COMMON,
    Area(layout.TEMPERATURE, 1, _temperature),
    Area(layout.ENERGY, 32, _energy),
    Area(layout.SIGNED_MAP, 109, signed_map),
    Area(layout.SIGNATURE_TYPE, 1, _signature_type),
    Area(layout.RAW_KEY, layout.RAW_KEY_WORDS, _raw_key),
    Area(layout.DER_KEY, _DER_KEY_WORDS, _der_key),
    Area(layout.SERIAL, 7, _serial),
    Area(layout.YEAR, 1, _year),
    Area(layout.DEVICE_STATE, 1, _zero),
    _stored(layout.TARIFF, layout.TARIFF_WORDS),
    _stored(layout.TARIFF_UPDATE, 1),
    _stored(layout.ID_METHOD, 8),
    _stored(layout.STATUS, layout.FIELDS_WORDS),
    _stored(layout.UTC_OFFSET, 1),
    Area(layout.CLOCK, 4, _clock),
    _stored(layout.MODALITY, 1),
    Area(layout.COMMAND, 1, _zero),
    Area(layout.CHARGING, 1, lambda snapshot: [snapshot.memory.charging]),
    Area(layout.SUMMARY_S, 1, lambda _: [60]),
    Area(layout.LAST_ID, layout.LAST_ID_WORDS, lambda s: text(s.memory.last_id, 7)),
    Area(layout.CLOCK_STATUS, 1, lambda snapshot: [int(snapshot.moment.synchronised)]),
    Area(layout.STATE, 4, _state),
    Area(layout.FILE, layout.FILE_WORDS, lambda s: blob(s.memory.record, layout.FILE_WORDS)),
    Area(layout.SESSION, 12, _session),
)
_EM300_AREAS: Final = (
    *_COMMON,
    Area(0x0400, 12, _em300_energy),
    Area(layout.SERIAL, 7, _serial),
    Area(0x5010, 1, _year),
)
