"""The bill of materials, and whether a package with a known hole would be found."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import supply_chain
from supply_chain import Allowance, Asked, Hole, Silent, allowances, invalid, make_bill, needed

OLD = {"aiohttp": "3.8.1", "h11": "0.16.0"}
TODAY = date(2026, 3, 1)
ADVISORY = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2024-0001"],
    "summary": "It can be knocked over",
    "published": "2024-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "aiohttp", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.9.0"}]}],
            "versions": ["3.8.1"],
        }
    ],
}


@contextmanager
def advisories(known: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A service that knows these advisories by package and version; gives how to ask it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = known.get(f"{asked['package']['name']} {asked['version']}")
            body = json.dumps({"vulns": [found]} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        yield ("--osv-url", url, "--vulnerability-service", "osv")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_a_charger_needs_is_in_the_bill_and_nothing_else() -> None:
    packages = needed()

    assert {"aiohttp", "asyncssh", "cffi", "cryptography", "msgspec", "ocpp"} <= packages.keys()
    assert not {"pytest", "ruff", "pip-audit", "chargepoint"} & packages.keys()
    assert "asyncssh" not in needed(extras=())


def test_the_bill_is_valid_and_names_version_and_product(tmp_path: Path) -> None:
    target = tmp_path / "build" / "bill.json"
    packages = {name: version for name, version in needed().items() if name in {"h11", "pyyaml"}}

    bill = make_bill(target, packages)
    text = target.read_text()
    again = make_bill(target, packages)

    assert bill == again == json.loads(text)
    assert {one["name"].lower(): one["version"] for one in bill["components"]} == packages
    assert bill["metadata"]["component"]["name"] == "chargepoint"
    assert all(one["purl"].startswith("pkg:pypi/") for one in bill["components"])
    assert invalid(text) is None
    assert invalid(text.replace('"library"', '"magic"')) is not None


def test_a_version_with_a_known_hole_makes_the_gate_fail_and_is_named() -> None:
    with advisories({"aiohttp 3.8.1": ADVISORY}) as service:
        lines = list(supply_chain.report(OLD, [], [service], TODAY))

    assert lines == [
        (False, "hole FOUND: aiohttp 3.8.1: CVE-2024-0001, GHSA-aaaa-bbbb-cccc, fixed in 3.9.0"),
        (True, "known holes: 1 in 2 packages"),
    ]


def test_versions_without_a_known_hole_are_fine() -> None:
    with advisories({"aiohttp 3.8.1": ADVISORY}) as service:
        lines = list(supply_chain.report({"aiohttp": "3.9.0"}, [], [service], TODAY))

    assert lines == [(True, "known holes: 0 in 1 packages")]


@pytest.mark.parametrize(
    ("until", "name", "fine"),
    [
        (date(2026, 3, 1), "CVE-2024-0001", True),
        (date(2026, 3, 1), "GHSA-aaaa-bbbb-cccc", True),
        (date(2026, 2, 28), "CVE-2024-0001", False),
        (date(2026, 3, 1), "CVE-2024-0002", False),
    ],
)
def test_an_allowed_hole_is_told_and_counts_until_its_date(
    until: date, name: str, *, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hole = Hole("aiohttp", "3.8.1", ("GHSA-aaaa-bbbb-cccc", "CVE-2024-0001"), ())
    monkeypatch.setattr(supply_chain, "ask", lambda *_: Asked((hole,)))
    allowed = Allowance("AIOHTTP", name, "only servers are concerned", until)

    told = {line: good for good, line in supply_chain.report(OLD, [allowed], today=TODAY)}
    (line,) = [line for line in told if "aiohttp" in line]

    assert told[line] is fine
    assert ("(only servers are concerned)" in line) is fine
    assert "not fixed yet" in line


def test_where_no_service_can_be_asked_one_line_says_so() -> None:
    nobody = ("--osv-url", "http://127.0.0.1:1/", "--vulnerability-service", "osv")

    lines = list(supply_chain.report(OLD, [], [nobody, nobody], TODAY))

    (only,) = lines
    assert only[0]
    assert "not looked for, no advisory service can be asked" in only[1]
    assert "(osv: cannot be reached; osv: cannot be reached)" in only[1]


def test_a_service_that_does_not_answer_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply_chain, "WHOLE_TIMEOUT_S", 0.01)

    with pytest.raises(Silent, match=r"no answer within 0\.01 s"):
        supply_chain.ask(OLD, [("--vulnerability-service", "pypi")])


def test_the_real_service_knows_the_holes_of_an_old_version() -> None:
    try:
        asked = supply_chain.ask(OLD)
    except Silent as silent:
        pytest.skip(f"no advisory service can be asked: {silent}")

    assert any(hole.package == "aiohttp" for hole in asked.holes)


def test_every_allowance_that_is_written_down_can_be_read(tmp_path: Path) -> None:
    entry = '[[allowed]]\npackage = "a"\nname = "CVE-1"\nreason = "r"\nuntil = 2027-01-01\n'
    (tmp_path / "allowed.toml").write_text(entry)

    assert allowances(tmp_path / "allowed.toml") == [Allowance("a", "CVE-1", "r", date(2027, 1, 1))]
    assert all(one.reason for one in allowances())
