"""Blocks A and P: security events, vendor extensions."""

from typing import Any

import pytest
from fake_clock import START
from sample_facts import security

from chargepoint.core.facts import SecurityEvent


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
