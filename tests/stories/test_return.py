"""Why a station is back: the power was cut, the program crashed, or somebody had it start again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case

from chargepoint.boot import UNKNOWN, Boot
from chargepoint.station.evse import EvseRunner

VERSIONS = ["2.0.1", "1.6"]
MORNING, NOON = Boot("of the morning"), Boot("of noon")
RETURNS = {
    "crash": (MORNING, MORNING, "ApplicationReset", "ResetOrReboot", "Reboot"),
    "power cut": (MORNING, NOON, "PowerUp", "StartupOfTheDevice", "PowerLoss"),
    "a version before kept no boot": (
        UNKNOWN,
        MORNING,
        "PowerUp",
        "StartupOfTheDevice",
        "PowerLoss",
    ),
    "nobody knows": (UNKNOWN, UNKNOWN, "PowerUp", "StartupOfTheDevice", "PowerLoss"),
    "nobody knows any more": (MORNING, UNKNOWN, "PowerUp", "StartupOfTheDevice", "PowerLoss"),
}


async def switched_on(run: Case, boot: Boot) -> None:
    run.boot = boot
    await run.start()


def booted(run: Case) -> tuple[str, str]:
    """The reason of the present life and its security event, as the station keeps them."""
    newest, *_ = (
        entry
        for entry in reversed(list(run.station.store.security_log.entries()))
        if entry.type in {"StartupOfTheDevice", "ResetOrReboot"}
    )
    return newest.info, newest.type


def ends(run: Case, version: str) -> list[tuple[str, str]]:
    """Reason and trigger of every transaction whose end was told since it was asked last."""
    if version == "1.6":
        return [(one["reason"], "") for one in run.take("StopTransaction")]
    events = [one for one in run.take("TransactionEvent") if one["eventType"] == "Ended"]
    return [(one["transactionInfo"]["stoppedReason"], one["triggerReason"]) for one in events]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", RETURNS.values(), ids=RETURNS)
async def test_only_a_power_cut_is_told_as_one(
    tmp_path: Path, version: str, row: tuple[Boot, Boot, str, str, str]
) -> None:
    before, after, reason, event, stopped = row
    async with case(version, tmp_path, start=False) as run:
        await switched_on(run, before)
        await run.charge()
        run.take()

        run.boot = after
        await run.restart()

        assert booted(run) == (reason, event)
        sent = run.csms.sent(run._taken)
        boots = [one.payload for one in sent if one.action == "BootNotification"]
        assert [one.get("reason", reason) for one in boots] == [reason]
        assert ends(run, version) == [(stopped, "AbnormalCondition" if version == "2.0.1" else "")]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (MORNING, ("LocalReset", "ResetOrReboot")),
        (NOON, ("PowerUp", "StartupOfTheDevice")),
    ],
)
async def test_a_program_that_is_told_to_end_did_not_crash(
    tmp_path: Path, after: Boot, expected: tuple[str, str]
) -> None:
    async with case("2.0.1", tmp_path, start=False) as run:
        await switched_on(run, MORNING)
        await run.charge()
        run.take()

        await run.stop()
        await switched_on(run, after)

        assert booted(run) == expected
        assert ends(run, "2.0.1") == [("Reboot", "ResetCommand")]

        run.boot = after
        await run.restart()

        assert booted(run) == ("ApplicationReset", "ResetOrReboot")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_crash_before_the_power_cut_is_dealt_with_does_not_hide_it(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: Any) -> None:
        await asyncio.Event().wait()

    async with case(version, tmp_path, start=False) as run:
        await switched_on(run, MORNING)
        await run.charge()
        run.take()

        run.boot = NOON
        with monkeypatch.context() as patch:
            patch.setattr(EvseRunner, "recover", hang)
            await run.restart()
        await run.restart()

        assert booted(run) == ("PowerUp", "StartupOfTheDevice")
        assert [reason for reason, _ in ends(run, version)] == ["PowerLoss"]


async def test_a_reset_of_the_csms_is_none_of_the_program(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, start=False) as run:
        await switched_on(run, MORNING)

        await run.ask("Reset", type="Immediate")
        await run.advance(5)
        assert booted(run) == ("RemoteReset", "ResetOrReboot")
        await run.restart()

        assert booted(run) == ("ApplicationReset", "ResetOrReboot")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_transaction_that_may_go_on_does_so_after_a_crash(
    tmp_path: Path, version: str
) -> None:
    settings = {"TxCtrlr.AllowEnergyTransferResumption": "true"}
    async with case(version, tmp_path, start=False, settings=settings) as run:
        await switched_on(run, MORNING)
        transaction = await run.charge()
        run.take()

        await run.restart()
        await run.advance(5)

        assert ends(run, version) == []
        assert run.outlets[1].closed
        running = run.transaction()
        assert running is not None
        assert running.transaction_id == transaction
