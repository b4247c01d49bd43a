"""How much clients may ask of the local HTTP server, each over real sockets."""

import asyncio
import socket
import time
from datetime import timedelta

import pytest
from local_bench import AUTH, QUICK, TOKEN, ask, listen, serving, talk

from chargepoint.local import gate, http
from chargepoint.local.gate import Guesses
from chargepoint.local.http import Limits

WRONG = {"Authorization": "Bearer wrong"}
WITH_TOKEN = (
    f"GET /v1/things/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
).encode()
LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_who_guesses_has_to_wait_and_is_not_listened_to_meanwhile() -> None:
    limits = Limits(guesses=3, forgotten=timedelta(seconds=60))
    async with serving(limits) as (server, _):
        guesses = [(await ask(server, "GET", "/v1/things/1", None, WRONG))[0] for _ in range(4)]
        right, headers, body = await ask(server, "GET", "/v1/things/1")
        public, _, _ = await ask(server, "GET", "/healthz", None, {})
        without, _, _ = await ask(server, "GET", "/v1/things/1", None, {})

    assert guesses == [401, 401, 401, 429]
    assert right == 429
    assert b"too many wrong tokens" in body
    assert 0 < int(headers["retry-after"]) <= 60
    assert (public, without) == (200, 401)


async def test_a_guess_is_forgotten_after_a_while() -> None:
    async with serving(Limits(guesses=1, forgotten=QUICK)) as (server, _):
        wrong, _, _ = await ask(server, "GET", "/v1/things/1", None, WRONG)
        async with asyncio.timeout(5):
            while (await ask(server, "GET", "/v1/things/1"))[0] != 200:
                pass

    assert wrong == 401


async def test_who_has_the_token_may_show_it_as_often_as_it_likes() -> None:
    async with serving(Limits(guesses=1, forgotten=timedelta(seconds=60))) as (server, _):
        answers = {(await ask(server, "GET", "/v1/things/1"))[0] for _ in range(10)}

    assert answers == {200}


async def test_guesses_of_one_address_do_not_count_for_another() -> None:
    limits = Limits(guesses=1, forgotten=timedelta(seconds=60))
    async with serving(limits, host="0.0.0.0") as (server, _):
        await ask(server, "GET", "/v1/things/1", None, WRONG)
        with socket.create_connection(
            ("127.0.0.1", server.port), source_address=("127.0.0.2", 0)
        ) as other:
            other.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(other, WITH_TOKEN)
            answer = await loop.sock_recv(other, 1000)

    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_household_is_one_address_and_addresses_do_not_pile_up() -> None:
    guesses = Guesses(1, 60)

    guesses.failed("2001:db8::1")
    assert guesses.wait_s("2001:db8::ffff") > 0
    assert guesses.wait_s("2001:db8:0:1::1") == 0
    for number in range(2000):
        guesses.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(guesses._all_forgotten) == gate._ADDRESSES_MOST
    assert guesses.wait_s("10.0.7.207") > 0


async def test_requests_beyond_the_rate_wait_and_none_is_lost() -> None:
    async with serving(Limits(requests_per_s=50, requests_at_once=5)) as (server, _):
        begun = time.monotonic()
        answers = await asyncio.gather(
            talk(server, REQUEST * 9 + LAST),
            talk(server, REQUEST * 9 + LAST),
        )
        took = time.monotonic() - begun

    assert [answer.count(b"HTTP/1.1 200 OK") for answer in answers] == [10, 10]
    assert took >= 14 / 50


async def test_one_address_cannot_take_every_connection() -> None:
    async with serving(Limits(connections=4, each=2), host="0.0.0.0") as (server, _):
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        own = await talk(server, REQUEST)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, local_addr=("127.0.0.2", 0)
        )
        writer.write(REQUEST)
        other = await reader.readuntil(b"\r\n\r\n")
        for _, each in (*held, (reader, writer)):
            each.close()

    assert own.startswith(b"HTTP/1.1 503 ")
    assert b"2 connections are open already" in own
    assert other.startswith(b"HTTP/1.1 200 ")


async def test_one_household_cannot_take_every_connection_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of 127.0.0.1 and .2, so of the many addresses that one has in IPv6."""
    monkeypatch.setattr(http, "household", lambda _: "2001:db8")
    async with serving(Limits(connections=4, each=1), host="0.0.0.0") as (server, _):
        _, held = await asyncio.open_connection("127.0.0.1", server.port)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, local_addr=("127.0.0.2", 0)
        )
        writer.write(REQUEST)
        other = await reader.readuntil(b"\r\n\r\n")
        for each in (held, writer):
            each.close()

    assert other.startswith(b"HTTP/1.1 503 ")


async def test_who_holds_connections_and_asks_nothing_makes_room() -> None:
    limits = Limits(connections=2, patience=timedelta(0))
    async with serving(limits) as (server, _):
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        for reader, writer in held:
            writer.write(REQUEST)
            await reader.readuntil(b"alive\n")
        statuses = [(await ask(server, "GET", "/healthz"))[0] for _ in range(3)]
        async with asyncio.timeout(5):
            rest = await held[0][0].read()
        for _, writer in held:
            writer.close()

    assert statuses == [200, 200, 200]
    assert rest == b""


@pytest.mark.parametrize("begun", [b"G", REQUEST[:-2], b"POST / HTTP/1.1\r\nContent-Length: 9\r\n"])
async def test_who_dribbles_a_request_makes_room_like_who_sends_none(begun: bytes) -> None:
    limits = Limits(connections=2, patience=timedelta(0))
    async with serving(limits) as (server, _):
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        for _, writer in held:
            writer.write(begun)
        await asyncio.sleep(0.1)
        status, _, _ = await ask(server, "GET", "/v1/things/1")
        for _, writer in held:
            writer.close()

    assert status == 200


async def test_who_leaves_its_answers_unread_makes_room() -> None:
    limits = Limits(connections=1, patience=QUICK, requests_per_s=10**6)
    async with serving(limits) as (server, _):
        assert server._server is not None
        server._server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            deaf.connect(("127.0.0.1", server.port))
            deaf.settimeout(0)
            deaf.send(REQUEST * 200)
            await asyncio.sleep(1)
            status, _, _ = await ask(server, "GET", "/v1/things/1")

    assert status == 200


async def test_who_showed_the_token_keeps_its_connection() -> None:
    limits = Limits(connections=1, patience=timedelta(0))
    async with serving(limits) as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(WITH_TOKEN)
        await reader.readuntil(b"}}")
        other, _, _ = await ask(server, "GET", "/healthz")
        writer.write(WITH_TOKEN)
        again = await reader.readuntil(b"\r\n\r\n")
        writer.close()

    assert other == 503
    assert again.startswith(b"HTTP/1.1 200 ")


async def test_event_streams_are_bounded_and_there_is_room_again_later() -> None:
    async with serving(Limits(streams=2)) as (server, bench):
        streams = [await listen(server) for _ in range(2)]
        third, _, body = await ask(server, "GET", "/v1/events")
        other, _, _ = await ask(server, "GET", "/v1/things/1")
        streams[0][1].close()
        async with asyncio.timeout(5):
            await bench.closed.wait()
        again = await listen(server)
        for _, writer in (*streams, again):
            writer.close()

    assert (third, other) == (503, 200)
    assert b"2 event streams are open already" in body


async def test_many_at_once_are_each_answered_or_turned_away() -> None:
    async with serving(Limits(connections=8)) as (server, _):
        answers = await asyncio.gather(
            *[talk(server, LAST) for _ in range(40)], return_exceptions=True
        )
        after, _, _ = await ask(server, "GET", "/v1/things/1", None, AUTH)

    kinds = {answer[9:12] if isinstance(answer, bytes) else b"cut" for answer in answers}
    assert kinds <= {b"200", b"503", b"cut", b""}
    assert b"200" in kinds
    assert after == 200
