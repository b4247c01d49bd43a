"""The official JSON schemas: is this payload a legal request or answer, and if not, why.

The schemas are the data files of the ``ocpp`` distribution; its Python packages are not imported
(180 ms, 9 MB). ``fastjsonschema`` turns a schema into a function when its action is first met.

Why two functions per schema: one that only says "no" compiles three times faster and is all that
legal traffic needs; the one that knows the broken rule is compiled when the first one says "no". So
the first one need not know where it is in a payload, which took a third of its time.
"""

import asyncio
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import fastjsonschema
import msgspec

from chargepoint.core.variables import LONGEST_RECORD
from chargepoint.errors import ChargePointError

Direction = Literal["request", "response"]

# Words of a schema that check nothing; without them less code is generated.
_PROSE = frozenset({"description", "javaType", "comment", "default", "title", "$id"})
# In generated code: where a part of a payload is, as its check is told; which names must be there;
# the words of an error; the texts that are allowed, one after the other.
_WHERE = re.compile(r"^( +validate\w+\(\w+, custom_formats), \(name_prefix or .*\)$", re.MULTILINE)
_NEEDED = re.compile(r"set\(\[('[^]\n]*')\]\) - data\.keys\(\)")
_WHY = re.compile(r"^( +raise JsonSchemaValueException)\(.*\)$", re.MULTILINE)
_ONE = r"isinstance\((\w+), str\) and \1 == ('[^'\\\n]*')"
_ONE_OF = re.compile(rf"\({_ONE}((?: or isinstance\(\1, str\) and \1 == '[^'\\\n]*')+)\)")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
_SECRET = frozenset({"idTag", "parentIdTag", "idToken", "additionalIdToken", "password", "value"})
_MOST_NAMES = 10  # that a message lists
_SHOWN = 40  # characters of an offending value that a message repeats


class Kind(StrEnum):
    """What is wrong with a payload."""

    MALFORMED = "malformed"  # not an object, or a property that the schema does not know
    MISSING = "missing"
    TYPE = "type"
    VALUE = "value"
    CARDINALITY = "cardinality"


@dataclass(frozen=True, slots=True)
class _Rules:
    """Where the schemas of a version are and how it spells the error codes."""

    folder: str
    request_suffix: str
    codes: Mapping[Kind, str]


_VERSIONS: Final[Mapping[str, _Rules]] = {
    "1.6": _Rules(
        folder="v16",
        request_suffix="",
        codes={
            Kind.MALFORMED: "FormationViolation",
            Kind.MISSING: "ProtocolError",
            Kind.TYPE: "TypeConstraintViolation",
            Kind.VALUE: "PropertyConstraintViolation",
            Kind.CARDINALITY: "OccurenceConstraintViolation",  # the spelling of OCPP-J 1.6
        },
    ),
    "2.0.1": _Rules(
        folder="v201",
        request_suffix="Request",
        codes={
            Kind.MALFORMED: "FormatViolation",
            Kind.MISSING: "ProtocolError",
            Kind.TYPE: "TypeConstraintViolation",
            Kind.VALUE: "PropertyConstraintViolation",
            Kind.CARDINALITY: "OccurrenceConstraintViolation",
        },
    ),
}

_KINDS: Final[Mapping[str, Kind]] = {
    "required": Kind.MISSING,
    "additionalProperties": Kind.MALFORMED,
    "type": Kind.TYPE,
    "minItems": Kind.CARDINALITY,
    "maxItems": Kind.CARDINALITY,
}


class Violation(ChargePointError):  # noqa: N818 - reads as a state
    """A payload breaks its schema. Caught by ``rpc``, which answers CALLERROR ``code``.

    ``path`` is written as ``meterValue[0].timestamp``; empty for the payload itself.
    """

    def __init__(self, kind: Kind, path: str, message: str, *, code: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.kind = kind
        self.path = path
        self.message = message
        self.code = code


class Schemas:
    """The schemas of one OCPP version. Cheap to make: compiled schemas belong to the process.

    Raises:
        KeyError: there are none of ``version``; known are "1.6" and "2.0.1".
    """

    def __init__(self, version: str) -> None:
        self.version = version
        self._rules = _VERSIONS[version]

    def actions(self) -> frozenset[str]:
        """Every action of the version, whoever may send it."""
        return _actions(self._rules.folder, self._rules.request_suffix)

    def request(self, action: str, payload: object) -> None:
        """Return if ``payload`` is a legal request.

        Raises:
            Violation: it is not.
            KeyError: the version has no such action.
        """
        self._check(action, "request", payload)

    def response(self, action: str, payload: object) -> None:
        """Return if ``payload`` is a legal answer; raises as ``request`` does."""
        self._check(action, "response", payload)

    async def warm(self, actions: Iterable[str]) -> None:
        """Compile the schemas of ``actions`` ahead, letting the loop run between any two.

        Raises:
            KeyError: the version has no such action.
        """
        directions: tuple[Direction, ...] = ("request", "response")
        for action in actions:
            for direction in directions:
                _compiled(self._rules.folder, self._file(action, direction), detailed=False)
                await asyncio.sleep(0)

    def _file(self, action: str, direction: Direction) -> str:
        if action not in self.actions():
            raise KeyError(action)
        return action + (self._rules.request_suffix if direction == "request" else "Response")

    def _check(self, action: str, direction: Direction, payload: object) -> None:
        name = self._file(action, direction)
        try:
            _compiled(self._rules.folder, name, detailed=False)(payload)
        except fastjsonschema.JsonSchemaValueException:
            raise self._violation(name, payload) from None

    def _violation(self, name: str, payload: object) -> Violation:
        try:
            _compiled(self._rules.folder, name, detailed=True)(payload)
        except fastjsonschema.JsonSchemaValueException as error:
            path = (error.name or "").removeprefix("data").removeprefix(".")
            kind = _KINDS.get(error.rule or "", Kind.VALUE) if path else _kind_of_whole(error.rule)
            return Violation(kind, path, _words(error, path), code=self._rules.codes[kind])
        raise AssertionError(f"schema {name} is not deterministic")


def _kind_of_whole(rule: str | None) -> Kind:
    """A payload that is not even an object is malformed rather than of a wrong type."""
    return Kind.MALFORMED if rule == "type" else _KINDS.get(rule or "", Kind.VALUE)


def _words(error: fastjsonschema.JsonSchemaValueException, path: str) -> str:
    """What was found and what is allowed, without repeating a token or a password."""
    rule, allowed, value = error.rule, error.rule_definition, error.value
    match rule:
        case "required":
            return f"required and missing: {', '.join(_sorted_names(allowed, without=value))}"
        case "additionalProperties":
            known = error.definition.get("properties", {})
            return f"unknown property: {', '.join(_sorted_names(value, without=known))}"
        case "type":
            return f"found {_type_name(value)}, expected {allowed}"
        case "maxLength":
            return f"{len(value)} characters, at most {allowed} allowed"
        case "minItems" | "maxItems":
            bound = "at least" if rule == "minItems" else "at most"
            return f"{len(value)} entries, {bound} {allowed} allowed"
        case "enum":
            return f"found {_shown(value, path)}, allowed: {', '.join(map(str, allowed))}"
        case _:
            return f"found {_shown(value, path)}, expected {rule} {allowed}"


def _sorted_names(names: Iterable[str], *, without: Iterable[str]) -> list[str]:
    found = sorted(set(names) - set(without))
    return [name[:_SHOWN] for name in found[:_MOST_NAMES]] + ["..."] * (len(found) > _MOST_NAMES)


def _shown(value: object, path: str) -> str:
    if re.split(r"[.\[]", path)[-1] in _SECRET:
        return "a value that is not shown"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _type_name(value: object) -> str:
    for name, kind in (("null", type(None)), ("boolean", bool), ("string", str), ("array", list)):
        if isinstance(value, kind):
            return name
    return "object" if isinstance(value, dict) else "number"


def _is_instant(text: str) -> bool:
    """RFC 3339 with a zone, and a moment that ``datetime.fromisoformat`` will accept.

    A zone without colon is let through: 1.6 systems send it, and it is unambiguous.
    """
    if _INSTANT.fullmatch(text) is None:
        return False
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _folder(version_folder: str) -> Path:
    spec = find_spec("ocpp")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the distribution 'ocpp', which holds the schemas, is missing")
    return Path(spec.origin).parent / version_folder / "schemas"


@functools.cache
def _actions(version_folder: str, request_suffix: str) -> frozenset[str]:
    def names() -> Iterator[str]:
        for file in _folder(version_folder).glob("*.json"):
            if not file.stem.endswith("Response"):
                yield file.stem.removesuffix(request_suffix)

    return frozenset(names())


_FORMATS: Final = {"date-time": _is_instant}


@functools.cache
def _compiled(version_folder: str, name: str, *, detailed: bool) -> Callable[[object], object]:
    # Some files start with a byte order mark.
    text = (_folder(version_folder) / f"{name}.json").read_text(encoding="utf-8-sig")
    schema = msgspec.json.decode(text)
    if signed := schema.get("definitions", {}).get("SignedMeterValueType"):
        signed["properties"]["signedMeterData"]["maxLength"] = LONGEST_RECORD
    schema = _without_prose(schema)
    # Defaults must not be filled in: a payload is checked, not changed.
    compiled: Callable[[object], object]
    if detailed:
        compiled = fastjsonschema.compile(schema, formats=_FORMATS, use_default=False)
    else:
        compiled = functools.partial(_lean(schema), custom_formats=_FORMATS)
    if '"multipleOf"' in text:
        # The generated code divides by way of Decimal(repr(x)), which a Decimal does not survive.
        return lambda payload: compiled(_with_floats(payload))
    return compiled


def _lean(schema: Any) -> Callable[..., object]:
    """The function that only says "no"."""
    code = fastjsonschema.compile_to_code(
        schema,
        formats=_FORMATS,
        use_default=False,
        detailed_exceptions=False,
    )
    code = _NEEDED.sub(r"{\1} - data.keys()", _WHERE.sub(r"\1)", code))
    code = _ONE_OF.sub(_in_a_set, _WHY.sub(r'\1("")', code))
    found: dict[str, Any] = {}
    exec(code, found)  # noqa: S102 - as fastjsonschema.compile does with what it generates
    function: Callable[..., object] = found["validate"]
    return function


def _in_a_set(found: re.Match[str]) -> str:
    """An enumeration has up to 40 words; most are of the last ones."""
    name, first, others = found.groups()
    words = [first, *(word for _, word in re.findall(_ONE, others))]
    return f"(isinstance({name}, str) and {name} in {{{', '.join(words)}}})"


def _with_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_floats(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_floats(part) for part in value]
    return float(value) if isinstance(value, Decimal) else value


def _without_prose(schema: Any) -> Any:
    """The schema without the words that check nothing; property names are left alone."""
    if isinstance(schema, list):
        return [_without_prose(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        word: {name: _without_prose(part) for name, part in value.items()}
        if word in {"properties", "definitions"}
        else _without_prose(value)
        for word, value in schema.items()
        if word not in _PROSE
    }
