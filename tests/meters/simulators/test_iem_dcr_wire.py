"""The simulated IEM-DCR on HTTP, asked the way its known masters ask."""

import asyncio

import pytest
from iem_dcr_rig import BASE, EVSE, rig, virtual

GATEWAY = b'{"CT":"EVSEID","CI":"DE*ABC*E123*1","TM":"2025-06-06T09:00:00,000+0200"}'


@virtual
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("expect", [False, True])
async def test_a_body_may_come_in_one_piece_or_in_chunks(*, chunked: bool, expect: bool) -> None:
    """EVerest (libcurl) sends chunks, and waits a second for "100 Continue" at most."""
    head = [f"POST {BASE}/gw HTTP/1.1", "Host: meter", "Content-Type: application/json"]
    head.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(GATEWAY)}")
    head += ["Expect: 100-continue"] * expect
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(GATEWAY), GATEWAY) if chunked else GATEWAY
    async with rig() as found:
        reader, writer = await asyncio.open_connection("127.0.0.1", found.server.port)
        writer.write("\r\n".join([*head, "", ""]).encode())
        await asyncio.sleep(1 if expect else 0)
        writer.write(body)
        answer = await reader.readuntil(b"\r\n")
        if answer.startswith(b"HTTP/1.1 100"):
            await reader.readuntil(b"\r\n")
            answer = await reader.readuntil(b"\r\n")
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 200")
    assert found.device.gateway is not None
    assert found.device.gateway.CI == EVSE
