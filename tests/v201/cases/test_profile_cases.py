"""Block K, step by step: charging profiles outlive a restart."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case
from token_cases import CARD

Open = Callable[..., AbstractAsyncContextManager[Case]]


def _profile(number: int, purpose: str, limit: float) -> dict[str, Any]:
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [
            {
                "id": number,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
                "startSchedule": "2026-03-01T10:00:00.000Z",
                "duration": 3000,
            }
        ],
    }


async def _installed(run: Case) -> list[tuple[int, dict[str, Any]]]:
    """EVSE and profile of everything that is reported."""
    run.take()
    await run.ask("GetChargingProfiles", requestId=3, chargingProfile={})
    reports = run.take("ReportChargingProfiles")
    return [(report["evseId"], one) for report in reports for one in report["chargingProfile"]]


@pytest.mark.spec("2.0.1", "TC_K_13_CS")
@pytest.mark.parametrize("by", ["Immediate", "OnIdle", "power cut"])
async def test_profiles_outlive_a_restart(open_case: Open, by: str) -> None:
    given = [
        (0, _profile(1, "ChargingStationMaxProfile", 20)),
        (1, _profile(2, "TxDefaultProfile", 9)),
    ]
    async with open_case() as run:
        for evse_id, profile in given:
            answer = await run.ask("SetChargingProfile", evseId=evse_id, chargingProfile=profile)
            assert answer == {"status": "Accepted"}
        run.take()

        if by == "power cut":
            await run.restart()
        else:
            assert await run.ask("Reset", type=by) == {"status": "Accepted"}
            await run.advance(5)
        assert len(run.take("BootNotification")) == 1

        assert await _installed(run) == given
        await run.charge(CARD)
        assert run.outlets[1].limit_a == 9
