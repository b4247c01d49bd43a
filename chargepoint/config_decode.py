"""From a tree of values to the structs of the config, collecting every complaint on the way.

msgspec stops at the first mistake and knows no lines; an installer wants all of them at once. So
the tree is walked here, and msgspec judges the single values.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from chargepoint.config_model import Password, SettingText
from chargepoint.config_yaml import Node, child
from chargepoint.log_lines import printable

_SECRET_KEYS = ("password", "token")
_SHOWN = 100  # characters of a value that a complaint repeats


def complaint(where: str, path: str, found: str, allowed: str, hint: str = "") -> str:
    """One line that says where, what was found and what is allowed."""
    line = f"{where}: {path}: {found}; allowed: {allowed}" + (f"; {hint}" if hint else "")
    return printable(line)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the known word nearest to a mistyped one; empty if none is near."""
    names = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
    return f"did you mean `{names[near[0]]}`?" if near else ""


class Decoder:
    """Makes typed values and keeps the ``complaints``.

    While there are complaints the values are not to be used. ``base`` is the folder that relative
    paths start from.
    """

    def __init__(self, base: Path) -> None:
        self.complaints: list[str] = []
        self._base = base

    def decode(self, node: Node, kind: Any, path: str) -> Any:  # noqa: ANN401 - any type, any value
        """The value of ``node`` as a ``kind``: a struct, a collection or a single value."""
        if kind == SettingText:
            return self._setting(node, path)
        bare = _bare(kind)
        if get_origin(bare) in {Union, UnionType}:
            if node.value is None:
                return None
            return self.decode(node, _not_none(bare), path)
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            return self.struct(node, bare, path)
        if get_origin(bare) is dict:
            return self.each(
                node, lambda _, item, at: self.decode(item, get_args(bare)[1], at), path
            )
        if get_origin(bare) in {tuple, list}:
            return self._list(node, kind, path)
        return self._scalar(node, kind, path)

    def struct(
        self, node: Node, kind: type[msgspec.Struct], path: str, *more: str, **given: object
    ) -> Any:  # noqa: ANN401 - an instance of kind, or None after a complaint
        """A struct from a mapping.

        ``more`` names keys that somebody else reads, ``given`` holds fields that are not written.
        """
        if not isinstance(node.value, dict):
            allowed = "a mapping with " + ", ".join(_keys(kind, given))
            self.complain(node, path, f"found {found(node)}", allowed)
            return None
        before = len(self.complaints)
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        values = dict(given)
        for key, item in node.value.items():
            if key in fields and key not in given:
                values[key] = self.decode(item, fields[key].type, child(path, key))
            elif key not in more:
                self._unknown(item, child(path, key), key, [*_keys(kind, given), *more])
        for field in fields.values():
            if field.required and field.name not in values:
                self.complain(node, child(path, field.name), "missing", allowed_words(field.type))
        if len(self.complaints) > before:
            return None
        try:
            return kind(**values)
        except (ValueError, TypeError) as error:  # from a driver's own __post_init__
            self.complaints.append(f"{node.where}: {path}: {error}")
            return None

    def each(
        self, node: Node, decode: Callable[[str, Node, str], Any], path: str
    ) -> dict[str, Any]:
        """A mapping of free keys, each value decoded by ``decode(key, item, path)``.

        Nothing below a key (all lines commented out) is an empty mapping.
        """
        if node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.complain(node, path, f"found {found(node)}", "a mapping of names")
            return {}
        return {key: decode(key, item, child(path, key)) for key, item in node.value.items()}

    def complain(self, node: Node, path: str, found: str, allowed: str, hint: str = "") -> None:
        """Keep one complaint about the value of ``node``."""
        self.complaints.append(complaint(node.where, path, found, allowed, hint))

    def _unknown(self, node: Node, path: str, key: str, known: list[str]) -> None:
        allowed = ", ".join(known) or "no keys here"
        self.complain(node, path, "found an unknown key", allowed, did_you_mean(key, known))

    def _list(self, node: Node, kind: Any, path: str) -> tuple[Any, ...]:  # noqa: ANN401
        item_kind = get_args(_bare(kind))[0]
        if isinstance(node.value, list):
            items = node.value
        elif isinstance(node.value, dict) or node.value is None or _is_struct(item_kind):
            self.complain(
                node, path, f"found {found(node)}", f"a list of {allowed_words(item_kind)}"
            )
            return ()
        else:
            return (self.decode(node, item_kind, path),)
        if not items and _least(kind):
            self.complain(node, path, "found an empty list", "one entry or more")
        return tuple(
            self.decode(item, item_kind, f"{path}[{index}]") for index, item in enumerate(items)
        )

    def _scalar(self, node: Node, kind: Any, path: str) -> Any:  # noqa: ANN401
        bare = _bare(kind)
        if isinstance(node.value, dict | list):
            self.complain(node, path, f"found {found(node)}", allowed_words(kind))
            return None
        if bare is Decimal:
            return self._decimal(node, path)
        textual = bare in {Path, Password} or _is_text(kind)
        if textual and not (isinstance(node.value, str) or node.quoted):
            self._not_text(node, kind, path)
            return None
        value = node.raw if textual else node.value
        if bare is Path:
            return self._path(node, path)
        if bare is Password:
            return Password(node.raw)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            words, hint = allowed_words(kind), ""
            if textual:
                hint = did_you_mean(node.raw, _choices(kind))
            elif isinstance(node.value, str):
                hint = "write it without quotes" if _looks_plain(node.raw, kind) else ""
            self.complain(node, path, f"found {shown(node, path)}", words, hint)
            return None

    def _path(self, node: Node, path: str) -> Path | None:
        try:
            place = Path(node.raw).expanduser()
        except RuntimeError:
            who = node.raw.partition("/")[0]
            self.complain(node, path, f'found "{node.raw}"', f"a path; there is no user for {who}")
            return None
        if "\0" in node.raw:
            self.complain(node, path, "found a NUL character in it", "a path")
            return None
        return self._base / place

    def _setting(self, node: Node, path: str) -> str:
        """The text that OCPP would carry; numbers stay as they were written."""
        if isinstance(node.value, bool):
            return "true" if node.value else "false"
        if isinstance(node.value, list) and not any(_is_collection(item) for item in node.value):
            return ",".join(self._setting(item, path) for item in node.value)
        if _is_collection(node) or (node.value is None and not node.raw):
            self.complain(node, path, f"found {found(node)}", "a value, or a list of values")
            return ""
        return node.raw

    def _not_text(self, node: Node, kind: Any, path: str) -> None:  # noqa: ANN401
        if node.value is None and not node.raw:
            self.complain(node, path, "found nothing", allowed_words(kind))
            return
        key = path.rpartition(".")[2]
        secret = shown(node, path) != node.raw
        reads = f", which YAML reads as {_yaml_kind(node.value)}"
        hint = "write it in quotes" + ("" if secret else f': {key}: "{node.raw}"')
        self.complain(node, path, f"found {shown(node, path)}{reads}", allowed_words(kind), hint)

    def _decimal(self, node: Node, path: str) -> Decimal | None:
        try:
            value = Decimal(node.raw)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or not isinstance(node.value, int | float):
            self.complain(node, path, f"found {shown(node, path)}", "a number")
            return None
        return value


def found(node: Node) -> str:
    """What stands there, in a word or two."""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None and not node.raw:
        return "nothing"
    raw = node.raw if len(node.raw) <= _SHOWN else f"{node.raw[:_SHOWN]}..."
    return f'"{raw}"' if isinstance(node.value, str) else raw


def shown(node: Node, path: str) -> str:
    """Like ``found``, but a secret is not shown."""
    key = path.rpartition(".")[2].casefold()
    return "a value" if any(word in key for word in _SECRET_KEYS) else found(node)


def plain(node: Node) -> Any:  # noqa: ANN401 - YAML values
    """The bare value, as YAML alone would give it."""
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def allowed_words(kind: Any) -> str:  # noqa: ANN401 - any type
    """What a type allows, for a person."""
    bare = _bare(kind)
    if bare is Decimal:
        return "a number"
    if bare is Path:
        return "a path"
    if bare is Password:
        return "text"
    if _is_struct(bare):
        return "mappings with " + ", ".join(_keys(bare, {}))
    if get_origin(bare) is Literal:
        return _either(get_args(bare))
    if get_origin(bare) is dict:
        return "a mapping of names"
    if get_origin(bare) in {tuple, list}:
        return f"{allowed_words(get_args(bare)[0])}, or a list of these"
    return _info_words(inspect.type_info(kind))


def _info_words(info: inspect.Type) -> str:
    match info:
        case inspect.UnionType(types):
            some = [item for item in types if not isinstance(item, inspect.NoneType)]
            return " or ".join(_info_words(item) for item in some)
        case inspect.Metadata(type=inner):
            return _info_words(inner)
        case inspect.StrType(min_length=least, max_length=most):
            return "text" + (f" of {least or 0} to {most} characters" if most else "")
        case inspect.IntType(ge=least, le=most):
            return "an integer" + _range(least, most)
        case inspect.FloatType(ge=least, le=most):
            return "a number" + _range(least, most)
        case inspect.BoolType():
            return "true or false"
        case inspect.EnumType(cls):
            return _either([member.value for member in cls])
    return type(info).__name__.removesuffix("Type").lower()


def _either(values: Iterable[object]) -> str:
    words = [f'"{value}"' if _is_number(value) else str(value) for value in values]
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _is_collection(node: Node) -> bool:
    return isinstance(node.value, dict | list)


def _is_number(value: object) -> bool:
    """Whether a word must be quoted in YAML because it would be read as a number."""
    return isinstance(value, str) and value.replace(".", "").isdecimal()


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return f", at least {least}" if least is not None else ""


def _bare(kind: Any) -> Any:  # noqa: ANN401 - any type
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _not_none(union: Any) -> Any:  # noqa: ANN401 - any type
    left = [kind for kind in get_args(union) if kind is not type(None)]
    return left[0] if len(left) == 1 else Union[tuple(left)]  # noqa: UP007 - made at run time


def _is_struct(kind: Any) -> bool:  # noqa: ANN401 - any type
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _keys(kind: type[msgspec.Struct], given: Mapping[str, object]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind) if field.name not in given]


def _least(kind: Any) -> int:  # noqa: ANN401 - any type
    metas = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return max((meta.min_length or 0 for meta in metas), default=0)


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - any type
    match inspect.type_info(kind):
        case inspect.StrType() | inspect.Metadata(type=inspect.StrType()):
            return True
    return bool(_choices(kind))


def _choices(kind: Any) -> list[str]:  # noqa: ANN401 - any type
    match inspect.type_info(kind):
        case inspect.LiteralType(values) if all(isinstance(value, str) for value in values):
            return [str(value) for value in values]
        case inspect.EnumType(cls) if issubclass(cls, str):
            return [str(member.value) for member in cls]
    return []


def _looks_plain(raw: str, kind: Any) -> bool:  # noqa: ANN401 - any type
    try:
        msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _yaml_kind(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else "a number"
