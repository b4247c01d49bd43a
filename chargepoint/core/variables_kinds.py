"""How settings are written: text on the wire, in the file and in the store, typed in Python."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from chargepoint.errors import Refused

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class DataType(StrEnum):
    """How a value is written (OCPP 2.0.1 DataEnumType)."""

    STRING = "string"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    BOOLEAN = "boolean"
    OPTION_LIST = "OptionList"  # one of the values
    SEQUENCE_LIST = "SequenceList"  # some of the values, in order
    MEMBER_LIST = "MemberList"  # some of the values

    @property
    def is_number(self) -> bool:
        """Whether limits are about the value; otherwise they are about its length."""
        return self in {DataType.INTEGER, DataType.DECIMAL}

    @property
    def is_list(self) -> bool:
        """Whether a value is a list of words, written with commas."""
        return self in {DataType.SEQUENCE_LIST, DataType.MEMBER_LIST}


class Reason(StrEnum):
    """Why a value is refused; words of the OCPP 2.0.1 reasonCode list."""

    INTERNAL_ERROR = "InternalError"
    INVALID_VALUE = "InvalidValue"
    READ_ONLY = "ReadOnly"
    TOO_LARGE = "TooLargeElement"
    NOT_POSITIVE = "ValuePositiveOnly"
    ZERO = "ValueZeroNotAllowed"
    TOO_HIGH = "ValueTooHigh"
    TOO_LOW = "ValueTooLow"
    WRITE_ONLY = "WriteOnly"


@dataclass(frozen=True, slots=True)
class Secret:
    """A password; only ``value`` shows it."""

    value: str = field(repr=False)

    def __repr__(self) -> str:
        return "*****"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """How one sort of value is written. ``parse`` raises Refused; ``format`` is its inverse."""

    data_type: DataType
    parse: Callable[[str], T]
    format: Callable[[T], str]
    unit: str = ""


def words(data_type: DataType, text: str) -> tuple[str, ...]:
    """The words that a value of a list or option type consists of; none for other types."""
    if data_type is DataType.OPTION_LIST:
        return (text,)
    return tuple(text.split(",")) if data_type.is_list and text else ()


def choice(words: type[E]) -> Kind[E]:
    """One word of an enumeration."""

    def parse(text: str) -> E:
        try:
            return words(text.strip())
        except ValueError:
            raise _invalid(text, ", ".join(words)) from None

    return Kind(DataType.OPTION_LIST, parse, str)


def shown(text: str) -> str:
    """A value as an error quotes it: never more than its beginning."""
    longest = 40
    return repr(text if len(text) <= longest else f"{text[:longest]}...")


def _invalid(text: str, allowed: str) -> Refused:
    return Refused(f"found {shown(text)}, allowed {allowed}", reason=Reason.INVALID_VALUE)


def _boolean(text: str) -> bool:
    folded = text.strip().lower()
    if folded not in {"true", "false"}:
        raise _invalid(text, "true or false")
    return folded == "true"


def _boolean_text(value: bool) -> str:  # noqa: FBT001 - it is the value
    return "true" if value else "false"


def _integer(text: str) -> int:
    stripped = text.strip()
    if not re.fullmatch(r"[+-]?[0-9]+", stripped):
        raise _invalid(text, "a whole number")
    digits = stripped.lstrip("+-0")
    largest = 2**31 - 1
    if len(digits) > len(str(largest)) or int(digits or "0") > largest:
        reason = Reason.TOO_LOW if stripped.startswith("-") else Reason.TOO_HIGH
        raise Refused(f"found {shown(text)}, allowed 32 bits", reason=reason)
    return int(stripped)


def _decimal(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?", text.strip()):
        raise _invalid(text, "a number such as 1.5")
    return Decimal(text.strip())


def _moment(text: str) -> datetime:
    refused = _invalid(text, "a time such as 2030-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(text.strip())
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused from None
    if moment.tzinfo is None:
        raise refused
    return utc


def _moment_text(value: datetime) -> str:
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    if "" in names or len(set(names)) < len(names):
        raise _invalid(text, "words separated by commas, each once")
    return names


def _rotations(text: str) -> tuple[str, ...]:
    rotations = _names(text)
    connectors = [rotation.partition(".")[0] for rotation in rotations]
    if len(set(connectors)) < len(connectors):
        raise _invalid(text, "one item for each connector, such as 1.RST,2.RTS")
    return rotations


BOOLEAN = Kind(DataType.BOOLEAN, _boolean, _boolean_text)
INTEGER = Kind(DataType.INTEGER, _integer, str)
DECIMAL = Kind(DataType.DECIMAL, _decimal, lambda value: f"{value:f}")
SECONDS = Kind(
    DataType.INTEGER,
    lambda text: timedelta(seconds=_integer(text)),
    lambda value: str(value // timedelta(seconds=1)),
    unit="s",
)
MOMENT = Kind(DataType.DATE_TIME, _moment, _moment_text)
TEXT = Kind(DataType.STRING, str, str)
SECRET = Kind(DataType.STRING, Secret, lambda secret: secret.value)
MEMBERS = Kind(DataType.MEMBER_LIST, _names, ",".join)
SEQUENCE = Kind(DataType.SEQUENCE_LIST, _names, ",".join)
ROTATIONS = Kind(DataType.MEMBER_LIST, _rotations, ",".join)
MEASURAND_LIST = Kind(DataType.MEMBER_LIST, _names, ",".join)  # the meters decide which
