"""The simulated IEM-DCR as a device: nodes, states, switches, counters, power."""

import json
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from iem_dcr_rig import EVSE, Bare

from meters.ocmf import parse, verify
from meters.simulators.faults import fault

B, E = {"TX": "B"}, {"TX": "E"}
TIME = "2025-06-06T09:00:00,000+0200"
USER: dict[str, Any] = {
    "IS": True, "IL": "TRUSTED", "IF": ["RFID_PLAIN"], "IT": "ISO14443", "ID": "04A1", "US": False,
}  # fmt: skip


def test_a_fresh_meter_knows_no_charge_point_and_has_no_usable_time() -> None:
    meter = Bare()

    assert meter.get("gw") == {"CT": "", "CI": "", "TM": "2025-06-06T08:00:00,000+0100 U"}
    assert meter.get("metervalue")["EF"] == "t"


def test_the_live_values_have_the_form_of_the_vendors_sample() -> None:
    meter = Bare(begin_energy_wh=446_540, begin_export_wh=4881, serial_number="1ISA0200000001")
    meter.device.set_load(300)

    body = meter.ask("GET", "metervalue").body.decode()
    shown = json.loads(body)

    assert " ".join(shown) == "MS TM EF ST XT RD U1 U2 U3 U4 I P XS XC"
    assert shown["RD"] == [
        {"RV": "00000446.540", "RI": "1-b:1.8.e", "RU": "kWh", "RT": "DC"},
        {"RV": "00000004.881", "RI": "1-b:2.8.e", "RU": "kWh", "RT": "DC"},
        {"WV": "00000000.000", "WI": "transaction_1-b:1.8.e", "WU": "kWh", "WT": "DC"},
        {"WV": "00000000.000", "WI": "transaction_1-b:2.8.e", "WU": "kWh", "WT": "DC"},
    ]
    assert (shown["U2"], shown["I"], shown["P"]) == (400.0, 0.75, 300.0)
    assert shown["XC"] == "0x0000, 0x00000000, 0x00, 0x00"
    assert shown["XT"] is False
    assert '"I":0.750' in body


def test_the_gateway_data_are_taken_once_until_the_power_is_cut() -> None:
    meter = Bare()

    assert meter.tell_gateway("one") == 200
    assert meter.tell_gateway("two") == 428
    assert (meter.get("gw")["CI"], meter.get("gw")["TM"][-7:]) == ("one", "+0200 I")
    meter.device.reboot()
    assert meter.get("gw")["CI"] == ""
    assert meter.get("datetime")["TM"].endswith(" U")
    assert meter.tell_gateway("two") == 200


@pytest.mark.parametrize("node", ["user", "receipt"])
def test_without_gateway_data_there_is_no_transaction(node: str) -> None:
    meter = Bare()

    assert meter.post(node, **(B if node == "receipt" else USER)) == 428


def test_a_session_from_begin_to_record() -> None:
    meter = Bare(begin_energy_wh=446_540)
    meter.begin()
    assert meter.get("metervalue")["XT"] is True
    meter.device.set_load(36_000)
    meter.seconds += 100
    assert meter.get("metervalue")["RD"][2]["WV"] == "00000001.000"
    meter.device.set_load(0)
    assert meter.post("receipt", **E) == 200

    record = parse(meter.record())
    assert verify(record, meter.device.public_key).valid
    assert record.energy_wh == 1000
    assert meter.get("metervalue")["XT"] is False
    assert meter.get("metervalue")["RD"][2]["WV"] == "00000001.000"
    assert meter.ask("GET", "transaction").body == record.raw
    meter.begin()
    assert meter.get("metervalue")["RD"][2]["WV"] == "00000000.000"


def test_a_transaction_needs_a_user_each_time() -> None:
    meter = Bare()
    meter.begin()
    assert meter.post("receipt", **E) == 200

    assert meter.post("receipt", **B) == 428


@pytest.mark.parametrize("command", ["B", "E"])
@pytest.mark.parametrize("watts", [4000, -4000])
def test_neither_begins_nor_ends_while_a_current_flows(command: str, watts: int) -> None:
    meter = Bare()
    if command == "E":
        meter.begin()
    else:
        meter.tell_gateway()
        meter.tell_user()
    meter.device.set_load(watts)
    assert meter.post("receipt", TX=command) == 428
    meter.device.set_load(Decimal(200) if watts > 0 else Decimal(-200))  # 0.5 A, the threshold

    assert meter.post("receipt", TX=command) == 200


def test_nothing_begins_with_an_error_code_and_what_runs_can_be_ended() -> None:
    meter = Bare()
    meter.tell_gateway()
    meter.tell_user()
    meter.device.error_code = "0x0001, 0x00000000, 0x00, 0x00"
    assert meter.post("receipt", **B) == 428
    meter.device.error_code = "0x0000, 0x00000000, 0x00, 0x00"
    assert meter.post("receipt", **B) == 200
    meter.device.error_code = "0x0001, 0x00000000, 0x00, 0x00"

    assert meter.post("receipt", **E) == 200


def test_a_record_takes_its_time_and_the_receipt_is_refused_until_then() -> None:
    meter = Bare(signing_delay_s=0.15)
    meter.begin()
    meter.post("receipt", **E)
    assert meter.ask("GET", "receipt").status == 403
    assert meter.ask("GET", "transaction").status == 403
    meter.seconds += 0.15

    assert parse(meter.record()).end is not None


UNFIT = [
    ("gw", b"{"),
    ("gw", b'{"CT":"EVSEID","CI":"x"}'),
    ("gw", b'{"CT":"","CI":"x","TM":"2025-06-06T09:00:00,000+0200"}'),
    ("gw", b'{"CT":"EVSEID","CI":"x","TM":"2025-06-06T09:00:00.000+02:00"}'),
    ("datetime", b'{"TM":1}'),
    ("datetime", b'{"TM":"2025-06-31T09:00:00,000+0200"}'),
    ("tariff", b'{"TT":"' + b"x" * 251 + b'"}'),
    ("tariff", b'{"TT":"a|b"}'),
    ("user", json.dumps({**USER, "IL": "NONSENSE"}).encode()),
    ("user", json.dumps({**USER, "IF": ["NONSENSE"]}).encode()),
    ("user", json.dumps({**USER, "IF": ["RFID_NONE"] * 5}).encode()),
    ("user", json.dumps({**USER, "IT": "NONSENSE"}).encode()),
    ("user", json.dumps({**USER, "ID": "a|b"}).encode()),
    ("user", json.dumps({**USER, "IS": "true"}).encode()),
    ("receipt", b'{"TX":"C"}'),
    ("receipt", b'{"TX":"X"}'),
    ("receipt", b"[]"),
]


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(("node", "body"), UNFIT)
def test_requests_of_another_shape_are_refused(node: str, body: bytes, status: int) -> None:
    meter = Bare(bad_request_status=status)

    assert meter.ask("POST", node, body).status == status


@pytest.mark.parametrize(
    ("method", "node", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "/", 404),
        ("GET", "/counter/v2/ocmf/gw", 404),
        ("POST", "metervalue", 405),
        ("GET", "tariff", 405),
        ("DELETE", "receipt", 405),
    ],
)
def test_other_nodes_and_methods_are_not_there(method: str, node: str, status: int) -> None:
    assert Bare().ask(method, node).status == status


def test_the_meter_is_silent_while_it_starts() -> None:
    meter = Bare(boot_delay_s=5.0)
    assert meter.device.silent()
    meter.seconds += 5
    assert not meter.device.silent()
    meter.device.reboot()
    assert meter.device.silent()


@pytest.mark.parametrize("lapse", ["1", "60"])
def test_energy_is_power_times_time_exactly(lapse: str) -> None:
    meter = Bare(time_lapse=lapse)
    meter.device.set_load(Decimal("3.6"))
    meter.seconds += 1000

    assert meter.device.energy_wh == Decimal(lapse)


def test_a_kill_loses_nothing_that_was_shown(tmp_path: Path) -> None:
    meter = Bare(state_file=tmp_path / "meter.json", key_seed=None)
    meter.begin()
    meter.device.set_load(36_000)
    meter.seconds += 100
    shown, key = meter.get("metervalue")["RD"][0]["RV"], meter.device.public_key
    meter.power_on()

    assert meter.get("metervalue")["RD"][0]["RV"] == shown == "00000001.000"
    assert meter.device.public_key == key
    record = parse(meter.ask("GET", "transaction").body)
    assert verify(record, key).valid
    assert record.end is not None
    assert record.end.cause == "P"
    meter.begin()
    meter.post("receipt", **E)
    assert [record.pagination, parse(meter.record()).pagination] == ["T1", "T2"]
    assert meter.device.status()["boots"] == 2


def test_the_state_is_for_its_owner_only_and_of_this_meter(tmp_path: Path) -> None:
    path = tmp_path / "meter.json"
    Bare(state_file=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text('{"what": "else"}')

    with pytest.raises(ValueError, match="not the state of an IEM-DCR"):
        Bare(state_file=path)


def test_what_cannot_be_kept_has_not_happened(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    meter = Bare(state_file=folder / "meter.json")
    meter.tell_gateway()
    meter.tell_user()
    folder.rename(tmp_path / "gone")
    assert meter.post("receipt", **B) == 500
    (tmp_path / "gone").rename(folder)

    assert meter.get("metervalue")["XT"] is False
    assert meter.post("receipt", **B) == 200


def test_faults_inside() -> None:
    meter = Bare()
    meter.begin()
    meter.device.faults.add(fault({"kind": "slow-ready", "value": 2000}))
    meter.post("receipt", **E)
    assert meter.ask("GET", "receipt").status == 403
    meter.seconds += 2
    assert meter.record()
    meter.device.faults.clear()
    meter.begin()
    meter.device.faults.add(fault({"kind": "corrupted"}))
    meter.post("receipt", **E)
    assert meter.ask("GET", "receipt").status == 403
    assert meter.ask("GET", "transaction").status == 403


def test_somebody_else_may_have_used_the_meter() -> None:
    meter = Bare(foreign_transaction=True, frozen_ci="CP-DE-4711", frozen_ct="CBIDC")

    assert meter.get("metervalue")["XT"] is True
    assert meter.get("gw")["CI"] == "CP-DE-4711"
    assert meter.post("receipt", **E) == 200
    assert parse(meter.record()).identification.data == "9109543224"


def test_the_status_says_what_a_person_wants_to_know() -> None:
    meter = Bare()
    meter.begin()
    found = meter.device.status()

    json.dumps(found)
    assert (found["state"], found["charge_point"], found["page"]) == ("running", EVSE, 1)
    assert found["received"] == {"B": 1}
    assert meter.device.status()["silent"] is False
