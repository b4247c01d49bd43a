"""The record as an IEM-DCR writes it, byte for byte, and the forms of key and signature."""

import json
from typing import Final

from meters import ocmf
from meters.ocmf.build import Content, Style
from meters.simulators.iem_dcr.memory import Session, Taken
from meters.simulators.iem_dcr.settings import Settings, SignatureForm, Wrapping
from meters.simulators.keys import SigningKey

ALGORITHM: Final = "ECDSA-secp256r1-SHA256"
VENDOR: Final = "Isabellenhuette"

_STYLE: Final = Style(
    order="FV GI GS GV MV MM MS MF CT CI IS IL IF IT ID PG TT RD",
    reading_order="TM TX EF ST RV RI RU RT",
)


def kwh(wh: int) -> str:
    """A register: eight digits, point, three places; kWh."""
    sign = "-" if wh < 0 else ""
    return f"{sign}{abs(wh) // 1000:08}.{abs(wh) % 1000:03}"


def payload(settings: Settings, session: Session) -> bytes:
    """The signed part, with as many readings as there are.

    Raises:
        OcmfError: a field holds what must not stand in a record, such as the separator.
    """
    content: dict[str, Content] = {
        "FV": "1.0",
        "GI": f"{VENDOR} {settings.model}",
        "GS": settings.serial_number,
        "GV": settings.firmware,
        "MV": VENDOR,
        "MM": settings.model,
        "MS": settings.serial_number,
        "CT": session.gateway.CT,
        "CI": session.gateway.CI,
        "IS": session.user.IS,
        "IL": session.user.IL,
        "IF": list(session.user.IF),
        "IT": session.user.IT,
        "ID": session.user.ID,
        "PG": f"T{session.page}",
        "TT": session.tariff,
        "RD": [one for taken in session.readings for one in _readings(settings, taken)],
    }
    if settings.mf_key:
        content["MF"] = "80.01.01"
    return ocmf.build(content, style=_STYLE)


def signed(settings: Settings, session: Session, key: SigningKey) -> bytes:
    """The record in the form of signature that the settings name.

    Raises:
        OcmfError: as for ``payload``.
    """
    text = payload(settings, session)
    seal = {"SA": ALGORITHM, "SD": _signature(text, key, settings.signature).hex().upper()}
    return b"OCMF|" + text + b"|" + json.dumps(seal, separators=(",", ":")).encode()


def wrapped(record: bytes, wrapping: Wrapping) -> bytes:
    """The body of an answer."""
    match wrapping:
        case Wrapping.PLAIN:
            return record
        case Wrapping.NEWLINE:
            return record + b"\r\n"
        case Wrapping.JSON:
            return json.dumps(record.decode()).encode()
        case Wrapping.BRACES:
            return b'{ "' + record + b'" }'


def _readings(settings: Settings, taken: Taken) -> list[dict[str, Content]]:
    first: dict[str, Content] = {
        "TM": str(taken.moment),
        "TX": taken.reason,
        "EF": taken.errors,
        "ST": taken.state,
        **_register(taken.import_wh, 1),
    }
    return [first, _register(taken.export_wh, 2)] if settings.export_readings else [first]


def _register(wh: int, number: int) -> dict[str, Content]:
    # The placeholders b and e are printed as they are: so does the device.
    return {"RV": kwh(wh), "RI": f"1-b:{number}.8.e", "RU": "kWh", "RT": "DC"}


def _signature(data: bytes, key: SigningKey, form: SignatureForm) -> bytes:
    if form is SignatureForm.DER:
        return key.sign(data)
    plain = key.sign_plain(data)
    if form is SignatureForm.RAW:
        return plain
    halves = plain[: key.size], plain[key.size :]
    integers = b"".join(b"\x02" + bytes((key.size,)) + half for half in halves)
    return b"\x30" + bytes((len(integers),)) + integers
