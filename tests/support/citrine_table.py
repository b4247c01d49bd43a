"""The table of what was tried at a CitrineOS, and the records that were read back.

Cases are tests without their parameters; a row for each version and security profile. The reports
of a case carry what the table needs, also from other processes of a parallel run.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

PLACE: Final = "citrineos place"  # version and security profile of a case
RECORD: Final = "citrineos record"  # a record as it stood in the database, and the verdict
_RANK: Final = ("passed", "skipped", "failed")


@dataclass(slots=True)
class Row:
    """One case at one port."""

    results: Counter[str] = field(default_factory=Counter)
    words: str = ""

    def __str__(self) -> str:
        parts = [f"{count} {name}" for name in _RANK if (count := self.results[name])]
        return ", ".join(parts) + (f": {self.words}" if self.words else "")


@dataclass(slots=True)
class Table:
    """Collects reports, and writes the table once all are there."""

    file: Path
    rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    records: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # by version
    read_back: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a test that ended, wherever it ran."""
        if report.when == "teardown" and report.passed:
            return
        if report.when == "setup" and report.passed:
            return
        name = report.nodeid.rpartition("::")[2].partition("[")[0]
        case = name.removeprefix("test_").replace("_", " ")
        given = dict(report.user_properties)
        version, profile = given.get(PLACE, ("", ""))
        row = self.rows.setdefault((case, str(version), str(profile)), Row())
        row.results[report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            row.words = report.longrepr[2].removeprefix("Skipped: ")
        elif report.failed:
            row.words = str(getattr(report.longrepr, "reprcrash", report.longrepr))[-300:]
        for key, value in report.user_properties:
            if key == RECORD:
                record, verdict = value  # type: ignore[misc]
                self.records.setdefault(str(version), (case, record, verdict))
                self.read_back[str(version), str(profile), verdict.partition(",")[0]] += 1

    def pytest_sessionfinish(self) -> None:
        """Write what is there."""
        self.file.write_text(self.text())

    def text(self) -> str:
        """The table, in Markdown."""
        lines = ["| Case | OCPP | Security profile | Result |", "|---|---|---|---|"]
        for (case, version, profile), row in sorted(self.rows.items()):
            cells = (case, version or "-", profile or "-", str(row))
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        lines += ["", "Records read back from the database:", ""]
        lines += ["| OCPP | Security profile | Verdict | Records |", "|---|---|---|---|"]
        for place, count in sorted(self.read_back.items()):
            lines.append(f"| {' | '.join(place)} | {count} |")
        for version, (case, record, verdict) in sorted(self.records.items()):
            lines += ["", f"The first one in OCPP {version} ({case}): {verdict}", ""]
            lines += ["```", record, "```"]
        return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
