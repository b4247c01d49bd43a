"""The JSON Schema of a config, for editors; the loader's own checks say more and bind."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from chargepoint.config_model import (
    HardwareConfig,
    HardwareSection,
    MeterConfig,
    MeterSection,
    Password,
    SettingText,
    StationConfig,
)
from chargepoint.hardware.catalog import board_names, board_options
from meters.catalog import driver_names, load_driver

Schema = dict[str, Any]

_NOT_WRITTEN = {"positions", "options"}


def json_schema() -> Schema:
    """A schema with the keys of every driver and board that is installed."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "chargepoint config", **_struct(StationConfig)}


def _struct(kind: type[msgspec.Struct]) -> Schema:
    fields = [field for field in msgspec.structs.fields(kind) if field.name not in _NOT_WRITTEN]
    properties = {}
    for field in fields:
        properties[field.name] = _schema(field.type)
        if isinstance(field.default, str | int | float | bool):
            properties[field.name]["default"] = field.default
    schema: Schema = {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split("\n\n")[0].split()),
        "properties": properties,
        "additionalProperties": False,
    }
    required = [field.name for field in fields if field.required]
    return schema | ({"required": required} if required else {})


def _schema(kind: Any) -> Schema:  # noqa: ANN401 - any type
    if kind is MeterConfig:
        configs = {name: load_driver(name).Config for name in driver_names()}
        return _by_driver(MeterSection, configs)
    if kind is HardwareConfig:
        return _by_driver(HardwareSection, {name: board_options(name) for name in board_names()})
    if kind == SettingText:
        scalar = ["string", "number", "boolean"]
        return {"type": [*scalar, "array"], "items": {"type": scalar}}
    if get_origin(kind) is Annotated:
        return _annotated(kind)
    arguments = get_args(kind)
    match get_origin(kind):
        case None if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return _struct(kind)
        case None:
            return _leaf(kind)
        case origin if origin in {Union, UnionType}:
            kinds = [_schema(item) for item in arguments if item is not type(None)]
            return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        case origin if origin is dict:
            return {"type": "object", "additionalProperties": _schema(arguments[1])}
        case origin if origin in {tuple, list}:
            return _list(_schema(arguments[0]))
    return msgspec.json.schema(kind)


def _annotated(kind: Any) -> Schema:  # noqa: ANN401 - any type
    """A type and what is said about it; msgspec knows how limits of plain types are written."""
    bare, *metas = get_args(kind)
    if bare in {str, int, float, bool}:
        return msgspec.json.schema(kind)
    words = [meta.description for meta in metas if meta.description]
    return _schema(bare) | ({"description": words[0]} if words else {})


def _leaf(kind: type) -> Schema:
    if kind is Path:
        return {"type": "string", "format": "path"}
    if kind is Password:
        return {"type": "string", "writeOnly": True}
    return {"type": "number"} if kind is Decimal else msgspec.json.schema(kind)


def _list(item: Schema) -> Schema:
    """A list; what is a single word may also stand alone."""
    several = {"type": "array", "items": item, "minItems": 1}
    return several if item.get("type") == "object" else {"anyOf": [item, several]}


def _by_driver(common: type[msgspec.Struct], options: Mapping[str, type[msgspec.Struct]]) -> Schema:
    """The union over all drivers of what they share and what each adds."""
    shared, whole = _struct(common), []
    for name, kind in options.items():
        own = _struct(kind)
        driver = {"const": name, "description": own["description"]}
        properties = {**shared["properties"], "driver": driver, **own["properties"]}
        required = [*shared.get("required", ()), *own.get("required", ())]
        whole.append({**own, "title": name, "properties": properties, "required": required})
    return {"description": shared["description"], "anyOf": whole}
