"""``chargepoint records``: what a person and a script get of the archive."""

import json
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from archive_rig import keep, public_key, session, tell
from fake_clock import START

from chargepoint.cli import main
from chargepoint.store.sqlite import Store
from meters.ocmf import containers, extract

Said = pytest.CaptureFixture[str]
WEEK = timedelta(days=7)
FORMS = ["xml", "ocmf", "json"]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Three sessions that were told, the second one signed twice, and one that was not told."""
    folder = tmp_path / "state"
    with Store(folder, "CP1") as store:
        for number in range(3):
            keep(store, *session(number, at=START + timedelta(hours=number), apart=number == 1))
        tell(store)
        keep(store, *session(3, at=START + timedelta(hours=3)))
    return folder


def documents(state: Path) -> list[bytes]:
    with closing(sqlite3.connect(state / "station.db")) as db:
        return [row[0] for row in db.execute("SELECT document FROM record ORDER BY number")]


def listed(state: Path, capsys: Said, *options: str) -> list[dict[str, Any]]:
    assert main(["records", "list", "--state", str(state), "--json", *options]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["records"]
    return found


def test_the_list_is_a_table_with_one_line_for_each_record(state: Path, capsys: Said) -> None:
    assert main(["records", "list", "--state", str(state)]) == 0

    said = capsys.readouterr()
    head, *lines = said.out.splitlines()
    assert head.split() == ["ID", "TAKEN", "EVSE", "TRANSACTION", "VERDICT", "CSMS"]
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert lines[0].endswith("valid         delivered 2026-03-01T10:00:00Z")
    assert lines[4].endswith("waits for the CSMS")
    assert said.err == "5 records.\n"


def test_the_list_as_json_says_all_but_the_text(state: Path, capsys: Said) -> None:
    *_, last = listed(state, capsys)

    assert last == {
        "id": 5,
        "transaction_id": "TX-0003",
        "evse_id": 1,
        "encoding": "OCMF",
        "method": "",
        "public_key": public_key(),
        "verdict": "valid",
        "taken_at": "2026-03-01T13:30:00Z",
        "released_at": None,
        "delivered_at": None,
        "delivery": "waiting",
        "untold": None,
        "damaged": None,
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--since", "2026-03-01T11:15:00Z"], [3, 4, 5]),
        (["--since", "2026-03-01T12:15:00+01:00", "--until", "2026-03-01T12:00"], [3]),
        (["--until", "2026-03-01"], []),
        (["--transaction", "TX-0001"], [2, 3]),
        (["--verdict", "invalid"], []),
        (["--undelivered"], [5]),
    ],
)
def test_a_selection_is_listed(
    state: Path, capsys: Said, options: list[str], expected: list[int]
) -> None:
    assert [one["id"] for one in listed(state, capsys, *options)] == expected


def test_a_record_is_shown_with_what_is_known_of_it_and_what_it_says(
    state: Path, capsys: Said
) -> None:
    assert main(["records", "show", "--state", str(state), "3"]) == 0

    said = capsys.readouterr().out
    assert "transaction_id  TX-0001" in said
    assert "delivered 2026-03-01T10:00:00Z" in said
    assert "8.125 kWh" in said
    assert said.rstrip().endswith(documents(state)[2].decode())


def test_a_record_is_shown_as_json(state: Path, capsys: Said) -> None:
    assert main(["records", "show", "--json", "--state", str(state), "3"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["text"].encode() == documents(state)[2]


def test_a_record_that_is_not_there_is_no_success(state: Path, capsys: Said) -> None:
    assert main(["records", "show", "--state", str(state), "77"]) == 1

    assert "There is no record 77" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMS)
def test_what_is_exported_is_what_was_signed_and_verifies(
    state: Path, tmp_path: Path, capsys: Said, form: str
) -> None:
    out = tmp_path / f"all.{form}"

    assert (
        main(["records", "export", "--state", str(state), "--format", form, "--out", str(out)]) == 0
    )
    assert capsys.readouterr().err == f"5 records in {out}\n"

    assert [one.record for one in extract(out.read_bytes())] == documents(state)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert main(["ocmf", "verify", str(out), "--public-key", public_key()]) == 0
    if form != "ocmf":
        assert main(["ocmf", "verify", str(out)]) == 0
    assert "5 of 5 records are authentic" in capsys.readouterr().out


@pytest.mark.parametrize("form", FORMS)
def test_the_same_goes_to_standard_output(
    state: Path, capfdbinary: pytest.CaptureFixture[bytes], form: str
) -> None:
    assert main(["records", "export", "--state", str(state), "--format", form]) == 0

    assert [one.record for one in extract(capfdbinary.readouterr().out)] == documents(state)


def test_a_folder_gets_one_file_for_each_transaction(
    state: Path, tmp_path: Path, capsys: Said
) -> None:
    out = tmp_path / "bills"

    assert main(["records", "export", "--state", str(state), "--out", f"{out}/"]) == 0

    assert sorted(path.name for path in out.iterdir()) == [
        "00000001-TX-0000.xml",
        "00000002-TX-0001.xml",
        "00000004-TX-0002.xml",
        "00000005-TX-0003.xml",
    ]
    both = extract((out / "00000002-TX-0001.xml").read_bytes())
    assert [one.record for one in both] == documents(state)[1:3]
    assert [one.context for one in both] == ["Transaction.Begin", "Transaction.End"]
    assert capsys.readouterr().err == f"5 records in 4 files in {out}/\n"
    assert main(["ocmf", "verify", str(out)]) == 0


def test_a_selection_is_exported_in_whole_transactions(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "some.xml"
    since = ["--since", "2026-03-01T11:15:00Z", "--until", "2026-03-01T12:00:00Z"]

    assert main(["records", "export", "--state", str(state), *since, "--out", str(out)]) == 0

    assert [one.record for one in extract(out.read_bytes())] == documents(state)[1:3]
    assert main(["ocmf", "verify", str(out)]) == 0


def test_a_damaged_row_is_told_and_the_rest_is_exported(
    state: Path, tmp_path: Path, capsys: Said
) -> None:
    whole = documents(state)
    with closing(sqlite3.connect(state / "station.db")) as db:
        db.execute("UPDATE record SET document = substr(document, 2) WHERE number = 4")
        db.commit()
    out = tmp_path / "rest.xml"

    assert main(["records", "export", "--state", str(state), "--out", str(out)]) == 1

    said = capsys.readouterr().err
    assert "record 4 is damaged: its bytes are not those that were stored (SHA-256)" in said
    assert [one.record for one in extract(out.read_bytes())] == whole[:3] + whole[4:]
    assert main(["records", "show", "--state", str(state), "4"]) == 1
    assert main(["records", "list", "--state", str(state)]) == 1
    assert main(["records", "export", "--state", str(state), "--format", "json"]) == 1


def test_the_station_of_a_config_is_meant_as_well(
    state: Path, tmp_path: Path, capsys: Said
) -> None:
    demo = Path(__file__).parents[1] / "configs" / "demo.yaml"
    config = tmp_path / "site.yaml"
    text = demo.read_text().replace("state: ./state", f"state: {state}")
    config.write_text(text)

    assert main(["records", "list", str(config), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["records"]) == 5
    assert main(["records", "show", str(config), "1"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list"], 2, "Give CONFIG or --state FOLDER."),
        (["list", "a.yaml", "--state", "b"], 2, "Give CONFIG or --state FOLDER."),
        (["list", "--state", "nowhere"], 5, "no state folder"),
        (["list", "--state", ".", "--since", "soon"], 2, "no time like"),
        (["show", "--state", "nowhere", "first"], 2, "a whole number"),
        (["show", "a.yaml", "b.yaml", "1"], 2, "one CONFIG"),
        (["export", "--state", "nowhere", "--format", "pdf"], 2, "pdf"),
    ],
)
def test_wrong_use_is_told_in_words(
    capsys: Said, arguments: list[str], code: int, said: str
) -> None:
    assert main(["records", *arguments]) == code
    assert said in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_and_leaves_no_draft(
    state: Path, tmp_path: Path, capsys: Said
) -> None:
    out = tmp_path / "nowhere" / "all.xml"

    assert main(["records", "export", "--state", str(state), "--out", str(out)]) == 2

    assert "Cannot write" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [state]


def test_a_file_that_is_too_large_for_a_verifier_is_told(
    state: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "MAX_RECORDS", 4)
    command = ["records", "export", "--state", str(state), "--out", str(tmp_path / "all.xml")]

    assert main(command) == 0

    assert "more than a verifier reads at once, --out FOLDER/" in capsys.readouterr().err


def test_a_name_from_outside_leads_to_no_other_folder(tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    with Store(state, "CP1") as store:
        keep(store, *session(1))
        store._db.execute("UPDATE record SET transaction_id = '../../' || transaction_id")

    assert main(["records", "export", "--state", str(state), "--out", f"{out}/"]) == 0

    assert [path.name for path in out.iterdir()] == ["00000001-.._.._TX-0001.xml"]


@pytest.mark.parametrize("running", [True, False])
def test_a_station_that_was_offline_for_a_week_hands_over_everything(
    tmp_path: Path, capsys: Said, *, running: bool
) -> None:
    state, out = tmp_path / "state", tmp_path / "week"
    signed = []
    with Store(state, "CP1") as store:
        for number in range(400):
            at = START + number * WEEK / 400
            facts = session(number, at=at, apart=number % 3 == 0, evse_id=1 + number % 2)
            keep(store, *facts)
            for reading in (facts[0].begin, facts[1].end):
                signed += [reading.signed.document] if reading and reading.signed else []
        command = ["records", "export", "--state", str(state), "--out", f"{out}/", "--undelivered"]
        code = main(command) if running else None
    code = main(command) if code is None else code

    files = sorted(out.iterdir())
    found = [one for path in files for one in extract(path.read_bytes())]
    assert (code, len(files), len(signed)) == (0, 400, 534)
    assert [one.record for one in found] == signed
    assert {one.key for one in found} == {public_key()}
    capsys.readouterr()
    assert main(["ocmf", "verify", str(out)]) == 0
    assert "534 of 534 records are authentic" in capsys.readouterr().out
