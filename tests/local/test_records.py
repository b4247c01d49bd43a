"""``GET /v1/records``: the archive over the local interface, selected and paged."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from archive_rig import keep, public_key, session, tell
from fake_clock import START
from served_station import Served, serve

RECORDS = "/v1/records"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Sessions 0 to 2 were told, 1 with a lack and two records; session 3 was not."""
    async with serve(tmp_path) as it:
        store = it.station.store
        for number in range(3):
            keep(store, *session(number, at=START + timedelta(hours=number), apart=number == 1))
        tell(store, lacks=["TX-0001"])
        keep(store, *session(3, at=START + timedelta(hours=3)))
        yield it


async def ids(served: Served, query: str = "") -> list[int]:
    return [one["id"] for one in (await served.get(f"{RECORDS}{query}"))["records"]]


async def test_a_record_is_told_with_all_that_is_known_of_it(served: Served) -> None:
    last, *_, first = (await served.get(RECORDS))["records"]

    text = last.pop("text")
    assert text.startswith("OCMF|{")
    assert last == {
        "id": 5,
        "transaction_id": "TX-0003",
        "evse_id": 1,
        "base64": None,
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
    assert (first["delivery"], first["delivered_at"]) == ("delivered", "2026-03-01T10:00:00Z")


async def test_what_the_csms_was_told_in_part_says_why(served: Served) -> None:
    records = (await served.get(f"{RECORDS}?transaction=TX-0001"))["records"]

    assert [(one["delivery"], one["untold"]) for one in records] == [
        ("untold", "no words for it")
    ] * 2


async def test_pages_follow_each_other_from_the_newest_on(served: Served) -> None:
    pages: list[list[int]] = []
    query = "?limit=2"
    while True:
        page = await served.get(f"{RECORDS}{query}")
        pages.append([one["id"] for one in page["records"]])
        if page["next"] is None:
            break
        query = f"?limit=2&before={page['next']}"

    assert pages == [[5, 4], [3, 2], [1]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?since=2026-03-01T11:15:00Z", [5, 4, 3]),
        ("?since=2026-03-01T12:15:00%2B01:00&until=2026-03-01T12:00:00Z", [3]),
        ("?transaction=TX-0002", [4]),
        ("?verdict=invalid", []),
        ("?undelivered=true", [5, 3, 2]),
        ("?undelivered=false&limit=1", [5]),
    ],
)
async def test_records_are_selected(served: Served, query: str, expected: list[int]) -> None:
    assert await ids(served, query) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?limit=0", "limit"),
        ("?limit=501", "limit"),
        ("?before=x", "before"),
        ("?since=2026-03-01T11:15:00", "since"),
        ("?until=soon", "until"),
        ("?undelivered=perhaps", "undelivered"),
        ("?colour=red", "colour"),
    ],
)
async def test_a_field_that_does_not_fit_is_named(served: Served, query: str, field: str) -> None:
    answer = await served.ask("GET", f"{RECORDS}{query}")

    assert answer.status == 422
    assert answer.json()["error"].startswith(f"{field}: found")


async def test_a_damaged_row_is_told_as_such(served: Served) -> None:
    store = served.station.store
    with closing(sqlite3.connect(store.folder / "station.db")) as db:
        db.execute("UPDATE record SET document = x'00FF' WHERE number = 4")
        db.execute("UPDATE record SET taken_at = 'once' WHERE number = 2")
        db.commit()

    records: dict[int, Any] = {one["id"]: one for one in (await served.get(RECORDS))["records"]}

    assert records[4]["damaged"] == "its bytes are not those that were stored (SHA-256)"
    assert (records[4]["text"], records[4]["base64"]) == (None, "AP8=")
    assert records[2] == {"id": 2, "damaged": "one of its times is none"}
    assert records[1]["damaged"] is None


async def test_a_disk_that_cannot_be_read_is_told_in_words(served: Served) -> None:
    database = served.station.store.folder / "station.db"
    hidden = database.rename(database.with_name("hidden"))

    answer = await served.ask("GET", RECORDS)
    hidden.rename(database)

    assert answer.status == 503
    assert "no state folder" in answer.json()["error"]


async def test_whoever_asks_does_not_wait_for_the_others(served: Served) -> None:
    answers = await asyncio.gather(*(served.get(RECORDS) for _ in range(5)))

    assert all(answer == answers[0] for answer in answers)
