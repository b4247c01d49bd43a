"""The HTTP client of meters: what it gives, and which error every trouble becomes."""

import asyncio
import socket
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from http_rig import rig

from meters.errors import MeterDataError, MeterUnreachable
from meters.http import (
    MOST_BODY,
    HttpConfig,
    HttpDevice,
    HttpRefusal,
    HttpTrouble,
    Login,
)
from meters.simulators.certificate import Certificate, self_signed
from meters.simulators.http import HttpResponse


class Values(msgspec.Struct):
    """What one answer of the mirror holds, in part."""

    energy: Decimal
    method: str


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return self_signed("127.0.0.1")


async def test_a_request_arrives_as_it_was_meant_and_its_numbers_come_back_exact() -> None:
    async with rig(auth=Login(user="station", password="secret")) as found:
        got = await found.client.get("/v1/a b", query={"transactionId": "1&2"})
        put = await found.client.put("/v1/legal", json={"running": False, "wh": Decimal("1.50")})
        raw = await found.client.post("/x", body=b"<a/>", content_type="text/xml")

    assert got.status == 200
    assert got.headers["content-type"] == "application/json"
    assert got.json()["path"] == "/v1/a b"
    assert got.json()["query"] == {"transactionId": "1&2"}
    assert str(got.json()["energy"]) == "1234567.1230"
    assert got.json()["who"] == "Basic c3RhdGlvbjpzZWNyZXQ="
    assert put.json()["body"] == '{"running":false,"wh":1.50}'
    assert (raw.json()["kind"], raw.json()["body"]) == ("text/xml", "<a/>")


async def test_an_answer_becomes_a_struct_and_keys_that_are_too_many_do_no_harm() -> None:
    async with rig() as found:
        values = (await found.client.get("/")).decode(Values)

    assert values == Values(energy=Decimal("1234567.1230"), method="GET")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"energy": 1}', "missing required field `method`"),
        (b'{"energy": [], "method": "x"}', r"\$.energy"),
        (b"{", "expected JSON"),
        (b"\xff", "expected JSON"),
        (b"", "an empty body"),
        (b'{"more":' + b"[" * 100_000, "expected JSON"),
        (b"<html>" + b"x" * 500, r'"<html>x+\.\.\."'),
    ],
)
async def test_a_body_that_is_not_what_it_should_be_is_told_with_device_and_path(
    body: bytes, words: str
) -> None:
    async with rig() as found:
        found.device.next = HttpResponse(body=body)
        answer = await found.client.get("/v1/values")

        with pytest.raises(MeterDataError, match=rf"(?i)127.0.0.1:\d+ GET /v1/values: .*{words}"):
            answer.decode(Values)


async def test_text_that_is_none_is_told() -> None:
    async with rig() as found:
        found.device.next = HttpResponse(body=b"\xff", content_type="text/plain")

        with pytest.raises(MeterDataError, match="expected text"):
            (await found.client.get("/")).text()


@pytest.mark.parametrize("status", [301, 400, 404, 428])
async def test_a_refusal_carries_status_and_body(status: int) -> None:
    async with rig() as found:
        found.device.next = HttpResponse(status, b'{"why": 1}', headers={"Location": "/"})

        with pytest.raises(HttpRefusal, match=f"found status {status}") as told:
            await found.client.put("/x")
        accepted = await found.client.get("/x", accept=(status,))

    assert (told.value.status, told.value.body) == (status, b'{"why": 1}')
    assert accepted.status == status


async def test_trouble_of_the_device_is_tried_again_with_get_and_never_with_put() -> None:
    async with rig(attempts=3) as found:
        found.fault("status:value=503,count=2")
        assert (await found.client.get("/x")).status == 200
        found.fault("status:value=503,count=1")
        with pytest.raises(HttpTrouble) as told:
            await found.client.put("/x")

    assert told.value.status == 503
    assert len(found.server.requests) == 4


@pytest.mark.parametrize("fault", ["reset", "lost-reply", "truncated", "silence"])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_a_command_goes_out_once_whatever_happens(fault: str, method: str) -> None:
    async with rig(timeout_ms=100, attempts=5) as found:
        await found.client.get("/")  # there is a connection that could be taken again
        found.fault(fault)
        with pytest.raises(MeterUnreachable):
            await found.client.request(method, "/x")

    assert [request.method for request in found.server.requests] == ["GET", method]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("silence", "no answer within 100 ms"),
        ("delay:value=2000", "no answer within 100 ms"),
        ("reset", "before an answer came"),
        ("lost-reply", "before an answer came"),
        ("truncated", "the answer broke off"),
    ],
)
async def test_no_whole_answer_is_unreachable_and_the_next_request_works(
    fault: str, words: str
) -> None:
    async with rig(timeout_ms=100) as found:
        found.fault(fault)
        with pytest.raises(MeterUnreachable, match=rf"127.0.0.1:\d+ GET /x: .*{words}"):
            await found.client.get("/x")
        found.server.faults.clear()

        assert (await found.client.get("/x", timeout_ms=5000)).status == 200


async def test_a_connection_is_kept_and_one_that_the_device_closed_is_no_failure() -> None:
    async with rig() as found:
        await found.client.get("/")
        found.fault("reset:count=1")  # what a device does that closes what is idle

        assert (await found.client.get("/")).status == 200
        assert len(found.server.requests) == 3


async def test_nobody_there_is_told(unused_tcp_port: int) -> None:
    async with HttpDevice(HttpConfig(host="127.0.0.1", port=unused_tcp_port)) as client:
        with pytest.raises(MeterUnreachable, match="GET /x: no connection, Connection refused"):
            await client.get("/x")


@pytest.mark.parametrize("sent", [b"220 smtp ready\r\n\r\n", b"x" * 60_000])
async def test_what_is_no_http_is_nonsense(sent: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with HttpDevice(HttpConfig(host="127.0.0.1", port=port)) as client:
            with pytest.raises(MeterDataError, match=r"^[^\n]{,200}expected an HTTP answer$"):
                await client.get("/")


async def test_an_answer_without_end_is_cut_off() -> None:
    async with rig(timeout_ms=20_000) as found:
        found.device.next = HttpResponse(body=b"x" * (MOST_BODY + 1))

        with pytest.raises(MeterDataError, match=f"more than {MOST_BODY} bytes"):
            await found.client.get("/")


async def test_requests_of_several_tasks_go_one_after_the_other() -> None:
    async with rig() as found:
        found.fault("delay:value=20,count=1")
        async with asyncio.TaskGroup() as group:
            first = group.create_task(found.client.get("/1"))
            await asyncio.sleep(0)
            second = group.create_task(found.client.put("/2"))

    assert first.result().json()["path"] == "/1"
    assert second.result().json()["path"] == "/2"
    assert [request.path for request in found.server.requests] == ["/1", "/2"]


async def test_a_cancelled_request_leaves_nothing_behind() -> None:
    async with rig(timeout_ms=20_000) as found:
        found.fault("silence:count=1")
        asking = asyncio.create_task(found.client.get("/x"))
        while not found.server.requests:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.001)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

        assert (await found.client.get("/x")).status == 200


async def test_a_closed_device_says_so() -> None:
    async with rig() as found:
        pass

    with pytest.raises(MeterUnreachable, match="the device is closed"):
        await found.client.get("/x")


# TLS.


@pytest.mark.parametrize("key", ["ec", "rsa-1024"])
async def test_a_pinned_certificate_is_trusted_whatever_its_key_and_name(key: str) -> None:
    shown = self_signed("somewhere.else", key="rsa-1024" if key == "rsa-1024" else "ec")
    async with rig(shown=shown, certificate=shown.der) as found:
        assert (await found.client.get("/x")).status == 200
        assert found.device.certificate_pem == shown.pem


async def test_another_certificate_than_the_pinned_one_is_refused_before_anything_is_sent(
    certificate: Certificate,
) -> None:
    async with rig(shown=self_signed("127.0.0.1"), certificate=certificate.der) as found:
        with pytest.raises(MeterUnreachable, match="another certificate"):
            await found.client.put("/x")

        assert not found.server.requests


async def test_a_ca_file_makes_the_chain_be_checked(
    certificate: Certificate, tmp_path: Path
) -> None:
    roots = tmp_path / "ca.pem"
    roots.write_text(certificate.pem)
    async with rig(shown=certificate, ca_file=roots) as found:
        assert (await found.client.get("/x")).status == 200
    async with rig(shown=self_signed("127.0.0.1"), ca_file=roots) as found:
        with pytest.raises(MeterUnreachable, match="TLS: the certificate is not trusted"):
            await found.client.get("/x")


async def test_tls_on_one_side_only_is_told(certificate: Certificate) -> None:
    async with rig(certificate=certificate.der, tls=True) as found:
        with pytest.raises(MeterUnreachable, match="TLS: no secure connection"):
            await found.client.get("/x")
    async with rig(shown=certificate, tls=False) as found:
        with pytest.raises(MeterUnreachable):
            await found.client.get("/x")


def test_a_password_is_not_shown() -> None:
    login = Login(user="station", password="secret")

    assert "secret" not in f"{login!r} {HttpConfig(host='x', port=1, auth=login)!r}"


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "a b"])
async def test_a_host_that_cannot_be_asked_for_is_not_reached(host: str) -> None:
    async with HttpDevice(HttpConfig(host=host, port=80)) as client:
        with pytest.raises(MeterUnreachable, match="no connection"):
            await client.get("/x")
