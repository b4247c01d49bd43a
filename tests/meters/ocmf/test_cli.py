import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chargepoint.cli.ocmf import ocmf


@pytest.fixture
def meter(signer: Any) -> Any:
    return signer("secp256r1")


def run(*arguments: Any, given: Any = None) -> Result:
    return CliRunner().invoke(ocmf, arguments, input=given)


def xml(*values: Any) -> str:
    parts = (
        f"<value transactionId='5'><signedData>{record.decode()}</signedData>"
        f"<publicKey>{key}</publicKey></value>"
        for record, key in values
    )
    return f"<values>{''.join(parts)}</values>"


def test_a_valid_record_in_a_file_exits_with_0(meter: Any, tmp_path: Path) -> None:
    path = tmp_path / "record.ocmf"
    path.write_bytes(meter.record() + b"\n")

    done = run("verify", str(path), "--public-key", meter.public.oca())

    assert done.exit_code == 0, done.output
    assert "valid" in done.output
    assert "17330 Wh" in done.output
    assert "1 of 1 records are authentic" in done.output


def test_a_key_may_stand_in_a_file(meter: Any, tmp_path: Path) -> None:
    path = tmp_path / "key"

    for content in (meter.public.spki, meter.public.spki.hex().encode() + b"\n"):
        path.write_bytes(content)
        assert run("verify", "-", "--public-key", f"@{path}", given=meter.record()).exit_code == 0


def test_one_bad_record_among_many_exits_with_1(meter: Any) -> None:
    good = meter.record()
    bad = good.replace(b"1251.890", b"1250.890")

    done = run("verify", "--public-key", meter.public.oca(), given=good + b"\n" + bad)

    assert done.exit_code == 1
    assert "INVALID" in done.output
    assert "1 of 2 records" in done.output


def test_cannot_verify_is_not_called_invalid(meter: Any) -> None:
    odd = meter.record().replace(b"-SHA256", b"-MD5")

    done = run("verify", "--public-key", meter.public.oca(), given=odd)

    assert done.exit_code == 1
    assert "cannot verify" in done.output
    assert "INVALID" not in done.output


def test_json_is_all_there_is_on_stdout(meter: Any) -> None:
    done = run("verify", "--json", "--public-key", meter.public.oca(), given=meter.record())

    answer = json.loads(done.stdout)
    assert answer["verified"] is True
    (record,) = answer["records"]
    assert record["outcome"] == "valid"
    assert record["record"]["energy_wh"] == "17330"
    assert record["record"]["text"].encode() == meter.record()
    assert record["public_key"]["curve"] == "secp256r1"


def test_json_of_a_failure_says_so(meter: Any) -> None:
    done = run("verify", "--json", "--public-key", "00", given=meter.record())

    assert done.exit_code == 1
    assert json.loads(done.stdout)["verified"] is False


def test_an_ocpp_frame_brings_its_own_key(meter: Any) -> None:
    value = {"signedMeterData": meter.record().decode(), "publicKey": meter.public.oca()}

    done = run("verify", given=json.dumps([2, "1", "MeterValues", {"x": [value]}]))

    assert done.exit_code == 0, done.output


def test_xml_is_judged_by_transaction(meter: Any, payload: Any) -> None:
    key = meter.public.spki.hex()
    begin, end = (
        meter.record(payload | {"PG": f"T{page}", "RD": [payload["RD"][page]]}) for page in (0, 1)
    )

    whole = run("verify", given=xml((begin, key), (end, key)))
    half = run("verify", given=xml((begin, key)))
    answer = json.loads(run("verify", "--json", given=xml((begin, key))).stdout)

    assert whole.exit_code == 0, whole.output
    assert "Transaction 5: fine, 17330 Wh" in whole.output
    assert half.exit_code == 1
    assert "not complete" in half.output
    assert answer["transactions"][0]["findings"][0]["code"] == "open"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"", "no OCMF record"),
        (b"garbage", "no OCMF record"),
        (b"<values>", "Cannot read the input"),
        (b"{", "Cannot read the input"),
        (b"<!DOCTYPE x><values/>", "document type"),
        (b"OCMF|{}|{}", "No public key"),
    ],
)
def test_wrong_use_and_unusable_input_exit_with_2(given: Any, words: str) -> None:
    done = run("verify", given=given)

    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_a_missing_file_exits_with_2(tmp_path: Path) -> None:
    for arguments in (("verify", str(tmp_path / "no")), ("show", str(tmp_path))):
        assert run(*arguments).exit_code == 2
    done = run("verify", "--public-key", f"@{tmp_path / 'no'}", given=b"OCMF|{}|{}")
    assert done.exit_code == 2
    assert "key file" in done.stderr


def test_a_terminal_without_a_file_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargepoint.cli.ocmf_input._on_terminal", lambda: True)

    done = run("verify")

    assert done.exit_code == 2
    assert "No FILE" in done.stderr


def test_show_tells_meter_times_energy_and_what_is_unusual(meter: Any, payload: Any) -> None:
    odd = payload | {"PG": "T7", "MS": "S-1\u001b[31m", "ID": "x"}

    done = run("show", given=meter.record(odd))

    assert done.exit_code == 0, done.output
    for words in (
        "T7",
        "S-1\\x1b[31m",
        "2026-03-01 10:00:03+00:00",
        "1251.890",
        "17330 Wh",
        "id-type",
    ):
        assert words in done.stdout
    assert "\x1b" not in done.stdout


def test_show_shows_the_key_of_the_container(meter: Any) -> None:
    good = run("show", given=xml((meter.record(), meter.public.spki.hex())))
    bad = run("show", given=xml((meter.record(), "nonsense!")))

    assert meter.public.point.hex().upper() in good.stdout
    assert "cannot be read" in bad.stdout


def test_show_as_json_has_every_reading(meter: Any) -> None:
    answer = json.loads(run("show", "--json", given=meter.record()).stdout)

    assert [one["value"] for one in answer["records"][0]["readings"]] == ["1234.560", "1251.890"]


def test_show_of_a_broken_record_exits_with_2() -> None:
    done = run("show", given=b"OCMF|{broken")

    assert done.exit_code == 2
    assert "Not an OCMF record" in done.stderr
