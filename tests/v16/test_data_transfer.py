from typing import Any

import pytest

from chargepoint.errors import Refused
from chargepoint.station.vendors import UnknownMessage


@pytest.mark.spec("1.6", "TC_062")
@pytest.mark.spec("1.6", "5.6")
@pytest.mark.parametrize("more", [{}, {"messageId": "m", "data": "d"}])
async def test_a_vendor_nobody_knows_is_refused(bench: Any, more: dict[str, str]) -> None:
    answer = await bench.ask("DataTransfer", vendorId="com.example", **more)

    assert answer == {"status": "UnknownVendorId"}


class Vendor:
    """Knows one message, refuses another."""

    async def received(self, message_id: str | None, data: Any) -> Any:
        match message_id:
            case "Echo":
                return data
            case "Count":
                return {"characters": len(data)}
            case "No":
                raise Refused("not now")
        raise UnknownMessage("what is that?")


@pytest.mark.spec("1.6", "5.6")
@pytest.mark.spec("1.6", "TC_062")
@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"messageId": "Echo", "data": "d"}, {"status": "Accepted", "data": "d"}),
        ({"messageId": "Count", "data": "d"}, {"status": "Accepted", "data": '{"characters": 1}'}),
        ({"messageId": "Echo"}, {"status": "Accepted"}),
        ({"messageId": "No"}, {"status": "Rejected"}),
        ({"messageId": "Other"}, {"status": "UnknownMessageId"}),
        ({}, {"status": "UnknownMessageId"}),
    ],
)
async def test_a_vendor_answers_for_its_own_messages(
    bench: Any, message: dict[str, str], answer: dict[str, str]
) -> None:
    bench.station.vendors.register("com.example", Vendor())

    assert await bench.ask("DataTransfer", vendorId="com.example", **message) == answer


@pytest.mark.spec("1.6", "4.3")
@pytest.mark.parametrize(
    ("data", "told"), [("plain", {"data": "plain"}), ([1], {"data": "[1]"}), (None, {})]
)
async def test_an_extension_tells_the_csms_something(
    bench: Any, data: Any, told: dict[str, str]
) -> None:
    bench.station.vendors.offer("com.example", "Hello", data)

    (sent,) = await bench.tell()

    assert sent.payload == {"vendorId": "com.example", "messageId": "Hello", **told}
