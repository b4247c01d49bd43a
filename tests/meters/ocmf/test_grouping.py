"""Records that belong to one transaction find each other, whatever they came in."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chargepoint.cli.ocmf import ocmf
from meters.ocmf import Contained, extract
from meters.ocmf.grouping import group
from meters.ocmf.session import verify_contained


@pytest.fixture
def meter(signer: Any) -> Any:
    return signer("secp256r1")


@pytest.fixture
def begin(meter: Any, payload: Any) -> bytes:
    record: bytes = meter.record(payload | {"PG": "T41", "RD": [payload["RD"][0]]})
    return record


@pytest.fixture
def end(meter: Any, payload: Any) -> bytes:
    record: bytes = meter.record(payload | {"PG": "T42", "RD": [payload["RD"][1]]})
    return record


def run(*arguments: Any, given: Any = None) -> Result:
    return CliRunner().invoke(ocmf, [str(one) for one in arguments], input=given)


def grouped(*found: Contained, sources: Any = None) -> list[tuple[str, list[str]]]:
    verdicts = [verify_contained(one) for one in found]
    groups = group(found, verdicts, sources or [""] * len(found))
    return [(one.name, [verdict.record.pagination for verdict in one.verdicts]) for one in groups]


def event(kind: str, record: bytes, key: str, **more: Any) -> list[Any]:
    value = {"signedMeterData": base64.b64encode(record).decode(), "publicKey": key}
    values = [{"sampledValue": [{"value": 1, "context": kind, "signedMeterValue": value}]}]
    info = {"transactionId": "abc"}
    return [2, "1", "TransactionEvent", {"transactionInfo": info, "meterValue": values} | more]


def test_what_a_container_names_belongs_together_within_one_source(
    meter: Any, begin: bytes, end: bytes
) -> None:
    key = meter.public.oca()
    one = Contained(begin, key, transaction="7")
    other = Contained(end, key, transaction="7")

    assert grouped(one, other, sources=["a", "a"]) == [("7", ["T41", "T42"])]
    assert grouped(one, other, sources=["a", "b"]) == [("7", ["T41"]), ("7", ["T42"])]


def test_begin_and_end_that_nothing_names_find_each_other_by_meter_and_page(
    meter: Any, signer: Any, payload: Any, begin: bytes, end: bytes
) -> None:
    key = meter.public.oca()
    stranger = signer("secp256r1", 77)
    foreign = stranger.record(payload | {"PG": "T42", "RD": [payload["RD"][1]]})

    assert grouped(Contained(end, key), Contained(begin, key)) == [("", ["T41", "T42"])]
    assert grouped(Contained(begin, key), Contained(foreign, stranger.public.oca())) == [
        ("", ["T41"]),
        ("", ["T42"]),
    ]
    assert grouped(Contained(meter.record(), key), Contained(end, key)) == [
        ("", ["T41"]),
        ("", ["T42"]),
    ]


def test_what_is_no_reading_of_a_transaction_is_in_none(meter: Any, payload: Any) -> None:
    reading = {name: value for name, value in payload["RD"][0].items() if name != "TX"}
    fiscal = meter.record(payload | {"PG": "F1", "RD": [reading]})

    assert grouped(Contained(fiscal, meter.public.oca()), Contained(b"x", "00")) == []


def test_frames_of_ocpp_are_judged_as_one_transaction(meter: Any, begin: bytes, end: bytes) -> None:
    frames = [
        event("Transaction.Begin", begin, meter.public.oca()),
        event("Transaction.End", end, ""),
    ]

    whole = run("verify", given=json.dumps(frames))
    answer = json.loads(run("verify", "--json", given="\n".join(map(json.dumps, frames))).stdout)

    assert whole.exit_code == 0, whole.output
    assert "Transaction abc: fine, 17330 Wh, in 1:30:02" in whole.stdout
    assert [one["energy_wh"] for one in answer["transactions"]] == ["17330"]


def test_a_transaction_that_goes_on_does_not_fail_unless_asked_for(
    meter: Any, begin: bytes
) -> None:
    frame = json.dumps(event("Transaction.Begin", begin, meter.public.oca()))

    usual, strict = run("verify", given=frame), run("verify", "--strict", given=frame)

    assert (usual.exit_code, strict.exit_code) == (0, 1)
    assert "Transaction abc: not complete" in usual.stdout
    assert "[open]" in usual.stdout


def test_a_transaction_that_cannot_be_billed_fails_in_every_container(
    meter: Any, payload: Any
) -> None:
    readings = [payload["RD"][0], payload["RD"][1] | {"ST": "M"}]
    record = meter.record(payload | {"RD": readings})

    done = run("verify", "--public-key", meter.public.oca(), given=record)

    assert done.exit_code == 1
    assert "1 of 1 records are authentic" in done.stdout
    assert "[meter-state]" in done.stdout


def test_several_files_and_folders_are_read_and_named(
    meter: Any, begin: bytes, end: bytes, tmp_path: Path
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "begin.ocmf").write_bytes(begin)
    (tmp_path / "1" / "note.txt").write_text("no record")
    (tmp_path / "end.ocmf").write_bytes(end)

    done = run("verify", tmp_path / "end.ocmf", tmp_path / "1", "--public-key", meter.public.oca())
    shown = run("show", tmp_path / "end.ocmf", tmp_path / "1")

    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'end.ocmf'}:" in done.stdout
    assert "2 records that belong together: fine, 17330 Wh" in done.stdout
    assert "note.txt: passed over" in done.stderr
    assert shown.stdout.count("OCMF record T4") == 2


def test_a_folder_without_records_exits_with_2(tmp_path: Path) -> None:
    done = run("verify", tmp_path)

    assert done.exit_code == 2
    assert "holds no file with an OCMF record" in done.stderr


def test_records_are_found_in_the_lines_of_a_log(meter: Any, begin: bytes, end: bytes) -> None:
    frame = json.dumps(event("Transaction.Begin", begin, meter.public.oca()))
    log = f"[2026-01-01 10:00] info > {frame} sent\n2026 meter: {end.decode()}, stored\n"

    found = extract(log)

    assert [one.record for one in found] == [begin, end]
    assert found[0].key == meter.public.oca()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"", "empty"),
        (b"%PDF-1.7", "This is a PDF"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x89PNG", "picture"),
        (b"AP;1;2", "Alfen"),
        (b"-----BEGIN PUBLIC KEY-----", "--public-key"),
        (b'{"a":1}', "SampledDataSignReadings"),
        (b"<values/>", "no <value>"),
    ],
)
def test_other_inputs_are_told_what_they_are(given: bytes, words: str) -> None:
    done = run("verify", given=given)

    assert done.exit_code == 2
    assert words in done.stderr
    assert "holds no OCMF record" in done.stderr or "no OCMF record" in done.stderr


def test_a_key_where_a_record_is_expected_is_recognised(meter: Any) -> None:
    done = run("verify", given=meter.public.spki.hex())

    assert done.exit_code == 2
    assert "This is a public key" in done.stderr


def test_text_saved_as_utf_16_is_read(meter: Any) -> None:
    given = meter.record().decode().encode("utf-16")

    assert run("verify", "--public-key", meter.public.oca(), given=given).exit_code == 0
