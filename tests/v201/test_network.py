"""Block B: network profiles, as the CSMS sets them."""

from datetime import timedelta
from typing import Any

import pytest

from chargepoint.core.network import TIMEOUT_MOST
from chargepoint.core.variables import MESSAGE_TIMEOUT, SECURITY_PROFILE
from chargepoint.errors import StoreError

DATA = {
    "ocppVersion": "OCPP20",
    "ocppTransport": "JSON",
    "ocppCsmsUrl": "wss://other.example/ocpp",
    "messageTimeout": 30,
    "securityProfile": 2,
    "ocppInterface": "Wired0",
}


async def _set(talk: Any, slot: int = 2, **changed: Any) -> dict[str, Any]:
    data = {**DATA, **changed}
    payload = {"configurationSlot": slot, "connectionData": data}
    answer: dict[str, Any] = await talk.ask("SetNetworkProfile", payload)
    return answer


@pytest.mark.parametrize(("slot", "status"), [(1, "Rejected"), (2, "Accepted")])
async def test_a_slot_that_is_tried_already_needs_what_its_security_shows(
    talk: Any, slot: int, status: str
) -> None:
    answer = await _set(talk, slot)

    assert answer["status"] == status


@pytest.mark.spec("2.0.1", "B09.FR.01")
async def test_a_profile_is_kept(talk: Any) -> None:
    assert await _set(talk) == {"status": "Accepted"}

    (kept,) = talk.bench.store.network.load().items()
    assert (kept[0], kept[1].url, kept[1].security_profile) == (2, DATA["ocppCsmsUrl"], 2)


@pytest.mark.spec("2.0.1", "TC_B_43_CS")
async def test_a_slot_that_does_not_exist_is_rejected(talk: Any) -> None:
    answer = await _set(talk, 999)

    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidConfSlot"
    assert talk.bench.store.network.load() == {}


@pytest.mark.spec("2.0.1", "TC_A_22_CS")
async def test_a_less_secure_profile_is_rejected(talk: Any) -> None:
    talk.bench.station.model.provide(SECURITY_PROFILE, lambda: 2)

    answer = await _set(talk, securityProfile=1, ocppCsmsUrl="ws://other.example")

    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "NoSecurityDowngrade"


@pytest.mark.parametrize(
    "changed",
    [
        {"ocppTransport": "SOAP"},
        {"ocppCsmsUrl": "http://other.example"},
        {"apn": {"apn": "internet", "apnAuthentication": "AUTO"}},
    ],
)
async def test_what_the_station_cannot_do_is_rejected(talk: Any, changed: dict[str, Any]) -> None:
    answer = await _set(talk, **changed)

    assert answer["statusInfo"]["reasonCode"] == "InvalidNetworkConf"


async def test_a_disk_that_refuses_fails(talk: Any, monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(talk.bench.store.network, "save", refuse)

    assert await _set(talk) == {"status": "Failed"}


@pytest.mark.parametrize(
    "changed",
    [
        *({"messageTimeout": seconds} for seconds in (0, -1, 2**31, 2**63, -(2**63))),
        {"ocppCsmsUrl": "wss://@other.example/ocpp"},
        {"ocppCsmsUrl": "wss://:pw@other.example/ocpp"},
    ],
)
async def test_a_profile_that_no_link_could_use_is_rejected(
    talk: Any, changed: dict[str, Any]
) -> None:
    answer = await _set(talk, **changed)

    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidNetworkConf"
    assert talk.bench.store.network.load() == {}


async def test_the_longest_timeout_is_waited_with(open_case: Any) -> None:
    async with open_case() as run:
        there = {"ocppCsmsUrl": run.csms.url, "securityProfile": 0, "messageTimeout": TIMEOUT_MOST}
        answer = await run.ask(
            "SetNetworkProfile", configurationSlot=1, connectionData={**DATA, **there}
        )
        await run.restart()
        assert run.station.model[MESSAGE_TIMEOUT] == timedelta(seconds=TIMEOUT_MOST)

        assert run.take("BootNotification") != []

    assert answer == {"status": "Accepted"}
