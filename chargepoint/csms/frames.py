"""OCPP-J frames: text to message and back, and a form of the text that is fit for a log.

Inbound numbers become plain floats, but whole ones integers, however they are written: to JSON 7.0
is 7, to the store it is not. Outbound ``Decimal`` is written with exactly its own digits.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum
from math import isfinite
from sys import float_info
from typing import Any, Final

import msgspec

MAX_MESSAGE_ID = 255
"""Longer ids are not answered. The standard says 36; what others send is echoed gladly."""

_MAX_DESCRIPTION = 255
_LARGEST: Final = int(float_info.max)
_MASK = "***"
_SECRET_KEYS = frozenset(
    {"idTag", "parentIdTag", "idToken", "additionalIdToken", "password", "apnPassword", "simPin"}
)
_CHUNK: Final = 154  # characters; one of these is all digits in an integer beyond every float
_USER_INFO = re.compile(r"://[^/\s]*@")  # of an address: ftp://user:password@host
_PASSWORD_SETTINGS = frozenset({"authorizationkey", "basicauthpassword"})


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number that is too large")
    return int(number) if number.is_integer() else number


_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_decoder: Final = msgspec.json.Decoder(float_hook=_number)
_exact_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)


class MessageType(IntEnum):
    """First element of a frame."""

    CALL = 2
    RESULT = 3
    ERROR = 4


@dataclass(frozen=True, slots=True)
class Call:
    """A request; whether ``payload`` is an object is left to the schema."""

    message_id: str
    action: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Result:
    """A positive answer."""

    message_id: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Error:
    """A negative answer. ``code`` is whatever the other side sent, possibly no known word."""

    message_id: str
    code: str
    description: str
    details: Any


class Defect(StrEnum):
    """Why a frame is no message."""

    UNREADABLE = "unreadable"  # no JSON, no array, or no usable message id
    UNKNOWN_TYPE = "unknown type"
    BROKEN_CALL = "broken call"  # the id is known, the rest is not a call


class Malformed(Exception):  # noqa: N818 - reads as a state
    """A frame is no message. Caught by the reader, which logs it and, in 2.0.1, answers.

    ``message_id`` is None if it could not be read.
    """

    def __init__(self, defect: Defect, why: str, message_id: str | None = None) -> None:
        super().__init__(why)
        self.defect = defect
        self.message_id = message_id


def parse(text: str | bytes) -> Call | Result | Error:
    """The message in a frame.

    Raises:
        Malformed: there is none. The text of the error repeats nothing of the frame.
    """
    try:
        frame = _decoder.decode(text)
        giant = _may_hold_giant(text) and _has_giant(frame)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else f"not JSON: {error}"
        raise Malformed(Defect.UNREADABLE, why) from None
    except RecursionError:
        raise Malformed(Defect.UNREADABLE, "nested too deeply") from None
    if giant:
        raise Malformed(Defect.UNREADABLE, "not JSON: a number that is too large")
    if not isinstance(frame, list) or len(frame) < 2:  # noqa: PLR2004 - type and id
        raise Malformed(Defect.UNREADABLE, "not an array of type and message id")
    message_id = frame[1] if _is_id(frame[1]) else None
    match frame:
        case [MessageType.CALL, str(), str(action), payload] if message_id:
            return Call(message_id, action, payload)
        case [MessageType.RESULT, str(), *rest] if message_id:
            return Result(message_id, rest[0] if rest else None)
        case [MessageType.ERROR, str(), *rest] if message_id:
            return _error(message_id, rest)
        case [MessageType.CALL | MessageType.RESULT | MessageType.ERROR, *_] if not message_id:
            raise Malformed(Defect.UNREADABLE, "the message id is no string of usable length")
        case [MessageType.CALL, *_]:
            raise Malformed(Defect.BROKEN_CALL, "not [2, id, action, payload]", message_id)
        case _:
            raise Malformed(Defect.UNKNOWN_TYPE, "unknown message type", message_id)


def call(message_id: str, action: str, payload: dict[str, Any]) -> str:
    """The frame of a request.

    Raises:
        ValueError: a number or a text in ``payload`` has no JSON form (NaN, infinity).
    """
    return _encode([MessageType.CALL, message_id, action, payload])


def result(message_id: str, payload: dict[str, Any]) -> str:
    """The frame of a positive answer; raises as ``call`` does."""
    return _encode([MessageType.RESULT, message_id, payload])


def error(message_id: str, code: str, description: str, details: dict[str, Any]) -> str:
    """The frame of a negative answer; the description is cut at 255 characters."""
    return _encode([MessageType.ERROR, message_id, code, description[:_MAX_DESCRIPTION], details])


def masked(text: str) -> str:
    """``text`` with token values and passwords replaced by stars, for logs and screens.

    Numbers keep their digits.
    """
    try:
        frame = _exact_decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, ArithmeticError):  # 1e9999999999999999999
        return f"<{len(text)} characters that are not JSON>"
    return _encoder.encode(_masked(frame)).decode()


def _may_hold_giant(text: str | bytes) -> bool:
    """Whether there are so many digits in a row; costs little where there are not."""
    return any(text[at : at + _CHUNK].isdigit() for at in range(0, len(text), _CHUNK))


def _has_giant(value: object) -> bool:
    """Whether a number would be endless as a float, which is how it would be sent again."""
    if isinstance(value, dict):
        return any(map(_has_giant, value.values()))
    if isinstance(value, list):
        return any(map(_has_giant, value))
    return isinstance(value, int) and abs(value) > _LARGEST


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_MESSAGE_ID


def _error(message_id: str, rest: list[Any]) -> Error:
    """Lenient: systems leave out description and details, and an error is an error."""
    padded: list[Any] = [*rest, None, None, None]
    code, description, details, *_ = padded
    return Error(message_id, str(code or "GenericError"), str(description or ""), details)


def _encode(frame: list[Any]) -> str:
    data = _encoder.encode(frame)
    if b"NaN" in data or b"Infinity" in data:  # a Decimal may hold them; or just a text does
        _decoder.decode(data)
    return data.decode()


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(part) for part in value]
    if isinstance(value, str):
        return _USER_INFO.sub(f"://{_MASK}@", value)
    if not isinstance(value, dict):
        return value
    hidden = _hidden_values(value)
    return {
        key: _MASK if key in hidden and not isinstance(part, dict | None) else _masked(part)
        for key, part in value.items()
    }


def _hidden_values(container: dict[str, Any]) -> frozenset[str]:
    """Which keys of one object hold a secret; ``key`` does in the settings of a VPN only."""
    variable = container.get("variable")
    if isinstance(variable, dict) and _is_password(variable.get("name")):
        return frozenset({"attributeValue"})
    if _is_password(container.get("key")):
        return frozenset({"value"})
    return _SECRET_KEYS | {"key"} if "server" in container else _SECRET_KEYS


def _is_password(name: object) -> bool:
    """Names of settings are taken in any case, with spaces around them, too."""
    return isinstance(name, str) and name.strip().casefold() in _PASSWORD_SETTINGS
