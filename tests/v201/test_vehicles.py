"""Block K: what a vehicle that talks needs, is offered, and chooses."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from case_rig import SILENCE, CallError, Case

from chargepoint.core.profiles_model import Period, Schedule, Unit
from chargepoint.core.vehicle import AcNeeds, EnergyTransfer, Needs, NeedsAnswer
from chargepoint.errors import Refused
from chargepoint.station.vehicles import Offer

Open = Callable[..., AbstractAsyncContextManager[Case]]

NEEDS = Needs(EnergyTransfer.AC_THREE, ac=AcNeeds(20_000, 6, 32, 400), tuples_most=3)
ACCEPTED, REJECTED, PROCESSING = (
    {"status": str(answer)}
    for answer in (NeedsAnswer.ACCEPTED, NeedsAnswer.REJECTED, NeedsAnswer.PROCESSING)
)


def asks(run: Case, needs: Needs = NEEDS) -> asyncio.Task[Offer]:
    """The module that speaks with the vehicle hands over what it said."""
    return asyncio.create_task(run.station.vehicles.needs(1, needs, duration=600))


def limits(offer: Offer) -> list[tuple[int, Decimal]]:
    return list(offer.expected.periods)


def schedule(*periods: tuple[int, int], duration: int = 600) -> Schedule:
    told = tuple(Period(start, Decimal(most)) for start, most in periods)
    return Schedule(Unit.AMPERE, told, duration=duration)


async def limit_session(run: Case, transaction_id: str, amperes: float) -> None:
    await _limit(run, amperes, chargingProfilePurpose="TxProfile", transactionId=transaction_id)


async def limit_default(run: Case, amperes: float) -> None:
    await _limit(run, amperes, chargingProfilePurpose="TxDefaultProfile")


async def negotiated(run: Case, transaction_id: str, amperes: float) -> Offer:
    run.answers("NotifyEVChargingNeeds", ACCEPTED)
    waiting = asks(run)
    await run.settle()
    await limit_session(run, transaction_id, amperes)
    return await ended(run, waiting)


async def _limit(run: Case, amperes: float, **about: str) -> None:
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfileKind": "Relative",
        **about,
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amperes}],
            }
        ],
    }
    answer = await run.ask("SetChargingProfile", evseId=1, chargingProfile=profile)
    assert answer == {"status": "Accepted"}


async def ended(run: Case, waiting: asyncio.Task[Offer]) -> Offer:
    await run.settle()
    assert waiting.done()
    return waiting.result()


@pytest.mark.spec("2.0.1", "K15.FR.01")
@pytest.mark.spec("2.0.1", "K15.FR.07")
@pytest.mark.spec("2.0.1", "K15.FR.10")
async def test_the_schedule_of_the_csms_is_offered_and_the_choice_is_told(open_case: Open) -> None:
    async with open_case() as run:
        transaction_id = await run.charge()
        run.take()
        run.answers("NotifyEVChargingNeeds", ACCEPTED)
        waiting = asks(run)
        await run.advance(40)
        (told,) = run.take("NotifyEVChargingNeeds")
        early = waiting.done()
        await limit_session(run, transaction_id, 10)
        offer = await ended(run, waiting)
        run.station.vehicles.choose(1, schedule((0, 10), (300, 8)))
        await run.settle()

        assert told == {
            "evseId": 1,
            "maxScheduleTuples": 3,
            "chargingNeeds": {
                "requestedEnergyTransfer": "AC_three_phase",
                "acChargingParameters": {
                    "energyAmount": 20_000,
                    "evMinCurrent": 6,
                    "evMaxCurrent": 32,
                    "evMaxVoltage": 400,
                },
            },
        }
        assert not early
        assert (offer.answer, limits(offer)) == (NeedsAnswer.ACCEPTED, [(0, 10)])
        (chosen,) = run.take("NotifyEVChargingSchedule")
        assert chosen["evseId"] == 1
        assert chosen["chargingSchedule"]["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": 10.0},
            {"startPeriod": 300, "limit": 8.0},
        ]


@pytest.mark.spec("2.0.1", "K15.FR.04")
@pytest.mark.spec("2.0.1", "K15.FR.05")
@pytest.mark.parametrize("answer", [REJECTED, PROCESSING, CallError("NotImplemented", "")])
async def test_without_a_promise_the_vehicle_gets_what_there_is_at_once(
    open_case: Open, answer: Any
) -> None:
    async with open_case() as run:
        await run.charge()
        run.answers("NotifyEVChargingNeeds", answer)

        offer = await ended(run, asks(run))

        word = answer["status"] if isinstance(answer, dict) else "Rejected"
        assert (offer.answer, limits(offer)) == (word, [(0, 32)])


@pytest.mark.parametrize(("answer", "seconds"), [(ACCEPTED, 60), (SILENCE, 60)])
async def test_a_schedule_or_answer_is_awaited_for_a_minute(
    open_case: Open, answer: Any, seconds: int
) -> None:
    async with open_case() as run:
        await run.charge()
        run.answers("NotifyEVChargingNeeds", answer)
        waiting = asks(run)
        await run.advance(seconds - 1)
        early = waiting.done()
        await run.advance(1)

        assert not early
        assert limits(await ended(run, waiting)) == [(0, 32)]
        run.take()
        await run.advance(300)
        assert run.take("NotifyEVChargingNeeds") == []


@pytest.mark.spec("2.0.1", "K15.FR.09")
async def test_a_choice_beyond_the_limits_is_refused_and_not_told(open_case: Open) -> None:
    async with open_case() as run:
        transaction_id = await run.charge()
        await limit_session(run, transaction_id, 10)
        run.take()

        with pytest.raises(Refused, match="after 0 s it wants 11 A, allowed are 10"):
            run.station.vehicles.choose(1, schedule((0, 11)))
        await run.settle()

        assert run.take() == []


async def test_a_choice_that_begins_later_or_began_is_measured_there(open_case: Open) -> None:
    async with open_case() as run:
        transaction_id = await run.charge()
        await limit_session(run, transaction_id, 10)
        begins = run.clock.now()
        for shift in (timedelta(minutes=5), -timedelta(minutes=5)):
            chosen = Schedule(Unit.AMPERE, (Period(0, Decimal(10)),), begins + shift, 600)
            run.station.vehicles.choose(1, chosen)
            with pytest.raises(Refused):
                run.station.vehicles.choose(
                    1, Schedule(Unit.AMPERE, (Period(0, Decimal(11)),), begins + shift, 600)
                )


@pytest.mark.spec("2.0.1", "TC_K_56_CS")
async def test_offline_the_vehicle_gets_what_is_installed(open_case: Open) -> None:
    async with open_case(settings={"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}) as run:
        await limit_default(run, 13)
        await run.cut()
        await run.charge()

        offer = await ended(run, asks(run))
        run.station.vehicles.choose(1, schedule((0, 13)))
        await run.advance(5)
        run.take()
        await run.back()
        sent = run.take()

        assert (offer.answer, limits(offer)) == (None, [(0, 13)])
        assert run.outlets[1].limit_a == 13
        events = [one.payload for one in sent if one.action == "TransactionEvent"]
        assert events
        assert all(event["offline"] for event in events)
        actions = [one.action for one in sent]
        assert "NotifyEVChargingNeeds" not in actions
        assert "NotifyEVChargingSchedule" in actions


@pytest.mark.spec("2.0.1", "TC_K_54_CS")
async def test_rejected_needs_leave_the_limits_as_they_are(open_case: Open) -> None:
    async with open_case() as run:
        await limit_default(run, 13)
        await run.charge()
        run.take()
        run.answers("NotifyEVChargingNeeds", REJECTED)

        offer = await ended(run, asks(run))

        assert (offer.answer, limits(offer)) == (NeedsAnswer.REJECTED, [(0, 13)])
        assert [sent.action for sent in run.take()] == ["NotifyEVChargingNeeds"]
        assert (run.outlets[1].closed, run.outlets[1].limit_a) == (True, 13)


@pytest.mark.spec("2.0.1", "TC_K_57_CS")
@pytest.mark.spec("2.0.1", "K17.FR.01")
async def test_a_vehicle_may_negotiate_again(open_case: Open) -> None:
    async with open_case() as run:
        transaction_id = await run.charge()
        await negotiated(run, transaction_id, 16)
        run.take()

        offer = await negotiated(run, transaction_id, 10)
        run.station.vehicles.choose(1, schedule((0, 10)))
        await run.settle()

        assert limits(offer) == [(0, 10)]
        told = [sent.action for sent in run.take() if sent.action.startswith("NotifyEV")]
        assert told == ["NotifyEVChargingNeeds", "NotifyEVChargingSchedule"]


@pytest.mark.spec("2.0.1", "TC_K_58_CS")
@pytest.mark.spec("2.0.1", "K16.FR.02")
async def test_a_new_profile_asks_the_vehicle_to_negotiate_again(open_case: Open) -> None:
    async with open_case() as run:
        transaction_id = await run.charge()
        again: list[int] = []
        run.station.vehicles.renegotiate = again.append
        await negotiated(run, transaction_id, 16)
        before = list(again)
        await limit_session(run, transaction_id, 8)
        run.take()
        run.station.vehicles.choose(1, schedule((0, 8)))
        await run.settle()

        assert (before, again) == ([], [1])
        assert run.outlets[1].limit_a == 8
        assert len(run.take("NotifyEVChargingSchedule")) == 1


async def test_needs_of_a_vehicle_that_left_are_told_to_nobody(open_case: Open) -> None:
    async with open_case() as run:
        await run.charge()
        run.answers("NotifyEVChargingNeeds", ACCEPTED)
        waiting = asks(run)
        await run.settle()
        await run.unplug()

        assert waiting.done()
        with pytest.raises(Refused, match="no vehicle"):
            await run.station.vehicles.needs(1, NEEDS)


@pytest.mark.parametrize(
    ("evse_id", "needs", "why"),
    [(7, NEEDS, "no EVSE 7"), (1, Needs(EnergyTransfer.DC), "DC at an outlet with 3 phases")],
)
async def test_needs_that_cannot_be_are_refused(
    open_case: Open, evse_id: int, needs: Needs, why: str
) -> None:
    async with open_case() as run:
        await run.charge()

        with pytest.raises(Refused, match=why):
            await run.station.vehicles.needs(evse_id, needs)


async def test_without_smart_charging_nobody_is_asked(open_case: Open) -> None:
    async with open_case(settings={"SmartChargingCtrlr.Enabled": "false"}) as run:
        await run.charge()
        run.take()

        offer = await ended(run, asks(run))

        assert offer.answer is None
        assert run.take() == []
