"""Each switch of the simulated IEM-DCR in both positions: what only the vendor knows."""

from typing import Any

import pytest
from iem_dcr_rig import EVSE, Bare

from meters.ocmf import parse
from meters.simulators.faults import fault

B, E = {"TX": "B"}, {"TX": "E"}
B, E = {"TX": "B"}, {"TX": "E"}
TIME = "2025-06-06T09:00:00,000+0200"
USER: dict[str, Any] = {
    "IS": True,
    "IL": "TRUSTED",
    "IF": ["RFID_PLAIN"],
    "IT": "ISO14443",
    "ID": "04A1",
    "US": False,
}


def running(node: str) -> dict[str, Any]:
    return {
        "datetime": {"TM": TIME},
        "tariff": {"TT": "x"},
        "user": USER,
        "receipt": B,
    }[node]


@pytest.mark.parametrize(
    ("switch", "node"),
    [
        ("accepts_datetime_while_running", "datetime"),
        ("accepts_tariff_while_running", "tariff"),
        ("accepts_user_while_running", "user"),
        ("accepts_begin_while_running", "receipt"),
    ],
)
@pytest.mark.parametrize("on", [False, True])
def test_what_is_accepted_while_a_transaction_runs(switch: str, node: str, *, on: bool) -> None:
    meter = Bare(**{switch: on})
    meter.begin()

    assert meter.post(node, **running(node)) == (200 if on else 428)
    assert meter.device.status()["transactions"] == {"04A1": {"B": 1}}


@pytest.mark.parametrize("on", [False, True])
def test_an_end_of_nothing(*, on: bool) -> None:
    meter = Bare(accepts_end_while_idle=on)
    meter.begin()
    meter.post("receipt", **E)

    assert meter.post("receipt", **E) == (200 if on else 428)
    assert meter.device.status()["transactions"] == {"04A1": {"B": 1, "E": 1}}


@pytest.mark.parametrize("on", [False, True])
def test_a_begin_without_user(*, on: bool) -> None:
    meter = Bare(accepts_begin_without_user=on)
    meter.tell_gateway()

    assert meter.post("receipt", **B) == (200 if on else 428)
    if on:
        meter.post("receipt", **E)
        assert parse(meter.record()).payload["IS"] is False


@pytest.mark.parametrize("on", [False, True])
def test_a_clock_before_gateway_data(*, on: bool) -> None:
    assert Bare(accepts_datetime_before_gateway=on).post("datetime", TM=TIME) == (
        200 if on else 428
    )


@pytest.mark.parametrize("on", [False, True])
def test_an_intermediate_reading(*, on: bool) -> None:
    meter = Bare(accepts_intermediate=on)
    meter.begin()
    assert meter.post("receipt", TX="C") == (200 if on else 400)
    meter.post("receipt", **E)

    causes = [one.cause for one in parse(meter.record()).readings]
    assert causes == (["B", "C", "E"] if on else ["B", "E"])


@pytest.mark.parametrize("on", [False, True])
def test_a_long_tariff_text(*, on: bool) -> None:
    meter = Bare(cuts_long_tariff=on)

    assert meter.post("tariff", TT="x" * 251) == (200 if on else 400)


@pytest.mark.parametrize("on", [False, True])
def test_the_receipt_while_running(*, on: bool) -> None:
    meter = Bare(receipt_while_running=on)
    meter.begin()
    answer = meter.ask("GET", "receipt")

    assert answer.status == (200 if on else 403)
    if on:
        assert [one.cause for one in parse(answer.body).readings] == ["B"]


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("state", ["running", "signing"])
def test_the_last_record_while_another_is_made(state: str, *, on: bool) -> None:
    meter = Bare(**{f"transaction_while_{state}": on})
    meter.begin()
    meter.post("receipt", **E)
    last = meter.record()
    meter.begin()
    if state == "signing":
        meter.device.faults.add(fault({"kind": "slow-ready"}))
        meter.post("receipt", **E)
    answer = meter.ask("GET", "transaction")

    assert (answer.status, answer.body) == ((200, last) if on else (403, b""))


@pytest.mark.parametrize("status", [403, 404])
def test_a_meter_without_history_gives_no_record(status: int) -> None:
    meter = Bare(no_record_status=status)

    assert meter.ask("GET", "receipt").status == status
    assert meter.ask("GET", "transaction").status == status


@pytest.mark.parametrize(
    ("api", "v1", "v2"), [("v1", 200, 404), ("v2", 404, 200), ("both", 200, 200)]
)
def test_where_the_node_transaction_is(api: str, v1: int, v2: int) -> None:
    meter = Bare(transaction_api=api)
    meter.begin()
    meter.post("receipt", **E)

    assert meter.ask("GET", "transaction").status == v1
    assert meter.ask("GET", "/counter/v2/ocmf/transaction").status == v2


@pytest.mark.parametrize("on", [False, True])
def test_the_receipt_after_a_power_cut(*, on: bool) -> None:
    meter = Bare(receipt_after_power_up=on)
    meter.begin()
    meter.post("receipt", **E)
    last = meter.record()
    meter.device.reboot()

    assert meter.ask("GET", "receipt").status == (200 if on else 403)
    assert meter.ask("GET", "transaction").body == last


@pytest.mark.parametrize("fate", ["closed", "lost", "resumed"])
def test_what_a_power_cut_makes_of_a_transaction(fate: str) -> None:
    meter = Bare(power_cut=fate)
    meter.begin()
    meter.device.set_load(36_000)
    meter.seconds += 100
    meter.get("metervalue")
    meter.device.reboot()
    meter.device.set_load(0)

    assert meter.get("metervalue")["XT"] is (fate == "resumed")
    answer = meter.ask("GET", "transaction")
    if fate == "closed":
        record = parse(answer.body)
        assert record.end is not None
        assert (record.end.cause, record.energy_wh) == ("P", 1000)
    else:
        assert answer.status == 403
    if fate == "resumed":
        assert meter.post("receipt", **E) == 428  # it does not know its charge point
        meter.tell_gateway("another")
        assert meter.post("receipt", **E) == 200
        assert parse(meter.record()).payload["CI"] == EVSE
