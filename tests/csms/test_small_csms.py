import asyncio
import base64
import json
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from chargepoint.bench.csms import (
    Boot,
    CallError,
    Direction,
    FaultKind,
    SmallCsms,
    StationAway,
)
from chargepoint.bench.csms_words import describe

SOON = timedelta(milliseconds=50)
PATIENCE_S = 5.0
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "One", "vendorName": "Example"}}
BOOT_16 = {"chargePointVendor": "Example", "chargePointModel": "One"}
START_16 = {
    "connectorId": 1,
    "idTag": "04A1",
    "meterStart": 0,
    "timestamp": "2025-03-01T10:00:00Z",
}


def event(kind: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": "2025-03-01T10:00:00.000Z",
        "triggerReason": "Authorized",
        "seqNo": number,
        "transactionInfo": {"transactionId": "tx-1"},
        **more,
    }


class Station:
    """The least that can speak OCPP-J: no checks, no rules."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, *frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def read(self) -> list[Any]:
        async with asyncio.timeout(PATIENCE_S):
            frame: list[Any] = json.loads(await self.connection.recv())
            return frame

    async def call(self, action: str, payload: Any, message_id: str) -> list[Any]:
        await self.send(2, message_id, action, payload)
        return await self.read()


@asynccontextmanager
async def station(
    csms: SmallCsms, version: str = "2.0.1", *, headers: dict[str, str] | None = None
) -> AsyncIterator[Station]:
    async with connect(
        f"{csms.url}/CP001",
        subprotocols=[Subprotocol(f"ocpp{version}")],
        additional_headers=headers,
        compression=None,
    ) as connection:
        yield Station(connection)


async def test_every_message_is_kept_in_order_with_its_action() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        answer = await cp.call("BootNotification", BOOT, "1")
        reply = asyncio.ensure_future(csms.call("CP001", "ClearCache", {}))
        frame = await cp.read()
        await cp.send(3, frame[1], {"status": "Accepted"})

        assert await reply == {"status": "Accepted"}
        assert answer[2]["status"] == "Accepted"
        assert [(f.direction, f.kind, f.action) for f in csms.frames] == [
            (Direction.FROM_STATION, 2, "BootNotification"),
            (Direction.FROM_CSMS, 3, "BootNotification"),
            (Direction.FROM_CSMS, 2, "ClearCache"),
            (Direction.FROM_STATION, 3, "ClearCache"),
        ]
        assert csms.messages("BootNotification") == [BOOT]
        assert csms.stations["CP001"].boot == BOOT
        assert csms.violations == []


@pytest.mark.parametrize(
    ("version", "frame", "words"),
    [
        (
            "2.0.1",
            [2, "1", "BootNotification", {**BOOT, "chargingStation": {"model": "x"}}],
            "is a required property",
        ),
        ("2.0.1", [2, "1", "Heartbeat", {"x": 1}], "Additional properties"),
        ("2.0.1", [2, "1", "StartTransaction", {}], "no such action"),
        ("2.0.1", [2, "1", "ClearCache", {}], "no request of a station"),
        ("2.0.1", [2, "1" * 37, "Heartbeat", {}], "message id"),
        ("2.0.1", [2, 1, "Heartbeat", {}], "message id"),
        ("2.0.1", [2, "1", "Heartbeat"], "3 elements, expected 4"),
        ("2.0.1", [9, "1", {}], "begins with 2, 3 or 4"),
        ("2.0.1", {}, "begins with 2, 3 or 4"),
        ("2.0.1", [3, "1", {}], "nobody made"),
        ("1.6", [2, "1", "BootNotification", {"chargePointVendor": "x"}], "is a required property"),
        ("1.6", [2, "1", "TransactionEvent", {}], "no such action"),
        (
            "2.0.1",
            [
                2,
                "1",
                "TransactionEvent",
                event("Started", 0, timestamp="2025-03-01T10:00:00.1234Z"),
            ],
            "date-time",
        ),
        (
            "1.6",
            [2, "1", "StartTransaction", {**START_16, "timestamp": "2025-03-01T10:00:00"}],
            "date-time",
        ),
    ],
)
async def test_what_a_station_does_wrong_is_recorded(version: str, frame: Any, words: str) -> None:
    async with SmallCsms() as csms, station(csms, version) as cp:
        await cp.connection.send(json.dumps(frame))
        await csms.wait_until(lambda: bool(csms.frames and csms.violations))

        assert len(csms.violations) == 1
        assert words in str(csms.violations[0])
        assert csms.violations[0].direction is Direction.FROM_STATION


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([3, {"status": "Perhaps"}], "is not one of"),
        ([3, {}], "is a required property"),
        ([4, "OccurenceConstraintViolation", "", {}], "no error code"),
        ([4, "InternalError", "x" * 256, {}], "description"),
        ([4, "InternalError", ""], "4 elements, expected 5"),
    ],
)
async def test_an_illegal_answer_of_a_station_is_recorded(answer: list[Any], words: str) -> None:
    async with SmallCsms() as csms, station(csms) as cp, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(csms, "ClearCache", {}))
        kind, *rest = answer
        await cp.send(kind, (await cp.read())[1], *rest)
        await call

        assert [words in str(violation) for violation in csms.violations] == [True]


async def test_what_is_no_json_is_recorded() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        await cp.connection.send('[2,"1","Heartbeat",NaN]')
        await csms.wait_until(lambda: bool(csms.frames))
        await asyncio.sleep(0)

        assert "not JSON" in str(csms.violations[0])


async def test_a_limit_in_tenths_is_legal() -> None:
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 21.4}],
    }
    payload = {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": schedule,
        },
    }
    async with SmallCsms() as csms, station(csms, "1.6") as cp, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(csms, "SetChargingProfile", payload))
        await cp.send(3, (await cp.read())[1], {"status": "Accepted"})
        await call

        assert csms.violations == []


async def test_a_second_call_before_the_first_answer_is_recorded() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        csms.think(SOON)
        await cp.send(2, "1", "Heartbeat", {})
        await cp.send(2, "2", "Heartbeat", {})
        await cp.read()

        assert "second call" in str(csms.violations[0])


async def test_numbers_keep_their_digits_in_what_is_kept() -> None:
    sampled = {"timestamp": "2025-03-01T10:00:00Z", "sampledValue": [{"value": 1}]}
    text = json.dumps([2, "1", "MeterValues", {"evseId": 1, "meterValue": [sampled]}])
    async with SmallCsms() as csms, station(csms) as cp:
        await cp.connection.send(text.replace('"value": 1}', '"value": 1251.890}'))
        payload = await csms.wait_for("MeterValues")

        assert str(payload["meterValue"][0]["sampledValue"][0]["value"]) == "1251.890"
        assert "1251.890" in csms.frames[0].text
        assert csms.violations == []


async def test_boot_answers_come_in_turn_and_the_last_one_stays() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        csms.answers.script_boots([Boot("Pending", 1), Boot("Accepted", 60)])
        answers = [await cp.call("BootNotification", BOOT, f"{number}") for number in range(3)]

        assert [(a[2]["status"], a[2]["interval"]) for a in answers] == [
            ("Pending", 1),
            ("Accepted", 60),
            ("Accepted", 60),
        ]


async def test_tokens_are_accepted_unless_told_otherwise() -> None:
    async with SmallCsms() as csms, station(csms) as cp, station(csms, "1.6") as old:
        csms.answers.tokens["BAD"] = "Blocked"
        found = []
        for token in ("GOOD", "BAD"):
            wire = {"idToken": token, "type": "ISO14443"}
            new = await cp.call("Authorize", {"idToken": wire}, f"a{token}")
            tx = await cp.call("TransactionEvent", event("Started", 0, idToken=wire), f"t{token}")
            tag = await old.call("Authorize", {"idTag": token}, f"o{token}")
            start = await old.call("StartTransaction", {**START_16, "idTag": token}, f"s{token}")
            found.append(
                [
                    new[2]["idTokenInfo"]["status"],
                    tx[2]["idTokenInfo"]["status"],
                    tag[2]["idTagInfo"]["status"],
                    start[2]["idTagInfo"]["status"],
                ]
            )

        assert found == [["Accepted"] * 4, ["Blocked"] * 4]
        assert csms.violations == []


@pytest.mark.parametrize(("counting", "ids"), [(False, [1, 1]), (True, [1, 2])])
async def test_transaction_numbers_of_16(ids: list[int], *, counting: bool) -> None:
    async with SmallCsms() as csms, station(csms, "1.6") as cp:
        csms.answers.count_transactions = counting
        answers = [await cp.call("StartTransaction", START_16, f"{number}") for number in "ab"]

        assert [answer[2]["transactionId"] for answer in answers] == ids


async def test_a_repeated_message_is_a_duplicate_and_gets_the_same_answer() -> None:
    async with SmallCsms() as csms, station(csms, "1.6") as cp:
        csms.answers.count_transactions = True
        first = await cp.call("StartTransaction", START_16, "same")
        again = await cp.call("StartTransaction", START_16, "same")
        stop = {"transactionId": 1, "meterStop": 5, "timestamp": "2025-03-01T11:00:00Z"}
        await cp.call("StopTransaction", stop, "stop")

        view = csms.stations["CP001"]
        assert first == again
        assert view.duplicates == [("same", "StartTransaction")]
        assert [(t.transaction_id, t.started, t.ended) for t in view.transactions] == [("1", 1, 1)]
        assert csms.violations == []


async def test_a_message_id_used_for_something_else_is_recorded() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        await cp.call("Heartbeat", {}, "same")
        await cp.call("BootNotification", BOOT, "same")

        assert "two things" in str(csms.violations[0])


async def test_the_transactions_of_201_are_told_start_to_end() -> None:
    token = {"idToken": "04A1", "type": "ISO14443"}
    ended = {"transactionId": "tx-1", "stoppedReason": "PowerLoss"}
    async with SmallCsms() as csms, station(csms) as cp:
        await cp.call("TransactionEvent", event("Started", 0, idToken=token), "1")
        assert csms.stations["CP001"].transactions[0].open
        await cp.call("TransactionEvent", event("Updated", 1), "2")
        await cp.call("TransactionEvent", event("Ended", 2, transactionInfo=ended), "3")

        view = csms.stations["CP001"].transaction("tx-1")
        assert view is not None
        assert (view.started, view.ended, view.sequence) == (1, 1, [0, 1, 2])
        assert (view.token, view.reason) == ("04A1", "PowerLoss")


async def test_a_request_can_be_answered_by_the_test() -> None:
    async def slowly(_: str, payload: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"status": "Accepted", "data": payload["vendorId"]}

    def refuse(_: str, __: dict[str, Any]) -> CallError:
        return CallError("SecurityError", "not you")

    async with SmallCsms() as csms, station(csms) as cp:
        csms.on("DataTransfer", slowly)
        csms.on("Heartbeat", refuse)
        data = await cp.call("DataTransfer", {"vendorId": "me"}, "1")
        beat = await cp.call("Heartbeat", {}, "2")
        csms.on("Heartbeat", None)

        assert data[2]["data"] == "me"
        assert beat == [4, "2", "SecurityError", "not you", {}]
        assert (await cp.call("Heartbeat", {}, "3"))[0] == 3


async def test_an_illegal_answer_of_the_csms_itself_is_recorded_too() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        csms.on("Heartbeat", lambda _, __: {"currentTime": "noon"})
        await cp.call("Heartbeat", {}, "1")

        assert csms.violations[0].direction is Direction.FROM_CSMS


@pytest.mark.parametrize(
    ("kind", "counted", "sees"),
    [
        (FaultKind.SILENCE, 1, "nothing"),
        (FaultKind.CALL_ERROR, 0, "error"),
        (FaultKind.DROP, 0, "1006"),
        (FaultKind.TOO_BIG, 0, "1009"),
        (FaultKind.LOSE_ANSWER, 1, "1006"),
        (FaultKind.CLOSE_BEFORE, 0, "1001"),
        (FaultKind.CLOSE_AFTER, 1, "answer"),
        (FaultKind.DELAY, 1, "answer"),
    ],
)
async def test_each_fault_does_what_it_says(kind: FaultKind, counted: int, sees: str) -> None:
    async with SmallCsms() as csms, station(csms, "1.6") as cp:
        csms.inject(kind, "StartTransaction", skip=1, delay=SOON / 10)
        await cp.call("StartTransaction", START_16, "fine")
        await cp.send(2, "hit", "StartTransaction", START_16)
        found = await _sees(cp, SOON.total_seconds() if sees == "nothing" else PATIENCE_S)

        assert found == sees
        assert len(csms.stations["CP001"].transactions) == 1 + counted
        assert csms.violations == []
        if sees not in {"nothing", "error"} and kind is not FaultKind.DELAY:
            await cp.connection.wait_closed()


async def test_a_fault_strikes_as_often_as_told_and_can_be_cleared() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        csms.inject(FaultKind.CALL_ERROR, times=2, code="GenericError")
        kinds = [(await cp.call("Heartbeat", {}, f"{number}"))[0] for number in range(3)]
        csms.inject(FaultKind.CALL_ERROR, times=None)
        kinds += [(await cp.call("Heartbeat", {}, f"x{number}"))[0] for number in range(2)]
        csms.faults.clear()
        kinds.append((await cp.call("Heartbeat", {}, "y"))[0])

        assert kinds == [4, 4, 3, 4, 4, 3]


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        (b"CP001:right", None),
        (b"CP001:wrong", 401),
        (b"CP002:right", 401),
        (None, 401),
    ],
)
async def test_the_password_is_checked(credentials: bytes | None, status: int | None) -> None:
    headers = (
        {}
        if credentials is None
        else {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
    )
    async with SmallCsms(password=b"right") as csms:
        assert await _handshake_status(csms, headers) == status


async def test_unknown_stations_and_refusals() -> None:
    async with SmallCsms() as csms:
        csms.known = {"CP002"}
        unknown = await _handshake_status(csms, {})
        csms.known = None
        csms.refuse = 503
        refused = await _handshake_status(csms, {})

    assert (unknown, refused) == (404, 503)


async def test_a_mute_csms_accepts_and_says_nothing() -> None:
    async with SmallCsms() as csms:
        csms.mute = True
        async with station(csms) as cp:
            assert cp.connection.subprotocol is None
            await cp.send(2, "1", "Heartbeat", {})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SOON.total_seconds()):
                    await cp.connection.recv()


async def test_a_version_that_is_not_spoken_is_hung_up() -> None:
    async with SmallCsms(versions=["1.6"]) as csms, station(csms, "2.0.1") as cp:
        await cp.connection.wait_closed()

        assert cp.connection.close_code == 1002


async def test_calls_to_a_station_fail_with_a_reason() -> None:
    async with SmallCsms() as csms:
        with pytest.raises(StationAway, match="not connected"):
            await csms.call("CP001", "ClearCache", {})
        async with station(csms) as cp, asyncio.TaskGroup() as tasks:
            with pytest.raises(TimeoutError, match="ClearCache"):
                await csms.call("CP001", "ClearCache", {}, within=SOON)
            refused = tasks.create_task(_outcome(csms, "Reset", {"type": "Immediate"}))
            await cp.read()
            await cp.send(4, (await cp.read())[1], "NotSupported", "no", {})
            assert isinstance(await refused, CallError)
            away = tasks.create_task(_outcome(csms, "ClearCache", {}))
            await cp.read()
            csms.drop("CP001")
            assert isinstance(await away, StationAway)


async def test_a_station_that_comes_back_is_the_one_that_is_called() -> None:
    async with SmallCsms() as csms, station(csms), station(csms) as new:
        await csms.wait_until(lambda: csms.stations["CP001"].connections == 2)
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(_outcome(csms, "ClearCache", {}))
            await new.send(3, (await new.read())[1], {"status": "Accepted"})

            assert await call == {"status": "Accepted"}


async def test_waiting_finds_what_came_before_unless_told_otherwise() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        await cp.call("Heartbeat", {}, "1")
        assert await csms.wait_for("Heartbeat") == {}
        with pytest.raises(TimeoutError, match="no matching Heartbeat; 0 did not match"):
            await csms.wait_for("Heartbeat", after=csms.mark(), within=SOON)
        with pytest.raises(TimeoutError, match="1 did not match"):
            await csms.wait_for("Heartbeat", bool, within=SOON)


async def test_the_trace_holds_every_frame_and_is_private(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    async with SmallCsms(trace=trace) as csms, station(csms) as cp:
        await cp.call("Heartbeat", {}, "1")

    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [line["direction"] for line in lines] == ["from station", "from csms"]
    assert json.loads(lines[0]["frame"]) == [2, "1", "Heartbeat", {}]
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600


async def test_what_is_kept_can_be_bounded() -> None:
    async with SmallCsms(keep=4) as csms, station(csms) as cp:
        for number in range(20):
            await cp.call("Heartbeat", {}, f"{number}")

        assert len(csms.frames) <= 8
        assert csms.frames[-1].message_id == "19"


async def test_raw_text_reaches_the_station_and_its_answer_is_no_fault() -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        await csms.wait_connected("CP001")
        await csms.send_raw("CP001", "{nonsense")
        assert await cp.connection.recv() == "{nonsense"
        await cp.send(4, "-1", "RpcFrameworkError", "", {})
        await cp.call("Heartbeat", {}, "1")

        assert csms.violations == []


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (
            event(
                "Ended",
                2,
                idToken={"idToken": "04A1", "type": "ISO14443"},
                transactionInfo={"transactionId": "tx-1", "stoppedReason": "EVDisconnected"},
                meterValue=[
                    {
                        "timestamp": "2025-03-01T10:00:00Z",
                        "sampledValue": [
                            {
                                "value": Decimal("1251.890"),
                                "unitOfMeasure": {"unit": "kWh"},
                                "signedMeterValue": {
                                    "signedMeterData": "T0NNRg==",
                                    "signingMethod": "",
                                    "encodingMethod": "OCMF",
                                    "publicKey": "",
                                },
                            }
                        ],
                    }
                ],
            ),
            [
                "Ended",
                "seq 2",
                "tx-1",
                "EVDisconnected",
                "1251.890 kWh",
                "signed OCMF",
                "token ***",
            ],
        ),
    ],
)
async def test_a_message_is_told_in_one_line(payload: dict[str, Any], words: list[str]) -> None:
    async with SmallCsms() as csms, station(csms) as cp:
        text = json.dumps([2, "1", "TransactionEvent", payload], default=float)
        await cp.connection.send(text.replace("1251.89", "1251.890"))
        await cp.read()
        line = describe(csms.frames[0])

    assert line.startswith("CP001 -> TransactionEvent")
    assert [word for word in words if word not in line] == []
    assert "04A1" not in line
    assert "token 04A1" in describe(csms.frames[0], show_tokens=True)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
async def test_the_command_tells_and_obeys_and_ends(
    how: signal.Signals, code: int, tmp_path: Path
) -> None:
    ready = tmp_path / "ready.json"
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from chargepoint.cli.csms import csms; csms(standalone_mode=False)",
        *("--listen", "127.0.0.1:0", "--ready-file", str(ready), "--control"),
        *("--like", "citrineos"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(20):
            while not ready.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            url = json.loads(ready.read_text())["url"]
            async with connect(
                f"{url}/CP001", subprotocols=[Subprotocol("ocpp2.0.1")], compression=None
            ) as connection:
                cp = Station(connection)
                await cp.call("Heartbeat", {"wrong": 1}, "1")
                unwanted = await cp.call("DataTransfer", {"vendorId": "Example"}, "2")
                value = {"value": 1500, "context": "Transaction.End"}
                values = {"timestamp": "2025-03-01T10:00:00.000Z", "sampledValue": [value]}
                await cp.call("TransactionEvent", event("Ended", 0, meterValue=[values]), "3")
                await cp.call("TransactionEvent", event("Updated", 1), "4")
                assert program.stdin is not None
                program.stdin.write(b"CP001 ClearCache\nCP009 ClearCache {}\nnonsense\n")
                await cp.send(3, (await cp.read())[1], {"status": "Accepted"})
                told = await _lines_until(program.stdout, b"STATION ACTION")
                program.send_signal(how)
                with pytest.raises(ConnectionClosed):
                    await connection.recv()
            _, err = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode == code, err.decode()
    assert unwanted[2]["status"] == "Rejected"
    assert told.count("== transaction CP001 tx-1: it would bill 0 Wh and has 0 records") == 1
    assert "CP001 -> Heartbeat" in told
    assert "CP001 <- ClearCache" in told
    assert "Additional properties" in told
    assert "CP009 is not connected" in told
    assert _files(tmp_path) == []


async def _lines_until(stream: asyncio.StreamReader | None, mark: bytes) -> str:
    assert stream is not None
    return (await stream.readuntil(mark)).decode()


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def _sees(cp: Station, within_s: float) -> str:
    try:
        async with asyncio.timeout(within_s):
            frame = json.loads(await cp.connection.recv())
    except TimeoutError:
        return "nothing"
    except ConnectionClosed:
        return str(cp.connection.close_code)
    return "error" if frame[0] == 4 else "answer"


async def _handshake_status(csms: SmallCsms, headers: dict[str, str]) -> int | None:
    try:
        async with station(csms, headers=headers):
            return None
    except InvalidStatus as error:
        return error.response.status_code


async def _outcome(csms: SmallCsms, action: str, payload: dict[str, Any]) -> object:
    await csms.wait_connected("CP001")
    try:
        return await csms.call("CP001", action, payload)
    except (CallError, StationAway) as error:
        return error
