"""A CSMS sends the station to where nobody wants it, and it finds back by itself."""

from pathlib import Path
from typing import Any

import pytest
from case_rig import SILENCE, STATION, Case, case
from scripted_csms import GONE, Answer, ScriptedCsms

SETTINGS = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "10",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
}
NEW = "correct horse battery"
REJECTED = {"status": "Rejected", "interval": 20, "currentTime": "2026-03-01T10:00:00Z"}


async def send_to(run: Case, csms: ScriptedCsms, priority: str = "2") -> None:
    """Store the other CSMS in slot 2, prefer it, and restart the station."""
    data = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": csms.url,
        "messageTimeout": 30,
        "securityProfile": 0,
        "ocppInterface": "Wired0",
    }
    stored = await run.ask("SetNetworkProfile", configurationSlot=2, connectionData=data)
    item: dict[str, Any] = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "NetworkConfigurationPriority"},
        "attributeValue": priority,
    }
    answer = await run.ask("SetVariables", setVariableData=[item])
    assert stored["status"] == "Accepted"
    assert answer["setVariableResult"][0]["attributeStatus"] == "RebootRequired"
    run.take()
    await run.ask("Reset", type="Immediate")
    await run.advance(5)


@pytest.mark.spec("2.0.1", "B10.FR.07")
@pytest.mark.parametrize("answer", [REJECTED, SILENCE], ids=["rejected", "silent"])
@pytest.mark.parametrize("priority", ["2", "2,1"])
async def test_a_csms_that_does_not_accept_the_station_is_left(
    tmp_path: Path, answer: Answer, priority: str
) -> None:
    async with case("2.0.1", tmp_path, settings=SETTINGS) as run:
        other = ScriptedCsms(run.clock, ["2.0.1"])
        other.standing["BootNotification"] = answer
        other.script("BootNotification")
        async with other:
            run.others.append(other)
            await send_to(run, other, priority)
            await run.advance(300)

            # NetworkProfileConnectionAttempts, and no word but the announcement
            assert [one.action for one in other.sent()] == ["BootNotification"] * 3
            assert not other.stations[STATION].connected
            assert run.life.session.online
            assert [one["reason"] for one in run.take("BootNotification")] == ["RemoteReset"]
            await run.charge()  # it is fully there again


@pytest.mark.spec("2.0.1", "A01.FR.02")
@pytest.mark.spec("1.6", "whitepaper A01.FR.03")
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_csms_that_opens_first_and_looks_then_does_not_prove_a_password(
    tmp_path: Path, version: str
) -> None:
    file = {"security_profile": 1, "password": "the password before"}
    async with case(version, tmp_path, settings=SETTINGS, csms=file) as run:
        run.answers("Heartbeat", *[GONE] * 3)
        item = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
        if version == "1.6":
            await run.ask("ChangeConfiguration", key="AuthorizationKey", value=NEW)
        else:
            await run.ask("SetVariables", setVariableData=[{**item, "attributeValue": NEW}])
        await run.advance(15)
        kept = run.life.store.credentials
        assert kept.fresh == NEW.encode()  # one connection does not give it up

        await run.advance(120)

        assert run.life.session.online
        assert (kept.fresh, kept.proven) == (None, b"the password before")


async def test_a_csms_that_lets_the_station_wait_is_not_left(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, settings=SETTINGS) as run:
        other = ScriptedCsms(run.clock, ["2.0.1"])
        other.standing["BootNotification"] = {**REJECTED, "status": "Pending"}
        other.script("BootNotification")
        async with other:
            run.others.append(other)
            await send_to(run, other)
            await run.advance(600)

            assert other.stations[STATION].connected
            assert run.take() == []
