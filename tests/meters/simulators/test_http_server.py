"""The server of simulated meters that speak HTTP: every fault, unplugging, starting up."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from http_rig import Mirror, rig

from meters.errors import MeterUnreachable
from meters.simulators.control import ControlClient, ControlServer
from meters.simulators.faults import ON_HTTP, Fault, FaultKind, Faults, GivenHttp, parse
from meters.simulators.http import HttpRequest, HttpResponse, HttpServer, distorted

GOOD = HttpResponse(body=b'{"a":1.10,"b":[1,2],"c":"x"}')


async def raw(port: int, request: bytes = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n") -> bytes:
    """Everything that comes back until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(2):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("fault", "handled", "begins", "ends"),
    [
        ("reset", 0, b"", b""),
        ("lost-reply", 1, b"", b""),
        ("truncated", 1, b"HTTP/1.1 200 OK", b'"who":nu'),
        ("truncated:value=1", 1, b"HTTP/1.1 200 OK", b'"who":null'),
    ],
)
async def test_faults_that_cut_the_connection(
    fault: str, handled: int, begins: bytes, ends: bytes
) -> None:
    async with rig() as found:
        found.fault(fault)

        answer = await raw(found.server.port)

    assert answer.startswith(begins)
    assert answer.endswith(ends)
    assert found.device.handled == handled


async def test_a_silent_device_has_not_carried_out_what_it_was_asked() -> None:
    async with rig(timeout_ms=50) as found:
        found.fault("silence")
        with pytest.raises(MeterUnreachable):
            await found.client.put("/x")

        assert (len(found.server.requests), found.device.handled) == (1, 0)


@pytest.mark.parametrize(
    ("fault", "status", "kind", "body"),
    [
        ("malformed", 200, "application/json", GOOD.body[:14]),
        ("content-type", 200, "text/html", GOOD.body),
        ("missing-key", 200, "application/json", b'{"b":[1,2],"c":"x"}'),
        ("missing-key:value=1", 200, "application/json", b'{"a":1.10,"c":"x"}'),
        ("missing-key:value=9", 200, "application/json", b'{"a":1.10,"b":[1,2]}'),
    ],
)
def test_faults_that_change_the_answer(fault: str, status: int, kind: str, body: bytes) -> None:
    one = parse(fault)

    changed = distorted(GOOD, {one.kind: one})

    assert (changed.status, changed.content_type, changed.body) == (status, kind, body)


def test_a_page_takes_the_place_of_the_answer() -> None:
    one = parse("content-type:value=1")

    assert b"<html>" in distorted(GOOD, {one.kind: one}).body


@pytest.mark.parametrize("body", [b"no json", b"[]", b"[1]", b'"x"', b"{}"])
def test_where_there_is_no_key_none_can_be_missing(body: bytes) -> None:
    one = parse("missing-key")

    assert distorted(HttpResponse(body=body), {one.kind: one}).body == body


@pytest.mark.parametrize(("spec", "status"), [("status", 500), ("status:value=429", 429)])
async def test_a_status_is_answered_instead(spec: str, status: int) -> None:
    async with rig() as found:
        found.fault(spec)

        answer = await found.client.get("/x", accept=(429, 500))

    assert (answer.status, found.device.handled) == (status, 0)


async def test_a_delay_comes_on_top_of_the_device_s_own() -> None:
    one = parse("delay:value=40")

    late = distorted(HttpResponse(delay_s=0.02), {one.kind: one})

    assert late.delay_s == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("spec", "method", "path", "strikes"),
    [
        ("reset:method=put", "PUT", "/v1/legal", True),
        ("reset:method=put", "GET", "/v1/legal", False),
        ("reset:path=/v1/legal", "GET", "/v1/legal", True),
        ("reset:path=/v1/legal", "GET", "/v1/status", False),
        ("reset:path=/v1/*", "GET", "/v1/status", True),
        ("reset:register=1", "GET", "/", False),
        ("reset:command=B", "GET", "/", False),
    ],
)
def test_a_fault_can_be_limited_to_some_requests(
    spec: str, method: str, path: str, *, strikes: bool
) -> None:
    faults = Faults()
    faults.add(parse(spec))

    assert bool(faults.on_the_wire(GivenHttp(method, path))) is strikes


@pytest.mark.parametrize("kind", sorted(set(FaultKind) - ON_HTTP))
def test_what_does_not_happen_over_http_is_refused(kind: FaultKind) -> None:
    with pytest.raises(ValueError, match="does not happen over HTTP"):
        HttpServer(Mirror()).add_fault(Fault(kind=kind))


async def test_a_device_that_starts_up_is_not_there() -> None:
    async with rig() as found:
        await found.client.get("/")  # its connection does not outlive the reboot either
        found.device.booting = True
        with pytest.raises(MeterUnreachable):
            await found.client.get("/")
        found.device.booting = False

        assert (await found.client.get("/")).status == 200


async def test_a_device_can_be_unplugged_and_plugged_in_over_the_control_socket() -> None:
    async with rig() as found, ControlServer("127.0.0.1:0", found.server, {}) as control:
        steering = ControlClient(control.where)
        await steering.order({"unplug": True})
        with pytest.raises(MeterUnreachable):
            await found.client.get("/")
        await steering.order({"plug_in": True})
        assert (await found.client.get("/")).status == 200
        await steering.add_fault(kind="status", value=418)
        status: dict[str, Any] = await steering.status()

    assert status["faults"] == ["status:value=418"]
    assert status["counters"]["replies"] == 1


async def test_the_device_is_told_that_time_goes_by() -> None:
    async with rig() as found:
        assert found.device.ticks == 1


def test_a_request_gives_its_numbers_exactly() -> None:
    assert HttpRequest("PUT", "/", body=b'{"a": 0.1}').json() == {"a": Decimal("0.1")}
    with pytest.raises(json.JSONDecodeError):
        HttpRequest("PUT", "/").json()
