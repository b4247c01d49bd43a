"""A CSMS that writes whole numbers with a point: JSON knows no difference, the store does."""

from pathlib import Path
from typing import Any

from case_rig import Case, case

from chargepoint.bench.csms import Direction

WHO = {"idToken": "04A1B2C3", "type": "ISO14443"}


def _forgive(run: Case) -> None:
    """The small CSMS is stricter with itself than the schemas are."""
    run.csms.violations[:] = [
        one for one in run.csms.violations if one.direction is not Direction.FROM_CSMS
    ]


async def test_a_session_started_with_such_numbers_outlives_a_power_cut(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path) as run:
        await run.plug()
        await run.ask("RequestStartTransaction", remoteStartId=7.0, evseId=1.0, idToken=WHO)
        assert run.transaction() is not None
        await run.restart()

        told = run.take("TransactionEvent")
        _forgive(run)

    infos = [one["transactionInfo"] for one in told]
    assert {info.get("remoteStartId") for info in infos} == {7, None}
    assert infos[-1]["stoppedReason"] == "PowerLoss"


async def test_what_such_numbers_set_is_there_after_a_restart(tmp_path: Path) -> None:
    period = {"startPeriod": 0.0, "limit": 10.0}
    schedule = {"id": 1.0, "chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    profile: dict[str, Any] = {
        "id": 5.0,
        "stackLevel": 0.0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
    until = "2030-01-01T00:00:00Z"
    async with case("2.0.1", tmp_path, connectors=(("cType2",), ("cType2",))) as run:
        answers = [
            await run.ask("SetChargingProfile", evseId=1.0, chargingProfile=profile),
            await run.ask("ReserveNow", id=3.0, evseId=2.0, expiryDateTime=until, idToken=WHO),
        ]
        await run.restart()

        (reserved,) = run.station.reservations.known
        assert reserved.reservation_id == 3
        assert run.outlets[1].limit_a == 10
        _forgive(run)

    assert [answer["status"] for answer in answers] == ["Accepted", "Accepted"]
