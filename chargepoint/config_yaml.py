"""A YAML file as a tree of values that know where they were written, and the environment over it.

PyYAML alone forgets three things that an error message needs: the line, how a number was spelled,
and that a key was there twice. So the file is only composed, and the values are made here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chargepoint.errors import ConfigError

if TYPE_CHECKING:
    import yaml

Scalar = str | int | float | bool | None

MAX_BYTES: Final = 1_000_000
MAX_VALUES: Final = 20_000  # aliases make copies: nine lines of them could ask for all the memory
MAX_DEPTH: Final = 20
PREFIX: Final = "CHARGEPOINT__"

_LONGEST_NUMBER: Final = 100  # characters

_PLAIN_TAGS: Final = {
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "str", "map", "seq", "timestamp", "value")
}
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Node:
    """One value. ``where`` is "file:line" or the name of an environment variable.

    ``raw`` is a scalar as it was written, without quotes. ``quoted`` also holds for what comes from
    the environment: nobody can be asked to quote twice, so such text is text where text is due.
    """

    value: "Scalar | dict[str, Node] | list[Node]"
    where: str
    raw: str = ""
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each value of a config was written, by dotted path."""

    file: str
    places: Mapping[str, str]

    def of(self, path: str) -> str:
        """Where a path was written ("file:line"), or its nearest parent that was."""
        while path not in self.places:
            if not path:
                return self.file
            path = re.sub(r"(\.[^.\[\]]*|\[\d+\]|^[^.\[\]]*)$", "", path)
        return self.places[path]

    def line(self, path: str) -> int:
        """For sorting: the line of a path, 0 if it came from the environment."""
        number = self.of(path).rpartition(":")[2]
        return int(number) if number.isdecimal() else 0


def read(path: Path) -> Node:
    """The tree of a file; its root is a mapping.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or not a mapping.
    """
    try:
        content = path.read_bytes()[: MAX_BYTES + 1]
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: byte {content[error.start]:#x} is not UTF-8") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: longer than {MAX_BYTES} bytes, that cannot be a config")
    root = _Reader(str(path)).read(text)
    if not isinstance(root.value, dict):
        found = "nothing" if root.value is None else _kind(root)
        raise ConfigError(f"{root.where}: found {found}; allowed: sections such as `station:`")
    return root


def override(root: Node, environ: Mapping[str, str]) -> Node:
    """The tree with every ``CHARGEPOINT__A__B=value`` laid over it.

    Parts name keys without regard to case, or positions in a list from 0. The value is one YAML
    value, so lists and mappings are written in brackets.

    Raises:
        ConfigError: a variable names a place that cannot be.
    """
    for name in sorted(environ):
        if name.upper().startswith(PREFIX):
            parts = name[len(PREFIX) :].split("__")
            value = _Reader(name, variable=True).read(environ[name])
            root = _replaced(root, parts, value, name)
    return root


def positions(root: Node, file: str) -> Positions:
    """Where everything in the tree was written."""
    return Positions(file, dict(_places(root, "")))


def child(path: str, key: str) -> str:
    """The dotted path of a key below ``path``."""
    return f"{path}.{key}" if path else key


class _Reader:
    """Turns one YAML text into a tree; ``source`` is what errors call it."""

    def __init__(self, source: str, *, variable: bool = False) -> None:
        self._source = source
        self._variable = variable
        self._count = 0

    def read(self, text: str) -> Node:
        import yaml

        try:
            loader = yaml.SafeLoader(text)
            try:
                root = loader.get_single_node()
                if root is None:
                    return Node(None, self._source, quoted=self._variable)
                return self._node(loader, root)
            finally:
                loader.dispose()
        except RecursionError as error:
            raise ConfigError(f"{self._source}: nested too deeply to be a config") from error
        except yaml.MarkedYAMLError as error:
            raise ConfigError(self._not_yaml(error)) from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{self._source}: not YAML: {_one_line(error)}") from error

    def _not_yaml(self, error: "yaml.MarkedYAMLError") -> str:
        mark = error.problem_mark or error.context_mark
        where = self._where(mark.line) if mark else self._source
        context = f"{error.context}: " if error.context else ""
        hint = "; indent with spaces" if "'\\t'" in str(error.problem) else ""
        return f"{where}: not YAML: {context}{error.problem}{hint}"

    def _where(self, line: int) -> str:
        return self._source if self._variable else f"{self._source}:{line + 1}"

    def _node(self, loader: "yaml.SafeLoader", node: "yaml.Node", depth: int = 0) -> Node:
        import yaml

        where = self._where(node.start_mark.line)
        self._count += 1
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            raise ConfigError(f"{where}: too many values, or an alias that contains itself")
        if node.tag not in _PLAIN_TAGS:
            raise ConfigError(f"{where}: found the YAML tag {node.tag}; allowed: plain values only")
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(loader, node, depth), where)
        if isinstance(node, yaml.SequenceNode):
            return Node([self._node(loader, item, depth + 1) for item in node.value], where)
        quoted = self._variable or getattr(node, "style", None) is not None
        return Node(_scalar(loader, node), where, raw=node.value, quoted=quoted)

    def _mapping(
        self, loader: "yaml.SafeLoader", node: "yaml.MappingNode", depth: int
    ) -> dict[str, Node]:
        import yaml

        found: dict[str, Node] = {}
        for key, value in node.value:
            where = self._where(key.start_mark.line)
            if key.tag == _MERGE:
                raise ConfigError(f"{where}: found a merge key `<<`; allowed: write the keys out")
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{where}: found a list or mapping as a key; allowed: text")
            if key.value in found:
                first = found[key.value].where
                raise ConfigError(f"{where}: `{key.value}` is there twice, first at {first}")
            found[key.value] = replace(self._node(loader, value, depth + 1), where=where)
        return found


def _scalar(loader: "yaml.SafeLoader", node: "yaml.Node") -> Scalar:
    """The value by YAML 1.1; what only looks like a number or date is text."""
    if len(node.value) > _LONGEST_NUMBER:  # 1:1:1:1 is a number to the base of 60, of any length
        return str(node.value)
    try:
        value = loader.construct_object(node)
    except (ValueError, LookupError, AttributeError):  # a tag that is written out is not checked
        return str(node.value)
    return value if isinstance(value, str | int | float | bool | None) else str(node.value)


def _replaced(node: Node, parts: list[str], value: Node, name: str) -> Node:
    if not parts:
        return value
    part, rest = parts[0], parts[1:]
    if isinstance(node.value, list):
        items = list(node.value)
        if not part.isdecimal() or int(part) >= len(items):
            raise ConfigError(
                f"{name}: found `{part}`; allowed: a position from 0 to {len(items) - 1} in the "
                f"list at {node.where}"
            )
        items[int(part)] = _replaced(items[int(part)], rest, value, name)
        return replace(node, value=items)
    if node.value is not None and not isinstance(node.value, dict):
        raise ConfigError(f"{name}: `{part}` lies below {node.where}, which is a single value")
    mapping = dict(node.value or {})
    key = _key(mapping, part)
    if not key:
        raise ConfigError(f"{name}: a part of the name is empty; allowed: `{PREFIX}CSMS__URL`")
    mapping[key] = _replaced(mapping.get(key, Node(None, name)), rest, value, name)
    return replace(node, value=mapping)


def _key(mapping: Mapping[str, Node], part: str) -> str:
    """The key that a part of a variable's name means; new names in capitals are made small."""
    for key in mapping:
        if key.casefold() == part.casefold():
            return key
    return part.lower() if part.isupper() else part


def _places(node: Node, path: str) -> Iterator[tuple[str, str]]:
    yield path, node.where
    if isinstance(node.value, dict):
        for key, item in node.value.items():
            yield from _places(item, child(path, key))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from _places(item, f"{path}[{index}]")


def _kind(node: Node) -> str:
    return "a list" if isinstance(node.value, list) else repr(node.raw)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
