"""The README is what a newcomer believes, so what can be checked of it is."""

import re
from pathlib import Path

import pytest

from chargepoint.config_model import CsmsSection
from meters.catalog import driver_names
from meters.simulators.catalog import load_simulator, simulator_names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = README.split("## What is where")[1].split("```")[1]


def folders_in_the_tree() -> set[str]:
    """Every path that the tree names."""
    named: set[str] = set()
    top = ""
    for line in TREE.strip().splitlines():
        name = line.split()[0].rstrip("/")
        if line.startswith("  "):
            named.add(f"{top}/{name}")
        else:
            top = name
            named.add(name)
    return named


def folders_on_disk() -> set[str]:
    """The packages and the top-level folders, as git would see them."""
    tops = {"chargepoint", "meters", "tests", "configs", "scripts"}
    inner = {
        f"{top}/{path.name}"
        for top in ("chargepoint", "meters")
        for path in (ROOT / top).iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    return tops | inner


def test_the_tree_names_every_folder_and_no_other() -> None:
    assert folders_in_the_tree() == folders_on_disk()


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:chargepoint|meters)/[\w/.]+)`", README)))
)
def test_every_file_that_the_readme_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("command", ["./scripts/demo", "./scripts/test"])
def test_the_commands_for_newcomers_are_there_and_executable(command: str) -> None:
    assert command in README
    assert (ROOT / command).stat().st_mode & 0o100


def test_the_table_of_meters_names_every_driver_and_its_simulator() -> None:
    table = README.split("## Meters")[1].split("##")[0]
    rows = dict(re.findall(r"^\| `(\w+)` .*\| `simulate ([\w-]+)` \|$", table, re.MULTILINE))
    simulators = {name: load_simulator(name).DRIVER for name in simulator_names()}

    assert set(rows) == set(driver_names())
    assert {simulators[word.replace("-", "_")]: word for word in rows.values()} == rows


def test_the_keys_of_the_section_about_tls_exist() -> None:
    block = README.split("## TLS and certificates")[1].split("```yaml")[1].split("```")[0]
    named = {line.split(":")[0].strip() for line in block.splitlines() if line.startswith("  ")}

    assert {"crl_file", "crl_url", "ocsp"} <= named <= set(CsmsSection.__struct_fields__)
