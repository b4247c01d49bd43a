"""What a process costs by the kernel's own books (Linux): memory, time on a core, wake-ups."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KIB: Final = 1024
_NS: Final = 1_000_000_000
MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: own share of what is in memory (PSS), all of it (RSS), and what is no file's."""

    pss: int
    rss: int
    anonymous: int


@dataclass(frozen=True, slots=True)
class Work:
    """Since the process began: seconds on a core, and how often it went to sleep by itself."""

    cpu_s: float
    switches: int

    def __sub__(self, before: "Work") -> "Work":
        return Work(self.cpu_s - before.cpu_s, self.switches - before.switches)


def memory(pid: int) -> Memory:
    """What a process occupies now (``smaps_rollup``)."""
    sizes: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            sizes[name] = int(rest.split()[0]) * _KIB
    return Memory(sizes["Pss"], sizes["Rss"], sizes["Anonymous"])


def work(pid: int) -> Work:
    """What all threads of a process that are alive have done so far."""
    nanoseconds = switches = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds += int((thread / "schedstat").read_text(encoding="ascii").split()[0])
        for line in (thread / "status").read_text(encoding="ascii").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                switches += int(line.split()[1])
    return Work(nanoseconds / _NS, switches)
