"""Which lines and branches the inputs of a target reach, and the fewest bytes that reach all."""

import ast
import importlib.util
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import fuzz_target
from fuzz_target import Kept

HERE: Final = Path(__file__).resolve().parent
Arc = tuple[str, int, int]


@dataclass(frozen=True)
class Measured:
    """``lines`` of ``all_lines`` of the target's modules, and steps from line to line."""

    lines: int
    all_lines: int
    arcs: int
    kept: int
    kept_bytes: int


def measured(name: str, folder: Path, most: int, *, write: bool) -> Measured:
    """Replay all inputs in a process of its own; ``write`` the smallest good ones as corpus."""
    command = [sys.executable, str(HERE / "fuzz_coverage.py"), name, str(folder), str(most)]
    done = subprocess.run(
        [*command, *(["write"] if write else [])], check=True, stdout=subprocess.PIPE
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def files_of(modules: Iterable[str]) -> list[str]:
    """The source files of modules and of all that is in packages."""
    found: list[str] = []
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(module)
        path = Path(spec.origin)
        found += map(str, path.parent.glob("*.py") if path.name == "__init__.py" else [path])
    return sorted(set(found))


def traced(run: Callable[[bytes], str], data: bytes, files: frozenset[str]) -> tuple[str, set[Arc]]:
    """How one input ends, and the steps from line to line on its way."""
    arcs: set[Arc] = set()
    last: dict[int, int] = {}

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            key = id(frame)
            arcs.add((frame.f_code.co_filename, last.get(key, 0), frame.f_lineno))
            last[key] = frame.f_lineno
        elif event == "return":
            last.pop(id(frame), None)
        return local

    def enter(frame: FrameType, _: str, __: Any) -> Any:
        return local if frame.f_code.co_filename in files else None

    sys.settrace(enter)
    try:
        ends = run(data)
    finally:
        sys.settrace(None)
    return ends, arcs


def chosen(found: list[tuple[bytes, str, set[Arc]]], most: int) -> list[Kept]:
    """Inputs that reach everything, small ones first, until ``most`` bytes are full."""
    reached: set[object] = set()
    kept: list[Kept] = []
    size = 0
    for data, ends, arcs in sorted(found, key=lambda one: (len(one[0]), one[0])):
        new = ({ends} | arcs) - reached
        one = Kept(data, ends)
        if new and size + len(one.line()) <= most:
            kept.append(one)
            size += len(one.line())
            reached |= new
    return kept


def _lines(path: str) -> set[int]:
    """The lines of a file that are within functions, where an input can lead."""
    text = Path(path).read_text()
    wanted: set[int] = set()

    def walk(code: CodeType, *, inside: bool) -> None:
        if inside:
            wanted.update(line for _, _, line in code.co_lines() if line)
        for const in code.co_consts:
            if isinstance(const, CodeType):
                walk(const, inside=inside or const.co_flags & 0x2 != 0)

    walk(compile(ast.parse(text), path, "exec"), inside=False)
    return wanted


def main(name: str, folder: str, most: str, write: str = "") -> None:
    """Measure one target and print the result as JSON."""
    logging.disable()
    target = fuzz_target.load(name)
    files = files_of(target.modules)
    found = []
    known = {one.data for one in fuzz_target.kept(name)}
    for place in ("inputs", "findings"):
        known |= {path.read_bytes() for path in Path(folder, place).glob("*")}
    known |= set(target.seeds()) if not known else set()
    for data in sorted(known):
        ends, arcs = traced(target.run, data, frozenset(files))
        found.append((data, ends, arcs))
    kept = chosen(found, int(most))
    size = fuzz_target.keep(name, kept) if write else 0
    arcs = set[Arc]().union(*(one[2] for one in found))
    all_lines = {(file, line) for file in files for line in _lines(file)}
    lines = {(file, line) for file, _, line in arcs} & all_lines
    measured = Measured(len(lines), len(all_lines), len(arcs), len(kept), size)
    sys.stdout.write(json.dumps(asdict(measured)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
