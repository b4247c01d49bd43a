"""Fuzzes one target in this process until its processor time is used up or it finds something.

Started by ``fuzz.py``, because instrumenting must come before anything is imported, and because
libFuzzer ends the process on a finding.
"""

import importlib
import json
import logging
import os
import pkgutil
import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

import atheris
import fuzz_mutate
import fuzz_target
from atheris.import_hook import AtherisMetaPathFinder

LONGEST_S: Final = 2.0
"""Processor time that one input may take."""

_BETWEEN_REPORTS_S: Final = 5.0


class TooSlow(Exception):  # noqa: N818 - a finding, not an error of this program
    """One input took longer than it may."""


class Watched:
    """Runs the target on one input after another and keeps the figures in a file."""

    def __init__(self, target: fuzz_target.Target, figures: Path, seconds: float) -> None:
        self._run = target.run
        self._figures = figures
        self._seconds = seconds
        self._runs = 0
        self._begin = self._reported = time.process_time()
        self._early_kb = 0

    def __call__(self, data: bytes) -> None:
        before = time.process_time()
        self._run(data)
        now = time.process_time()
        self._runs += 1
        if now - before > LONGEST_S:
            raise TooSlow(f"{now - before:.1f} s for {len(data)} bytes")
        if now - self._reported > _BETWEEN_REPORTS_S:
            self._reported = now
            self.report()
            if now - self._begin >= self._seconds:
                # A plain exit would be taken for a finding.
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)

    def report(self) -> None:
        used = time.process_time() - self._begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if not self._early_kb and used > self._seconds / 5:
            self._early_kb = peak
        figures = {"cpu_s": used, "runs": self._runs, "early_kb": self._early_kb, "peak_kb": peak}
        new = self._figures.with_suffix(".new")
        new.write_text(json.dumps(figures))
        new.replace(self._figures)


def _instrumented(name: str) -> fuzz_target.Target:
    """The target with its modules instrumented, and nothing else: atheris knows whole packages."""
    modules = fuzz_target.modules_of(name)
    whole = AtherisMetaPathFinder.find_spec

    def find_spec(self: Any, fullname: str, *more: Any) -> Any:
        wanted = any(fullname == one or fullname.startswith(f"{one}.") for one in modules)
        return whole(self, fullname, *more) if wanted else None

    AtherisMetaPathFinder.find_spec = find_spec
    with atheris.instrument_imports(include=list(modules)):
        for module in modules:
            found = importlib.import_module(module)
            for inner in pkgutil.iter_modules(getattr(found, "__path__", ())):
                importlib.import_module(f"{module}.{inner.name}")
        return fuzz_target.load(name)


def main(name: str, folder: str, seconds: str, *options: str) -> None:
    """Fuzz."""
    logging.disable()
    target = _instrumented(name)
    place = Path(folder)
    watched = Watched(target, place / f"figures-{os.getpid()}.json", float(seconds))
    how = {}
    if target.structured:

        def mutate(data: bytes, longest: int, number: int) -> bytes:
            if number % 4:
                changed = fuzz_mutate.mutated(data, target.words, number)
                if changed is not None and len(changed) <= longest:
                    return changed
            mutated: bytes = atheris.Mutate(data, longest)
            return mutated

        how["custom_mutator"] = mutate
    atheris.Setup([sys.argv[0], *options, str(place / "inputs")], watched, **how)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
