"""The record of a simulated IEM-DCR, beside those of real ones."""

import json
import re

import pytest
from iem_dcr_rig import Bare

from meters.ocmf import parse, verify
from meters.simulators.iem_dcr.record import kwh

# Order of a real record of 2025; prototypes of 2023 have MF besides.
ORDER = "FV GI GS GV MV MM MS CT CI IS IL IF IT ID PG TT RD"
READING = "TM TX EF ST RV RI RU RT"


def finished(meter: Bare, **user: object) -> bytes:
    meter.tell_gateway()
    meter.tell_user(**user)
    meter.post("receipt", TX="B")
    meter.post("receipt", TX="E")
    return meter.record()


def payload(record: bytes) -> str:
    return record.decode().split("|")[1]


def test_the_payload_is_spelled_as_that_of_a_real_meter() -> None:
    text = payload(finished(Bare(begin_energy_wh=446_540), TT="0,20 EUR/kWh"))
    content = json.loads(text)

    assert " ".join(content) == ORDER
    assert [" ".join(one) for one in content["RD"]] == [READING, READING]
    assert re.sub(r'"(?:[^"\\]|\\.)*"', "", text).count(" ") == 0
    assert content["RD"][0]["RV"] == "00000446.540"
    assert content["RD"][0]["RI"] == "1-b:1.8.e"
    assert content["GI"] == f"Isabellenhuette {content['MM']}"
    assert content["GS"] == content["MS"]
    assert content["PG"] == "T1"
    assert content["TT"] == "0,20 EUR/kWh"
    assert content["RD"][0]["TM"] == "2025-06-06T09:00:00,000+0200 I"
    assert content["RD"][0]["EF"] == ""


def test_the_general_tariff_text_counts_where_a_transaction_has_none() -> None:
    meter = Bare()
    meter.post("tariff", TT="0,42 EUR/kWh")

    assert json.loads(payload(finished(meter)))["TT"] == "0,42 EUR/kWh"


def test_prototypes_tell_their_firmware() -> None:
    content = json.loads(payload(finished(Bare(mf_key=True))))

    assert list(content)[6:9] == ["MS", "MF", "CT"]


def test_export_readings_inherit_everything_else() -> None:
    content = json.loads(payload(finished(Bare(export_readings=True, begin_export_wh=12))))

    assert [" ".join(one) for one in content["RD"]] == [READING, "RV RI RU RT"] * 2
    assert content["RD"][1] == {"RV": "00000000.012", "RI": "1-b:2.8.e", "RU": "kWh", "RT": "DC"}


@pytest.mark.parametrize(("flag", "state"), [("E", "E"), ("", "G")])
def test_what_the_meter_does_not_trust_stands_in_the_record(flag: str, state: str) -> None:
    meter = Bare()
    meter.device.error_flags, meter.device.meter_state = flag, state
    content = json.loads(payload(finished(meter)))

    assert {(one["EF"], one["ST"]) for one in content["RD"]} == {(flag, state)}


@pytest.mark.parametrize("form", ["fixed-width", "der", "raw"])
def test_the_forms_of_signature(form: str) -> None:
    meter, lengths = Bare(signature=form), set()
    for _ in range(12):
        record = finished(meter)
        seal = json.loads(record.decode().split("|")[2])
        assert list(seal) == ["SA", "SD"]
        assert seal["SD"] == seal["SD"].upper()
        lengths.add(len(bytes.fromhex(seal["SD"])))
        assert verify(parse(record), meter.device.public_key).valid

    if form == "der":
        assert lengths > {70}
    else:
        assert lengths == {{"fixed-width": 70, "raw": 64}[form]}


@pytest.mark.parametrize(
    ("form", "length", "begin"), [("spki", 182, "3059301306072a8648"), ("bare", 128, "")]
)
def test_the_forms_of_the_key(form: str, length: int, begin: str) -> None:
    meter = Bare(public_key=form)
    shown = meter.get("publickey")

    assert list(shown) == ["SA", "PK"]
    assert len(shown["PK"]) == length
    assert shown["PK"].startswith(begin)
    assert verify(parse(finished(meter)), shown["PK"]).valid


def test_what_stands_around_a_record() -> None:
    plain = finished(Bare())

    assert finished(Bare(receipt_wrapping="newline")) == plain + b"\r\n"
    assert json.loads(finished(Bare(receipt_wrapping="json"))) == plain.decode()
    assert finished(Bare(receipt_wrapping="braces")) == b'{ "' + plain + b'" }'


@pytest.mark.parametrize(
    ("wh", "text"),
    [
        (0, "00000000.000"),
        (446_540, "00000446.540"),
        (-5, "-00000000.005"),
        (10**11, "100000000.000"),
    ],
)
def test_registers_are_padded_with_zeros(wh: int, text: str) -> None:
    assert kwh(wh) == text


@pytest.mark.parametrize("on", [False, True])
def test_the_pagination(*, on: bool) -> None:
    meter = Bare(page_stands_still=on, begin_page=7)

    pages = [parse(finished(meter)).pagination for _ in range(3)]
    assert pages == (["T7"] * 3 if on else ["T8", "T9", "T10"])


@pytest.mark.parametrize("begin_page", [-1])
def test_the_first_page_may_be_zero(begin_page: int) -> None:
    assert parse(finished(Bare(begin_page=begin_page))).pagination == "T0"
