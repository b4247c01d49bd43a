"""What a soak measured: a table, a file for a spreadsheet, a plot, and whether it is flat."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Final

TABLE_LINES: Final = 20
_WIDTH, _HEIGHT, _LEFT, _TOP = 860, 96, 150, 40
_PLOT: Final = _WIDTH - _LEFT - 20


@dataclass(frozen=True, slots=True)
class Quantity:
    """One that is measured; ``bound`` is how much it may grow over the second half.

    Private memory and shared pages together are ``rss``, of which ``heap`` is what the program
    asked for itself. ``pss`` has no bound: it rises when another process that shared a page ends.
    ``blocks`` are what Python holds, of whatever size. What a message took goes when it is done, or
    if parts of it hold each other when Python collects next, minutes later; so only the least in
    each ``window`` of samples counts. ``used`` are the pages of the ``database`` in use; the file
    keeps those that its largest backlog of facts needed, so it may rise by one that was larger
    still.
    """

    name: str
    unit: str
    bound: float | None = None
    window: int = 1


QUANTITIES: Final = (
    Quantity("sessions", ""),
    Quantity("faults", ""),
    Quantity("rss", "KiB", 1024),
    Quantity("heap", "KiB", 1024),
    Quantity("pss", "KiB"),
    Quantity("blocks", "", 5000, window=120),
    Quantity("tasks", "", 2),
    Quantity("threads", "", 1),
    Quantity("descriptors", "", 2),
    Quantity("used", "KiB", 128),
    Quantity("database", "KiB", 1024),
    Quantity("wal", "KiB", 128),
    Quantity("journal", "facts", 5),
)

Sample = dict[str, float]
"""By quantity; ``seconds`` since the start."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much a quantity grew over the second half, by the line that fits best.

    ``above`` is by how much it was higher in it than ever before. An allocator that keeps what a
    giant message took, and gives it back later, makes steps that are no growth.
    """

    quantity: Quantity
    growth: float
    above: float

    @property
    def flat(self) -> bool:
        """Whether it stayed within its bound, or below what it had been."""
        return self.quantity.bound is None or min(self.growth, self.above) <= self.quantity.bound

    def __str__(self) -> str:
        unit = f" {self.quantity.unit}" if self.quantity.unit else ""
        word = "flat" if self.flat else "GROWS"
        return (
            f"{self.quantity.name:<12} {self.growth:+9.1f}{unit} over the second half,"
            f" highest {self.above:+.1f}{unit}, bound {self.quantity.bound:g}{unit}: {word}"
        )


def verdicts(samples: Sequence[Sample]) -> list[Verdict]:
    """Of every quantity that has a bound."""
    first, half = samples[: len(samples) // 2], samples[len(samples) // 2 :]
    return [
        _verdict(quantity, _least(first, quantity), _least(half, quantity))
        for quantity in QUANTITIES
        if quantity.bound is not None
    ]


def _verdict(quantity: Quantity, first: Sequence[Sample], half: Sequence[Sample]) -> Verdict:
    return Verdict(quantity, growth(half, quantity.name), _above(first, half, quantity.name))


def _least(samples: Sequence[Sample], quantity: Quantity) -> list[Sample]:
    """The sample of each window in which there was least of it."""
    whole = max(1, len(samples) - quantity.window + 1)  # the last one may not be over
    windows = range(0, whole, quantity.window)
    return [
        min(samples[at : at + quantity.window], key=lambda one: one[quantity.name])
        for at in windows
    ]


def _above(first: Sequence[Sample], second: Sequence[Sample], name: str) -> float:
    return max(one[name] for one in second) - max((one[name] for one in first), default=0.0)


def growth(samples: Sequence[Sample], name: str) -> float:
    """What the line of least squares through these gains from the first to the last."""
    if len(samples) < 2:
        return 0.0
    times = [one["seconds"] for one in samples]
    values = [one[name] for one in samples]
    middle, mean = fmean(times), fmean(values)
    spread = sum((at - middle) ** 2 for at in times)
    tilt = sum((at - middle) * (v - mean) for at, v in zip(times, values, strict=True))
    return tilt / spread * (times[-1] - times[0]) if spread else 0.0


def write_csv(path: Path, samples: Sequence[Sample]) -> None:
    """Every sample, one line each."""
    names = ["seconds", *(quantity.name for quantity in QUANTITIES)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(samples)


def table(samples: Sequence[Sample]) -> Iterator[str]:
    """Some of the samples, evenly spread, the last one among them."""
    heads = ["seconds", *(quantity.name for quantity in QUANTITIES)]
    yield "  ".join(f"{head:>11}" for head in heads)
    step = max(1, len(samples) // TABLE_LINES)
    for one in [*samples[:-1:step], *samples[-1:]]:
        yield "  ".join(f"{one[head]:>11.0f}" for head in heads)


def plot(samples: Sequence[Sample], title: str) -> str:
    """An SVG with one strip per quantity over the same time; zero is at the foot of each."""
    strips = [_strip(samples, place, one) for place, one in enumerate(QUANTITIES)]
    height = _TOP + _HEIGHT * len(QUANTITIES) + 30
    longest = samples[-1]["seconds"] or 1.0
    foot = height - 12
    size = f'width="{_WIDTH}" height="{height}"'
    face = 'font-family="DejaVu Sans, sans-serif" font-size="12"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {face}>',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
            *strips,
            f'<text x="{_LEFT}" y="{foot}">0</text>',
            f'<text x="{_LEFT + _PLOT}" y="{foot}" text-anchor="end">{longest / 60:.1f} min</text>',
            "</svg>",
        ]
    )


def _strip(samples: Sequence[Sample], place: int, quantity: Quantity) -> str:
    top = _TOP + place * _HEIGHT
    inner = _HEIGHT - 22
    values = [one[quantity.name] for one in samples]
    most, longest = max(values) or 1.0, samples[-1]["seconds"] or 1.0
    points = " ".join(
        f"{_LEFT + one['seconds'] / longest * _PLOT:.1f},"
        f"{top + inner - one[quantity.name] / most * inner:.1f}"
        for one in samples
    )
    unit = f" {quantity.unit}" if quantity.unit else ""
    return (
        f'<rect x="{_LEFT}" y="{top}" width="{_PLOT}" height="{inner}" fill="#f4f4f4"/>'
        f'<line x1="{_LEFT + _PLOT / 2}" x2="{_LEFT + _PLOT / 2}" y1="{top}" y2="{top + inner}"'
        ' stroke="#bbb" stroke-dasharray="3 3"/>'
        f'<polyline points="{points}" fill="none" stroke="#0b5394" stroke-width="1.4"/>'
        f'<text x="12" y="{top + 16}" font-weight="bold">{quantity.name}</text>'
        f'<text x="12" y="{top + 34}">max {most:,.0f}{unit}</text>'
        f'<text x="12" y="{top + 50}">end {values[-1]:,.0f}{unit}</text>'
    )
