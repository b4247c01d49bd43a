"""Calls made from the official schemas: legal ones, and ones with exactly one thing wrong."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

REQUEST_SUFFIX = {"1.6": "", "2.0.1": "Request"}
FOLDER = {"1.6": "v16", "2.0.1": "v201"}

# Words that lead a call beyond the first check of a handler.
TEXTS = (
    "",
    "CP1",
    "04A1B2C3D4",
    "com.example",
    "TxCtrlr",
    "SampledDataCtrlr",
    "TxUpdatedInterval",
    "EVConnectionTimeOut",
    "MeterValueSampleInterval",
    "Display",
    "https://127.0.0.1:9/",
    "\u0000 \U0001f50c ä",
)
NUMBERS = (0, 1, 2, 3, 60, -1, 2**31 - 1, -(2**31), 2**63, 1.0, 1e300)  # JSON: 1.0 is an integer
FRACTIONS = (0, -0.0, 1.5, 16.0, 5e-324, 1e15, 1e308, -1e308)
CODES = {
    "missing": "ProtocolError",
    "type": "TypeConstraintViolation",
    "value": "PropertyConstraintViolation",
    "unknown": {"1.6": "FormationViolation", "2.0.1": "FormatViolation"},
    "count": {"1.6": "OccurenceConstraintViolation", "2.0.1": "OccurrenceConstraintViolation"},
}


@dataclass(frozen=True)
class Broken:
    """An illegal payload: what is wrong with it and where."""

    payload: dict[str, Any]
    kind: str
    where: str

    def code(self, version: str) -> str:
        """The CALLERROR that it deserves."""
        code = CODES[self.kind]
        return code if isinstance(code, str) else code[version]


@cache
def schema(version: str, action: str) -> Schema:
    """The official schema of a request."""
    spec = find_spec("ocpp")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / FOLDER[version] / "schemas"
    path = folder / f"{action}{REQUEST_SUFFIX[version]}.json"
    read: Schema = json.loads(path.read_text(encoding="utf-8-sig"))
    return read


def legal(version: str, action: str) -> st.SearchStrategy[dict[str, Any]]:
    """Payloads that the schema allows."""
    whole = schema(version, action)
    return _value(whole, whole)


@st.composite
def broken(draw: st.DrawFn, version: str, action: str) -> Broken:
    """A legal payload with one thing made wrong."""
    payload = draw(legal(version, action))
    whole = schema(version, action)
    return draw(st.sampled_from(list(_ways(whole, whole, payload, ""))))


def _resolved(part: Schema, whole: Schema) -> Schema:
    if "$ref" in part:
        found: Schema = whole["definitions"][part["$ref"].rpartition("/")[2]]
        return found
    return part


def _value(part: Schema, whole: Schema) -> st.SearchStrategy[Any]:
    part = _resolved(part, whole)
    if "enum" in part:
        return st.sampled_from(part["enum"])
    match part.get("type"):
        case "object":
            return _object(part, whole)
        case "array":
            most = min(part.get("maxItems", 3), 3)
            items = _value(part["items"], whole)
            return st.lists(items, min_size=part.get("minItems", 0), max_size=most)
        case "string":
            return _text(part)
        case "boolean":
            return st.booleans()
        case "integer":
            return _integer(part)
        case "number":
            tenths = st.integers(-999, 99999).map(lambda number: round(number / 10, 1))
            return tenths if "multipleOf" in part else st.sampled_from(FRACTIONS) | tenths
    return st.recursive(  # any JSON at all
        st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(TEXTS),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("a"), inner),
        max_leaves=3,
    )


def _object(part: Schema, whole: Schema) -> st.SearchStrategy[dict[str, Any]]:
    known = part.get("properties", {})
    needed = {name: _value(known[name], whole) for name in part.get("required", ())}
    others = {name: _value(sub, whole) for name, sub in known.items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=others)


def _text(part: Schema) -> st.SearchStrategy[str]:
    if part.get("format") == "date-time":
        moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1))  # noqa: DTZ001 - zone below
        written = moments.map(lambda moment: moment.replace(tzinfo=UTC).isoformat())
        return written | st.sampled_from(["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
    if part.get("format") == "uri":
        return st.sampled_from(["http://127.0.0.1:9/a", "ftp://127.0.0.1:9/b"])
    most = part.get("maxLength", 100)
    fitting = [text for text in TEXTS if len(text) <= most]
    return st.sampled_from(fitting) | st.text(
        st.characters(exclude_categories=("Cs",)), max_size=min(most, 12)
    )


def _integer(part: Schema) -> st.SearchStrategy[float]:
    low, high = part.get("minimum"), part.get("maximum")
    fitting = [n for n in NUMBERS if (low is None or n >= low) and (high is None or n <= high)]
    return st.sampled_from(fitting) if fitting else st.integers(low, high)


def _ways(part: Schema, whole: Schema, value: Any, where: str) -> Iterator[Broken]:
    """Every way to break this part of a payload, with the part itself as payload."""
    part = _resolved(part, whole)
    if "type" not in part:
        return  # anything is right
    if where:
        yield Broken(_of_another_type(part), "type", where)
    if isinstance(value, dict):
        yield from _ways_of_object(part, whole, value, where)
    elif isinstance(value, list):
        yield from _ways_of_list(part, whole, value, where)
    elif "enum" in part:
        yield Broken("Nonsense", "value", where)  # type: ignore[arg-type]
    elif isinstance(value, str) and "maxLength" in part:
        yield Broken("x" * (part["maxLength"] + 1), "value", where)  # type: ignore[arg-type]
    elif part.get("format") == "date-time":
        yield Broken("yesterday", "value", where)  # type: ignore[arg-type]
    elif "maximum" in part:
        yield Broken(part["maximum"] + 1, "value", where)


def _ways_of_object(
    part: Schema, whole: Schema, value: dict[str, Any], where: str
) -> Iterator[Broken]:
    if part.get("additionalProperties") is False:
        yield Broken({**value, "nonsense": 1}, "unknown", where)
    for name in part.get("required", ()):
        left = {key: sub for key, sub in value.items() if key != name}
        yield Broken(left, "missing", f"{where}.{name}")
    for name, sub in value.items():
        if name == "customData":
            continue
        for way in _ways(part["properties"][name], whole, sub, f"{where}.{name}"):
            yield Broken({**deepcopy(value), name: way.payload}, way.kind, way.where)


def _ways_of_list(part: Schema, whole: Schema, value: list[Any], where: str) -> Iterator[Broken]:
    if part.get("minItems"):
        yield Broken([], "count", where)  # type: ignore[arg-type]
    if value and "maxItems" in part:
        yield Broken(value[:1] * (part["maxItems"] + 1), "count", where)  # type: ignore[arg-type]
    for place, sub in enumerate(value):
        for way in _ways(part["items"], whole, sub, f"{where}[{place}]"):
            changed = [*value[:place], way.payload, *value[place + 1 :]]
            yield Broken(changed, way.kind, way.where)  # type: ignore[arg-type]


def _of_another_type(part: Schema) -> Any:
    return 7 if part["type"] in {"string", "object", "array", "boolean"} else "seven"


def example(version: str, action: str, *, whole: bool) -> dict[str, Any]:
    """One payload that the schema allows: with all that it may hold, or with what it must."""
    read = schema(version, action)
    made: dict[str, Any] = _example(read, read, whole=whole)
    return made


def _example(part: Schema, all_of_it: Schema, *, whole: bool) -> Any:
    part = _resolved(part, all_of_it)
    if "enum" in part:
        return part["enum"][0]
    match part.get("type"):
        case "object":
            names = part.get("properties", {}) if whole else part.get("required", [])
            return {
                name: _example(part["properties"][name], all_of_it, whole=whole) for name in names
            }
        case "array":
            return [_example(part["items"], all_of_it, whole=whole)]
        case "string":
            formats = {"date-time": "2026-03-01T10:00:00Z", "uri": "http://127.0.0.1:9/file"}
            return formats.get(part.get("format", ""), "1")
        case "boolean":
            return True
    return 1
