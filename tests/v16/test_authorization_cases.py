"""Who may charge in OCPP 1.6: the settings of sections 3.4, 3.5 and 9.1, with what is sent."""

from decimal import Decimal
from typing import Any

import pytest

from chargepoint.core.inputs import Plugged, Unplugged, VehicleReady
from chargepoint.core.model import IdToken, Stage

CARD = IdToken("04A1B2C3")
MATE = IdToken("0455667788")
FLEET = {"status": "Accepted", "parentIdTag": "FLEET"}
INVALID = {"status": "Invalid"}


async def swipe(bench: Any, token: IdToken = CARD) -> list[str]:
    """Present a token where the vehicle is; what is sent for it, without statuses and readings."""
    before = len(bench.csms.sent)
    await bench.station.authorizer.present(token, [1])
    await bench.settle()
    if bench.session.online:
        await bench.tell()
    told = [sent.action for sent in bench.csms.sent[before:]]
    return [action for action in told if action not in {"MeterValues", "StatusNotification"}]


async def plug(bench: Any) -> None:
    await bench.feed(Plugged(), VehicleReady(ready=True))


def says(bench: Any, action: str, info: dict[str, Any]) -> None:
    """What the CSMS says of every tag from now on."""
    bench.csms.standing[action] = {**bench.csms.standing[action], "idTagInfo": info}


@pytest.mark.spec("1.6", "4.1")
@pytest.mark.parametrize(
    "status",
    [
        pytest.param("Invalid", marks=pytest.mark.spec("1.6", "TC_023_4")),
        pytest.param("Expired", marks=pytest.mark.spec("1.6", "TC_023_4")),
        pytest.param("Blocked", marks=pytest.mark.spec("1.6", "TC_023_4")),
        "ConcurrentTx",
    ],
)
async def test_a_tag_that_is_not_accepted_gets_no_energy(bench: Any, status: str) -> None:
    says(bench, "Authorize", {"status": status})
    await plug(bench)

    assert await swipe(bench) == ["Authorize"]
    assert bench.state().stage is Stage.PLUGGED


@pytest.mark.spec("1.6", "TC_007_1")
@pytest.mark.spec("1.6", "3.5.1")
@pytest.mark.parametrize("pre", ["true", "false"])
async def test_a_cached_tag_is_asked_about_unless_the_settings_say_otherwise(
    bench: Any, pre: str
) -> None:
    bench.set("LocalPreAuthorize", pre)
    await plug(bench)
    await swipe(bench)
    await swipe(bench)
    bench.csms.sent.clear()

    asked = "Authorize" in await swipe(bench)

    assert asked is (pre == "false")
    assert bench.state().stage is Stage.CHARGING


@pytest.mark.spec("1.6", "3.4.1")
async def test_a_tag_cached_as_bad_is_asked_about_again(bench: Any) -> None:
    bench.set("LocalPreAuthorize", "true")
    says(bench, "Authorize", INVALID)
    await plug(bench)
    await swipe(bench)
    says(bench, "Authorize", {"status": "Accepted"})

    assert (await swipe(bench))[0] == "Authorize"
    assert bench.state().stage is Stage.CHARGING


@pytest.mark.spec("1.6", "TC_061_1")
async def test_after_the_cache_was_emptied_a_tag_is_asked_about(bench: Any) -> None:
    bench.set("LocalPreAuthorize", "true")
    await plug(bench)
    await swipe(bench)
    await swipe(bench)

    assert await bench.ask("ClearCache") == {"status": "Accepted"}

    assert (await swipe(bench))[0] == "Authorize"


@pytest.mark.spec("1.6", "5.4")
async def test_a_cache_that_is_switched_off_is_not_emptied(bench: Any) -> None:
    bench.set("AuthorizationCacheEnabled", "false")

    assert await bench.ask("ClearCache") == {"status": "Rejected"}


@pytest.mark.spec("1.6", "3.5.1")
async def test_a_tag_with_the_same_parent_stops_after_asking(bench: Any) -> None:
    says(bench, "Authorize", FLEET)
    await plug(bench)
    await swipe(bench)

    assert await swipe(bench, MATE) == ["Authorize", "StopTransaction"]

    (stopped,) = bench.csms.said("StopTransaction")
    assert (stopped["idTag"], stopped["reason"]) == (MATE.value, "Local")


@pytest.mark.spec("1.6", "3.5.1")
async def test_a_parent_that_the_start_told_counts_too(bench: Any) -> None:
    says(bench, "StartTransaction", FLEET)
    await plug(bench)
    await swipe(bench)
    says(bench, "Authorize", FLEET)

    assert await swipe(bench, MATE) == ["Authorize", "StopTransaction"]


@pytest.mark.spec("1.6", "3.5.1")
async def test_the_parent_tag_itself_is_no_member(bench: Any) -> None:
    says(bench, "Authorize", FLEET)
    await plug(bench)
    await swipe(bench)
    says(bench, "Authorize", {"status": "Accepted"})

    assert await swipe(bench, IdToken("FLEET")) == ["Authorize"]
    assert bench.state().stage is Stage.CHARGING


@pytest.mark.spec("1.6", "4.8")
async def test_a_tag_that_charges_elsewhere_is_stopped(bench: Any) -> None:
    says(bench, "StartTransaction", {"status": "ConcurrentTx"})
    await plug(bench)

    assert await swipe(bench) == ["Authorize", "StartTransaction", "StopTransaction"]
    assert bench.csms.said("StopTransaction")[0]["reason"] == "DeAuthorized"


async def _offline_session(bench: Any) -> None:
    bench.set("AllowOfflineTxForUnknownId", "true")
    await bench.cut()
    await plug(bench)
    await swipe(bench)
    assert bench.state().stage is Stage.CHARGING
    await bench.back()


@pytest.mark.spec("1.6", "TC_037_1")
async def test_an_unknown_tag_that_started_offline_goes_on_if_it_is_valid(bench: Any) -> None:
    await _offline_session(bench)

    await bench.tell()

    assert bench.csms.said("Authorize") == []
    assert bench.csms.said("StopTransaction") == []
    assert bench.state().powered


@pytest.mark.spec("1.6", "TC_037_2")
async def test_an_unknown_tag_found_invalid_loses_the_energy_only(bench: Any) -> None:
    bench.set("StopTransactionOnInvalidId", "false")
    says(bench, "StartTransaction", INVALID)
    await _offline_session(bench)

    await bench.tell()

    assert bench.csms.said("StopTransaction") == []
    assert bench.csms.said("StatusNotification")[-1]["status"] == "SuspendedEVSE"


@pytest.mark.spec("1.6", "TC_037_3")
@pytest.mark.parametrize("energy", ["0", "500"])
async def test_an_unknown_tag_found_invalid_is_stopped(bench: Any, energy: str) -> None:
    bench.set("StopTransactionOnInvalidId", "true")
    bench.set("MaxEnergyOnInvalidId", energy)
    says(bench, "StartTransaction", INVALID)
    await _offline_session(bench)

    await bench.tell()

    (stopped,) = bench.csms.said("StopTransaction")
    assert stopped["reason"] == "DeAuthorized"


@pytest.mark.spec("1.6", "9.1.13")
async def test_a_tag_found_invalid_gets_the_energy_that_is_granted(bench: Any) -> None:
    bench.set("StopTransactionOnInvalidId", "false")
    bench.set("MaxEnergyOnInvalidId", "500")
    says(bench, "StartTransaction", INVALID)
    await _offline_session(bench)
    await bench.tell()
    assert bench.state().powered
    meter = bench.station.evse(1).meter

    bench.meters[1].energy_wh += Decimal(499)
    await meter.refresh()
    assert bench.state().powered
    bench.meters[1].energy_wh += Decimal(1)
    await meter.refresh()

    assert not bench.state().powered
    assert bench.state().stage is Stage.CHARGING
    await bench.feed(Unplugged())
    assert bench.state().denied_from_wh is None


@pytest.mark.spec("1.6", "9.1.1")
@pytest.mark.parametrize(("allowed", "begins"), [("true", True), ("false", False)])
async def test_an_unknown_tag_offline(bench: Any, allowed: str, *, begins: bool) -> None:
    bench.set("AllowOfflineTxForUnknownId", allowed)
    await bench.cut()
    await plug(bench)

    await swipe(bench)

    assert (bench.state().stage is Stage.CHARGING) is begins
