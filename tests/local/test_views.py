"""What the station shows of itself: status, transactions, records, settings; real sockets."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fake_clock import START
from sample_facts import ended
from served_station import Served, serve, until

from chargepoint.core.display import DisplayMessage, Priority
from chargepoint.core.facts import DataOffered
from chargepoint.core.model import IdToken, Text
from chargepoint.core.reservation import Reservation
from chargepoint.station.meter_health import MeterBooks
from chargepoint.store.untold import Lack
from meters.errors import RecordLost
from meters.model import Reading, SignedReading


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as it:
        yield it


async def test_status_says_who_and_how_the_station_is(served: Served) -> None:
    served.link.last_error = "refused"
    served.link.failures = 3

    told = await served.get("/v1/status")

    assert told["identity"] == {
        "station_id": "CP1",
        "vendor": "Example",
        "model": "Wallbox 22",
        "serial_number": "0001",
        "version": "9.9",
    }
    link = told["link"]
    assert link.pop("since").endswith("Z")
    assert link == {
        "state": "connected",
        "url": "ws://csms.example/ocpp/CP1",
        "subprotocol": "ocpp2.0.1",
        "last_error": "refused",
        "failed_attempts": 3,
    }
    assert (told["boot_status"], told["online"]) == ("Accepted", True)
    assert (told["status"], told["storage_low"]) == ("Available", False)
    assert told["journal"] == {"waiting": served.station.store.waiting}
    assert told["now"].endswith("Z")


async def test_status_shows_the_local_time(served: Served) -> None:
    assert served.station.model.set_key("TimeZone", "Asia/Tokyo").answer == "Accepted"

    told = await served.get("/v1/status")

    local = datetime.fromisoformat(told["local_time"])
    assert local.utcoffset() == timedelta(hours=9)
    assert abs(local - datetime.fromisoformat(told["now"])) < timedelta(seconds=2)


async def test_status_shows_the_reservations(served: Served) -> None:
    expires = served.station.clock.now() + timedelta(hours=1)
    open_one = Reservation(7, expires, IdToken("04A1B2C3D4"), connector_type="cType2")
    assert (await served.get("/v1/status"))["reservations"] == []

    assert served.station.reservations.reserve(open_one) == "Accepted"

    assert (await served.get("/v1/status"))["reservations"] == [
        {
            "reservation_id": 7,
            "expires": expires.isoformat().replace("+00:00", "Z"),
            "token": "***D4",
            "evse_id": None,
            "connector_id": None,
            "connector_type": "cType2",
        }
    ]


async def test_status_shows_the_meter_and_its_last_reading(served: Served) -> None:
    served.meters[1].power_w = Decimal("1E+2")
    await served.station.evses[1].meter.refresh()

    evse = await served.evse()

    assert evse["meter"] == {
        "name": "outlet1",
        "health": "ok",
        "error": "",
        "complaints": [],
        "vendor": "Fake",
        "model": "F1",
        "serial_number": "123",
        "firmware": "1.0",
        "public_key": "04" + "AB" * 96,
        "signing_method": "ECDSA-brainpoolP384r1-SHA256",
    }
    assert 0 <= evse["reading"]["age_s"] < 5
    assert evse["reading"]["taken_at"].endswith("Z")
    assert evse["reading"]["values"] == [
        {"quantity": "energy_import", "phase": None, "value": "1000", "unit": "Wh"},
        {"quantity": "power", "phase": None, "value": "100", "unit": "W"},
    ]


async def test_status_shows_the_session_and_its_limit(served: Served) -> None:
    transaction_id = await served.charge()
    served.meters[1].energy_wh += Decimal("1.50")
    await served.station.evses[1].meter.refresh()
    runner = served.station.evses[1].runner
    runner.state = replace(runner.state, limit_a=Decimal(16))

    evse = await served.evse()

    assert evse["limit_a"] == "16"
    assert evse["transaction"].pop("started_at").endswith("Z")
    assert evse["transaction"] == {
        "transaction_id": transaction_id,
        "token": "***D4",
        "authorized_by": "csms",
        "energy_wh": "1.50",
    }


async def test_status_shows_what_the_screen_of_each_evse_shows(served: Served) -> None:
    greeting = Text("Moin", "UTF8", "de")
    served.station.displays.put(DisplayMessage(1, Priority.IN_FRONT, greeting))

    evse = await served.evse()

    assert evse["screen"] == [{"content": "Moin", "format": "UTF8", "language": "de"}]


async def test_status_says_that_inoperative_waits_for_the_transaction(served: Served) -> None:
    free = (await served.evse())["availability"]
    await served.charge()

    await served.station.set_availability(operative=False, evse_id=1)
    scheduled = (await served.evse())["availability"]
    await served.finish()
    done = await served.evse()

    assert free == {"operative": True, "scheduled": False}
    assert scheduled == {"operative": False, "scheduled": True}
    assert done["availability"] == {"operative": False, "scheduled": False}
    assert done["connectors"][0]["status"] == "Unavailable"


async def test_status_before_a_meter_ever_answered_has_no_reading(served: Served) -> None:
    meter = served.station.evses[1].meter
    meter.reading, meter.info, meter.books = None, None, MeterBooks(should_sign=True)

    evse = await served.evse()

    assert evse["reading"] is None
    assert (evse["meter"]["health"], evse["meter"]["vendor"]) == ("unknown", None)


async def test_transactions_come_newest_first_and_in_pages(served: Served) -> None:
    ids = []
    for _ in range(3):
        ids.append(await served.charge())
        await served.finish()

    first = await served.get("/v1/transactions?limit=2")
    second = await served.get(f"/v1/transactions?limit=2&before={first['next']}")
    everything = await served.get("/v1/transactions")

    def named(page: Any) -> list[str]:
        return [row["transaction_id"] for row in page["transactions"]]

    assert named(first) + named(second) == ids[::-1]
    assert second["next"] is None
    assert named(everything) == ids[::-1]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit: found '0', allowed: a whole number from 1 to 500"),
        ("limit=501", "limit: found '501'"),
        ("limit=-1", "limit: found '-1'"),
        ("limit=ten", "limit: found 'ten'"),
        ("limit=", "limit: found ''"),
        ("before=yesterday", "before: found 'yesterday', allowed: a time like 2026-"),
        ("before=2026-01-01T00:00:00", "before: found"),
        ("before=0001-01-01T00:00:00%2B23:00", "before: found"),
        ("offset=2", "offset: found an unknown field, allowed: limit, before"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(served: Served, query: str, says: str) -> None:
    answer = await served.ask("GET", f"/v1/transactions?{query}")

    assert answer.status == 422
    assert answer.json()["error"].startswith(says)


async def test_a_running_transaction_shows_its_readings_so_far(served: Served) -> None:
    transaction_id = await served.charge()
    served.meters[1].energy_wh += 5
    await served.station.evses[1].meter.refresh()

    told = await served.get(f"/v1/transactions/{transaction_id}")

    assert (told["evse_id"], told["token"], told["ended_at"]) == (1, "***D4", None)
    assert [reading["context"] for reading in told["readings"]] == ["Transaction.Begin", None]
    assert [reading["values"][0]["value"] for reading in told["readings"]] == ["1000", "1005"]


async def test_an_ended_transaction_shows_begin_and_end(served: Served) -> None:
    transaction_id = await served.charge()
    served.meters[1].energy_wh += Decimal("250.5")
    await served.finish()

    told = await served.get(f"/v1/transactions/{transaction_id}")

    assert (told["begin_wh"], told["end_wh"], told["energy_wh"]) == ("1000", "1250.5", "250.5")
    assert (told["reason"], told["missing"], told["csms_id"]) == ("EVDisconnected", None, None)
    assert [
        (reading["context"], reading["values"][0]["value"], reading["values"][0]["unit"])
        for reading in told["readings"]
    ] == [("Transaction.Begin", "1000", "Wh"), ("Transaction.End", "1250.5", "Wh")]


async def test_the_records_of_a_transaction_are_shown_to_the_byte(served: Served) -> None:
    transaction_id = await served.charge()
    await served.finish()
    await until(lambda: served.meters[1].releases == [transaction_id])

    told = await served.get(f"/v1/transactions/{transaction_id}/records")

    (record,) = told["records"]
    assert record.pop("taken_at").endswith("Z")
    assert record.pop("released_at").endswith("Z")
    assert record == {
        "text": f'OCMF|{{"TT":"<=>{transaction_id}"}}|{{"SD":"00"}}',
        "base64": None,
        "encoding": "OCMF",
        "method": "",
        "public_key": "04" + "AB" * 96,
        "verdict": "valid",
        "delivered_at": None,
    }


async def test_a_record_that_is_no_text_is_shown_in_base64(served: Served) -> None:
    last = served.station.evses[1].meter.reading
    assert last is not None
    signed = SignedReading(b"\xff\x00", encoding="SML")
    served.station.store.records.add_found("found one", 1, last, signed, "unchecked")

    told = await served.get("/v1/transactions/found%20one/records")

    (record,) = told["records"]
    assert (record["text"], record["base64"], record["encoding"]) == (None, "/wA=", "SML")


async def test_a_transaction_without_a_record_yet_has_none(served: Served) -> None:
    transaction_id = await served.charge()

    told = await served.get(f"/v1/transactions/{transaction_id}/records")

    assert told == {"transaction_id": transaction_id, "records": []}


@pytest.mark.parametrize("path", ["/v1/transactions/none", "/v1/transactions/none/records"])
async def test_an_unknown_transaction_is_not_found(served: Served, path: str) -> None:
    answer = await served.ask("GET", path)

    assert answer.status == 404
    assert "'none'" in answer.json()["error"]


async def test_settings_have_both_names_a_value_and_who_may_change_them(served: Served) -> None:
    told = await served.get("/v1/settings")

    rows = {row["name"]: row for row in told["settings"]}
    row = rows["SampledDataCtrlr.TxUpdatedInterval"]
    assert row["keys"] == ["MeterValueSampleInterval"]
    assert (row["access"], row["key_access"]) == ("ReadWrite", "ReadWrite")
    assert row["value"].isdecimal()


async def test_settings_that_are_secret_are_stars(served: Served) -> None:
    outcome = served.station.model.set_key("AuthorizationKey", "0123456789abcdef0123456789abcdef")
    told = await served.ask("GET", "/v1/settings")

    assert str(outcome.answer) in {"Accepted", "RebootRequired"}
    assert "0123456789abcdef" not in told.body
    assert "*****" in told.body


async def test_a_transaction_without_its_record_says_why_in_one_word_and_a_sentence(
    served: Served,
) -> None:
    async def lost(_: str) -> Reading:
        raise RecordLost("the record is corrupted")

    transaction_id = await served.charge()
    served.meters[1].end = lost  # type: ignore[method-assign]
    await served.finish()

    told = await served.get(f"/v1/transactions/{transaction_id}")
    metrics = (await served.ask("GET", "/metrics")).body

    assert told["missing_kind"] == "damaged"
    assert told["missing"] == "damaged: the record is corrupted"
    assert 'chargepoint_transactions_without_record{missing="damaged"} 1' in metrics


async def test_what_the_csms_was_not_told_is_shown_with_the_reason(served: Served) -> None:
    store = served.station.store
    offered, ending = DataOffered("com.example", START), ended("T1")
    for fact in (offered, ending):
        store.record(fact)
    while (entry := store.next_entry()) is not None:
        store.given_up(entry, Lack("1.6", "refused", START.isoformat()))

    told = await served.get("/v1/untold")

    shown = [(one["kind"], one["transaction_id"], one["why"]) for one in told["untold"]]
    assert shown == [("DataOffered", None, "refused"), ("TransactionEnded", "T1", "refused")]
    assert told["untold"][0]["ocpp"] == "1.6"
    assert told["untold"][0]["at"] == "2026-03-01T10:00:00Z"


async def test_a_part_that_failed_is_shown_without_what_its_error_said(served: Served) -> None:
    secret = "04FACE5EC2E7"

    async def defective() -> None:
        raise ValueError(secret)

    served.station._wiring.keeper.keep("broken", defective)
    await until(lambda: served.station.parts["broken"].failures == 1)

    status = await served.get("/v1/status")
    parts = {part["name"]: part for part in status["parts"]}
    assert parts["EVSE 1"] == {
        "name": "EVSE 1",
        "running": True,
        "well": True,
        "failures": 0,
        "failed_at": None,
        "last_error": None,
    }
    broken = parts["broken"]
    assert (broken["running"], broken["well"], broken["failures"]) == (False, False, 1)
    assert broken["last_error"].startswith("ValueError at local/test_views.py:")
    assert status["faults"][0]["error_code"] == "InternalError"
    assert status["faults"][0]["info"] == "failed: broken"
    assert not status["faults"][0]["blocks"]
    assert status["stalled"] == []
    metrics = (await served.ask("GET", "/metrics")).body
    assert 'chargepoint_part_failures_total{part="broken"} 1\n' in metrics
    assert 'chargepoint_part_running{part="broken"} 0\n' in metrics
    assert secret not in metrics + str(status)


async def test_what_of_the_config_waits_for_a_start_is_shown(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        assert (await served.get("/v1/status"))["config"] == {"pending": []}
