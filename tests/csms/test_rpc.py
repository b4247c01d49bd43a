import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from chargepoint.bench.csms import SmallCsms
from chargepoint.csms import frames, rpc
from chargepoint.csms.following import FOLLOWING_MOST
from chargepoint.csms.rpc import (
    MAX_WAITING_CALLS,
    CallError,
    Endpoint,
    Handler,
    OutgoingInvalid,
    Payload,
    Reply,
)
from chargepoint.csms.schemas import Schemas
from chargepoint.errors import CsmsClosed, CsmsRejected, CsmsUnavailable

PATIENCE = timedelta(seconds=5)
SOON = timedelta(milliseconds=40)
A_WHILE = timedelta(milliseconds=300)
NOW = {"currentTime": "2025-03-01T10:00:00Z"}


class Rig:
    """A station's endpoint and, at the other end of a real socket, the raw text of its frames."""

    def __init__(self, endpoint: Endpoint, csms: ServerConnection) -> None:
        self.endpoint = endpoint
        self.csms = csms
        self.recorded: list[tuple[str, str]] = []
        self.connection: ClientConnection

    async def say(self, *frame: Any) -> None:
        await self.csms.send(json.dumps(frame))

    async def hear(self) -> list[Any]:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            frame: list[Any] = json.loads(await self.csms.recv(), parse_float=Decimal)
            return frame

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON.total_seconds()):
                await self.csms.recv()


@asynccontextmanager
async def connected(
    version: str = "2.0.1",
    *,
    patience: timedelta = PATIENCE,
    spawn: Callable[[Coroutine[Any, Any, None]], None] | None = None,
    busy: str = "",
    **handlers: Handler,
) -> AsyncIterator[Rig]:
    accepted: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def keep(connection: ServerConnection) -> None:
        accepted.put_nowait(connection)
        await connection.wait_closed()

    async with (
        serve(keep, "127.0.0.1", 0, compression=None, ping_interval=None) as server,
        asyncio.TaskGroup() as tasks,
    ):
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}/CP001", compression=None) as connection:
            recorded: list[tuple[str, str]] = []
            endpoint = Endpoint(
                connection,
                schemas=Schemas(version),
                handlers=handlers,
                timeout=patience,
                spawn=spawn or (lambda work: tasks.create_task(work) and None),
                on_frame=lambda direction, text: recorded.append((direction, text)),
                busy=busy,
            )
            running = tasks.create_task(endpoint.run())
            rig = Rig(endpoint, await accepted.get())
            rig.recorded, rig.connection = recorded, connection
            yield rig
        async with asyncio.timeout(PATIENCE.total_seconds()):
            await running


async def test_a_call_returns_the_answer() -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(rig.endpoint.call("Heartbeat", {}))
        kind, message_id, action, payload = await rig.hear()
        await rig.say(3, message_id, NOW)

        assert await call == NOW
        assert (kind, action, payload) == (2, "Heartbeat", {})
        assert len(message_id) == 36
        assert [direction for direction, _ in rig.recorded] == ["sent", "received"]


async def test_a_reading_keeps_its_digits_on_the_wire() -> None:
    reading = {
        "timestamp": "2025-03-01T10:00:00Z",
        "sampledValue": [{"value": Decimal("1251.890")}],
    }
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(
            rig.endpoint.call("MeterValues", {"evseId": 1, "meterValue": [reading]})
        )
        async with asyncio.timeout(PATIENCE.total_seconds()):
            text = str(await rig.csms.recv())
        await rig.say(3, json.loads(text)[1], {})
        await call

    assert '"value":1251.890}' in text


async def test_a_given_message_id_is_used() -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="again-1"))
        frame = await rig.hear()
        await rig.say(3, "again-1", NOW)

    assert frame[1] == "again-1"


async def test_own_calls_go_out_one_by_one() -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="1"))
        tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="2"))
        first = await rig.hear()
        await rig.hears_nothing()
        await rig.say(3, "1", NOW)
        second = await rig.hear()
        await rig.say(3, "2", NOW)

    assert [first[1], second[1]] == ["1", "2"]


async def test_an_illegal_request_of_ours_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as rig:
        for action, payload in (
            ("Heartbeat", {"extra": 1}),
            ("Heatbeat", {}),
            ("DataTransfer", {"vendorId": "x", "data": Decimal("NaN")}),
        ):
            with pytest.raises(OutgoingInvalid, match=action):
                await rig.endpoint.call(action, payload)
        await rig.hears_nothing()

    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3


async def test_a_callerror_is_a_refusal() -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
        await rig.say(4, (await rig.hear())[1], "SecurityError", "not you", {"why": 1})
        refused = await call

    assert isinstance(refused, CsmsRejected)
    assert (refused.code, refused.description, refused.details) == (
        "SecurityError",
        "not you",
        {"why": 1},
    )


@pytest.mark.parametrize("rest", [[], [{}], [{"currentTime": "noon"}], ["text"], [None]])
async def test_an_illegal_answer_is_a_refusal_and_the_link_goes_on(rest: list[Any]) -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
        await rig.say(3, (await rig.hear())[1], *rest)
        refused = await call

        assert isinstance(refused, CsmsRejected)
        assert refused.code == "FormatViolation"
        call = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
        await rig.say(3, (await rig.hear())[1], NOW)
        assert await call == NOW


async def test_no_answer_in_time_and_then_a_late_one() -> None:
    async with connected(patience=SOON) as rig:
        with pytest.raises(CsmsUnavailable, match="no answer to Heartbeat"):
            await rig.endpoint.call("Heartbeat", {}, message_id="slow")
        assert not rig.endpoint.closed
        rig.endpoint.timeout = PATIENCE
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="next"))
            await rig.hear()
            await rig.hear()
            await rig.say(3, "slow", {"currentTime": "1999-01-01T00:00:00Z"})
            await rig.say(3, "next", NOW)

            assert await call == NOW


async def test_a_connection_that_breaks_fails_the_waiting_calls_at_once() -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
        second = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
        await rig.hear()
        rig.csms.transport.abort()

        assert str(await first) == "the connection was lost"
        assert isinstance(await second, CsmsUnavailable)
        with pytest.raises(CsmsUnavailable):
            await rig.endpoint.call("Heartbeat", {})
        assert rig.endpoint.closed


@pytest.mark.parametrize("code", [1009, 1011, None])
async def test_a_call_says_how_the_csms_ended_the_connection_upon_it(code: int | None) -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
        await rig.hear()
        if code is None:
            rig.csms.transport.abort()
        else:
            await rig.csms.close(code)

        ended = await call
        assert isinstance(ended, CsmsClosed)
        assert ended.code == code
        assert ended.after is not None
        assert ended.after < PATIENCE


async def test_an_end_that_the_station_began_is_none_of_the_csms() -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
        await rig.hear()
        await rig.connection.close(1009)

        assert not isinstance(await call, CsmsClosed)


async def test_a_cancelled_call_leaves_the_way_free_for_the_next() -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        given_up = tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="a"))
        await rig.hear()
        given_up.cancel()
        call = tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="b"))
        await rig.hear()
        await rig.say(3, "a", {"currentTime": "1999-01-01T00:00:00Z"})
        await rig.say(3, "b", NOW)

        assert await call == NOW


async def test_a_call_of_the_csms_is_answered_while_ours_waits() -> None:
    async with connected(ClearCache=_accept) as rig, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="ours"))
        await rig.hear()
        await rig.say(2, "theirs", "ClearCache", {})
        answer = await rig.hear()
        await rig.say(3, "ours", NOW)
        await call

    assert answer == [3, "theirs", {"status": "Accepted"}]


async def test_our_call_does_not_overtake_an_answer_we_owe() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Payload) -> Payload:
        entered.set()
        await release.wait()
        return {"status": "Accepted"}

    async with connected(ClearCache=slow) as rig, asyncio.TaskGroup() as tasks:
        await rig.say(2, "theirs", "ClearCache", {})
        await entered.wait()
        tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="ours"))
        await rig.hears_nothing()
        release.set()
        order = [(await rig.hear())[1], (await rig.hear())[1]]
        await rig.say(3, "ours", NOW)

    assert order == ["theirs", "ours"]


async def test_a_handler_that_hangs_holds_our_call_for_one_time_out_only() -> None:
    async def hang(_: Payload) -> Payload:
        return await asyncio.get_running_loop().create_future()

    async with connected(ClearCache=hang, patience=A_WHILE) as rig:
        await rig.say(2, "theirs", "ClearCache", {})
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
            frame = await rig.hear()
            await rig.say(3, frame[1], NOW)

            assert await call == NOW


async def test_handlers_run_one_by_one_in_order() -> None:
    running = 0
    seen: list[int] = []

    async def handler(payload: Payload) -> Payload:
        nonlocal running
        running += 1
        seen.append(running)
        await asyncio.sleep(0)
        running -= 1
        return {"status": "Accepted", "data": payload["messageId"]}

    async with connected(DataTransfer=handler) as rig:
        for number in range(5):
            await rig.say(
                2, f"{number}", "DataTransfer", {"vendorId": "x", "messageId": f"m{number}"}
            )
        answers = [await rig.hear() for _ in range(5)]

    assert [answer[1] for answer in answers] == ["0", "1", "2", "3", "4"]
    assert [answer[2]["data"] for answer in answers] == ["m0", "m1", "m2", "m3", "m4"]
    assert seen == [1] * 5


async def test_work_after_the_reply_starts_when_the_reply_has_left_and_may_call() -> None:
    async with connected() as rig:

        async def afterwards() -> None:
            await rig.endpoint.call("Heartbeat", {}, message_id="after")

        async def handler(_: Payload) -> Reply:
            return Reply({"status": "Accepted"}, afterwards)

        rig.endpoint._handlers = {"ClearCache": handler}
        await rig.say(2, "theirs", "ClearCache", {})
        order = [(await rig.hear())[1], (await rig.hear())[1]]
        await rig.say(3, "after", NOW)

    assert order == ["theirs", "after"]


async def test_work_after_a_reply_that_could_not_be_sent_is_not_begun() -> None:
    begun: list[object] = []
    entered = asyncio.Event()

    async def handler(_: Payload) -> Reply:
        entered.set()
        await asyncio.sleep(SOON.total_seconds())

        async def afterwards() -> None:
            begun.append(1)

        return Reply({"status": "Accepted"}, afterwards)

    async with connected(ClearCache=handler) as rig:
        await rig.say(2, "1", "ClearCache", {})
        await entered.wait()
        rig.csms.transport.abort()

    assert begun == []


async def test_a_handler_that_calls_is_told_so_instead_of_waiting_for_itself() -> None:
    async with connected() as rig:

        async def handler(_: Payload) -> Payload:
            return await rig.endpoint.call("Heartbeat", {})

        rig.endpoint._handlers = {"ClearCache": handler}
        await rig.say(2, "1", "ClearCache", {})

        assert (await rig.hear())[:3] == [4, "1", "InternalError"]


async def _crash(_: Payload) -> Payload:
    raise ZeroDivisionError("secret detail")


async def _illegal(_: Payload) -> Payload:
    return {"status": "Perhaps"}


async def _refuse(_: Payload) -> Payload:
    raise CallError("SecurityError", "x" * 300, {"a": 1})


async def _accept(_: Payload) -> Payload:
    return {"status": "Accepted"}


@pytest.mark.parametrize(
    ("version", "action", "payload", "code"),
    [
        ("2.0.1", "MakeCoffee", {}, "NotImplemented"),
        ("2.0.1", "StartTransaction", {}, "NotImplemented"),
        ("2.0.1", "UnlockConnector", {}, "NotSupported"),
        ("2.0.1", "BootNotification", {}, "NotSupported"),
        ("1.6", "MakeCoffee", {}, "NotImplemented"),
        ("1.6", "RemoteStartTransaction", {}, "NotSupported"),
        ("2.0.1", "Reset", {"type": "Immediate"}, "InternalError"),
        ("2.0.1", "GetLocalListVersion", {}, "InternalError"),
        ("2.0.1", "DataTransfer", {"vendorId": "x"}, "SecurityError"),
        ("2.0.1", "ClearCache", {"x": 1}, "FormatViolation"),
        ("2.0.1", "ClearCache", [], "FormatViolation"),
        ("1.6", "ClearCache", {"x": 1}, "FormationViolation"),
        ("2.0.1", "Reset", {}, "ProtocolError"),
        ("2.0.1", "Reset", {"type": 1}, "TypeConstraintViolation"),
        ("2.0.1", "Reset", {"type": "Gently"}, "PropertyConstraintViolation"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_its_code_and_the_link_goes_on(
    version: str, action: str, payload: object, code: str
) -> None:
    handlers = {
        "Reset": _crash,
        "GetLocalListVersion": _illegal,
        "DataTransfer": _refuse,
        "ClearCache": _accept,
    }
    async with connected(version, **handlers) as rig:
        await rig.say(2, "1", action, payload)
        kind, message_id, found, description, details = await rig.hear()
        await rig.say(2, "2", "ClearCache", {})

        assert (kind, message_id, found) == (4, "1", code)
        assert len(description) <= 255
        assert "secret" not in description
        assert isinstance(details, dict)
        assert await rig.hear() == [3, "2", {"status": "Accepted"}]


NOT_JSON = "{nonsense"
DEEP = "[" * 5000
LONG_ID = json.dumps([2, "x" * 300, "ClearCache", {}])


@pytest.mark.parametrize(
    ("frame", "in_16", "in_201"),
    [
        (NOT_JSON, None, ("-1", "RpcFrameworkError")),
        (DEEP, None, ("-1", "RpcFrameworkError")),
        ("{}", None, ("-1", "RpcFrameworkError")),
        ("[]", None, ("-1", "RpcFrameworkError")),
        ('[2, 17, "ClearCache", {}]', None, ("-1", "RpcFrameworkError")),
        ('[2, "", "ClearCache", {}]', None, ("-1", "RpcFrameworkError")),
        (LONG_ID, None, ("-1", "RpcFrameworkError")),
        ('[2, "9", "ClearCache"]', ("9", "FormationViolation"), ("9", "RpcFrameworkError")),
        ('[2, "9", 4, {}]', ("9", "FormationViolation"), ("9", "RpcFrameworkError")),
        ('[2, "9", "ClearCache", {}, 1]', ("9", "FormationViolation"), ("9", "RpcFrameworkError")),
        ('[7, "9", {}]', None, ("9", "MessageTypeNotSupported")),
        ("[7, 9, {}]", None, ("-1", "MessageTypeNotSupported")),
        ('["2", "9", {}]', None, ("9", "MessageTypeNotSupported")),
        ('[3, "nobody asked", {}]', None, None),
        ('[4, "nobody asked", "GenericError", "", {}]', None, None),
        ('[4, "-1", "GenericError", "", {}]', None, None),
        ("[3, 9, {}]", None, ("-1", "RpcFrameworkError")),
    ],
)
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_frame_that_is_no_message_is_treated_as_the_version_says(
    version: str,
    frame: str,
    in_16: tuple[str, str] | None,
    in_201: tuple[str, str] | None,
) -> None:
    expected = in_16 if version == "1.6" else in_201
    async with connected(version, ClearCache=_accept) as rig:
        await rig.csms.send(frame)
        if expected is not None:
            kind, message_id, code, *_ = await rig.hear()
            assert (kind, (message_id, code)) == (4, expected)
        await rig.say(2, "2", "ClearCache", {})

        assert await rig.hear() == [3, "2", {"status": "Accepted"}]


async def test_a_binary_frame_is_read_like_a_text_frame() -> None:
    async with connected(ClearCache=_accept) as rig:
        await rig.csms.send(json.dumps([2, "1", "ClearCache", {}]).encode())

        assert await rig.hear() == [3, "1", {"status": "Accepted"}]


def test_bytes_that_are_not_utf8_are_no_message() -> None:
    with pytest.raises(frames.Malformed, match="not UTF-8") as caught:
        frames.parse(b'[3, "\xff", {}]')

    assert caught.value.defect is frames.Defect.UNREADABLE


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("7.0", 7), ("-0.0", 0), ("7e2", 700), ("1e300", 10.0**300)]
)
def test_a_whole_number_is_an_integer_however_it_is_written(text: str, number: int) -> None:
    message = frames.parse(f'[3, "1", {{"n": {text}}}]')

    assert isinstance(message, frames.Result)
    assert message.payload == {"n": number}
    assert isinstance(message.payload["n"], int)


def test_a_fraction_stays_one_and_an_endless_number_is_none() -> None:
    assert frames.parse('[3, "1", 1.5]') == frames.Result("1", 1.5)
    for endless in ("1e400", f"1{'0' * 309}", f'{{"a": [-1{"0" * 309}]}}'):
        with pytest.raises(frames.Malformed, match="not JSON"):
            frames.parse(f'[3, "1", {endless}]')
    assert frames.parse(f'[3, "1", "{"1" * 400}"]') == frames.Result("1", "1" * 400)


async def test_an_error_without_description_is_still_an_error() -> None:
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(rig.endpoint.call("Heartbeat", {})))
        await rig.say(4, (await rig.hear())[1])
        refused = await call

    assert isinstance(refused, CsmsRejected)
    assert refused.code == "GenericError"


async def test_a_flood_of_calls_is_bounded_and_our_answers_still_arrive() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Payload) -> Payload:
        entered.set()
        await release.wait()
        return {"status": "Accepted"}

    async with connected(ClearCache=slow, patience=A_WHILE) as rig, asyncio.TaskGroup() as tasks:
        await rig.say(2, "first", "ClearCache", {})
        await entered.wait()
        for number in range(MAX_WAITING_CALLS + 10):
            await rig.say(2, f"{number}", "ClearCache", {})
        refused = [await rig.hear() for _ in range(10)]
        call = tasks.create_task(rig.endpoint.call("Heartbeat", {}, message_id="ours"))
        assert (await rig.hear())[1] == "ours"
        await rig.say(3, "ours", NOW)
        assert await call == NOW
        release.set()
        answered = [await rig.hear() for _ in range(MAX_WAITING_CALLS + 1)]

    assert {frame[2] for frame in refused} == {"GenericError"}
    assert [frame[0] for frame in answered] == [3] * (MAX_WAITING_CALLS + 1)


async def test_who_asks_for_more_than_it_lets_be_done_is_refused() -> None:
    release = asyncio.Event()

    async def much(_: Payload) -> Reply:
        return Reply({"status": "Accepted"}, done)

    async def done() -> None:
        await release.wait()

    async def asked(rig: Rig, number: int) -> list[Any]:
        await rig.say(2, f"{number}", "ClearCache", {})
        return await rig.hear()

    async with connected(ClearCache=much) as rig:
        taken = [await asked(rig, number) for number in range(FOLLOWING_MOST)]
        refused = await asked(rig, 998)
        release.set()
        again = await asked(rig, 999)

    assert {frame[0] for frame in [*taken, again]} == {3}
    assert refused[:3] == [4, "998", "GenericError"]


async def test_the_same_trouble_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async with connected("1.6", ClearCache=_accept) as rig:
        for _ in range(5):
            await rig.csms.send(NOT_JSON)
            await rig.say(3, "nobody", {})
        await rig.say(2, "2", "ClearCache", {})
        await rig.hear()

    assert [record.levelname for record in caplog.records].count("WARNING") == 2


async def test_run_ends_when_the_csms_closes_and_leaves_nothing_behind() -> None:
    async def hang(_: Payload) -> Payload:
        return await asyncio.get_running_loop().create_future()

    async with connected(ClearCache=hang) as rig:
        await rig.say(2, "1", "ClearCache", {})
        await rig.csms.close(1011, "Client is not alive")

    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_calls_that_cross_all_the_time_are_all_answered_and_all_legal(version: str) -> None:
    rounds = 100

    async def echo(payload: Payload) -> Payload:
        return {"status": "Accepted", "data": payload["data"]}

    async with (
        SmallCsms() as csms,
        connect(f"{csms.url}/CP001", subprotocols=[Subprotocol(f"ocpp{version}")]) as connection,
        asyncio.TaskGroup() as tasks,
    ):
        endpoint = Endpoint(
            connection,
            schemas=Schemas(version),
            handlers={"DataTransfer": echo},
            timeout=PATIENCE,
            spawn=_no_work,
        )
        running = tasks.create_task(endpoint.run())
        await csms.wait_connected("CP001")
        csms.on("DataTransfer", lambda _, payload: {"status": "Accepted", "data": payload["data"]})
        ours = [
            tasks.create_task(endpoint.call("DataTransfer", {"vendorId": "x", "data": f"up {n}"}))
            for n in range(rounds)
        ]
        theirs = [
            tasks.create_task(
                csms.call("CP001", "DataTransfer", {"vendorId": "x", "data": f"down {n}"})
            )
            for n in range(rounds)
        ]
        up = [(await call)["data"] for call in ours]
        down = [(await call)["data"] for call in theirs]
        await connection.close()
        await running

        assert up == [f"up {n}" for n in range(rounds)]
        assert down == [f"down {n}" for n in range(rounds)]
        assert csms.violations == []


async def test_the_wire_log_hides_tokens_and_passwords(caplog: pytest.LogCaptureFixture) -> None:
    secrets = {
        "setVariableData": [
            {
                "attributeValue": "hunter2hunter2hunter2",
                "component": {"name": "SecurityCtrlr"},
                "variable": {"name": "BasicAuthPassword"},
            }
        ]
    }
    caplog.set_level(logging.DEBUG, logger="chargepoint.wire")
    async with connected() as rig, asyncio.TaskGroup() as tasks:
        token = {"idToken": {"idToken": "04A1B2C3", "type": "ISO14443"}}
        call = tasks.create_task(_outcome(rig.endpoint.call("Authorize", token)))
        frame = await rig.hear()
        await rig.say(3, frame[1], {"idTokenInfo": {"status": "Accepted"}})
        await call
        await rig.say(2, "1", "SetVariables", secrets)
        await rig.hear()

    lines = [record.getMessage() for record in caplog.records if record.name == "chargepoint.wire"]
    assert len(lines) == 4
    assert not [line for line in lines if "04A1B2C3" in line or "hunter2" in line]
    assert "04A1B2C3" in rig.recorded[0][1]


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ({"idTag": "ABC"}, {"idTag": "***"}),
        ({"idTagInfo": {"parentIdTag": "A"}}, {"idTagInfo": {"parentIdTag": "***"}}),
        ({"key": "AuthorizationKey", "value": "A"}, {"key": "AuthorizationKey", "value": "***"}),
        ({"key": " authorizationKEY", "value": "A"}, {"key": " authorizationKEY", "value": "***"}),
        (
            {"variable": {"name": "basicAuthPassword"}, "attributeValue": "A"},
            {"variable": {"name": "basicAuthPassword"}, "attributeValue": "***"},
        ),
        ({"key": "HeartbeatInterval", "value": "9"}, {"key": "HeartbeatInterval", "value": "9"}),
        ({"server": "x", "key": "A"}, {"server": "x", "key": "***"}),
        ({"location": "ftp://me:p@ss@h:21/x@y"}, {"location": "ftp://***@h:21/x@y"}),
        ({"remoteLocation": "http://h/x?mail=a@b"}, {"remoteLocation": "http://h/x?mail=a@b"}),
        ({"apn": "x", "simPin": 1234}, {"apn": "x", "simPin": "***"}),
        ([{"idToken": {"idToken": "A"}}], [{"idToken": {"idToken": "***"}}]),
        ({"key": ["A"], "value": 1}, {"key": ["A"], "value": 1}),
        ({"variable": {"name": {}}}, {"variable": {"name": {}}}),
    ],
)
def test_what_is_hidden_in_a_log(payload: Any, shown: Any) -> None:
    assert json.loads(frames.masked(json.dumps(payload))) == shown


@pytest.mark.parametrize(
    "text", ['{"idTag": "04A1"', '{"idTag": "04A1", "a": 1e99999999999999999999}']
)
def test_text_that_is_not_json_is_not_logged_at_all(text: str) -> None:
    assert "04A1" not in frames.masked(text)


def _no_work(_: Coroutine[Any, Any, None]) -> None:
    raise AssertionError("nothing was to be done")


async def _outcome(call: Coroutine[Any, Any, Payload]) -> Payload | Exception:
    with suppress(asyncio.CancelledError):
        try:
            return await call
        except (CsmsRejected, CsmsUnavailable) as error:
            return error
    raise AssertionError("cancelled")


async def test_illegal_messages_are_told_once_per_kind() -> None:
    told: list[str] = []
    async with connected() as rig:
        rig.endpoint._on_invalid = told.append
        for number in range(2):
            await rig.say(2, f"id{number}", "Reset", {"type": "Sideways"})
            await rig.csms.send("no message at all")
            await rig.hear()
            await rig.hear()

    assert len(told) == 1


async def test_an_illegal_call_and_a_frame_that_is_none_are_two_kinds() -> None:
    told: list[str] = []

    async def reset(_: Any) -> dict[str, Any]:
        return {"status": "Accepted"}

    async with connected(Reset=reset) as rig:
        rig.endpoint._on_invalid = told.append
        await rig.say(2, "id1", "Reset", {"type": "Sideways"})
        await rig.hear()
        await rig.csms.send("no message at all")
        await rig.hear()

    assert "Reset" in told[0]
    assert "no message" in told[1]


BUSY = "Call already in progress"


@pytest.fixture
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "BUSY_PAUSE", timedelta(milliseconds=1))


@pytest.mark.usefixtures("without_pause")
async def test_a_busy_csms_gets_the_same_message_again_before_any_other() -> None:
    async with connected(busy=BUSY) as rig:
        beat = asyncio.create_task(rig.endpoint.call("Heartbeat", {}))
        first = await rig.hear()
        other = asyncio.create_task(rig.endpoint.call("Heartbeat", {}))

        await rig.say(4, first[1], "RpcFrameworkError", BUSY, {})

        assert await rig.hear() == first
        await rig.say(3, first[1], NOW)
        assert await beat == NOW
        await rig.say(3, (await rig.hear())[1], NOW)
        assert await other == NOW


@pytest.mark.usefixtures("without_pause")
@pytest.mark.parametrize("busy", [BUSY, ""])
async def test_another_refusal_is_one_at_once(busy: str) -> None:
    said = BUSY if not busy else "not today"
    async with connected(busy=busy) as rig:
        beat = asyncio.create_task(rig.endpoint.call("Heartbeat", {}))

        await rig.say(4, (await rig.hear())[1], "RpcFrameworkError", said, {})

        with pytest.raises(CsmsRejected, match=said):
            await beat
        await rig.hears_nothing()


@pytest.mark.usefixtures("without_pause")
async def test_a_csms_that_is_always_busy_has_refused_in_the_end() -> None:
    async with connected(busy=BUSY) as rig:
        beat = asyncio.create_task(rig.endpoint.call("Heartbeat", {}))

        for _ in range(rpc.BUSY_MOST):
            await rig.say(4, (await rig.hear())[1], "RpcFrameworkError", BUSY, {})

        with pytest.raises(CsmsRejected, match=BUSY):
            await beat
