"""The bodies of the requests that change something, and what is said of one that does not fit."""

import re
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, inspect

from chargepoint.core.model import IdTokenType
from chargepoint.core.variables import ADDITIONAL_INFO_ITEMS_MOST
from chargepoint.local.http import Refusal, Request, Response

WEEK_S: Final = 7 * 24 * 3600
SECRET: Final = frozenset({"id_token", "additional", "chain"})

Body = TypeVar("Body", bound="Strict")

Duration: TypeAlias = Annotated[float, Meta(ge=0, le=WEEK_S)]
Text: TypeAlias = Annotated[str, Meta(max_length=50)]

ErrorCode: TypeAlias = Literal[
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "OtherError",
    "OverCurrentFailure",
    "OverVoltage",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "WeakSignal",
]
"""OCPP 1.6 ChargePointErrorCode but for NoError, which is no fault."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A body in which a field that nobody reads is a mistake."""


class Nothing(Strict, frozen=True):
    """A body without fields."""


class VehicleBody(Strict, frozen=True):
    """How the vehicle behaves; the fields of ``hardware.simulated.Vehicle``."""

    ready_after_s: Duration = 0.0
    power_w: Annotated[float, Meta(ge=0, le=1e6)] = 11000.0
    phases: Literal[1, 2, 3] = 3
    unplug_after_s: Duration | None = None
    fault: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    fault_after_s: Duration | None = None


class OutletBody(Strict, frozen=True):
    """Which connector."""

    evse: int
    connector: int = 1


class PlugBody(OutletBody, frozen=True):
    """A vehicle and the connector it is plugged to."""

    ev: VehicleBody | None = None


class AdditionalBody(Strict, frozen=True):
    """What the CSMS is to check beside a token, and what it knows this as."""

    id_token: Annotated[str, Meta(max_length=36)]
    type: Annotated[str, Meta(max_length=50)]


class TokenBody(Strict, frozen=True):
    """A token and the EVSEs that its reader serves; none means that it serves the station.

    Only one of type NoAuthorization, a start button, is empty (OCPP 2.0.1 C02).
    """

    id_token: Annotated[str, Meta(max_length=36)]
    type: IdTokenType = IdTokenType.ISO14443
    evses: tuple[int, ...] = ()
    additional: Annotated[
        tuple[AdditionalBody, ...], Meta(max_length=ADDITIONAL_INFO_ITEMS_MOST)
    ] = ()


class ContractBody(Strict, frozen=True):
    """The contract certificate of the vehicle at an EVSE: PEM, leaf first (OCPP 2.0.1 C07)."""

    evse: int
    chain: Annotated[str, Meta(max_length=20_000)]


class FaultBody(Strict, frozen=True):
    """What broke or works again; without ``evse`` it is the station."""

    evse: int | None = None
    connector: int | None = None
    error_code: ErrorCode = "OtherError"
    vendor_error_code: Text = ""
    info: Text = ""


class Unfit(Refusal):
    """A field that does not fit: where, what was found, what is allowed."""

    def __init__(self, path: str, found: str, allowed: str) -> None:
        sentence = f"{path or 'body'}: found {found}, allowed: {allowed}"
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)
        self.path = path
        self.found = found
        self.allowed = allowed

    def response(self) -> Response:
        """The sentence and its parts."""
        parts = {"path": self.path, "found": self.found, "allowed": self.allowed}
        return Response({"error": str(self), **parts}, self.status)


def read(request: Request, kind: type[Body]) -> Body:
    """The body of a request.

    Raises:
        Unfit: a field is missing, unknown, or has another type or value than is allowed.
        Refusal: it is no JSON, or not declared as such.
    """
    try:
        return request.read(kind)
    except Refusal as refusal:
        if isinstance(refusal.__cause__, msgspec.ValidationError):
            raise _unfit(str(refusal.__cause__), request.body, kind) from refusal
        raise


def _unfit(sentence: str, body: bytes, kind: type[Strict]) -> Unfit:
    what, _, where = sentence.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    allowed: inspect.Type = inspect.type_info(kind)
    value: Any = _whole(body)
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        allowed = _inner(allowed, name)
        value = _part(value, int(index) if index else name)
    field = re.fullmatch(r"Object (contains unknown|missing required) field `(.*)`", what)
    if field is None:
        return Unfit(path, _shown(value, path), _allowed(allowed))
    path = f"{path}.{field[2]}" if path else field[2]
    if field[1] == "missing required":
        return Unfit(path, "nothing", _allowed(_inner(allowed, field[2])))
    return Unfit(path, "an unknown field", _allowed(allowed))


def _whole(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """What does not fit was found before the end: the rest may still be no JSON."""
    try:
        return msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"bad body: {error}") from error


def _part(value: Any, place: str | int) -> Any:  # noqa: ANN401 - any JSON
    """What does not fit may be there no more: of two fields with one name the last is left."""
    try:
        return value[place]
    except (TypeError, LookupError) as error:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, "bad body: a field is there twice"
        ) from error


def _inner(outer: inspect.Type, name: str) -> inspect.Type:
    """The type of a field, or of an item if there is no name."""
    match outer:
        case inspect.UnionType():
            return _inner(_not_none(outer), name)
        case inspect.StructType():
            return next(field.type for field in outer.fields if field.name == name)
        case inspect.VarTupleType():
            return outer.item_type
    raise TypeError(f"{outer} holds nothing")


def _not_none(union: inspect.UnionType) -> inspect.Type:
    return next(kind for kind in union.types if not isinstance(kind, inspect.NoneType))


def _shown(value: object, path: str) -> str:
    """What was found; a token, or what may hold one, is not repeated."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if path.rpartition(".")[2] in SECRET and isinstance(value, str):
        return "another text"
    text = msgspec.json.encode(value).decode()
    most = 60
    return text if len(text) <= most else f"{text[:most]}..."


def _allowed(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType():
            return f"{_allowed(_not_none(kind))}, or null"
        case inspect.StructType():
            return f"an object with {', '.join(field.name for field in kind.fields) or 'no fields'}"
        case inspect.VarTupleType():
            most = f" of at most {kind.max_length}" if kind.max_length else ""
            return f"a list{most}, each of it {_allowed(kind.item_type)}"
        case inspect.LiteralType():
            return ", ".join(map(str, kind.values))
        case inspect.EnumType():
            return ", ".join(kind.cls)
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return f"a number from {kind.ge or 0:g} to {kind.le:g}"
        case inspect.StrType():
            return f"text of {kind.min_length or 0} to {kind.max_length} characters"
    return str(kind)
