"""What can be asked over the local interface, by whom, and where it listens; real sockets."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from served_station import TOKEN, Served, serve, until

from chargepoint.errors import ConfigError
from chargepoint.station.meter_health import MeterBooks
from meters.errors import MeterUnreachable

OUTLET = {"evse": 1, "connector": 1}
PLUG_IN = "/v1/ev/plug-in"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as it:
        yield it


GETS = [
    "/v1/status",
    "/v1/transactions",
    "/v1/transactions/tx-1",
    "/v1/transactions/tx-1/records",
    "/v1/records",
    "/v1/settings",
    "/v1/untold",
    "/v1/events",
    "/metrics",
]
POSTS = [
    PLUG_IN,
    "/v1/ev/plug-out",
    "/v1/ev/suspend",
    "/v1/ev/resume",
    "/v1/token",
    "/v1/fault/raise",
    "/v1/fault/clear",
    "/v1/network/disconnect",
    "/v1/network/connect",
]


async def test_nothing_is_told_or_done_without_the_token(served: Served) -> None:
    asked = [("GET", path) for path in GETS] + [("POST", path) for path in POSTS]

    answers = {
        (path, token): (await served.ask(method, path, token=token)).status
        for method, path in asked
        for token in (None, "wrong")
    }

    assert set(answers.values()) == {401}
    assert served.link.state == "connected"


async def test_a_path_asked_in_the_wrong_way_names_the_right_one(served: Served) -> None:
    for method, path, allowed in (
        [("POST", path, "GET") for path in [*GETS, "/healthz", "/readyz"]]
        + [("GET", path, "POST") for path in POSTS]
    ):  # fmt: skip
        answer = await served.ask(method, path)

        assert answer.status == 405, path
        assert allowed in answer.headers["allow"]


async def test_an_unknown_path_is_not_found(served: Served) -> None:
    assert (await served.ask("GET", "/v1/nonsense")).status == 404


async def happening(reader: asyncio.StreamReader) -> tuple[str, Any, str]:
    """The next event of a stream: its name, data and id."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(5):
        while True:
            line = (await reader.readline()).decode().rstrip("\r\n")
            name, colon, value = line.partition(": ")
            if colon and name in {"event", "data", "id"}:
                fields[name] = value
            elif not line and "data" in fields:
                return fields["event"], json.loads(fields["data"]), fields.get("id", "")


async def test_events_tell_what_happens_from_then_on(served: Served) -> None:
    reader, writer = await served.send("GET", "/v1/events")
    hello = await happening(reader)

    await served.post(PLUG_IN, OUTLET)
    served.station.told.tell("frame", direction="sent", text="[2]")

    status, frame = await happening(reader), await happening(reader)
    writer.close()
    await writer.wait_closed()
    assert (hello[0], hello[1]["station_id"]) == ("hello", "CP1")
    assert status[0] == "status"
    assert (status[1]["evse"], status[1]["status"], status[2]) == (1, "Preparing", "1")
    assert frame == ("frame", {"direction": "sent", "text": "[2]"}, "2")


async def test_nobody_is_told_once_the_client_has_left(served: Served) -> None:
    reader, writer = await served.send("GET", "/v1/events")
    await happening(reader)
    listening = served.station.told.heard

    writer.close()
    await writer.wait_closed()

    await until(lambda: not served.station.told.heard)
    assert listening


async def test_the_process_is_alive_for_everybody(served: Served) -> None:
    answer = await served.ask("GET", "/healthz", token=None)

    assert (answer.status, answer.body) == (200, "ok")


async def test_a_station_that_does_its_whole_work_is_ready(served: Served) -> None:
    answer = await served.ask("GET", "/readyz", token=None)

    assert (answer.status, answer.json()) == (200, {"ready": True, "reasons": []})


async def test_a_station_that_was_not_accepted_is_not_ready(served: Served) -> None:
    served.session.registration = "Pending"

    answer = await served.ask("GET", "/readyz", token=None)

    assert answer.status == 503
    assert answer.json()["reasons"] == ["the CSMS has not accepted the station: Pending"]


async def test_a_station_with_a_silent_meter_is_not_ready(served: Served) -> None:
    served.meters[2].fails = MeterUnreachable("no answer from unit 2")
    await served.station.evses[2].meter.refresh()

    answer = await served.ask("GET", "/readyz", token=None)

    assert answer.status == 503
    assert answer.json()["reasons"] == ["meter outlet2 is unreachable"]


async def test_a_reading_that_has_grown_old_is_stale(served: Served) -> None:
    meter = served.station.evses[1].meter
    assert meter.reading is not None
    served.meters[1].fails = MeterUnreachable("gone")
    old = replace(meter.reading, taken_at=meter.reading.taken_at.replace(year=2020))
    meter.reading, meter.books = old, MeterBooks(should_sign=True)
    assert meter.info is not None
    meter.books.answered(meter.info)

    evse = (await served.evse())["meter"]
    answer = await served.ask("GET", "/readyz", token=None)

    assert evse["health"] == "stale"
    assert answer.json()["reasons"] == ["meter outlet1 is stale"]


async def test_the_ready_file_says_where_to_ask_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "run" / "local.json"

    async with serve(tmp_path, ready_file=path) as served:
        told = json.loads(path.read_text())
        mode = stat.S_IMODE(path.stat().st_mode)
        files = list(path.parent.iterdir())
        answer = await served.ask("GET", "/v1/status", token=told["token"])

    assert told == {"url": served.server.url, "token": TOKEN, "pid": os.getpid()}
    assert (mode, files, answer.status) == (0o600, [path], 200)
    assert not path.exists()


async def test_a_stale_ready_file_is_replaced_whatever_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    path.write_text("{}")
    path.chmod(0o444)

    async with serve(tmp_path, ready_file=path) as served:
        assert json.loads(path.read_text())["url"] == served.server.url
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_ready_file_that_cannot_be_written_names_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match=r"local\.ready_file: .*cannot be written"):
        async with serve(tmp_path, ready_file=tmp_path / "file" / "local.json"):
            pass


async def test_without_a_token_a_new_one_is_made_each_time(tmp_path: Path) -> None:
    async with serve(tmp_path, token="") as served:
        first = served.server.token
        answer = await served.ask("GET", "/v1/status", token=first)
    async with serve(tmp_path, token="") as served:
        second = served.server.token

    assert answer.status == 200
    assert len(first) >= 32
    assert first != second


async def test_an_address_in_use_names_the_setting(tmp_path: Path) -> None:
    async with serve(tmp_path / "one") as served:
        port = int(served.server.url.rpartition(":")[2])

        with pytest.raises(ConfigError, match=rf"local\.listen: 127\.0\.0\.1:{port} cannot"):
            async with serve(tmp_path / "two", port=port):
                pass
