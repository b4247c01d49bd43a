"""Which tests run over a real WebSocket: those that the small CSMS has a part in.

Read from the source, like the marks. A test has the small CSMS in it if it names it, or a function,
class or fixture that has, in its own file, in a module of ``tests/support``, or in a ``conftest``.
"""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
SMALL_CSMS = "SmallCsms"


@dataclass
class _Module:
    """The top level of a file: what each definition names, and what was imported from where."""

    names: dict[str, set[str]] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)


@functools.cache
def wired(path: Path, name: str) -> bool:
    """Whether a definition of a file of tests is over a real WebSocket.

    A table of parameters is if a test that names it is.
    """
    if name in _wired_of(path):
        return True
    if name.startswith(("test_", "Test")):
        return False
    users = (user for user, names in _module(path).names.items() if name in names)
    return any(user in _wired_of(path) for user in users)


@functools.cache
def _wired_of(path: Path) -> frozenset[str]:
    """The names that are over the wire in this file, its own and what it can use of others."""
    module = _module(path)
    found = {SMALL_CSMS} | {
        name
        for name, source in module.imported.items()
        if (support := TESTS / "support" / f"{source}.py").exists() and name in _wired_of(support)
    }
    for conftest in _conftests(path):
        found |= _wired_of(conftest) & set(_module(conftest).names) - set(module.names)
    while more := {name for name, used in module.names.items() if used & found} - found:
        found |= more
    return frozenset(found)


def _conftests(path: Path) -> Iterator[Path]:
    if path.name == "conftest.py" or path.parent == TESTS / "support":
        return
    for folder in path.parents:
        if (conftest := folder / "conftest.py").exists():
            yield conftest
        if folder == TESTS:
            return


@functools.cache
def _module(path: Path) -> _Module:
    module = _Module()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.ImportFrom(module=str(source)):
                module.imported |= {one.asname or one.name: source for one in node.names}
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                module.names[node.name] = set(_names(node))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                module.names[name] = set(_names(node))
    return module


def _names(node: ast.AST) -> Iterator[str]:
    """Everything that is named in a definition; parameters are, too: they may be fixtures."""
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name) | ast.arg(arg=name):
                yield name
