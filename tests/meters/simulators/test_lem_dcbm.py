"""The simulated LEM DCBM, asked directly: status, transactions, records, power cuts."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lem_world import BODY, ONE, TWO, World, powered

from meters.ocmf import parse, verify
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.http import HttpRequest
from meters.simulators.lem_dcbm import PowerCut, Settings


@pytest.fixture
def ready() -> World:
    """A meter whose clock is set."""
    return powered()


def test_the_status_tells_idle_running_and_clock_not_set() -> None:
    world = World().power()
    unset = world.status()
    world.sync()
    idle = world.status()
    world.start()

    assert (unset, idle, world.status()) == (1, 17, 21)


def test_the_status_shows_identity_keys_and_every_bit_by_name(ready: World) -> None:
    ready.meter.flags |= {"tamperingIsDetected", "logbookIntegrityIsFailed"}
    _, status = ready.ask("GET", "/v1/status")

    assert status["meterId"] == "12024072805"
    assert status["publicKeyOcmf"].endswith(status["publicKey"])
    assert status["publicKeyOcmf"].startswith("3059301306072A8648CE3D0201")
    assert status["status"]["bits"] == {
        "suLinkStatusIsOk": True,
        "muFatalErrorOccured": True,
        "transactionIsOnGoing": False,
        "tamperingIsDetected": True,
        "timeSyncStatusIsOk": True,
        "overTemperatureIsDetected": False,
        "reversedVoltage": False,
        "suMeasureFailureOccurred": False,
    }
    assert status["errors"]["value"] == 256
    assert status["errors"]["bits"]["logbookIntegrityIsFailed"]


def test_live_values_are_exact_and_in_kilo(ready: World) -> None:
    ready.meter.set_load(40_000)
    ready.seconds += 360
    _, live = ready.ask("GET", "/v1/livemeasure")

    assert live["power"] == Decimal("40.000")
    assert live["current"] == Decimal("100.000")
    assert live["voltage"] == Decimal("400.000")
    assert live["energyImportTotal"] == Decimal("5.500")
    assert live["timestamp"] == "2026-03-01T10:06:00+00:00"


def test_time_of_live_values_may_come_without_offset() -> None:
    _, live = powered(zoned_live_time=False).ask("GET", "/v1/livemeasure")

    assert live["timestamp"] == "2026-03-01T10:00:00"


def test_a_transaction_gives_both_records_with_the_same_values(ready: World) -> None:
    status, begun = ready.start()
    ready.meter.set_load(36_000)
    ready.seconds += 70
    stopped, legal = ready.stop()
    record = parse(ready.record())

    assert (status, begun["running"], begun["transactionId"]) == (201, True, ONE)
    assert stopped == 200
    value = legal["meterValue"]
    assert value["transactionStatus"] == 17
    assert value["transactionDuration"] == 70
    assert value["sampleValue"]["energyImport"] == Decimal("0.700")
    assert value["sampleValue"]["energyImportTotalStart"] == Decimal("1.500")
    assert legal["cableSp"]["cableSpName"] == "2mR_Comp"
    assert verify(record, ready.meter.public_key).valid
    assert record.energy_wh == 700
    assert record.pagination == f"T{legal['paginationCounter']}"
    assert ready.meter.status()["transactions"] == {ONE: {"begin": 1, "end": 1}}


def test_a_running_transaction_reads_as_an_intermediate_record(ready: World) -> None:
    ready.start()
    ready.meter.set_load(36_000)
    ready.seconds += 10
    _, legal = ready.ask("GET", "/v1/legal")
    record = parse(ready.record())

    assert legal["meterValue"]["intermediateRead"] is True
    assert legal["meterValue"]["transactionStatus"] == 21
    assert [reading.cause for reading in record.readings] == ["B", "B", "C", "C"]
    assert record.end is None
    assert verify(record, ready.meter.public_key).valid


@pytest.mark.parametrize(
    "flag",
    ["suLinkStatusIsOk", "muFatalErrorOccured", "timeSyncStatusIsOk", "memoryAccessIsFailed"],
)
def test_what_blocks_a_start_blocks_it(ready: World, flag: str) -> None:
    ready.meter.flags.add(flag)

    assert ready.start()[0] == 403
    assert ready.meter.status()["transactions"] == {}


@pytest.mark.parametrize(
    "flag",
    ["tamperingIsDetected", "overTemperatureIsDetected", "reversedVoltage"],
)
def test_an_indication_blocks_no_start_and_stays_in_the_transaction(
    ready: World, flag: str
) -> None:
    ready.start()
    ready.meter.flags.add(flag)
    ready.status()
    ready.meter.flags.clear()
    _, legal = ready.stop()

    bit = {"tamperingIsDetected": 8, "overTemperatureIsDetected": 32, "reversedVoltage": 64}[flag]
    assert legal["meterValue"]["transactionStatus"] == 17 | bit


def test_tampering_shows_in_the_record(ready: World) -> None:
    ready.meter.flags.add("tamperingIsDetected")
    ready.start()
    ready.stop()

    end = parse(ready.record()).end
    assert end is not None
    assert end.state == "M"


def test_a_second_start_is_declined(ready: World) -> None:
    ready.start()

    assert ready.start(transactionId=TWO)[0] == 403
    assert ready.meter.status()["transaction_id"] == ONE


def test_a_start_may_be_declined_with_a_good_status() -> None:
    world = powered(start_refusal="running-false")
    world.meter.flags.add("suLinkStatusIsOk")
    status, answer = world.start()

    assert (status, answer["running"]) == (201, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"evseId": "x" * 38},
        {"transactionId": ""},
        {"transactionId": "x" * 38},
        {"clientId": "x" * 38},
        {"evseId": "a|b"},
        {"tariffId": 5},
        {"cableId": 8},
        {"cableId": "1"},
        {"userData": "x" * 129},
        {"TT": "only in the second version"},
        {"other": 1},
    ],
)
def test_a_start_with_a_wrong_field_is_refused(ready: World, wrong: dict[str, Any]) -> None:
    status, answer = ready.start(**wrong)

    assert status == 400
    assert answer["error"]
    assert ready.status() == 17


def test_the_second_version_is_there_from_firmware_two_on(ready: World) -> None:
    assert ready.raw("GET", "/v2/livemeasure").status == 404
    newer = powered(firmware="0.2.1.0")
    assert newer.raw("GET", "/v2/livemeasure").status == 200
    assert newer.raw("GET", "/v2/status").status == 404
    body = {**BODY, "TT": "0.30 EUR", "UV": "v", "UD": "d", "SC": 3}
    assert newer.ask("POST", "/v2/legal", body)[0] == 201
    newer.ask("PUT", "/v2/legal", {"running": False}, transactionId=ONE)

    record = parse(newer.record())
    assert record.tariff_text == "0.30 EUR"
    assert (record.payload["UV"], record.payload["UD"]) == ("v", "d")


@pytest.mark.parametrize("known", [TWO, ""])
def test_a_stop_of_another_transaction_is_declined(ready: World, known: str) -> None:
    ready.start()

    assert ready.stop(known)[0] == 403
    assert ready.status() == 21


def test_a_stop_of_nothing_is_declined() -> None:
    assert powered(refusal_status=404).stop()[0] == 404


def test_an_early_stop_may_be_declined() -> None:
    world = powered(early_stop="refused")
    world.start()
    world.seconds += 119
    early = world.stop()[0]
    world.seconds += 1

    assert (early, world.stop()[0]) == (403, 200)


@pytest.mark.parametrize(("how", "status"), [("404", 404), ("empty", 200)])
def test_an_unknown_record_is_not_found_or_empty(how: str, status: int) -> None:
    answer = powered(unknown_record=how).raw("GET", "/v1/ocmf", transactionId=ONE)

    assert answer.status == status
    assert how != "empty" or answer.body == b""


@pytest.mark.parametrize(("how", "status"), [("404", 404), ("empty-id", 200)])
def test_a_meter_without_history_says_so(how: str, status: int) -> None:
    code, answer = powered(no_history=how).ask("GET", "/v1/legal")

    assert code == status
    assert answer.get("transactionId", "") == ""


def test_records_are_found_by_id_by_index_and_backwards(ready: World) -> None:
    for name in (ONE, TWO, ONE):
        ready.start(transactionId=name)
        ready.stop(name)
        ready.seconds += 1

    first = ready.ask("GET", "/v1/legal/0")[1]
    latest = ready.ask("GET", "/v1/legal", transactionId=ONE)[1]
    before = ready.ask("GET", "/v1/legal/-1")[1]
    assert (first["paginationCounter"], latest["paginationCounter"]) == (1, 3)
    assert before["transactionId"] == TWO
    assert ready.raw("GET", "/v1/legal/-3").status == 404
    assert ready.raw("GET", "/v1/ocmf/9").status == 404


def test_the_ring_forgets_the_oldest() -> None:
    world = powered(capacity=2)
    for name in (ONE, TWO, "third"):
        world.start(transactionId=name)
        world.stop(name)

    assert world.raw("GET", "/v1/legal", transactionId=ONE).status == 404
    assert world.raw("GET", "/v1/legal", transactionId=TWO).status == 200


def test_a_power_cut_closes_the_transaction_with_the_register_as_it_was() -> None:
    world = powered(power_cut_status=64)
    world.start()
    world.meter.set_load(36_000)
    world.seconds += 100
    world.meter.reboot()
    record = parse(world.record())

    assert world.status() == 17
    assert record.end is not None
    assert (record.end.cause, record.energy_wh) == ("P", 1000)
    legal = world.ask("GET", "/v1/legal")[1]
    assert legal["meterValue"]["transactionStatus"] == 17 | 64
    assert world.meter.status()["transactions"][ONE] == {"begin": 1, "end": 0}


def test_a_power_cut_may_leave_the_transaction_running() -> None:
    world = powered(power_cut=PowerCut.RESUMED)
    world.start()
    world.meter.reboot()

    assert world.status() == 21
    assert world.stop()[0] == 200


def test_a_meter_that_starts_up_is_silent() -> None:
    world = powered(boot_delay_s=10.0)
    world.seconds += 10
    awake = world.meter.silent()
    world.meter.reboot()

    assert awake is False
    assert world.meter.silent() is True


def test_everything_that_counts_survives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "meter.json"
    world = World().power(state_file=file)
    world.sync()
    world.start()
    world.meter.set_load(36_000)
    world.seconds += 100
    world.stop()
    world.start(transactionId=TWO)
    record, shown = world.record(), world.ask("GET", "/v1/livemeasure")[1]["energyImportTotal"]
    again = World(world.seconds).power(state_file=file, key_seed=None, begin_energy_wh=0)

    assert again.record() == record
    assert verify(parse(record), again.meter.public_key).valid
    assert again.ask("GET", "/v1/livemeasure")[1]["energyImportTotal"] == shown
    assert parse(again.record(TWO)).pagination == "T2"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "meter.json"
    file.write_text("{}")

    with pytest.raises(ValueError, match="not the state of a LEM DCBM"):
        World().power(state_file=file)


def test_a_disk_that_takes_nothing_is_told_and_nothing_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    world = World().power(state_file=folder / "meter.json")
    world.sync()
    (folder / "meter.json").unlink()
    folder.rmdir()

    assert world.start()[0] == 500
    assert world.meter.status()["transactions"] == {}


def test_a_slow_record_is_empty_until_it_is_there(ready: World) -> None:
    ready.start()
    ready.meter.faults.add(Fault(kind=FaultKind.SLOW_READY, value=5000, count=1))
    ready.stop()
    early = ready.record()
    ready.seconds += 5

    assert early == ""
    assert parse(ready.record()).end is not None


def test_a_lost_record_is_not_found_although_the_transaction_is(ready: World) -> None:
    ready.start()
    ready.meter.faults.add(Fault(kind=FaultKind.CORRUPTED, count=1))
    ready.stop()

    assert ready.raw("GET", "/v1/ocmf", transactionId=ONE).status == 404
    assert ready.ask("GET", "/v1/legal", transactionId=ONE)[0] == 200


def test_a_full_logbook_is_fatal_for_ever() -> None:
    world = powered(logbook_capacity=3)
    world.start()
    world.stop()
    world.start()
    world.meter.reboot()

    _, status = world.ask("GET", "/v1/status")
    assert status["errors"]["bits"]["logbookIsFull"]
    assert world.start()[0] == 403


def test_the_logbook_is_signed(ready: World) -> None:
    _, book = ready.ask("GET", "/v1/logbook")

    assert [entry["entry"].split()[1] for entry in book["logbook"]] == ["power-up", "settings"]
    assert book["signature"].startswith("30")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v3/status", 404),
        ("GET", "/v1/status/3", 404),
        ("DELETE", "/v1/legal", 405),
        ("POST", "/v1/settings", 405),
    ],
)
def test_other_paths_and_methods_are_not_there(
    ready: World, method: str, path: str, status: int
) -> None:
    assert ready.raw(method, path).status == status


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_is_no_json_is_refused(ready: World, method: str) -> None:
    answer = ready.meter.handle(HttpRequest(method, "/v1/legal", {}, {}, b"{half"))

    assert answer.status == 400


def test_after_tls_is_switched_on_plain_http_is_gone(ready: World) -> None:
    before = ready.meter.silent()
    assert ready.ask("PUT", "/v1/settings", {"http": {"tls_on": True}})[1]["result"] == 1
    ready.seconds += 1
    gone = ready.meter.silent()
    ready.meter.certificate_pem = ready.meter.certificate.pem

    assert (before, gone, ready.meter.silent()) == (False, True, False)


@pytest.mark.parametrize("wrong", [{"flags": ("unheard of",)}, {"voltage": 0}, {"time_lapse": 0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"flag|voltage|time lapse"):
        Settings(**{name: Decimal(v) if isinstance(v, int) else v for name, v in wrong.items()})
