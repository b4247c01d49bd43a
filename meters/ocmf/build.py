"""Makes records the way a meter does, for simulated meters and test vectors.

The text is rendered once and those bytes are signed; whoever wants other bytes builds again.
Content that the specification forbids is refused rather than signed.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from meters.ocmf import conformance, curves
from meters.ocmf.curves import DOMAIN
from meters.ocmf.errors import OcmfError
from meters.ocmf.readings import BEGIN
from meters.ocmf.record import HEADER

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

Content: TypeAlias = "str | bool | int | Decimal | Sequence[Content] | Mapping[str, Content]"


@dataclass(frozen=True, slots=True)
class Style:
    """How a meter spells its payload: the order of fields, and where it puts blanks.

    Orders are names with blanks between; fields that an order does not name follow in the order
    they were given. ``blank_after_colon`` names the fields, by path, that have one blank between
    colon and value.
    """

    order: str
    reading_order: str
    blank_after_colon: frozenset[str] = frozenset()


STANDARD = Style(
    order="FV GI GS GV PG MV MM MS MF IS IL IF IT ID TT CF LC CT CI RD",
    reading_order="TM TX RV RI RU RT CL EF ST",
)
"""Compact, in the order most devices have."""

EM580 = Style(
    order="FV GI GS GV PG MV MM MS MF IS IL IF IT ID TT CT CI LC RD",
    reading_order="TM TX RV RI RU RT RM ST",
    blank_after_colon=frozenset({"LC.LI", "LC.LR", "LC.LU"}),
)
"""Carlo Gavazzi EM580, firmware 1.6.3, byte for byte: LC late, RM for EF, blanks inside LC."""

_MOST_DIGITS = 30
_PAGE = re.compile(r"[TF](?:0|[1-9][0-9]*)")


def build(
    payload: Mapping[str, Content], *, style: Style = STANDARD, strict: bool = False
) -> bytes:
    """The payload section, ready to be signed.

    A ``Decimal`` keeps its places (``Decimal("1251.890")``); text is written in ASCII. ``strict``
    also refuses an identification whose form is not that of its type.

    Raises:
        OcmfError: the content must not be signed: the separator in a text, no readings, a field
            too long, a register without unit, a number that is none, a loss at the begin.
    """
    _check(payload, strict=strict)
    return _render(payload, "", style).encode("ascii")


def sign(
    payload: bytes,
    private_key: "EllipticCurvePrivateKey",
    algorithm: str,
    *,
    encoding: str = "",
    form: str = "der",
) -> bytes:
    """The record: header, payload as given, and its signature in upper-case hex DER.

    The same payload and key always give the same record (nonces by RFC 6979). ``algorithm`` is
    written to SA as given; ``encoding`` other than empty is written to SE and obeyed. ``form``
    ``raw`` writes r and s without DER, as some meters do; SM stays out in any case.

    Raises:
        OcmfError: the algorithm is not known or needs another curve than the key's.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    curve = curves.curve_of(algorithm)
    if curve is None or curve != private_key.curve.name:
        raise OcmfError(f"algorithm {algorithm} with a key on {private_key.curve.name}")
    if encoding not in {"", "hex", "base64"} or form not in {"der", "raw"}:
        raise OcmfError(
            f"encoding {encoding!r} and form {form!r}, expected hex or base64, der or raw"
        )
    blob = private_key.sign(payload, ec.ECDSA(SHA256(), deterministic_signing=True))
    if form == "raw":
        size = DOMAIN[curve].size
        blob = b"".join(number.to_bytes(size, "big") for number in utils.decode_dss_signature(blob))
    return seal(payload, blob, algorithm, encoding=encoding)


def seal(payload: bytes, blob: bytes, algorithm: str, *, encoding: str = "") -> bytes:
    """The record of a payload and a signature made elsewhere."""
    text = base64.b64encode(blob).decode() if encoding == "base64" else blob.hex().upper()
    fields = {"SD": text} | ({"SE": encoding} if encoding else {}) | {"SA": algorithm}
    return HEADER + payload + b"|" + json.dumps(fields, separators=(",", ":")).encode()


def _render(value: object, path: str, style: Style) -> str:
    match value:
        case str():
            if "|" in value:
                raise OcmfError(f"{path}: the separator | must not stand in a text")
            return json.dumps(value)
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return _number(Decimal(value), path)
        case Mapping():
            return (
                "{"
                + ",".join(_member(value, name, path, style) for name in _order(value, path, style))
                + "}"
            )
        case list() | tuple():
            return "[" + ",".join(_render(one, path, style) for one in value) + "]"
    raise OcmfError(f"{path}: {type(value).__name__} has no place in a record")


def _member(fields: Mapping[str, object], name: str, path: str, style: Style) -> str:
    where = f"{path}.{name}" if path else name
    if "|" in name:
        raise OcmfError(f"{where}: the separator | must not stand in a name")
    blank = " " if where in style.blank_after_colon else ""
    return f"{json.dumps(name)}:{blank}{_render(fields[name], where, style)}"


def _order(fields: Mapping[str, object], path: str, style: Style) -> list[str]:
    order = {"": style.order, "RD": style.reading_order}.get(path, "").split()
    known = [name for name in order if name in fields]
    return known + [name for name in fields if name not in order]


def _number(number: Decimal, path: str) -> str:
    """Digits with all places; a record never has an exponent or a minus before zero."""
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise OcmfError(f"{path}: {number} is no measured number")
    return format(abs(number) if number.is_zero() else number, "f")


def _check(payload: Mapping[str, Content], *, strict: bool) -> None:
    for problem in _problems(payload, strict=strict):
        raise OcmfError(problem)


def _problems(payload: Mapping[str, Content], *, strict: bool) -> Iterator[str]:
    page = payload.get("PG")
    if not isinstance(page, str) or not _PAGE.fullmatch(page):
        yield f"PG: {page!r}, expected T or F and a number"
    for name, limit in conformance.TEXT_LIMITS.items():
        if len(str(payload.get(name, ""))) > limit:
            yield f"{name}: more than {limit} characters"
    flags = payload.get("IF", ())
    if isinstance(flags, Sequence) and len(flags) > conformance.MOST_FLAGS:
        yield f"IF: {len(flags)} flags, at most {conformance.MOST_FLAGS}"
    cable = payload.get("LC", {})
    if (
        isinstance(cable, Mapping)
        and len(str(cable.get("LN", ""))) > conformance.LONGEST_CABLE_NAME
    ):
        yield f"LC.LN: more than {conformance.LONGEST_CABLE_NAME} characters"
    form = conformance.ID_FORMS.get(str(payload.get("IT")))
    if strict and form is not None and not form.fullmatch(str(payload.get("ID", ""))):
        yield f"ID: has not the form of {payload['IT']}"
    yield from _reading_problems(payload.get("RD"))


def _reading_problems(readings: object) -> Iterator[str]:
    if not isinstance(readings, Sequence) or isinstance(readings, str) or not readings:
        yield "RD: no readings"
        return
    places: dict[object, int] = {}
    for index, reading in enumerate(readings):
        where = f"RD[{index}]"
        if not isinstance(reading, Mapping):
            yield f"{where}: no reading"
            continue
        if ("RI" in reading) != ("RU" in reading):
            yield f"{where}: register and unit go together"
        if reading.get("TX") == BEGIN and reading.get("CL"):
            yield f"{where}.CL: a loss at the begin"
        value = reading.get("RV")
        if isinstance(value, Decimal) and value.is_finite():
            exponent = value.as_tuple().exponent
            if places.setdefault(reading.get("RI"), int(exponent)) != exponent:
                yield f"{where}.RV: {value} has other places than the reading before"
