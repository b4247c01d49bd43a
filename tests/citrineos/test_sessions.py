"""Signed sessions at a real CitrineOS: the record in its database is the one the meter signed."""

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from citrine_office import Message, until
from citrine_site import METERS, Site

from meters.ocmf import parse

if TYPE_CHECKING:
    from conftest import Open

VERSIONS = ["2.0.1", "1.6"]
ALL_PROFILES = [0, 1, 2, 3]


@pytest.mark.parametrize("meter", METERS)
@pytest.mark.parametrize("profile", ALL_PROFILES)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_remote_session_leaves_a_record_that_verifies(
    open_site: "Open", version: str, profile: int, meter: str
) -> None:
    async with open_site(version, profile=profile, meter=meter) as site:
        token = await site.office.enter_token()
        await site.plug()

        assert await site.remote_start(token) == "Accepted"
        transaction = await site.charging()
        assert await site.remote_stop() == "Accepted"
        ended = await site.ended()

        document = await site.verify(ended, transaction)
        await assert_told_once(site)
        await assert_energy_agrees(site, document)
        if version == "2.0.1":
            await site.verify(await meter_value_rows(site), transaction)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_that_ended_offline_is_told_later(open_site: "Open", version: str) -> None:
    async with open_site(version) as site:
        token = await site.office.enter_token()
        await site.plug()
        await site.swipe(token)
        transaction = await site.charging()
        await site.office.wait_for(site.id, started(version))

        await site.local.post("/v1/network/disconnect", {})
        await site.swipe(token)
        await site.has_record(transaction)
        before = await site.office.last(site.id)
        await site.local.post("/v1/network/connect", {})

        ended = await site.ended(after=before)
        await site.verify(ended, transaction)
        await assert_told_once(site)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_that_was_offline_from_its_start_is_told_whole(
    open_site: "Open", version: str
) -> None:
    async with open_site(version) as site:
        token = await site.office.enter_token()
        await site.local.post("/v1/network/disconnect", {})
        await site.plug()
        await site.swipe(token)
        transaction = await site.charging()
        await site.swipe(token)
        await site.has_record(transaction)

        await site.local.post("/v1/network/connect", {})

        await site.verify(await site.ended(), transaction)
        await assert_told_once(site)


@pytest.mark.parametrize("meter", METERS)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_power_cut_leaves_one_start_one_end_and_a_record(
    open_site: "Open", version: str, meter: str
) -> None:
    async with open_site(version, meter=meter) as site:
        token = await site.office.enter_token()
        await site.plug()
        await site.swipe(token)
        transaction = await site.charging()
        await site.office.wait_for(site.id, started(version))

        site.cut_power()
        await site.start()
        ended = await site.ended()

        reason = ended if version == "1.6" else ended["transactionInfo"]
        assert reason.get("reason", reason.get("stoppedReason")) == "PowerLoss"
        await site.verify(ended, transaction)
        await assert_told_once(site)


@pytest.mark.parametrize("key", ["Never", "OncePerTransaction", "EveryMeterValue"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_the_database_alone_is_enough_to_verify_unless_the_key_is_withheld(
    open_site: "Open", version: str, key: str
) -> None:
    settings = {"OCPPCommCtrlr.PublicKeyWithSignedMeterValue": key}
    async with open_site(version, settings=settings) as site:
        token = await site.office.enter_token()
        await site.plug()
        await site.swipe(token)
        await site.charging()
        await site.swipe(token)

        stored = json.dumps(await site.ended())

        assert verified(stored) is (key != "Never")
        assert verified(stored, "--public-key", await site.meter_key())


def verified(stored: str, *options: str) -> bool:
    """What `chargepoint ocmf verify` says of it."""
    command = [sys.executable, "-m", "chargepoint", "ocmf", "verify", *options, "-"]
    return subprocess.run(command, input=stored.encode(), check=False).returncode == 0


def started(version: str) -> str:
    return "StartTransaction" if version == "1.6" else "TransactionEvent"


async def meter_value_rows(site: Site) -> list[Any]:
    """The samples in the table that CitrineOS itself makes of TransactionEvents."""
    rows = await site.office.rows(
        'SELECT m."sampledValue" FROM "MeterValues" m JOIN "TransactionEvents" e'
        ' ON m."transactionEventId" = e.id WHERE e."stationId" = %s'
        " AND e.\"eventType\" = 'Ended' ORDER BY m.id",
        site.id,
    )
    assert rows
    return [row[0] for row in rows]


async def assert_told_once(site: Site) -> None:
    """One start, one end, no gap, and nothing was refused for what it says.

    CitrineOS refuses calls while it is busy; one that is told again is the same message.
    """
    untold = (await site.local.get("/v1/untold"))["untold"]
    assert [one for one in untold if one["transaction_id"]] == []
    if site.door.version == "1.6":
        assert len(await told(site, "StartTransaction")) == 1
        assert len(await told(site, "StopTransaction")) == 1
    else:
        events = [one.payload for one in await told(site, "TransactionEvent")]
        assert [one["seqNo"] for one in events] == list(range(len(events)))
        kinds = [one["eventType"] for one in events]
        assert kinds == ["Started", *["Updated"] * (len(kinds) - 2), "Ended"]
    answers = await site.office.messages(site.id, origin="csms")
    refused = [(one.action, *one.frame[2:4]) for one in answers if one.frame[0] == 4]
    assert [one for one in refused if not expected(one[0], one[1], site.door.version)] == []


def expected(action: str, code: str, version: str) -> bool:
    """Busy, or a message of the security extension of 1.6, of which CitrineOS knows nothing."""
    unknown = version == "1.6" and action in {"SecurityEventNotification", "SignCertificate"}
    return code == "RpcFrameworkError" or (unknown and code == "InternalError")


async def told(site: Site, action: str) -> list[Message]:
    """Its calls, each once."""
    found = await site.office.messages(site.id, action)
    return list({one.message_id: one for one in found}.values())


async def assert_energy_agrees(site: Site, document: bytes) -> None:
    """What CitrineOS reckons from the messages is what the record says."""
    energy = parse(document).energy_wh

    async def reckoned() -> bool:
        rows = await site.office.rows(
            'SELECT "totalKwh" FROM "Transactions" WHERE "stationId" = %s AND NOT "isActive"',
            site.id,
        )
        return bool(rows and energy is not None and abs(rows[0][0] * 1000 - energy) <= 1)

    await until(reckoned, f"{energy} Wh in CitrineOS")
