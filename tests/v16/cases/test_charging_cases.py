"""Test cases of OCPP 1.6: smart charging (TC_056 to TC_060, TC_066, TC_067, TC_072, TC_082)."""

from decimal import Decimal
from typing import Any

import pytest
from case_rig import Case
from words_16 import ACCEPTED, CARD, REJECTED, Open, said, started, told

TEN = "2026-03-01T10:00:00Z"
DEFAULT, MAXIMUM, OWN = "TxDefaultProfile", "ChargePointMaxProfile", "TxProfile"

Periods = list[tuple[int, float]]


def profile(
    purpose: str,
    periods: Periods,
    *,
    number: int = 1,
    level: int = 0,
    duration: int = 300,
    **more: Any,
) -> dict[str, Any]:
    """A charging profile whose periods are seconds and amperes."""
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "duration": duration,
            "startSchedule": TEN,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": limit} for start, limit in periods
            ],
        },
        **more,
    }


async def put(run: Case, given: dict[str, Any], connector: int = 1) -> dict[str, Any]:
    return await run.ask("SetChargingProfile", connectorId=connector, csChargingProfiles=given)


async def schedule(run: Case, connector: int = 1, duration: int = 300) -> Periods:
    """The composite schedule that is told."""
    answer = await run.ask(
        "GetCompositeSchedule", connectorId=connector, duration=duration, chargingRateUnit="A"
    )
    assert (answer["status"], answer["connectorId"]) == ("Accepted", connector)
    told_of = answer["chargingSchedule"]
    assert (told_of["chargingRateUnit"], told_of["duration"]) == ("A", duration)
    return [(one["startPeriod"], one["limit"]) for one in told_of["chargingSchedulePeriod"]]


@pytest.mark.spec("1.6", "TC_056_CS")
async def test_a_default_profile_limits_a_transaction(open_case: Open) -> None:
    async with open_case() as run:
        answer = await put(run, profile(DEFAULT, [(0, 6.0), (60, 10.0)]))
        await run.charge(CARD)
        limits = [run.outlets[1].limit_a]
        composite = await schedule(run)
        await run.advance(60)
        limits.append(run.outlets[1].limit_a)

        assert answer == ACCEPTED
        assert composite == [(0, 6.0), (60, 10.0)]
        assert limits == [6, 10]


@pytest.mark.spec("1.6", "TC_057_CS")
async def test_a_transaction_profile_limits_its_transaction(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711), started(4712))
        await put(run, profile(DEFAULT, [(0, 16.0)], duration=3000))
        await run.charge(CARD)
        answer = await put(run, profile(OWN, [(0, 8.0)], number=2, transactionId=4711))
        limit, composite = run.outlets[1].limit_a, await schedule(run)
        await run.swipe(CARD)
        await run.unplug()
        await run.charge(CARD)

        assert answer == ACCEPTED
        assert (limit, composite) == (8, [(0, 8.0)])
        assert run.outlets[1].limit_a == 16, "the next one has nothing to do with it"


@pytest.mark.spec("1.6", "TC_058_1_CS")
async def test_a_transaction_profile_without_transaction(open_case: Open) -> None:
    async with open_case() as run:
        assert await put(run, profile(OWN, [(0, 8.0)])) == REJECTED


@pytest.mark.spec("1.6", "TC_058_2_CS")
async def test_a_transaction_profile_for_another_transaction(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)

        assert await put(run, profile(OWN, [(0, 8.0)], transactionId=4712)) == REJECTED
        assert run.outlets[1].limit_a is None


@pytest.mark.spec("1.6", "TC_059_CS")
@pytest.mark.parametrize("first", ["cable", "request"])
async def test_a_remote_start_brings_its_profile(open_case: Open, first: str) -> None:
    async with open_case() as run:
        brought = profile(OWN, [(0, 7.0)])
        if first == "cable":
            await run.plug()
        answer = await run.ask(
            "RemoteStartTransaction", connectorId=1, idTag=CARD, chargingProfile=brought
        )
        if first == "request":
            await run.plug()

        assert answer == ACCEPTED
        assert said(run, "StartTransaction")["idTag"] == CARD
        assert run.outlets[1].limit_a == 7
        assert await schedule(run) == [(0, 7.0)]


@pytest.mark.spec("1.6", "TC_060_CS")
@pytest.mark.parametrize("purpose", [DEFAULT, MAXIMUM])
async def test_a_remote_start_with_a_profile_that_cannot_be(open_case: Open, purpose: str) -> None:
    async with open_case() as run:
        await run.plug()
        run.take()
        answer = await run.ask(
            "RemoteStartTransaction",
            connectorId=1,
            idTag=CARD,
            chargingProfile=profile(purpose, [(0, 7.0)]),
        )

        assert answer == REJECTED
        assert told(run) == []


@pytest.mark.spec("1.6", "TC_066_CS")
async def test_the_composite_schedule_is_the_one_in_force(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711))
        await put(run, profile(MAXIMUM, [(0, 10.0), (100, 16.0)], number=1), 0)
        await put(run, profile(DEFAULT, [(0, 6.0)], number=2))
        await run.charge(CARD)
        own = profile(OWN, [(0, 8.0), (50, 11.0)], number=3, duration=200, transactionId=4711)
        await put(run, own)

        composite = await schedule(run)
        limits = []
        for pause in (0, 50, 50, 100):
            await run.advance(pause)
            limits.append(run.outlets[1].limit_a)

        assert composite == [(0, 8.0), (50, 10.0), (100, 11.0), (200, 6.0)]
        assert limits == [8, 10, 11, 6], "what is told is what is offered"


@pytest.mark.spec("1.6", "TC_067_CS")
async def test_profiles_are_cleared(open_case: Open) -> None:
    async with open_case() as run:
        await put(run, profile(DEFAULT, [(0, 6.0)], number=1, level=1))
        await put(run, profile(DEFAULT, [(0, 10.0)], number=2))
        await run.charge(CARD)

        by_id = await run.ask("ClearChargingProfile", id=1)
        left = run.outlets[1].limit_a
        again = await run.ask("ClearChargingProfile", id=1)
        by_what = await run.ask(
            "ClearChargingProfile", chargingProfilePurpose=DEFAULT, stackLevel=0, connectorId=1
        )

        assert (by_id, again, by_what) == (ACCEPTED, {"status": "Unknown"}, ACCEPTED)
        assert (left, run.outlets[1].limit_a) == (10, None)


@pytest.mark.spec("1.6", "TC_072_CS")
async def test_the_higher_stack_level_counts(open_case: Open) -> None:
    async with open_case() as run:
        low = [(0, 6.0), (60, 10.0), (120, 8.0)]
        await put(run, profile(DEFAULT, low, number=1, duration=400))
        await put(run, profile(DEFAULT, [(0, 7.0), (100, 9.0)], number=2, level=1, duration=150))
        await run.charge(CARD)

        assert await schedule(run, duration=350) == [(0, 7.0), (100, 9.0), (150, 8.0)]
        await run.advance(150)
        assert run.outlets[1].limit_a == 8


@pytest.mark.spec("1.6", "TC_082_CS")
async def test_a_default_profile_counts_at_once(open_case: Open) -> None:
    async with open_case() as run:
        await run.charge(CARD)
        before = run.outlets[1].limit_a
        answer = await put(run, profile(DEFAULT, [(0, 6.5)]))

        assert answer == ACCEPTED
        assert (before, run.outlets[1].limit_a) == (None, Decimal("6.5"))
        assert await schedule(run) == [(0, 6.5)]


@pytest.mark.spec("1.6", "3.13")
async def test_a_profile_survives_a_power_cut(open_case: Open) -> None:
    async with open_case() as run:
        await put(run, profile(DEFAULT, [(0, 6.0)], duration=3000))
        await run.restart()
        await run.charge(CARD)

        assert run.outlets[1].limit_a == 6
