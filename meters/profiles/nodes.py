"""YAML with the line of every value, and complaints that name it: what profiles are read with.

All mistakes are collected, each as "file:line: what: found this; allowed: that". PyYAML only
composes the text; the values are made here, because it would turn ``0x10`` and ``on`` into what
nobody meant.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from meters.profiles.model import ProfileError

MAX_BYTES: Final = 1_000_000
T = TypeVar("T")
U = TypeVar("U")


class Mistake(Exception):  # noqa: N818 - reads as what it is
    """A value that cannot be; caught where its line is known."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(f"found {found}; allowed: {allowed}")


class Complaints:
    """Everything wrong with one file, in the order of its lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[tuple[int, str]] = []

    def add(self, node: yaml.Node, what: str, sentence: str) -> None:
        """Something is wrong with ``what``, which stands at ``node``."""
        line = node.start_mark.line + 1
        self._lines.append((line, f"{self._path}:{line}: {what}: {sentence}"))

    def __len__(self) -> int:
        return len(self._lines)

    def check(self) -> None:
        """Nothing, or all complaints.

        Raises:
            ProfileError: there are complaints.
        """
        if self._lines:
            raise ProfileError("\n".join(sentence for _, sentence in sorted(self._lines)))


def root(path: Path) -> yaml.Node:
    """The document in a file.

    Raises:
        ProfileError: the file cannot be read, or is no YAML.
    """
    try:
        content = path.read_bytes()[: MAX_BYTES + 1]
        if len(content) > MAX_BYTES:
            raise ProfileError(f"{path}: longer than {MAX_BYTES} bytes, that is no profile")
        node = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ProfileError(f"{path}:{line}: not UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ProfileError(f"{where}: no YAML: {error.problem or error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ProfileError(f"{path}: no YAML: {error}") from error
    if node is None:
        raise ProfileError(f"{path}:1: found nothing; allowed: keys such as `vendor:`")
    return node


class Section:
    """A mapping of the file, read key by key.

    ``get`` gives the value of a key, or its default after a complaint; ``finish`` complains about
    the keys nobody asked for.
    """

    def __init__(self, node: yaml.Node, what: str, complaints: Complaints) -> None:
        self.node = node
        self._what = what
        self._complaints = complaints
        self._known: list[str] = []
        self._values: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        if not isinstance(node, yaml.MappingNode):
            complaints.add(node, what or "profile", f"found {shown(node)}; allowed: a mapping")
            return
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else shown(key)
            if name in self._values:
                complaints.add(key, self.path(name), "found twice; allowed: once")
            self._values[name] = key, value

    def complaints(self) -> int:
        """How many complaints there are so far, about the whole file."""
        return len(self._complaints)

    def path(self, key: str) -> str:
        """What a complaint calls the key."""
        return f"{self._what}.{key}" if self._what else key

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def at(self, key: str) -> yaml.Node:
        """Where a key stands; the section itself if it is not there."""
        return self._values[key][0] if key in self._values else self.node

    def need(self, key: str, parse: Callable[[yaml.Node], T], default: U) -> T | U:
        """The value of a key that must be there; ``default`` after a complaint."""
        if key not in self._values and isinstance(self.node, yaml.MappingNode):
            self._known.append(key)
            self.complain(key, "missing")
            return default
        return self.get(key, parse, default)

    def get(self, key: str, parse: Callable[[yaml.Node], T], default: U) -> T | U:
        """The value of a key that may be there."""
        self._known.append(key)
        if key not in self._values:
            return default
        node = self._values[key][1]
        try:
            return parse(node)
        except Mistake as mistake:
            self._complaints.add(node, self.path(key), str(mistake))
            return default

    def section(self, key: str) -> "Section | None":
        """A mapping below a key; None if it is not there."""
        self._known.append(key)
        if key not in self._values:
            return None
        return Section(self._values[key][1], self.path(key), self._complaints)

    def sections(self, key: str) -> "list[Section]":
        """The mappings of a list below a key; a single mapping counts as a list of one."""
        self._known.append(key)
        if key not in self._values:
            return []
        node, path = self._values[key][1], self.path(key)
        if isinstance(node, yaml.SequenceNode):
            return [
                Section(item, f"{path}[{index}]", self._complaints)
                for index, item in enumerate(node.value)
            ]
        return [Section(node, path, self._complaints)]

    def pairs(self, parse_key: Callable[[yaml.Node], int]) -> dict[int, str]:
        """The whole mapping, whose keys are numbers and whose values are texts."""
        found: dict[int, str] = {}
        for word, (key, _) in self._values.items():
            name = self.get(word, text, "")
            try:
                found[parse_key(key)] = name
            except Mistake as mistake:
                self._complaints.add(key, self.path(word), str(mistake))
        return found

    def complain(self, key: str, sentence: str) -> None:
        """Something is wrong with a key."""
        self._complaints.add(self.at(key), self.path(key), sentence)

    def finish(self) -> None:
        """All keys were asked for."""
        known = list(dict.fromkeys(self._known))
        for key in self._values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean `{near[0]}`?" if near else ""
                self.complain(key, f"found an unknown key; allowed: {', '.join(known)}{hint}")


def shown(node: yaml.Node) -> str:
    """What stands there, in a word or two."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return f'"{node.value}"' if node.value else "nothing"


def text(node: yaml.Node) -> str:
    """Text that is not empty."""
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        raise Mistake(shown(node), "text")
    return str(node.value).strip()


def integer(least: int, most: int) -> Callable[[yaml.Node], int]:
    """A whole number, decimal or 0x..., within limits."""

    def parse(node: yaml.Node) -> int:
        try:
            value = int(str(node.value), 0) if isinstance(node, yaml.ScalarNode) else None
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise Mistake(shown(node), f"a whole number from {least} to {most}, or 0x...")
        return value

    return parse


def factor(node: yaml.Node) -> Decimal:
    """A number other than zero, exactly as it was written."""
    try:
        value = Decimal(str(node.value)) if isinstance(node, yaml.ScalarNode) else Decimal(0)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value == 0:
        raise Mistake(shown(node), "a number other than 0")
    return value


def boolean(node: yaml.Node) -> bool:
    """Yes or no."""
    return choice({"true": True, "false": False})(node)


def choice(choices: Mapping[str, T]) -> Callable[[yaml.Node], T]:
    """One of several words."""

    def parse(node: yaml.Node) -> T:
        word = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if word not in choices:
            near = difflib.get_close_matches(word, choices, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise Mistake(shown(node), ", ".join(choices) + hint)
        return choices[word]

    return parse


def words_of(choices: Iterable[Any]) -> dict[str, Any]:
    """The choices of a StrEnum, or of plain words."""
    return {str(item): item for item in choices}


def several(parse: Callable[[yaml.Node], T]) -> Callable[[yaml.Node], tuple[T, ...]]:
    """A list of values, or a single one."""

    def parse_all(node: yaml.Node) -> tuple[T, ...]:
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return tuple(parse(item) for item in items)

    return parse_all
