"""A snapshot of the meter: its registers, the bytes that are signed, and its OCMF record."""

import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from meters.ocmf.build import Content, Style, build
from meters.simulators.bauer_bsm import layout
from meters.simulators.bauer_bsm.layout import SIGNATURE_WORDS, SNAPSHOT_LENGTH, Type, Words
from meters.simulators.bauer_bsm.settings import Settings
from meters.simulators.keys import SigningKey

STYLE: Final = Style(
    order="FV GI GS GV PG MV MM MS IS IT ID X2 X3 RD",
    reading_order="TM TX RV RI RU XV XI XU XT RT EF ST",
)
MARKER: Final = "<=>"
NOT_AUTHENTIC: Final = 0x000F_0000
_WH, _W, _SECOND, _MINUTE, _NONE = 0x1E, 0x1B, 0x07, 0x06, 0xFF  # DLMS units
_CAUSES: Final = {
    Type.CURRENT: "C",
    Type.TURN_ON: "B",
    Type.TURN_OFF: "E",
    Type.START: "B",
    Type.END: "E",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the meter knew at one moment. Energies are in steps of ten to the ``scale`` Wh.

    ``epoch`` is None without a time. ``texts`` are the three text registers.
    """

    kind: Type
    reference: int
    total: int
    scale: int
    watts: int
    watts_scale: int = 0
    address: str
    count: int
    seconds: int
    epoch: int | None
    zone: int
    set_count: int
    set_seconds: int
    inputs: int = 1
    outputs: int = 0
    texts: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    events: int = 0


def signed_bytes(shot: Snapshot) -> bytes:
    """What the meter signs of a snapshot: every point as value, scale and unit, or as a text."""
    epoch = layout.UNSET_32 if shot.epoch is None else shot.epoch
    return b"".join(
        (
            _point(shot.kind),
            _point(shot.reference, shot.scale, _WH),
            _point(shot.total, shot.scale, _WH),
            _point(shot.watts, shot.watts_scale, _W),
            _text(shot.address.encode()),
            _point(shot.count),
            _point(shot.seconds, 0, _SECOND),
            _point(epoch, 0, _SECOND),
            _point(shot.zone, 0, _MINUTE),
            _point(shot.set_count),
            _point(shot.set_seconds, 0, _SECOND),
            _point(shot.inputs),
            _point(shot.outputs),
            *(_text(text) for text in shot.texts),
            _point(shot.events),
        )
    )


def registers(shot: Snapshot, signature: bytes) -> Words:
    """The payload of model 64901 without type and status."""
    epoch = layout.UNSET_32 if shot.epoch is None else shot.epoch
    words = (
        *layout.number(shot.reference, 2),
        *layout.number(shot.total, 2),
        shot.scale & 0xFFFF,
        shot.watts & 0xFFFF,
        shot.watts_scale & 0xFFFF,
        *layout.text(shot.address, 8),
        *layout.number(shot.count, 2),
        *layout.number(shot.seconds, 2),
        *layout.number(epoch, 2),
        shot.zone & 0xFFFF,
        *layout.number(shot.set_count, 2),
        *layout.number(shot.set_seconds, 2),
        shot.inputs,
        shot.outputs,
        *(
            word
            for text, (_, count) in zip(shot.texts, layout.META, strict=True)
            for word in layout.blob(text, count)
        ),
        *layout.number(shot.events, 2),
        SIGNATURE_WORDS,
        len(signature),
        *layout.blob(signature, SIGNATURE_WORDS),
    )
    return (*words, *[0] * (SNAPSHOT_LENGTH - 2 - len(words)))


def payload(settings: Settings, shot: Snapshot) -> bytes:
    """The signed part of the record."""
    model = f"{settings.vendor} {settings.model}"
    newer = settings.dialect == "kWh"
    content: dict[str, Content] = {
        "FV": "1.0",
        "GI": model,
        "GS": settings.serial_number,
        "GV": f"{settings.meter_version}, {settings.module_version}",
        "PG": f"T{shot.count}",
        "MV": settings.vendor,
        "MM": settings.model,
        "MS": settings.serial_number,
        "IS": True,
        "IT": "UNDEFINED",
        "ID": shot.texts[0].decode(errors="replace"),
    }
    if newer:
        for name, text in (("X2", shot.texts[1]), ("X3", shot.texts[2])):
            if text:
                content[name] = text.decode(errors="replace")
    good = not shot.events & NOT_AUTHENTIC
    content["RD"] = [
        {
            "TM": _time(shot),
            "TX": _CAUSES[shot.kind],
            "RV": _energy(shot.reference, shot.scale, newer=newer),
            "RI": "1-0:1.8.0*198",
            "RU": settings.dialect,
            "XV": _energy(shot.total, shot.scale, newer=newer),
            "XI": "1-0:1.8.0*255",
            "XU": settings.dialect,
            "XT": int(shot.kind),
            "RT": "AC",
            "EF": "" if good else "Et",
            "ST": "G" if good else "E",
        }
    ]
    return build(content, style=STYLE)


def record(signed: bytes, key: SigningKey, *, fresh: bool) -> bytes:
    """The record as this meter seals it: algorithm first, lower-case hex."""
    if fresh:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        signature = key.private.sign(signed, ec.ECDSA(SHA256()))
    else:
        signature = key.sign(signed)
    seal = json.dumps({"SA": key.algorithm, "SD": signature.hex()}, separators=(",", ":"))
    return b"OCMF|" + signed + b"|" + seal.encode()


def transaction_id(text: bytes) -> str:
    """The id in the third text register; empty if there is none."""
    _, marker, tail = text.decode(errors="replace").partition(MARKER)
    return tail.rpartition("#")[0] if marker else ""


def _point(value: int, scale: int = 0, unit: int = _NONE) -> bytes:
    return struct.pack(">IbB", value & 0xFFFF_FFFF, scale, unit)


def _text(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _energy(steps: int, scale: int, *, newer: bool) -> Decimal | int:
    wh = steps * 10**scale
    return Decimal(wh).scaleb(-3).quantize(Decimal(1).scaleb(scale - 3)) if newer else wh


def _time(shot: Snapshot) -> str:
    epoch = shot.epoch or 0
    local = datetime.fromtimestamp(epoch, UTC) + timedelta(minutes=shot.zone)
    hours, minutes = divmod(abs(shot.zone), 60)
    sign = "-" if shot.zone < 0 else "+"
    letter = "U" if shot.epoch is None else "S"
    return f"{local:%Y-%m-%dT%H:%M:%S},000{sign}{hours:02}{minutes:02} {letter}"
