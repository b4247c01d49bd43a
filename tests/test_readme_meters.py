"""The meters that the README adds: its code is taken as it stands and has to keep the contract."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chargepoint.cli.simulate import simulate

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Adding a meter")[1].split("\n## ")[0]
CONTRACT = ("tests/meters/test_contract.py", "tests/meters/test_contract_transactions.py")


def written(folder: Path) -> dict[str, Path]:
    """The code blocks as files: the name of each stands in its first line."""
    files: dict[str, Path] = {}
    for block in re.findall(r"```(?:python|yaml)\n(.*?)```", SECTION, flags=re.DOTALL):
        name, _, text = block.partition("\n")
        path = folder / name.removeprefix("# ").strip().removeprefix("meters/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        files[path.name] = path
    return files


def kept(chosen: str, *files: str, **environment: str) -> str:
    """What pytest says of the contract for the chosen meters."""
    command = [sys.executable, "-m", "pytest", "-p", "extra_meters", "-q", "-k", chosen, *files]
    paths = [str(ROOT / "tests" / "support"), str(ROOT)]
    environ = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths)}
    ended = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=ROOT,
        env=environ | {"CONTRACT_POINTS": "4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_the_examples_are_a_profile_a_driver_and_a_simulator_and_nothing_else(
    tmp_path: Path,
) -> None:
    written(tmp_path)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == [
        "acme_one.yaml",
        "drivers/acme_signer.py",
        "simulators/acme_signer.py",
    ]


def test_the_profile_of_the_readme_makes_a_meter_that_keeps_the_contract(tmp_path: Path) -> None:
    profile = written(tmp_path)["acme_one.yaml"]

    said = kept("generic_modbus", CONTRACT[0], EXTRA_PROFILE=str(profile))

    assert re.search(r"[5-9] passed", said)


def test_the_driver_of_the_readme_keeps_the_contract_of_meters_that_sign(tmp_path: Path) -> None:
    written(tmp_path)

    said = kept("acme_signer", *CONTRACT, EXTRA_METERS=str(tmp_path))

    assert re.search(r"(2[5-9]|3\d) passed", said)


def test_the_example_is_good_style(tmp_path: Path) -> None:
    folder = tmp_path / "meters"
    written(folder)
    for package in ("drivers", "simulators"):
        (folder / package / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for command in (["check", "--ignore", "D104"], ["format", "--check"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", "--quiet", *command, str(folder)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout


def test_the_command_of_the_example_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import meters.simulators

    written(tmp_path)
    paths = [*meters.simulators.__path__, str(tmp_path / "simulators")]
    monkeypatch.setattr(meters.simulators, "__path__", paths)
    monkeypatch.delitem(sys.modules, "meters.simulators.acme_signer", raising=False)

    shown = CliRunner().invoke(simulate, ["acme-signer", "--help"])

    assert shown.exit_code == 0
    assert "--begin-energy" in shown.output
    monkeypatch.delitem(sys.modules, "meters.simulators.acme_signer", raising=False)
