"""What the README says of security is shown by tests that are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## What protects what\n")[1].split("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("|")
][2:]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECTION)))
ASSETS = [
    "Signed records",
    "The meter's key",
    "The station's private key",
    "Password",
    "Tokens",
    "Journal",
    "Firmware",
    "Files",
    "Config",
    "Local interface",
    "Contactor",
    "Logs",
    "Clock",
    "Meter bus",
    "CSMS link",
    "Dependencies",
]


@cache
def found_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_the_readme_names_is_there(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert name in found_in(path)


@pytest.mark.parametrize("asset", ASSETS)
def test_an_asset_has_a_threat_a_measure_and_a_test(asset: str) -> None:
    (row,) = [row for row in ROWS if row[0].startswith(asset)]

    assert len(row) == 4
    assert all(row)
    assert "`tests/" in row[3]


def test_no_test_is_named_in_a_way_that_is_not_looked_at() -> None:
    assert SECTION.count("`tests/") == len(re.findall(r"`tests/[\w/]+\.py::\w+`", SECTION))
    assert (ROOT / "SECURITY.md").is_file()
