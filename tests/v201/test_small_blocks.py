"""Blocks A and P: security events, vendor extensions."""

from typing import Any

import pytest
from fake_clock import START
from sample_facts import security

from chargepoint.core.facts import SecurityEvent
from chargepoint.errors import Refused
from chargepoint.station.vendors import UnknownMessage


@pytest.mark.spec("2.0.1", "A04.FR.02")
async def test_a_security_event_is_told(talk: Any) -> None:
    talk.bench.store.record(security("PowerUp"))

    (sent,) = await talk.tell()

    assert (sent.action, sent.payload) == (
        "SecurityEventNotification",
        {
            "type": "StartupOfTheDevice",
            "timestamp": "2026-03-01T10:00:00.000Z",
            "techInfo": "PowerUp",
        },
    )


async def test_what_there_is_nothing_to_say_about_has_no_info(talk: Any) -> None:
    talk.bench.store.record(security())

    (sent,) = await talk.tell()

    assert "techInfo" not in sent.payload


async def test_too_long_words_of_a_security_event_are_cut(talk: Any) -> None:
    talk.bench.store.record(SecurityEvent("T" * 60, START, "I" * 300))

    (sent,) = await talk.tell()

    assert (len(sent.payload["type"]), len(sent.payload["techInfo"])) == (50, 255)


@pytest.mark.spec("2.0.1", "TC_P_01_CS")
@pytest.mark.spec("2.0.1", "P01.FR.06")
async def test_an_extension_of_an_unknown_vendor_is_named_as_that(talk: Any) -> None:
    answer = await talk.ask("DataTransfer", {"vendorId": "org.example", "data": {"a": 1}})

    assert answer == {"status": "UnknownVendorId"}


class Vendor:
    """Knows one message, refuses another."""

    async def received(self, message_id: str | None, data: Any) -> Any:
        match message_id:
            case "Echo":
                return data
            case "No":
                raise Refused("not now", reason="NotEnabled")
        raise UnknownMessage("what is that?")


@pytest.mark.spec("2.0.1", "TC_P_01_CS")
@pytest.mark.spec("2.0.1", "P01.FR.06")
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"vendorId": "org.example", "messageId": "Echo"}, "UnknownVendorId"),
        ({"vendorId": "com.example", "messageId": "Other"}, "UnknownMessageId"),
        ({"vendorId": "com.example"}, "UnknownMessageId"),
        ({"vendorId": "com.example", "messageId": "No"}, "Rejected"),
        ({"vendorId": "com.example", "messageId": "Echo"}, "Accepted"),
    ],
)
async def test_a_vendor_answers_for_its_own_messages(
    talk: Any, asked: dict[str, Any], status: str
) -> None:
    talk.bench.station.vendors.register("com.example", Vendor())

    answer = await talk.ask("DataTransfer", asked)

    assert answer["status"] == status
    assert "data" not in answer


@pytest.mark.spec("2.0.1", "P01.FR.07")
@pytest.mark.parametrize("data", ["text", {"a": [1, None]}, False, 0, ""])
async def test_data_of_any_kind_goes_both_ways(talk: Any, data: Any) -> None:
    talk.bench.station.vendors.register("com.example", Vendor())
    asked = {"vendorId": "com.example", "messageId": "Echo", "data": data}

    assert await talk.ask("DataTransfer", asked) == {"status": "Accepted", "data": data}


@pytest.mark.spec("2.0.1", "TC_P_03_CS")
async def test_custom_data_in_a_request_is_tolerated(talk: Any) -> None:
    custom = {"vendorId": "com.example", "anything": {"goes": [1]}}
    component = {"name": "ClockCtrlr", "customData": custom}
    item = {"component": component, "variable": {"name": "DateTime"}, "customData": custom}

    answer = await talk.ask("GetVariables", {"getVariableData": [item], "customData": custom})

    assert answer["getVariableResult"][0]["attributeStatus"] == "Accepted"


@pytest.mark.spec("2.0.1", "P02.FR.01")
@pytest.mark.parametrize(
    ("data", "told"), [("plain", {"data": "plain"}), ([1], {"data": [1]}), (None, {})]
)
async def test_an_extension_tells_the_csms_something(
    talk: Any, data: Any, told: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    talk.csms.answers("DataTransfer", {"status": "UnknownVendorId"})
    talk.bench.station.vendors.offer("com.example", None, data)

    (sent,) = await talk.tell()

    assert sent.payload == {"vendorId": "com.example", **told}
    assert "UnknownVendorId" in caplog.text
