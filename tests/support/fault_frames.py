"""Bytes that are no OCPP: broken text, giants, deep nesting, numbers that are none, floods."""

import asyncio
import json
import struct
import uuid
from typing import Any, Final

from fault_config import STATION
from fault_rig import Site
from fault_rows import Row

GIANT: Final = 100_000_000
FRAGMENT: Final = 65_536
EMPTY_FRAGMENTS: Final = 200_000
FLOOD: Final = 40
_TEXT, _MORE, _FIN = 0x01, 0x00, 0x80
_BROKEN: Final = (
    b"\xff",
    b"\xc0\xaf",  # overlong
    b"\xe2\x28\xa1",
    b"\xed\xa0\x80",  # a surrogate
    b"\xf4\x90\x80\x80",  # beyond Unicode
    b"\xf0\x9f\x98",  # cut off
)


def frame(payload: bytes, opcode: int = _TEXT, *, fin: bool = True, size: int = -1) -> bytes:
    """A WebSocket frame of a server; ``size`` is what it says it has (RFC 6455 section 5.2)."""
    many = len(payload) if size < 0 else size
    head = bytes([opcode | (_FIN if fin else 0)])
    if many < 126:
        return head + bytes([many]) + payload
    if many < 65_536:
        return head + bytes([126]) + struct.pack(">H", many) + payload
    return head + bytes([127]) + struct.pack(">Q", many) + payload


async def throw(it: Site, *parts: bytes) -> None:
    """Throw these bytes between two frames, wherever a connection is."""
    while True:
        await it.until(lambda: it.online, "connection", 120)
        if it.csms.throw(STATION, parts[0]):
            break
        await asyncio.sleep(0.1)
    for part in parts[1:]:
        if not it.csms.throw(STATION, part):
            break
        await asyncio.sleep(0)
    await asyncio.sleep(it.numbers.uniform(0, 2))


def named(it: Site) -> str:
    """A new message id; an answer with it may come."""
    message_id = str(uuid.UUID(int=it.numbers.getrandbits(128)))
    it.csms.expect(STATION, message_id)
    return message_id


async def bad_utf8(it: Site) -> None:
    """A text frame that is no UTF-8: within a call, or all of it, in one frame or two."""
    broken = it.numbers.choice(_BROKEN)
    whole = b'[2,"%d","DataTransfer",{"vendorId":"%b"}]' % (it.numbers.getrandbits(30), broken)
    text = it.numbers.choice((whole, broken))
    if it.numbers.random() < 0.5:
        await throw(it, frame(text))
        return
    half = it.numbers.randrange(len(text))
    await throw(it, frame(text[:half], fin=False) + frame(text[half:], _MORE))


async def giant(it: Site) -> None:
    """100 MB in one frame, in many, or a frame of fragments that never ends."""
    kind = it.numbers.randrange(3)
    chunk = b"x" * FRAGMENT
    if kind == 0:
        parts = [frame(chunk, size=GIANT), *[chunk] * (GIANT // FRAGMENT)]
    elif kind == 1:
        more = [frame(chunk, _MORE, fin=False)] * (GIANT // FRAGMENT)
        parts = [frame(chunk, fin=False), *more]
    else:
        many = EMPTY_FRAGMENTS // 50
        parts = [frame(b"[", fin=False), *[frame(b"", _MORE, fin=False) * many] * 50]
    await throw(it, *parts)


async def deep(it: Site) -> None:
    """Arrays or objects in one another, as many as a message may hold, in a call or an answer."""
    await it.until(lambda: it.online, "connection", 120)
    depth = it.numbers.choice((100, 1000, 10_000, 100_000, 170_000))
    opened, closed = it.numbers.choice((("[", "]"), ('{"a":', "}")))
    nested = opened * depth + ("1" if opened != "[" else "") + closed * depth
    shape = it.numbers.choice(
        (
            '[2,"{id}","DataTransfer",{{"vendorId":"a","data":{nested}}}]',
            '[3,"{id}",{nested}]',
            "{nested}",
        )
    )
    await throw(it, frame(shape.format(id=named(it), nested=nested).encode()))


async def numbers(it: Site) -> None:
    """Numbers and texts at the edge of JSON and beyond, and keys that come twice."""
    await it.until(lambda: it.online, "connection", 120)
    odd = it.numbers.choice(
        (
            "NaN",
            "-Infinity",
            "1e999999",
            "-1e-999999",
            "9" * 5000,
            "-" + "9" * 400,
            "0." + "0" * 5000 + "1",
            "1E400",
            "-0",
            "18446744073709551616",
            '"\\ud800"',
            '"\\u0000"',
            "true",
            "01",
        )
    )
    shape = it.numbers.choice(
        (
            '[2,"{id}","DataTransfer",{{"vendorId":"a","vendorId":{odd},"data":{odd}}}]',
            '[2,"{id}","RemoteStopTransaction",{{"transactionId":{odd}}}]',
            '[2,"{id}","GetReport",{{"requestId":{odd},"requestId":1,"reportBase":"FullInventory"}}]',
            '[2,"{id}","SetChargingProfile",{{"evseId":{odd},"chargingProfile":{odd}}}]',
            '[3,"{id}",{{"currentTime":{odd},"interval":{odd}}}]',
            "[{odd},{odd}]",
            "[2,{odd},{odd},{odd}]",
        )
    )
    if odd.startswith('"'):
        it.csms.expect(STATION, json.loads(odd))  # as a message id it is one
    await throw(it, frame(shape.format(id=named(it), odd=odd).encode()))


async def flood(it: Site) -> None:
    """Forty legal calls at once, none of which waits for the answer to the one before."""
    await it.until(lambda: it.online, "connection", 120)
    calls = []
    for number in range(FLOOD):
        action, payload = _call(it, number)
        calls.append(frame(json.dumps([2, named(it), action, payload]).encode()))
    await throw(it, b"".join(calls))


def _call(it: Site, number: int) -> tuple[str, Any]:
    if it.version == "1.6":
        return it.numbers.choice(
            (
                ("GetConfiguration", {}),
                ("ClearCache", {}),
                ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
                ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "2"}),
            )
        )
    variable = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    return it.numbers.choice(
        (
            ("GetVariables", {"getVariableData": [variable] * 4}),
            ("ClearCache", {}),
            ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
            ("GetBaseReport", {"requestId": number, "reportBase": "SummaryInventory"}),
        )
    )


ROWS: Final = (
    Row("invalid-utf8", "a text frame that is no UTF-8", bad_utf8),
    Row("giant-frames", "100 MB in one frame, in many fragments, or in endless empty ones", giant),
    Row("deep-json", "up to 170,000 levels of JSON in a call, an answer, or alone", deep),
    Row("odd-numbers", "NaN, huge numbers, lone surrogates, keys that come twice", numbers),
    Row("flood", f"{FLOOD} calls of the CSMS at once", flood),
)
