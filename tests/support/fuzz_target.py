"""What a fuzz target is: a module in ``tests/fuzz`` that hands bytes to one parser.

``run`` returns how the input ended in a word or two, and lets nothing out but what the parser
promises to raise, which it catches itself. Whatever else comes out of it is a defect.
"""

import ast
import base64
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "fuzz"
CORPUS = FOLDER / "corpus"

Mutate = Callable[[bytes, int, int], bytes]
"""Makes an input of another one, of at most so many bytes, by a number."""


@dataclass(frozen=True)
class Target:
    """``modules`` are instrumented and measured; packages count with all that is in them.

    ``seeds`` are inputs to begin with, ``words`` pieces worth putting in. ``structured`` says that
    inputs are JSON, so that they are also changed as values and not only as bytes.
    """

    name: str
    modules: tuple[str, ...]
    seeds: Callable[[], Iterable[bytes]]
    run: Callable[[bytes], str]
    words: tuple[str, ...] = ()
    structured: bool = False
    longest: int = 4096


@dataclass(frozen=True)
class Kept:
    """An input of the corpus and how it ends."""

    data: bytes
    ends: str

    def line(self) -> str:
        """As it stands in the file, readable where it is text."""
        try:
            entry = {"ends": self.ends, "text": self.data.decode()}
        except UnicodeDecodeError:
            entry = {"ends": self.ends, "base64": base64.b64encode(self.data).decode()}
        return json.dumps(entry) + "\n"


def names() -> list[str]:
    """All targets there are."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("test_"))


def load(name: str) -> Target:
    """The target of this name; imports the parser."""
    module = _module(name)
    return Target(
        name,
        module.MODULES,
        module.seeds,
        module.run,
        words=getattr(module, "WORDS", ()),
        structured=getattr(module, "STRUCTURED", False),
        longest=getattr(module, "LONGEST", 4096),
    )


def modules_of(name: str) -> tuple[str, ...]:
    """What a target measures, without importing any of it."""
    for step in ast.parse((FOLDER / f"{name}.py").read_text()).body:
        match step:
            case ast.Assign(targets=[ast.Name(id="MODULES")], value=value):
                found: tuple[str, ...] = ast.literal_eval(value)
                return found
    raise LookupError(f"{name} has no MODULES")


def kept(name: str) -> Iterator[Kept]:
    """The corpus of a target: one input per line, as text where it is text."""
    path = CORPUS / f"{name}.jsonl"
    if not path.exists():
        return
    for line in path.read_text(encoding="ascii").splitlines():
        entry = json.loads(line)
        data = entry["text"].encode() if "text" in entry else base64.b64decode(entry["base64"])
        yield Kept(data, entry["ends"])


def keep(name: str, inputs: Iterable[Kept]) -> int:
    """Write the corpus of a target; returns its bytes."""
    CORPUS.mkdir(exist_ok=True)
    text = "".join(one.line() for one in inputs)
    (CORPUS / f"{name}.jsonl").write_text(text, encoding="ascii")
    return len(text)


def _module(name: str) -> ModuleType:
    path = FOLDER / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"fuzz_target_{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
