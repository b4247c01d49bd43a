"""A second opinion on every frame: the reference validator, and rules that no schema holds.

It shares neither code nor number parsing with the station's own check, so a mistake there is
seen here.
"""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from jsonschema import FormatChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

MAX_MESSAGE_ID: Final = 36
MAX_DESCRIPTION: Final = 255

_FOLDERS: Final[Mapping[str, tuple[str, str]]] = {"1.6": ("v16", ""), "2.0.1": ("v201", "Request")}
_CALL, _RESULT, _ERROR = 2, 3, 4
_ERROR_CODES: Final = frozenset(
    {
        "GenericError",
        "InternalError",
        "NotImplemented",
        "NotSupported",
        "PropertyConstraintViolation",
        "ProtocolError",
        "SecurityError",
        "TypeConstraintViolation",
    }
)
_OWN_ERROR_CODES: Final[Mapping[str, frozenset[str]]] = {
    "1.6": frozenset({"FormationViolation", "OccurenceConstraintViolation"}),
    "2.0.1": frozenset(
        {
            "FormatViolation",
            "MessageTypeNotSupported",
            "OccurrenceConstraintViolation",
            "RpcFrameworkError",
        }
    ),
}
_LENGTHS: Final[Mapping[int, int]] = {_CALL: 4, _RESULT: 3, _ERROR: 5}
# Systems in the field refuse more than three digits, lower case letters and a missing zone.
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)")

_formats = FormatChecker(formats=())


class Direction(StrEnum):
    """Who speaks."""

    FROM_STATION = "from station"
    FROM_CSMS = "from csms"


@dataclass(frozen=True, slots=True)
class Frame:
    """One text frame. ``payload`` has ``Decimal`` for every number with a point.

    ``kind`` is 2, 3 or 4, and 0 for what is no message; then ``message_id`` may be empty.
    ``action`` of an answer is that of the call; empty if nobody called.
    """

    time: datetime
    station: str
    direction: Direction
    text: str
    kind: int
    message_id: str
    action: str
    payload: Any


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """What is wrong with one frame, in words."""

    station: str
    direction: Direction
    action: str
    message: str
    text: str

    def __str__(self) -> str:
        return f"{self.station} {self.direction}: {self.action or 'frame'}: {self.message}"


def parse(text: str | bytes) -> Any:
    """JSON with exact decimals.

    Raises:
        ValueError: it is not JSON; NaN and infinity are not.
    """
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def envelope_faults(frame: Any) -> list[str]:
    """What is wrong with the array around a payload; nothing is wrong if the list is empty."""
    if not isinstance(frame, list) or not frame or frame[0] not in _LENGTHS:
        return ["a frame is an array that begins with 2, 3 or 4"]
    faults = []
    if len(frame) != _LENGTHS[frame[0]]:
        faults.append(f"{len(frame)} elements, expected {_LENGTHS[frame[0]]}")
    message_id = frame[1] if len(frame) > 1 else None
    if not isinstance(message_id, str) or not 0 < len(message_id) <= MAX_MESSAGE_ID:
        faults.append(f"the message id is no string of 1 to {MAX_MESSAGE_ID} characters")
    if frame[0] == _CALL and not (len(frame) > 2 and isinstance(frame[2], str)):  # noqa: PLR2004 - the action
        faults.append("the action is no string")
    return faults


def payload_faults(
    version: str, action: str, *, answer: bool, payload: Any, record_most: int = 0
) -> list[str]:
    """What the schema of the version has against a payload; names where, found and allowed.

    A signed record may have ``record_most`` characters although the schema says 2500.
    """
    validator = _validator(version, action, answer=answer)
    if validator is None:
        return [f"no such action in OCPP {version}"]
    return [
        f"{error.json_path}: {error.message}"
        for error in validator.iter_errors(payload)
        if not _is_taken(error, record_most)
    ]


def _is_taken(error: ValidationError, record_most: int) -> bool:
    return (
        error.validator == "maxLength"
        and error.path[-1] == "signedMeterData"
        and len(error.instance) <= record_most
    )


def error_faults(version: str, rest: list[Any]) -> list[str]:
    """What is wrong with the part of a CALLERROR after the message id."""
    code, description, details = rest
    faults = []
    if code not in _ERROR_CODES | _OWN_ERROR_CODES[version]:
        faults.append(f"OCPP {version} has no error code {code!r}")
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION:
        faults.append(f"the description is no string of at most {MAX_DESCRIPTION} characters")
    if not isinstance(details, dict):
        faults.append("the details are no object")
    return faults


def known_actions(version: str) -> frozenset[str]:
    """Every action of the version."""
    folder, suffix = _FOLDERS[version]
    return frozenset(
        file.stem.removesuffix(suffix)
        for file in _schemas(folder).glob("*.json")
        if not file.stem.endswith("Response")
    )


def _is_instant(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return _INSTANT.fullmatch(value) is not None and bool(datetime.fromisoformat(value))


_formats.checks("date-time", raises=ValueError)(_is_instant)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _schemas(folder: str) -> Path:
    spec = find_spec("ocpp")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the distribution 'ocpp', which holds the schemas, is missing")
    return Path(spec.origin).parent / folder / "schemas"


@functools.cache
def _validator(version: str, action: str, *, answer: bool) -> Validator | None:
    folder, suffix = _FOLDERS[version]
    if action not in known_actions(version):
        return None
    file = _schemas(folder) / f"{action}{'Response' if answer else suffix}.json"
    # Exact decimals here, too: with floats 21.4 is no multiple of 0.1.
    schema = json.loads(file.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    return validator_for(schema)(schema, format_checker=_formats)
