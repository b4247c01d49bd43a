"""Block K: profiles set, told, cleared; composite schedules; limits of others.

The steps are those of the test cases: what is set is asked back, what counts is asked for as
composite schedule.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fake_clock import START

from chargepoint.core.inputs import Plugged
from chargepoint.core.profiles_model import Period, Schedule, Unit
from chargepoint.core.variables import (
    LIMIT_CHANGE_SIGNIFICANCE,
    NOTIFY_WITH_SCHEDULES,
    SITE_CURRENT,
    SMART_CHARGING_ENABLED,
)
from chargepoint.csms.rpc import CallError, Reply
from chargepoint.errors import CsmsUnavailable
from chargepoint.station.profiles import constant
from chargepoint.v201.wire import timestamp

MINUTE = timedelta(minutes=1)


def profile(
    number: int = 1,
    limit: float = 8.0,
    *,
    purpose: str = "TxDefaultProfile",
    level: int = 0,
    kind: str = "Absolute",
    start: timedelta = timedelta(0),
    duration: int | None = 300,
    periods: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    schedule: dict[str, Any] = {
        "id": 1,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": periods or [{"startPeriod": 0, "limit": limit}],
    }
    if duration is not None:
        schedule["duration"] = duration
    if kind != "Relative":
        schedule["startSchedule"] = timestamp(START + start)
    return {
        "id": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": [schedule],
        **more,
    }


async def put(talk: Any, what: dict[str, Any], evse_id: int = 1) -> Any:
    return await talk.ask("SetChargingProfile", {"evseId": evse_id, "chargingProfile": what})


async def installed(
    talk: Any, evse_id: int | None = None, **criteria: Any
) -> list[tuple[int, dict[str, Any]]]:
    """EVSE and profile of everything reported."""
    asked: dict[str, Any] = {"requestId": 9, "chargingProfile": criteria}
    if evse_id is not None:
        asked["evseId"] = evse_id
    before = len(talk.csms.said("ReportChargingProfiles"))
    answer = await talk.ask("GetChargingProfiles", asked)
    reports = talk.csms.said("ReportChargingProfiles")[before:]
    assert (answer["status"] == "Accepted") is bool(reports)
    assert [report["tbc"] for report in reports] == [True] * (len(reports) - 1) + [False] * bool(
        reports
    )
    return [(report["evseId"], one) for report in reports for one in report["chargingProfile"]]


async def expected(talk: Any, evse_id: int = 1, duration: int = 300) -> list[tuple[int, float]]:
    answer = await talk.ask("GetCompositeSchedule", {"evseId": evse_id, "duration": duration})
    assert answer["status"] == "Accepted"
    schedule = answer["schedule"]
    assert (schedule["evseId"], schedule["duration"]) == (evse_id, duration)
    assert schedule["scheduleStart"] == timestamp(talk.bench.clock.now())
    return [(p["startPeriod"], p["limit"]) for p in schedule["chargingSchedulePeriod"]]


def reason(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["status"], answer["statusInfo"]["reasonCode"]


# --- set --------------------------------------------------------------------------------------


@pytest.mark.spec("2.0.1", "TC_K_01_CS")
@pytest.mark.spec("2.0.1", "TC_K_30_CS")
async def test_a_default_profile_of_one_evse_is_kept_as_it_is(talk: Any) -> None:
    given = profile(validFrom=timestamp(START), validTo=timestamp(START + 9 * MINUTE))
    given["chargingSchedule"][0]["minChargingRate"] = 6.5
    given["chargingSchedule"][0]["chargingSchedulePeriod"][0]["numberPhases"] = 3

    answer = await put(talk, given)

    assert answer == {"status": "Accepted"}
    assert await installed(talk, 1, chargingProfilePurpose="TxDefaultProfile") == [(1, given)]
    assert await installed(talk, 2) == []


@pytest.mark.spec("2.0.1", "TC_K_02_CS")
@pytest.mark.spec("2.0.1", "K01.FR.09")
async def test_a_tx_profile_without_a_transaction_is_rejected(talk: Any) -> None:
    answer = await put(talk, profile(purpose="TxProfile", transactionId="T1"))

    assert reason(answer) == ("Rejected", "TxNotFound")


@pytest.mark.spec("2.0.1", "TC_K_03_CS")
@pytest.mark.spec("2.0.1", "TC_K_29_CS")
async def test_a_maximum_of_the_station_is_reported_under_0(talk: Any) -> None:
    given = profile(purpose="ChargingStationMaxProfile")

    assert await put(talk, given, 0) == {"status": "Accepted"}

    assert await installed(talk, 0) == [(0, given)]
    assert await installed(talk, 1) == []
    assert await expected(talk, 1) == [(0, 8)]
    assert await expected(talk, 2) == [(0, 8)]


@pytest.mark.spec("2.0.1", "TC_K_04_CS")
@pytest.mark.spec("2.0.1", "K01.FR.05")
async def test_a_profile_of_the_same_id_takes_its_place(talk: Any) -> None:
    await put(talk, profile(limit=8))
    again = profile(limit=6, level=2)

    assert await put(talk, again) == {"status": "Accepted"}

    assert await installed(talk, 1) == [(1, again)]


@pytest.mark.spec("2.0.1", "TC_K_10_CS")
async def test_a_default_profile_of_the_station_is_for_every_evse(talk: Any) -> None:
    given = profile()

    await put(talk, given, 0)

    assert await installed(talk, 0) == [(0, given)]
    assert await expected(talk, 1) == await expected(talk, 2) == [(0, 8)]
    assert await expected(talk, 0) == [(0, 16)]


@pytest.mark.spec("2.0.1", "TC_K_11_CS")
@pytest.mark.spec("2.0.1", "K01.FR.16")
async def test_a_tx_profile_is_not_for_all_evses(talk: Any) -> None:
    transaction = await talk.bench.charge()
    own = profile(purpose="TxProfile", transactionId=transaction.transaction_id)

    assert reason(await put(talk, own, 0)) == ("Rejected", "InvalidProfile")


@pytest.mark.spec("2.0.1", "TC_K_14_CS")
@pytest.mark.spec("2.0.1", "K01.FR.28")
async def test_a_profile_of_an_unknown_evse_is_rejected(talk: Any) -> None:
    assert reason(await put(talk, profile(), 9)) == ("Rejected", "UnknownEvse")


@pytest.mark.spec("2.0.1", "TC_K_15_CS")
@pytest.mark.spec("2.0.1", "K01.FR.29")
@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("SetChargingProfile", {"evseId": 1, "chargingProfile": profile()}),
        ("GetChargingProfiles", {"requestId": 1, "chargingProfile": {}}),
        ("ClearChargingProfile", {"chargingProfileId": 1}),
        ("GetCompositeSchedule", {"evseId": 1, "duration": 300}),
    ],
)
async def test_without_smart_charging_its_calls_are_not_supported(
    talk: Any, action: str, payload: dict[str, Any]
) -> None:
    talk.bench.station.model.assign(SMART_CHARGING_ENABLED, value=False)

    with pytest.raises(CallError) as raised:
        await talk.ask(action, payload)

    assert raised.value.code == "NotSupported"


@pytest.mark.spec("2.0.1", "TC_K_16_CS")
@pytest.mark.spec("2.0.1", "K01.FR.33")
async def test_a_tx_profile_of_another_transaction_is_rejected(talk: Any) -> None:
    await talk.bench.charge()

    answer = await put(talk, profile(purpose="TxProfile", transactionId="another"))

    assert reason(answer) == ("Rejected", "TxNotFound")


@pytest.mark.spec("2.0.1", "TC_K_19_CS")
async def test_a_recurring_profile_counts_every_day(talk: Any) -> None:
    given = profile(kind="Recurring", recurrencyKind="Daily", start=-2 * MINUTE)

    assert await put(talk, given) == {"status": "Accepted"}
    assert await expected(talk) == [(0, 8), (180, 32)]
    await talk.bench.clock.advance(86400)
    assert await expected(talk) == [(0, 8), (180, 32)]


@pytest.mark.spec("2.0.1", "TC_K_21_CS")
async def test_a_profile_counts_from_the_moment_it_is_valid(talk: Any) -> None:
    await put(talk, profile(validFrom=timestamp(START + MINUTE)))

    assert await expected(talk) == [(0, 32), (60, 8)]


@pytest.mark.spec("2.0.1", "TC_K_22_CS")
async def test_a_profile_counts_until_it_is_no_longer_valid(talk: Any) -> None:
    await put(talk, profile(validTo=timestamp(START + MINUTE)))

    assert await expected(talk) == [(0, 8), (60, 32)]


@pytest.mark.spec("2.0.1", "TC_K_23_CS")
async def test_a_schedule_counts_from_its_start(talk: Any) -> None:
    await put(talk, profile(start=MINUTE))

    assert await expected(talk) == [(0, 32), (60, 8)]


@pytest.mark.spec("2.0.1", "TC_K_28_CS")
async def test_a_default_profile_takes_effect_on_a_transaction_that_runs(talk: Any) -> None:
    await talk.bench.charge()
    await talk.tell()

    await put(talk, profile())
    await talk.bench.station.limits.apply()

    assert talk.bench.state().limit_a == 8
    assert talk.bench.outlets[1].limit_a == 8
    (event,) = await talk.events()
    assert event["triggerReason"] == "ChargingRateChanged"


@pytest.mark.spec("2.0.1", "TC_K_60_CS")
@pytest.mark.spec("2.0.1", "K02.FR.08")
async def test_a_tx_profile_lasts_as_long_as_its_transaction(talk: Any) -> None:
    transaction = await talk.bench.charge()
    given = profile(purpose="TxProfile", kind="Relative", transactionId=transaction.transaction_id)

    assert await put(talk, given) == {"status": "Accepted"}
    assert await installed(talk, 1) == [(1, given)]
    await talk.bench.station.limits.apply()
    assert talk.bench.state().limit_a == 8

    await talk.bench.finish()
    await talk.bench.station.limits.apply()

    assert await installed(talk) == []
    assert talk.bench.store.profiles.load() == ()
    assert talk.bench.state().limit_a is None


@pytest.mark.parametrize(
    ("wrong", "evse_id", "word"),
    [
        (profile(purpose="ChargingStationExternalConstraints"), 1, "InvalidProfile"),
        (profile(purpose="ChargingStationMaxProfile"), 1, "InvalidProfile"),
        (profile(purpose="ChargingStationMaxProfile", kind="Relative"), 0, "InvalidProfile"),
        (profile(kind="Recurring"), 1, "InvalidProfile"),
        (profile(validFrom=timestamp(START), validTo=timestamp(START)), 1, "InvalidProfile"),
        (profile(level=100), 1, "InvalidStackLevel"),
        (profile(periods=[{"startPeriod": 1, "limit": 8.0}]), 1, "InvalidSchedule"),
        (profile(periods=[{"startPeriod": 0, "limit": 8.0}] * 2), 1, "InvalidSchedule"),
        (profile(periods=[{"startPeriod": 0, "limit": -1.0}]), 1, "InvalidSchedule"),
        (profile(duration=0), 1, "InvalidSchedule"),
        (
            profile(periods=[{"startPeriod": 0, "limit": 8.0, "numberPhases": 1}]),
            1,
            "InvalidSchedule",
        ),
        (
            profile(periods=[{"startPeriod": 0, "limit": 8.0, "numberPhases": 3, "phaseToUse": 2}]),
            1,
            "InvalidSchedule",
        ),
        (
            profile(periods=[{"startPeriod": n, "limit": 8.0} for n in range(301)]),
            1,
            "TooManyElements",
        ),
    ],
)
@pytest.mark.spec("2.0.1", "K01.FR.26")
async def test_a_profile_that_cannot_be_is_rejected(
    talk: Any, wrong: dict[str, Any], evse_id: int, word: str
) -> None:
    assert reason(await put(talk, wrong, evse_id)) == ("Rejected", word)
    assert talk.bench.station.profiles.installed == ()


@pytest.mark.parametrize("kind", ["Absolute", "Recurring", "Relative"])
async def test_a_start_belongs_to_every_schedule_but_a_relative_one(talk: Any, kind: str) -> None:
    wrong = profile(kind=kind, recurrencyKind="Daily")
    if kind == "Relative":
        wrong["chargingSchedule"][0]["startSchedule"] = timestamp(START)
    else:
        del wrong["chargingSchedule"][0]["startSchedule"]

    assert reason(await put(talk, wrong)) == ("Rejected", "InvalidSchedule")


@pytest.mark.spec("2.0.1", "K01.FR.52")
@pytest.mark.spec("2.0.1", "K01.FR.53")
@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
async def test_defaults_of_station_and_evse_on_one_stack_level_contradict(
    talk: Any, first: int, second: int
) -> None:
    await put(talk, profile(1), first)

    assert reason(await put(talk, profile(2), second)) == ("Rejected", "DuplicateProfile")
    assert await put(talk, profile(2, level=1), second) == {"status": "Accepted"}


@pytest.mark.spec("2.0.1", "K01.FR.39")
async def test_a_second_tx_profile_of_one_stack_level_is_rejected(talk: Any) -> None:
    transaction = (await talk.bench.charge()).transaction_id
    await put(talk, profile(1, purpose="TxProfile", transactionId=transaction))

    answer = await put(talk, profile(2, purpose="TxProfile", transactionId=transaction))

    assert reason(answer) == ("Rejected", "DuplicateProfile")


@pytest.mark.spec("2.0.1", "K01.FR.06")
async def test_on_one_stack_level_only_what_is_valid_together_gives_way(talk: Any) -> None:
    await put(talk, profile(1, validTo=timestamp(START + MINUTE)))
    await put(talk, profile(2, validFrom=timestamp(START + MINUTE)))
    assert [one["id"] for _, one in await installed(talk)] == [1, 2]

    await put(talk, profile(3))

    assert [one["id"] for _, one in await installed(talk)] == [3]


async def test_there_is_a_bound_to_the_profiles_that_are_installed(talk: Any) -> None:
    profiles = talk.bench.station.profiles
    for number in range(300):
        answer = await talk.adapter.handlers["SetChargingProfile"](
            {"evseId": 1 + number // 100 % 2, "chargingProfile": _own_time(number)}
        )
        assert answer == {"status": "Accepted"}

    answer = await put(talk, _own_time(300))

    assert reason(answer) == ("Rejected", "TooManyElements")
    assert len(profiles.installed) == 300
    assert await put(talk, _own_time(7), 1) == {"status": "Accepted"}


def _own_time(number: int) -> dict[str, Any]:
    """Valid when no other of its level is."""
    begin = START + number * MINUTE
    return profile(
        number,
        level=number % 100,
        validFrom=timestamp(begin),
        validTo=timestamp(begin + MINUTE),
    )


# --- clear ------------------------------------------------------------------------------------


@pytest.mark.spec("2.0.1", "TC_K_05_CS")
@pytest.mark.spec("2.0.1", "K10.FR.03")
async def test_a_profile_is_cleared_by_its_id(talk: Any) -> None:
    await put(talk, profile(1))

    assert await talk.ask("ClearChargingProfile", {"chargingProfileId": 1}) == {
        "status": "Accepted"
    }
    assert await installed(talk) == []
    assert talk.bench.store.profiles.load() == ()


@pytest.mark.spec("2.0.1", "TC_K_06_CS")
@pytest.mark.parametrize(
    "criteria",
    [
        {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 3},
        {"evseId": 1},
        {"stackLevel": 3},
        {"chargingProfilePurpose": "TxDefaultProfile"},
        {"evseId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 3},
    ],
)
async def test_a_profile_is_cleared_by_what_it_is(talk: Any, criteria: dict[str, Any]) -> None:
    await put(talk, profile(1, level=3))
    await put(talk, profile(2, purpose="ChargingStationMaxProfile", level=1), 0)

    answer = await talk.ask("ClearChargingProfile", {"chargingProfileCriteria": criteria})

    assert answer == {"status": "Accepted"}
    assert [one["id"] for _, one in await installed(talk)] == [2]


@pytest.mark.spec("2.0.1", "TC_K_07_CS")
@pytest.mark.parametrize(
    "asked",
    [
        {"chargingProfileId": 7},
        {
            "chargingProfileCriteria": {
                "chargingProfilePurpose": "TxDefaultProfile",
                "stackLevel": 4,
            }
        },
        {"chargingProfileCriteria": {"evseId": 2}},
        {"chargingProfileCriteria": {"evseId": 0}},
    ],
)
async def test_clearing_what_is_not_there_is_unknown(talk: Any, asked: dict[str, Any]) -> None:
    await put(talk, profile(1, level=3))

    assert await talk.ask("ClearChargingProfile", asked) == {"status": "Unknown"}
    assert len(await installed(talk)) == 1


@pytest.mark.spec("2.0.1", "TC_K_08_CS")
async def test_clearing_without_any_profile_is_unknown(talk: Any) -> None:
    assert await talk.ask("ClearChargingProfile", {"chargingProfileId": 1}) == {"status": "Unknown"}


@pytest.mark.spec("2.0.1", "TC_K_09_CS")
async def test_clearing_the_default_during_a_transaction_gives_the_local_limit(talk: Any) -> None:
    await talk.bench.charge()
    await put(talk, profile())
    await talk.bench.station.limits.apply()
    assert await expected(talk) == [(0, 8)]

    await talk.ask("ClearChargingProfile", {"chargingProfileId": 1})
    await talk.bench.station.limits.apply()

    assert await expected(talk) == [(0, 32)]
    assert talk.bench.state().limit_a is None


@pytest.mark.spec("2.0.1", "TC_K_24_CS")
async def test_profiles_of_several_evses_are_cleared_together(talk: Any) -> None:
    await put(talk, profile(1), 1)
    await put(talk, profile(2), 2)
    both = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}

    answer = await talk.ask("ClearChargingProfile", {"chargingProfileCriteria": both})

    assert answer == {"status": "Accepted"}
    assert await installed(talk) == []


# --- get --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evse_id", "criteria", "ids"),
    [
        pytest.param(None, {}, [2, 3, 4, 5], marks=pytest.mark.spec("2.0.1", "TC_K_31_CS")),
        pytest.param(0, {}, [2, 3], marks=pytest.mark.spec("2.0.1", "TC_K_29_CS")),
        pytest.param(
            None, {"chargingProfileId": [4, 9]}, [4], marks=pytest.mark.spec("2.0.1", "TC_K_32_CS")
        ),
        pytest.param(1, {"stackLevel": 2}, [5], marks=pytest.mark.spec("2.0.1", "TC_K_33_CS")),
        pytest.param(
            1,
            {"chargingLimitSource": ["CSO"]},
            [4, 5],
            marks=pytest.mark.spec("2.0.1", "TC_K_34_CS"),
        ),
        pytest.param(
            1, {"chargingLimitSource": ["EMS"]}, [], marks=pytest.mark.spec("2.0.1", "TC_K_34_CS")
        ),
        pytest.param(
            1,
            {"chargingProfilePurpose": "TxDefaultProfile"},
            [4, 5],
            marks=pytest.mark.spec("2.0.1", "TC_K_35_CS"),
        ),
        pytest.param(
            1,
            {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1},
            [4],
            marks=pytest.mark.spec("2.0.1", "TC_K_36_CS"),
        ),
        (2, {}, []),
    ],
)
async def test_profiles_are_reported_by_what_they_are(
    talk: Any, evse_id: int | None, criteria: dict[str, Any], ids: list[int]
) -> None:
    await put(talk, profile(2, purpose="ChargingStationMaxProfile"), 0)
    await put(talk, profile(3, level=3), 0)
    await put(talk, profile(4, level=1), 1)
    await put(talk, profile(5, level=2), 1)

    found = await installed(talk, evse_id, **criteria)

    assert [one["id"] for _, one in found] == ids


async def test_many_profiles_are_reported_in_parts(talk: Any) -> None:
    for number in range(12):
        await put(talk, profile(number, level=number), 1 + number % 2)

    found = await installed(talk)

    assert len(found) == 12
    reports = talk.csms.said("ReportChargingProfiles")
    assert [len(report["chargingProfile"]) for report in reports] == [5, 1, 5, 1]


async def test_a_report_ends_with_its_connection(
    talk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await put(talk, profile())
    talk.csms.answers("ReportChargingProfiles", CsmsUnavailable("gone"))

    reply = await talk.hear("GetChargingProfiles", {"requestId": 1, "chargingProfile": {}})
    assert isinstance(reply, Reply)
    assert reply.after is not None
    await reply.after()

    assert "not finished" in caplog.text


# --- composite --------------------------------------------------------------------------------


@pytest.mark.spec("2.0.1", "TC_K_39_CS")
async def test_without_profiles_the_local_limit_is_expected(talk: Any) -> None:
    assert await expected(talk, 1) == [(0, 32)]
    assert await expected(talk, 0) == [(0, 64)]


@pytest.mark.spec("2.0.1", "TC_K_40_CS")
async def test_of_a_stack_the_higher_level_leads_while_it_lasts(talk: Any) -> None:
    low = [
        {"startPeriod": 0, "limit": 6.0},
        {"startPeriod": 60, "limit": 10.0},
        {"startPeriod": 120, "limit": 8.0},
    ]
    high = [{"startPeriod": 0, "limit": 7.0}, {"startPeriod": 100, "limit": 9.0}]
    await put(talk, profile(1, duration=400, periods=low))
    await put(talk, profile(2, level=1, duration=150, periods=high))

    assert await expected(talk, duration=350) == [(0, 7), (100, 9), (150, 8)]


@pytest.mark.spec("2.0.1", "TC_K_41_CS")
async def test_of_all_purposes_the_least_is_expected(talk: Any) -> None:
    transaction = (await talk.bench.charge()).transaction_id
    maximum = [{"startPeriod": 0, "limit": 10.0}, {"startPeriod": 100, "limit": 16.0}]
    own = [
        {"startPeriod": 0, "limit": 8.0},
        {"startPeriod": 50, "limit": 11.0},
        {"startPeriod": 200, "limit": 20.0},
    ]
    await put(talk, profile(1, purpose="ChargingStationMaxProfile", periods=maximum), 0)
    await put(talk, profile(2, limit=6.0))
    tx = profile(
        3,
        purpose="TxProfile",
        kind="Relative",
        duration=260,
        periods=own,
        transactionId=transaction,
    )
    await put(talk, tx)

    assert await expected(talk) == [(0, 8), (50, 10), (100, 11), (200, 16), (260, 6)]


@pytest.mark.spec("2.0.1", "TC_K_47_CS")
async def test_nothing_is_expected_of_an_unknown_evse(talk: Any) -> None:
    answer = await talk.ask("GetCompositeSchedule", {"evseId": 9, "duration": 300})

    assert reason(answer) == ("Rejected", "UnknownEvse")


async def test_a_schedule_is_told_in_watts_as_well(talk: Any) -> None:
    given = profile()
    given["chargingSchedule"][0] |= {
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000.0}],
    }
    await put(talk, given)

    asked = {"evseId": 1, "duration": 300, "chargingRateUnit": "W"}
    schedule = (await talk.ask("GetCompositeSchedule", asked))["schedule"]

    assert schedule["chargingRateUnit"] == "W"
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 11000.0}]
    assert await expected(talk) == [(0, 15.9)]


async def test_a_schedule_has_a_bound_and_says_how_far_it_reaches(talk: Any) -> None:
    many = [{"startPeriod": 60 * n, "limit": 6.0 + n % 9} for n in range(300)]
    given = profile(kind="Recurring", recurrencyKind="Daily", duration=None, periods=many)
    await put(talk, given)

    asked = {"evseId": 1, "duration": 2_000_000_000}
    schedule = (await talk.ask("GetCompositeSchedule", asked))["schedule"]

    assert len(schedule["chargingSchedulePeriod"]) == 1024
    assert schedule["duration"] < 31 * 86400


# --- limits of others -------------------------------------------------------------------------


@pytest.mark.spec("2.0.1", "TC_K_52_CS")
@pytest.mark.spec("2.0.1", "K12.FR.02")
async def test_an_external_limit_is_obeyed_told_and_reported(talk: Any) -> None:
    await talk.bench.charge()
    await talk.tell()

    talk.bench.station.profiles.limit_from_outside(1, constant(Decimal(10)), "EMS")
    await talk.bench.station.limits.apply()

    assert talk.bench.outlets[1].limit_a == 10
    told = await talk.tell()
    assert [sent.action for sent in told] == ["NotifyChargingLimit", "TransactionEvent"]
    assert told[0].payload == {"chargingLimit": {"chargingLimitSource": "EMS"}, "evseId": 1}
    assert told[1].payload["triggerReason"] == "ChargingRateChanged"
    ((evse_id, one),) = await installed(talk, chargingLimitSource=["EMS"])
    assert (evse_id, one["chargingProfilePurpose"]) == (1, "ChargingStationExternalConstraints")
    assert one["id"] < 0


@pytest.mark.spec("2.0.1", "K11.FR.04")
async def test_an_external_limit_of_the_station_is_told_with_its_schedule(talk: Any) -> None:
    talk.bench.station.model.assign(NOTIFY_WITH_SCHEDULES, value=True)
    schedule = Schedule(Unit.WATT, (Period(0, Decimal(4200)), Period(60, Decimal(11000))))

    talk.bench.station.profiles.limit_from_outside(0, schedule, "SO", grid_critical=True)

    (sent,) = await talk.tell()
    assert sent.payload == {
        "chargingLimit": {"chargingLimitSource": "SO", "isGridCritical": True},
        "chargingSchedule": [
            {
                "id": 0,
                "startSchedule": timestamp(START),
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 4200.0},
                    {"startPeriod": 60, "limit": 11000.0},
                ],
            }
        ],
    }


@pytest.mark.spec("2.0.1", "K13.FR.02")
async def test_the_end_of_an_external_limit_is_told(talk: Any) -> None:
    profiles = talk.bench.station.profiles
    profiles.limit_from_outside(1, constant(Decimal(10)), "EMS")
    await talk.tell()

    assert profiles.release_from_outside(1, "EMS")

    (sent,) = await talk.tell()
    assert (sent.action, sent.payload) == (
        "ClearedChargingLimit",
        {"chargingLimitSource": "EMS", "evseId": 1},
    )
    assert not profiles.release_from_outside(1, "EMS")


@pytest.mark.spec("2.0.1", "K12.FR.01")
async def test_a_small_change_of_an_external_limit_is_not_told(talk: Any) -> None:
    talk.bench.station.model.assign(LIMIT_CHANGE_SIGNIFICANCE, Decimal(10))
    profiles = talk.bench.station.profiles
    profiles.limit_from_outside(1, constant(Decimal(10)), "EMS")
    await talk.tell()

    profiles.limit_from_outside(1, constant(Decimal("10.5")), "EMS")
    assert await talk.tell() == []
    profiles.limit_from_outside(1, constant(Decimal(12)), "EMS")
    assert len(await talk.tell()) == 1
    assert await expected(talk) == [(0, 12)]


@pytest.mark.spec("2.0.1", "K10.FR.06")
async def test_the_csms_cannot_clear_or_replace_an_external_limit(talk: Any) -> None:
    talk.bench.station.profiles.limit_from_outside(1, constant(Decimal(10)), "EMS")

    outside = {"chargingProfilePurpose": "ChargingStationExternalConstraints"}
    cleared = await talk.ask("ClearChargingProfile", {"chargingProfileCriteria": outside})
    put_over = await put(talk, profile(-1))

    assert cleared == {"status": "Unknown"}
    assert reason(put_over) == ("Rejected", "InvalidProfile")
    assert await expected(talk) == [(0, 10)]


async def test_the_site_has_less_than_its_outlets_could_take(talk: Any) -> None:
    talk.bench.station.model.assign(SITE_CURRENT, Decimal(20))

    assert await expected(talk, 0) == [(0, 20)]
    assert await expected(talk, 1) == [(0, 20)]


async def test_a_profile_set_before_the_vehicle_comes_counts_when_it_does(talk: Any) -> None:
    await put(talk, profile(kind="Relative"))
    await talk.bench.feed(Plugged())
    await talk.bench.charge()
    await talk.bench.station.limits.apply()

    assert talk.bench.state().limit_a == 8
