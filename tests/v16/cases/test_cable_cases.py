"""Cables and locks over the WebSocket (OCPP 1.6 section 9.1.24, 5.18, and the compliance tests)."""

from pathlib import Path

import pytest
from case_rig import case

TOKEN = "04A1B2C3D4"
SOCKET = (("sType2",),)


def settings(**keys: str) -> dict[str, str]:
    names = {
        "stop": "TxCtrlr.StopTxOnEVSideDisconnect",
        "unlock": "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
    }
    return {names[name]: value for name, value in keys.items()}


@pytest.mark.spec("1.6", "TC_005_1_CS")
@pytest.mark.spec("1.6", "UnlockConnectorOnEVSideDisconnect")
async def test_unplugged_at_the_vehicle_it_ends_and_the_cable_is_given_back(tmp_path: Path) -> None:
    chosen = settings(stop="true", unlock="true")
    async with case("1.6", tmp_path, connectors=SOCKET, settings=chosen) as run:
        await run.charge()
        assert run.outlets[1].locked is True
        run.take()

        await run.unplug()

        sent = run.take()
        assert [one.payload["reason"] for one in sent if one.action == "StopTransaction"] == [
            "EVDisconnected"
        ]
        statuses = [one.payload["status"] for one in sent if one.action == "StatusNotification"]
        assert statuses[-1] == "Available"
        assert run.outlets[1].locked is False


@pytest.mark.spec("1.6", "TC_005_2_CS")
@pytest.mark.spec("1.6", "UnlockConnectorOnEVSideDisconnect")
async def test_unplugged_at_the_vehicle_it_ends_and_the_cable_is_held(tmp_path: Path) -> None:
    chosen = settings(stop="true", unlock="false")
    async with case("1.6", tmp_path, connectors=SOCKET, settings=chosen) as run:
        await run.charge()
        run.take()
        await run.unplug()

        sent = run.take()
        assert [one.payload["reason"] for one in sent if one.action == "StopTransaction"] == [
            "EVDisconnected"
        ]
        statuses = [one.payload["status"] for one in sent if one.action == "StatusNotification"]
        assert statuses == ["Finishing"]
        assert run.outlets[1].locked is True

        await run.swipe(TOKEN)

        assert run.outlets[1].locked is False
        assert [one["status"] for one in run.take("StatusNotification")] == ["Available"]


@pytest.mark.spec("1.6", "TC_005_3_CS")
@pytest.mark.spec("1.6", "StopTransactionOnEVSideDisconnect")
async def test_unplugged_at_the_vehicle_it_may_wait_for_it(tmp_path: Path) -> None:
    chosen = settings(stop="false", unlock="false")
    async with case("1.6", tmp_path, connectors=SOCKET, settings=chosen) as run:
        await run.charge()
        run.take()
        await run.unplug()

        sent = run.take()
        assert "StopTransaction" not in {one.action for one in sent}
        statuses = [one.payload["status"] for one in sent if one.action == "StatusNotification"]
        assert statuses == ["SuspendedEV"]
        assert (run.outlets[1].locked, run.outlets[1].closed) == (True, False)

        await run.plug()

        assert run.take("StatusNotification")[-1]["status"] == "Charging"
        assert run.outlets[1].closed is True
        await run.swipe(TOKEN)
        assert run.take("StopTransaction")[0]["reason"] == "Local"


@pytest.mark.spec("1.6", "TC_017_2_CS")
async def test_a_fixed_cable_has_no_lock(tmp_path: Path) -> None:
    async with case("1.6", tmp_path) as run:
        run.outlets[1].captive = frozenset({1})

        assert await run.ask("UnlockConnector", connectorId=1) == {"status": "NotSupported"}


@pytest.mark.spec("1.6", "TC_018_2_CS")
async def test_a_fixed_cable_has_no_lock_in_a_session_either(tmp_path: Path) -> None:
    async with case("1.6", tmp_path) as run:
        run.outlets[1].captive = frozenset({1})
        await run.charge()
        run.take()

        answer = await run.ask("UnlockConnector", connectorId=1)

        assert answer == {"status": "NotSupported"}
        assert run.outlets[1].closed is True
        assert run.take("StopTransaction") == []


@pytest.mark.spec("1.6", "TC_024_CS")
async def test_behind_a_lock_that_does_not_move_nothing_begins(tmp_path: Path) -> None:
    async with case("1.6", tmp_path, connectors=SOCKET) as run:
        run.outlets[1].stuck = True
        run.take()
        await run.plug()
        await run.swipe(TOKEN)

        sent = run.take()
        assert "StartTransaction" not in {one.action for one in sent}
        told = [one.payload for one in sent if one.action == "StatusNotification"]
        assert ("Faulted", "ConnectorLockFailure") in {
            (one["status"], one["errorCode"]) for one in told
        }
        assert run.outlets[1].closed is False

        run.outlets[1].stuck = False
        await run.unplug()
        assert run.take("StatusNotification")[-1]["status"] == "Available"
        await run.charge()
        assert run.outlets[1].locked is True
