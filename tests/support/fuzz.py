"""Fuzzes parsers, guided by coverage, for so much processor time each, and prints what came of it.

Every target gets a folder with the inputs found so far, so that a later run goes on where the one
before ended. A crash, a hang or too much memory ends the run of a target; its input lies in
``findings``. ``--keep`` writes the smallest inputs that reach everything into the corpus that the
gate replays.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import fuzz_coverage
import fuzz_target

HERE: Final = Path(__file__).resolve().parent
MOST_MB: Final = 600
HANG_S: Final = 300
"""By the clock, while the child counts processor time: it may have to wait for a processor."""
KEPT_BYTES: Final = 21_000
"""Of one target's file in the corpus; the gate allows 300 KiB in all."""


@dataclass(frozen=True)
class Figures:
    """What the runs of one target came to so far.

    ``grown_kb`` is how much the peak rose after the first fifth of a run.
    """

    cpu_s: float = 0.0
    runs: int = 0
    peak_kb: int = 0
    grown_kb: int = 0

    @property
    def speed(self) -> float:
        """Runs per second of processor time."""
        return self.runs / self.cpu_s if self.cpu_s else 0.0


def fuzz(name: str, folder: Path, seconds: float) -> bool:
    """Run one target; False if it found something."""
    inputs, findings = folder / "inputs", folder / "findings"
    for place in (inputs, findings):
        place.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    words = _prepare(name, folder)
    command = [
        *("nice", "-n", "19", sys.executable, str(HERE / "fuzz_child.py")),
        *(name, str(folder), str(seconds)),
        *(f"-artifact_prefix={findings}/", f"-timeout={HANG_S}", f"-rss_limit_mb={MOST_MB}"),
        *("-reload=0", f"-max_len={words['longest']}"),
        *((f"-dict={folder / 'words.dict'}",) if words["words"] else ()),
    ]
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stdout.write(f"{name}: {_complaint(log)}\n    see {log} and {findings}\n")
    return not done.returncode


def _prepare(name: str, folder: Path) -> dict[str, int]:
    """Inputs to begin with, in a process of its own, so that nothing is imported here."""
    script = (
        "import sys, json, fuzz; from pathlib import Path; "
        "json.dump(fuzz.lay_out(sys.argv[1], Path(sys.argv[2])), sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, name, str(folder)],
        cwd=HERE,
        check=True,
        stdout=subprocess.PIPE,
    )
    result: dict[str, int] = json.loads(done.stdout)
    return result


def lay_out(name: str, folder: Path) -> dict[str, int]:
    """Write seeds, corpus and dictionary of a target into its folder."""
    target = fuzz_target.load(name)
    for data in (*target.seeds(), *(one.data for one in fuzz_target.kept(name))):
        digest = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        (folder / "inputs" / digest).write_bytes(data)
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in target.words if word)
    (folder / "words.dict").write_text("".join(f'"{word}"\n' for word in escaped))
    return {"longest": target.longest, "words": len(target.words)}


def _complaint(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    marks = ("Uncaught Python exception", "ERROR: libFuzzer")
    at = next((i for i, line in enumerate(lines) if any(mark in line for mark in marks)), 0)
    return " ".join(lines[at : at + 2]).strip()


def figures(folder: Path) -> Figures:
    """All runs of a target together."""
    total = Figures()
    for path in folder.glob("figures-*.json"):
        one = json.loads(path.read_text())
        grown = one["peak_kb"] - one["early_kb"] if one["early_kb"] else 0
        total = Figures(
            total.cpu_s + one["cpu_s"],
            total.runs + one["runs"],
            max(total.peak_kb, one["peak_kb"]),
            max(total.grown_kb, grown),
        )
    return total


def table(names: Sequence[str], folder: Path, *, write: bool) -> Iterator[str]:
    """One line for each target; measures coverage by replaying what was found."""
    head = ("CPU min", "runs", "runs/s", "lines", "of", "branches", "peak MB", "grown MB", "kept B")
    yield ("{:<16}" + "{:>10}" * len(head)).format("target", *head)
    for name in names:
        own = figures(folder / name)
        found = fuzz_coverage.measured(name, folder / name, KEPT_BYTES, write=write)
        cells = (
            f"{own.cpu_s / 60:.1f}",
            own.runs,
            f"{own.speed:.0f}",
            found.lines,
            found.all_lines,
            found.arcs,
            f"{own.peak_kb / 1024:.0f}",
            f"{own.grown_kb / 1024:.1f}",
            found.kept_bytes,
        )
        yield ("{:<16}" + "{:>10}" * len(head)).format(name, *cells)


def main() -> int:
    """Run what is asked for."""
    known = fuzz_target.names()
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("targets", nargs="+", metavar="TARGET", choices=[*known, "all"])
    parser.add_argument("--minutes", type=float, default=30, help="processor time of each (30)")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time (1)")
    parser.add_argument("--folder", type=Path, default=fuzz_target.ROOT / ".fuzz")
    parser.add_argument("--keep", action="store_true", help="write the corpus of the gate anew")
    asked = parser.parse_args()
    names = known if "all" in asked.targets else list(dict.fromkeys(asked.targets))
    fine = True
    if asked.minutes > 0:
        with ThreadPoolExecutor(asked.jobs) as pool:
            jobs = [pool.submit(fuzz, n, asked.folder / n, 60 * asked.minutes) for n in names]
            fine = all(job.result() for job in jobs)
    for line in table(names, asked.folder, write=asked.keep):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
