"""The table that the tests at a CitrineOS leave behind."""

from pathlib import Path
from typing import Any, Literal

import pytest
from citrine_table import PLACE, RECORD, Table


def report(
    case: str,
    outcome: Literal["passed", "failed", "skipped"],
    place: tuple[str, str] = ("1.6", "2"),
    *,
    longrepr: Any = None,
    records: tuple[str, ...] = (),
) -> pytest.TestReport:
    properties = [(PLACE, place), *((RECORD, (one, "authentic, key 04AB")) for one in records)]
    return pytest.TestReport(
        f"tests/citrineos/test_x.py::test_{case}[{place}]",
        ("", 0, ""),
        {},
        outcome,
        longrepr,
        "call",
        user_properties=properties,
    )


def test_a_case_has_a_row_for_each_place_and_the_first_record_is_written_whole(
    tmp_path: Path,
) -> None:
    table = Table(tmp_path / "table.md")
    for one in (
        report("a_session", "passed", records=("OCMF|1|2",)),
        report("a_session", "passed", records=("OCMF|3|4",)),
        report("a_session", "failed", ("2.0.1", "0"), longrepr="it | broke"),
        report("a_call", "skipped", longrepr=("conftest.py", 1, "Skipped: not offered")),
    ):
        table.pytest_runtest_logreport(one)

    table.pytest_sessionfinish()

    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[2:5] == [
        "| a call | 1.6 | 2 | 1 skipped: not offered |",
        "| a session | 1.6 | 2 | 2 passed |",
        "| a session | 2.0.1 | 0 | 1 failed: it \\| broke |",
    ]
    assert "| 1.6 | 2 | authentic | 2 |" in lines
    assert lines[-3:] == ["```", "OCMF|1|2", "```"]
