"""What the station is made of: a bill of materials, and whether anything in it has known holes.

The bill (CycloneDX, JSON) is made from the installed environment, of the packages that a charger
needs; tools of the gate are left out. Holes are asked for at the advisory services of PyPI and, if
that one cannot be asked, of OSV. Where neither can be asked, one line says so, and that is no
failure: a release is made where they can. Ends with 1 if a hole is known and not allowed.

A hole that does not concern the station is allowed by an entry in ``scripts/allowed_holes.toml``,
with the reason and a date after which it has to be judged anew.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
BILL = ROOT / "build" / "bill-of-materials.cdx.json"
ALLOWED = ROOT / "scripts" / "allowed_holes.toml"
PRODUCT, EXTRAS = "chargepoint", ("sftp",)
SERVICES = (("--vulnerability-service", "pypi"), ("--vulnerability-service", "osv"))
SOCKET_TIMEOUT_S = 5
WHOLE_TIMEOUT_S = 60
BILL_TIMEOUT_S = 120

Pins = Mapping[str, str]
"""Packages by canonical name, with their versions."""


def needed(product: str = PRODUCT, extras: Iterable[str] = EXTRAS) -> dict[str, str]:
    """All installed packages that an installed one needs with these extras, itself left out."""
    found: dict[str, str] = {}
    waiting = [(product, frozenset(extras))]
    seen = set(waiting)
    while waiting:
        name, wanted = waiting.pop()
        distribution = metadata.distribution(name)
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if not _applies(requirement, wanted):
                continue
            package = canonicalize_name(requirement.name)
            found[package] = metadata.version(package)
            step = (package, frozenset(requirement.extras))
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return dict(sorted(found.items()))


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


# --- bill of materials --------------------------------------------------------------------------


def make_bill(target: Path, packages: Pins) -> dict[str, Any]:
    """Write the bill of these packages, valid against its schema; gives what it says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible"]
    command += ["--no-validate", "-o", "-"]  # what is kept of it is
    made = subprocess.run(command, capture_output=True, check=True, timeout=BILL_TIMEOUT_S)
    bill = only(json.loads(made.stdout), packages)
    text = f"{json.dumps(bill, indent=2, ensure_ascii=False)}\n"
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return bill  # judged before, which takes ten seconds
    if (error := invalid(text)) is not None:
        raise SystemExit(f"the bill of materials does not fit its schema: {error}")
    target.write_text(text, encoding="utf-8")
    return bill


def only(bill: Mapping[str, Any], packages: Pins) -> dict[str, Any]:
    """The bill without components that are not among these, and without references to them."""
    kept = [one for one in bill["components"] if canonicalize_name(one["name"]) in packages]
    refs = {one["bom-ref"] for one in kept} | {bill["metadata"]["component"]["bom-ref"]}
    edges = [
        {**edge, "dependsOn": [ref for ref in edge.get("dependsOn", ()) if ref in refs]}
        for edge in bill["dependencies"]
        if edge["ref"] in refs
    ]
    return {**bill, "components": kept, "dependencies": edges}


def invalid(text: str) -> str | None:
    """Why a bill does not fit the schema of its version; None if it does."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    error = JsonStrictValidator(version).validate_str(text)
    return None if error is None else str(error)


# --- known holes --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hole:
    """One advisory about a version of a package that is in use."""

    package: str
    version: str
    names: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package} {self.version}: {', '.join(self.names)}, {fixed}"


@dataclass(frozen=True)
class Asked:
    """What a service said; ``unknown`` are packages that it does not know."""

    holes: tuple[Hole, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Allowance:
    """A hole that does not concern the station, why, and until when that counts."""

    package: str
    name: str
    reason: str
    until: date

    def covers(self, hole: Hole, today: date) -> bool:
        """Whether it is about this hole, and counts still."""
        same = canonicalize_name(self.package) == hole.package and self.name in hole.names
        return same and today <= self.until


@dataclass
class Silent(Exception):  # noqa: N818 - reads as a state
    """No service could be asked."""

    why: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "; ".join(self.why)


def ask(packages: Pins, services: Sequence[Sequence[str]] = SERVICES) -> Asked:
    """What the first service that can be asked knows of these packages.

    Raises:
        Silent: none can be.
    """
    silent = Silent()
    for service in services:
        try:
            asked = _ask(packages, service)
        except (subprocess.TimeoutExpired, ValueError) as error:
            silent.why.append(f"{service[-1]}: {_short(error)}")
            continue
        if len(asked.unknown) < len(packages):
            return asked
        silent.why.append(f"{service[-1]}: knows none of the packages")
    raise silent


def _ask(packages: Pins, service: Sequence[str]) -> Asked:
    """Raises ValueError if there is no answer that can be read."""
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "pins.txt")
        pins.write_text("".join(f"{name}=={version}\n" for name, version in packages.items()))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(pins), *service]
        command += ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        command += ["--timeout", str(SOCKET_TIMEOUT_S), "--cache-dir", folder]
        said = subprocess.run(
            command, capture_output=True, check=False, timeout=WHOLE_TIMEOUT_S, text=True
        )
    if not said.stdout.strip():
        last = said.stderr.strip().rpartition("\n")[2]
        unreachable = "ConnectionError" in last
        raise ValueError("cannot be reached" if unreachable else last or "says nothing")
    return read(json.loads(said.stdout))


def read(said: Mapping[str, Any]) -> Asked:
    """The tool's own words as holes."""
    packages = said["dependencies"]
    holes = [
        Hole(
            canonicalize_name(package["name"]),
            package["version"],
            tuple(sorted({found["id"], *found["aliases"]})),
            tuple(found["fix_versions"]),
        )
        for package in packages
        for found in package.get("vulns", ())
    ]
    return Asked(tuple(holes), tuple(one["name"] for one in packages if "skip_reason" in one))


def _short(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {WHOLE_TIMEOUT_S} s"
    return str(error)[:120]


def allowances(file: Path = ALLOWED) -> list[Allowance]:
    """What is written down; every entry has a reason and a date."""
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("allowed", [])
    return [Allowance(**entry) for entry in entries]


def report(
    packages: Pins,
    allowed: Iterable[Allowance],
    services: Sequence[Sequence[str]] = SERVICES,
    today: date | None = None,
) -> Iterator[tuple[bool, str]]:
    """Lines for people; False beside one that makes the gate fail."""
    today = today or datetime.now(UTC).date()
    allowed = list(allowed)
    try:
        asked = ask(packages, services)
    except Silent as silent:
        yield True, f"known holes: not looked for, no advisory service can be asked ({silent})"
        return
    for hole in asked.holes:
        reasons = [one.reason for one in allowed if one.covers(hole, today)]
        yield (
            bool(reasons),
            f"hole {'allowed' if reasons else 'FOUND'}: {hole}"
            + (f" ({reasons[0]})" if reasons else ""),
        )
    if asked.unknown:
        yield True, f"known holes: not looked for in {', '.join(asked.unknown)}"
    looked = len(packages) - len(asked.unknown)
    yield True, f"known holes: {len(asked.holes)} in {looked} packages"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the bill, look for holes."""
    parser = argparse.ArgumentParser(description="Bill of materials and known holes.")
    parser.add_argument("--bill", type=Path, default=BILL, help="where to write it")
    given = parser.parse_args(arguments)
    packages = needed()
    make_bill(given.bill, packages)
    print(f"bill of materials: {len(packages)} packages in {given.bill}", file=sys.stderr)  # noqa: T201
    good = True
    for fine, line in report(packages, allowances()):
        print(line, file=sys.stderr)  # noqa: T201
        good = good and fine
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
