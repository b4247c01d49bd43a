"""From the settings of a simulator to options of the command line.

A field ``signing_delay_s`` becomes ``--signing-delay-s``, and shorter ``--signing-delay`` since the
unit stands in the help; limits and help are those of its ``Meta``.
"""

import types
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import click
import msgspec

SET_BY_THE_FRAME: Final = frozenset({"state_file", "serial_number"})
"""Fields that ``--state`` and, once per unit, ``--serial-number`` set."""

_UNITS: Final = ("_wh", "_s", "_w", "_a", "_v", "_ms")


def options_of(kind: type[msgspec.Struct]) -> list[click.Option]:
    """One option for each field that says what the meter is like."""
    return [
        _option(field)
        for field in msgspec.structs.fields(kind)
        if field.name not in SET_BY_THE_FRAME
    ]


def settings_of(
    kind: type[msgspec.Struct], given: Mapping[str, Any], **more: object
) -> msgspec.Struct:
    """The settings that the options say, defaults for the rest.

    Raises:
        ValueError: a value that cannot be.
    """
    names = {field.name for field in msgspec.structs.fields(kind)}
    values = {name: value for name, value in (dict(given) | more).items() if name in names}
    return msgspec.convert(values, kind, dec_hook=_plain)


def _option(field: msgspec.structs.FieldInfo) -> click.Option:
    bare, meta = _peeled(field.type)
    default = None if field.default is msgspec.NODEFAULT else field.default
    if default is None and field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    names = [_flag(name) for name in _names(field.name)]
    how: dict[str, Any] = {"default": default, "help": meta.get("description")}
    if bare is bool:
        how["default"] = bool(default)
        if default:
            names = [f"{name}/--no-{name.removeprefix('--')}" for name in names]
        else:
            how["is_flag"] = True
    elif get_origin(bare) is tuple:
        how |= {"multiple": True, "type": _type(*_peeled(get_args(bare)[0]))}
    elif bare is Decimal:
        how |= {"callback": number, "default": None if default is None else str(default)}
    else:
        how["type"] = _type(bare, meta)
    if isinstance(default, Enum):
        how["default"] = str(default.value)
    return click.Option([field.name, *names], **how)


def _names(name: str) -> Iterator[str]:
    yield name
    for unit in _UNITS:
        if name.endswith(unit):
            yield name.removesuffix(unit)
            return


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _peeled(kind: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401 - any type
    """A type without None and annotations, and what those said."""
    said: dict[str, Any] = {}
    while True:
        if get_origin(kind) is Annotated:
            kind, *metas = get_args(kind)
            for meta in metas:
                words = {name: getattr(meta, name) for name in ("ge", "le", "gt", "description")}
                said |= {name: word for name, word in words.items() if word is not None}
        elif get_origin(kind) in {Union, types.UnionType}:
            (kind,) = (one for one in get_args(kind) if one is not type(None))
        else:
            return kind, said


def _type(bare: Any, meta: Mapping[str, Any]) -> "click.ParamType[Any]":  # noqa: ANN401 - any type
    least, most = meta.get("ge"), meta.get("le")
    if bare is int:
        return click.IntRange(least, most)
    if bare is float:
        if "gt" in meta:
            return click.FloatRange(min=meta["gt"], min_open=True, max=most)
        return click.FloatRange(least, most)
    if bare is Path:
        return click.Path(path_type=Path)
    if get_origin(bare) is Literal:
        return click.Choice(get_args(bare))
    if isinstance(bare, type) and issubclass(bare, Enum):
        return click.Choice([str(one.value) for one in bare])
    return click.STRING


def number(
    _: click.Context, option: click.Parameter, value: str | Decimal | None
) -> Decimal | None:
    """A number, exactly as it was written; for the callback of an option."""
    try:
        return None if value is None else Decimal(value)
    except InvalidOperation as error:
        raise click.BadParameter(f"{value!r} is no number", param=option) from error


def _plain(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise NotImplementedError(f"{kind.__name__} from {type(value).__name__}")
