"""The local HTTP server over real sockets, asked by the standard library and by bad clients."""

import asyncio
import gc
import json
import logging
import socket
from contextlib import suppress

import pytest
from local_bench import AUTH, EVENTS, QUICK, TOKEN, ask, listen, serving, talk

from chargepoint.local.http import HttpServer, Limits


async def test_a_route_gets_its_parts_and_its_query() -> None:
    async with serving() as (server, _):
        status, headers, body = await ask(server, "GET", "/v1/things/a%2Fb?page=2&all")

    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert json.loads(body) == {"id": "a/b", "query": {"page": "2", "all": ""}}


async def test_a_body_of_json_reaches_the_handler() -> None:
    async with serving() as (server, _):
        given = {**AUTH, "Content-Type": "application/json; charset=utf-8"}
        full = await ask(server, "POST", "/v1/echo", b'{"a": 1}', given)
        empty = await ask(server, "POST", "/v1/echo", b"")

    assert (full[0], json.loads(full[2])) == (202, {"a": 1})
    assert (empty[0], json.loads(empty[2])) == (202, {})


JSON_TYPE = {"Content-Type": "application/json"}
REFUSED: list[tuple[str, str, bytes | None, dict[str, str], int, str]] = [
    ("GET", "/v1/things/1", None, {}, 401, "the token is missing or wrong"),
    ("GET", "/v1/things/1", None, {"Authorization": "Bearer x"}, 401, "missing or wrong"),
    ("GET", "/v1/things/1", None, {"Authorization": TOKEN}, 401, "missing or wrong"),
    ("GET", "/v1/things/1", None, {"Authorization": "Bearer \xe9"}, 401, "missing or wrong"),
    ("GET", "/v1/nothing", None, {}, 401, "missing or wrong"),
    ("GET", "/v1/nothing", None, AUTH, 404, "there is nothing at /v1/nothing"),
    ("GET", "/v1/things/", None, AUTH, 404, "there is nothing at /v1/things/"),
    ("GET", "/v1/things/1/2", None, AUTH, 404, "there is nothing at"),
    ("DELETE", "/v1/things/1", None, AUTH, 405, "allowed: GET"),
    ("POST", "/v1/echo", b"{", AUTH | JSON_TYPE, 422, "bad body: Input data was truncated"),
    ("POST", "/v1/echo", b"[]", AUTH | JSON_TYPE, 422, "Expected `object`, got `array`"),
    ("POST", "/v1/echo", b'{"\xff":1}', AUTH | JSON_TYPE, 422, "bad body"),
    ("POST", "/v1/echo", b"[" * 60_000, AUTH | JSON_TYPE, 422, "bad body"),
    ("POST", "/v1/plug", b'{"evse":"1"}', AUTH | JSON_TYPE, 422, "`int`, got `str` - at `$.evse`"),
    ("POST", "/v1/plug", b'{"evs":1}', AUTH | JSON_TYPE, 422, "unknown field `evs`"),
    ("POST", "/v1/plug", b"", AUTH, 422, "missing required field `evse`"),
    ("GET", "/v1/busy", None, AUTH, 409, "real hardware is not driven from here"),
    ("GET", "/v1/things/1?" + "a&" * 60, None, AUTH, 400, "bad query"),
    ("GET", "/healthz", None, {"Origin": "http://evil.example"}, 403, "'http://evil.example'"),
    ("GET", "/healthz", None, {"Origin": "null"}, 403, "pages of 'null'"),
    ("OPTIONS", "/v1/echo", None, {"Origin": "http://evil.example"}, 403, "no business here"),
    ("GET", "/healthz", None, {"Sec-Fetch-Site": "cross-site"}, 403, "no business here"),
    ("GET", "/v1/things/1", None, AUTH | {"Sec-Fetch-Site": "same-site"}, 403, "no business here"),
    ("GET", "/healthz", None, {"Host": "evil.example"}, 403, "Host 'evil.example' is not this"),
    ("GET", "/healthz", None, {"Host": "127.0.0.1.evil.example:80"}, 403, "is not this station"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[4]}-{case[0]}-{case[5]}")
async def test_what_is_refused_and_why(
    case: tuple[str, str, bytes | None, dict[str, str], int, str],
) -> None:
    method, path, body, headers, status, sentence = case
    async with serving() as (server, _):
        got, found, answer = await ask(server, method, path, body, headers)

    assert got == status
    assert found["content-type"] == "application/json"
    assert sentence in json.loads(answer)["error"]


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "192.168.1.5:8600", "[::1]:8600"])
async def test_addresses_and_localhost_are_known_hosts(host: str) -> None:
    async with serving() as (server, _):
        status, _, body = await ask(server, "GET", "/healthz", None, {"Host": host})

    assert (status, body) == (200, b"alive\n")


async def test_a_page_of_the_station_itself_may_ask() -> None:
    async with serving() as (server, _):
        headers = {"Host": "10.0.0.1:8600", "Origin": "http://10.0.0.1:8600"}
        own, found, _ = await ask(
            server, "GET", "/healthz", None, {**headers, "Sec-Fetch-Site": "same-origin"}
        )
        typed, _, _ = await ask(server, "GET", "/healthz", None, {"Sec-Fetch-Site": "none"})

    assert (own, typed) == (200, 200)
    assert found["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in found if name.startswith("access-control-")]


async def test_wrong_method_and_missing_token_say_what_would_be_right() -> None:
    async with serving() as (server, _):
        _, wrong_method, _ = await ask(server, "PUT", "/v1/things/1")
        _, no_token, _ = await ask(server, "GET", "/v1/things/1", None, {})

    assert wrong_method["allow"] == "GET, HEAD"
    assert no_token["www-authenticate"] == "Bearer"


async def test_head_is_get_without_the_body() -> None:
    async with serving() as (server, _):
        status, headers, body = await ask(server, "HEAD", "/healthz", None, {})
        stream, _, nothing = await ask(server, "HEAD", "/v1/events")

    assert (status, headers["content-length"], body) == (200, "6", b"")
    assert (stream, nothing) == (200, b"")


async def test_a_crash_is_logged_and_tells_the_client_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (server, _):
        status, _, body = await ask(server, "GET", "/v1/crash")
        again, _, _ = await ask(server, "GET", "/healthz")

    assert (status, again) == (500, 200)
    assert b"secret" not in body
    assert b"defect" in body
    assert "the innermost secret" in caplog.text
    assert "GET /v1/crash" in caplog.text


async def test_one_connection_serves_many_requests_also_refused_and_pipelined_ones() -> None:
    request = b"%b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
    async with serving() as (server, _):
        answer = await talk(
            server,
            request % (b"GET /healthz", b"") + request % (b"GET /v1/things/1", b""),
            request % (b"GET /healthz", b"Connection: close\r\n"),
        )

    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answer.count(b"HTTP/1.1 401 Unauthorized\r\n") == 1


async def test_a_body_larger_than_the_bound_is_refused_while_it_is_still_coming() -> None:
    head = b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    async with serving(Limits(body_bytes=1000)) as (server, _):
        answer = await talk(server, head + b"x" * 2000)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"allowed: 1000 bytes" in answer
    assert b"connection: close" in answer.lower()


async def test_a_body_of_two_lengths_is_refused_and_nothing_behind_it_is_read() -> None:
    """A proxy in front may take what follows for the body, and pass it on unseen."""
    head = b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n"
    hidden = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with serving() as (server, _):
        answer = await talk(server, head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer.lower()
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_chunked_body_is_bounded_too() -> None:
    head = b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(Limits(body_bytes=1000)) as (server, _):
        answer = await talk(server, head, (b"200\r\n" + b"x" * 512 + b"\r\n") * 3)

    assert answer.startswith(b"HTTP/1.1 413 ")


NOT_HTTP = [
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 5000, b"HTTP/1.1 431 "),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 400 "),
    (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"HTTP/1.1 400 "),
]


@pytest.mark.parametrize(("sent", "expected"), NOT_HTTP)
async def test_what_is_not_http_is_answered_so_and_closed(sent: bytes, expected: bytes) -> None:
    async with serving(Limits(header_bytes=2000)) as (server, _):
        answer = await talk(server, sent)

    assert answer.startswith(expected)


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (b"Content-Length: 10\r\n\r\n{", b"HTTP/1.1 408 "),
        (b"Content-Length: 2000\r\n\r\n" + b"x" * 2000, b"HTTP/1.1 413 "),
        (b"Transfer-Encoding: chunked\r\n\r\nnone\r\n", b"HTTP/1.1 400 "),
    ],
)
async def test_a_head_request_that_is_refused_half_way_gets_no_body_and_harms_nobody(
    rest: bytes, expected: bytes
) -> None:
    async with serving(Limits(request=QUICK, body_bytes=1000)) as (server, _):
        answer = await talk(server, b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n" + rest)
        status, _, body = await ask(server, "GET", "/healthz")

    assert answer.startswith(expected)
    assert answer.endswith(b"\r\n\r\n")
    assert (status, body) == (200, b"alive\n")


async def test_after_a_head_request_a_refusal_has_a_body_again() -> None:
    head = b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with serving() as (server, _):
        answer = await talk(server, head + b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert answer.endswith(b"}")


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /healthz HTTP/1.1\r\n"],
        [b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n", b"{"],
        [bytes([byte]) for byte in b"GET /healthz HTTP/1.1\r\n"],
    ],
    ids=["header", "body", "dribble"],
)
async def test_a_request_that_does_not_get_done_in_time_is_ended(pieces: list[bytes]) -> None:
    async with serving(Limits(request=QUICK)) as (server, _):
        answer = await talk(server, *pieces, pause=0.01)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 0.15 s" in answer


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with serving(Limits(idle=QUICK)) as (server, _):
        fresh = await talk(server)
        used = await talk(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert fresh == b""
    assert used.endswith(b"alive\n")


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on() -> None:
    head = (
        b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
    )
    async with serving() as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head)
        go_on = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"{}")
        answer = await reader.read()
        writer.close()

    assert go_on.startswith(b"HTTP/1.1 100 ")
    assert answer.startswith(b"HTTP/1.1 202 ")


async def test_connections_over_the_limit_are_turned_away_and_there_is_room_again_later() -> None:
    async with serving(Limits(connections=2)) as (server, _):
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        full = await talk(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(5):
            statuses = [(await ask(server, "GET", "/healthz"))[0]]
            while statuses[-1] != 200:
                statuses.append((await ask(server, "GET", "/healthz"))[0])

    assert full.startswith(b"HTTP/1.1 503 ")
    assert b"2 connections are open already" in full


async def test_a_client_that_comes_with_the_end_is_let_go_of() -> None:
    """Its work was never begun, of which asyncio would tell."""
    async with serving() as (server, _):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            while not server._open:  # noqa: ASYNC110 - each turn of the loop counts
                await asyncio.sleep(0)
            await server.__aexit__()
            client.setblocking(False)
            with suppress(ConnectionResetError):
                async with asyncio.timeout(5):
                    assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
    gc.collect()


async def test_events_arrive_as_they_happen_and_the_stream_ends_with_its_source() -> None:
    async with serving() as (server, bench):
        reader, writer = await listen(server)
        first = await reader.readuntil(b"\n\n")
        bench.more.set()
        second = await reader.readuntil(b"\n\n")
        end = await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        writer.close()

    assert first.endswith(b'event: status\ndata: {"n":1}\n\n')
    assert second.endswith(b'id: 7\nevent: status\ndata: {"text":"a\\nb"}\n\n')
    assert end
    assert bench.closed_streams == 1


async def test_a_quiet_stream_shows_that_it_is_alive() -> None:
    async with serving(Limits(beat=QUICK)) as (server, _):
        reader, writer = await listen(server)
        await reader.readuntil(b"\n\n")
        async with asyncio.timeout(5):
            beat = await reader.readuntil(b"\n\n")
        writer.close()

    assert beat.endswith(b":\n\n")


async def test_a_listener_that_leaves_ends_its_source() -> None:
    async with serving() as (server, bench):
        _, writer = await listen(server)
        writer.close()
        async with asyncio.timeout(5):
            await bench.closed.wait()

    assert bench.closed_streams == 1


async def test_a_listener_that_does_not_read_is_cut_off() -> None:
    async with serving(Limits(write=QUICK)) as (server, bench):
        with socket.create_connection(("127.0.0.1", server.port)) as deaf:
            deaf.sendall(EVENTS.replace(b"/v1/events", b"/v1/flood"))
            async with asyncio.timeout(10):
                await bench.closed.wait()

    assert bench.closed_streams == 1


async def test_a_stream_whose_source_crashes_is_cut_off_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (server, _):
        reader, writer = await listen(server, b"/v1/broken")
        rest = await reader.read()
        again, _, _ = await ask(server, "GET", "/healthz")
        writer.close()

    assert not rest.endswith(b"0\r\n\r\n")
    assert again == 200
    assert "half way" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR


async def test_leaving_closes_every_connection_and_stops_listening() -> None:
    async with serving() as (server, bench):
        idle_reader, idle = await asyncio.open_connection("127.0.0.1", server.port)
        reader, writer = await listen(server)
        await reader.readuntil(b"\n\n")
    async with asyncio.timeout(5):
        idle_rest = await idle_reader.read()
        await reader.read()

    assert idle_rest == b""
    assert bench.closed_streams == 1
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    for each in (idle, writer):
        each.close()


async def test_what_happens_in_the_block_leaves_it_unwrapped() -> None:
    with pytest.raises(KeyError, match="inside"):
        async with serving():
            raise KeyError("inside")


async def test_an_address_that_is_taken_is_an_error_on_entering() -> None:
    async with serving() as (server, _):
        other = HttpServer([], host="127.0.0.1", port=server.port, token=TOKEN)
        with pytest.raises(OSError, match="address already in use"):
            await other.__aenter__()


async def test_the_url_names_the_port_that_was_chosen() -> None:
    async with serving() as (server, _):
        assert server.port > 0
        assert server.url == f"http://127.0.0.1:{server.port}"


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="a token is needed"):
        HttpServer([], host="127.0.0.1", port=0, token="")


async def test_tokens_never_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as (server, _):
        await ask(server, "GET", "/v1/crash")
        await ask(server, "GET", "/v1/things/1", None, {"Authorization": "Bearer almost-right"})

    assert TOKEN not in caplog.text
    assert "almost-right" not in caplog.text


async def test_a_defect_in_serving_one_client_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defective(*_: object, **__: object) -> None:
        raise ValueError("a defect")

    async with serving() as (server, _):
        with monkeypatch.context() as patch:
            patch.setattr("chargepoint.local.http.h11.Response", defective)
            with suppress(OSError):
                assert (
                    await talk(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
                )

        assert (await ask(server, "GET", "/healthz"))[0] == 200
    assert "a connection to the local interface failed" in caplog.text
