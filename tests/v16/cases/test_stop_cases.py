"""Test cases of OCPP 1.6: how a transaction ends (TC_012 to TC_016 and more)."""

from decimal import Decimal

import pytest
from case_rig import SILENCE, Case
from words_16 import (
    ACCEPTED,
    CARD,
    GROUP,
    OTHER_CARD,
    REJECTED,
    Open,
    said,
    started,
    token_info,
    told,
)

BOOTED = ["BootNotification", "0 Available", "1 Available"]
RESETS = pytest.mark.parametrize("kind", ["Hard", "Soft"])


@pytest.mark.spec("1.6", "TC_012_CS")
async def test_a_remote_stop(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)
        run.meters[1].energy_wh += Decimal(250)
        run.take()

        answer = await run.ask("RemoteStopTransaction", transactionId=4711)
        stop = said(run, "StopTransaction")
        await run.unplug()

        assert answer == ACCEPTED
        assert (stop["transactionId"], stop["meterStop"]) == (4711, 1250)
        assert (stop["reason"], "idTag" in stop) == ("Remote", False)
        assert told(run) == ["1 Available"]


@pytest.mark.spec("1.6", "TC_012_CS")
async def test_after_a_remote_stop_the_connector_finishes(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(0))
        await run.charge(CARD)
        run.take()

        await run.ask("RemoteStopTransaction", transactionId=0)

        assert told(run) == ["1 Finishing", "Stop Remote"]
        assert not run.outlets[1].closed


@pytest.mark.spec("1.6", "TC_028_CS")
async def test_a_remote_stop_of_an_unknown_number(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)
        run.take()

        answers = [
            await run.ask("RemoteStopTransaction", transactionId=number) for number in (-1, 4712)
        ]

        assert answers == [REJECTED] * 2
        assert told(run) == []
        assert run.transaction() is not None


@pytest.mark.spec("1.6", "TC_013_CS")
@pytest.mark.spec("1.6", "TC_014_CS")
@RESETS
async def test_a_reset_while_idle(open_case: Open, kind: str) -> None:
    async with open_case() as run:
        await run.ask("ChangeAvailability", connectorId=1, type="Inoperative")
        assert "1 Unavailable" in told(run)

        answer = await run.ask("Reset", type=kind)
        await run.advance(1)
        reset = told(run)
        operative = await run.ask("ChangeAvailability", connectorId=1, type="Operative")

        assert answer == operative == ACCEPTED
        assert reset == ["BootNotification", "0 Available", "1 Unavailable"]
        assert told(run) == ["1 Available"]


@pytest.mark.spec("1.6", "TC_015_CS")
@pytest.mark.spec("1.6", "TC_016_CS")
@RESETS
async def test_a_reset_during_a_transaction(open_case: Open, kind: str) -> None:
    async with open_case() as run:
        await run.charge(CARD)
        run.take()

        answer = await run.ask("Reset", type=kind)
        await run.advance(1)

        assert answer == ACCEPTED
        assert told(run) == [
            "1 Finishing",
            f"Stop {kind}Reset",
            "BootNotification",
            "0 Available",
            "1 Finishing",
        ]
        assert not run.outlets[1].closed
        await run.unplug()
        assert told(run) == ["1 Available"]


@pytest.mark.spec("1.6", "TC_015_CS")
async def test_what_a_reset_could_not_tell_is_told_after_the_boot(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)
        run.take()
        run.answers("StopTransaction", SILENCE)

        await run.ask("Reset", type="Hard")
        await run.advance(5)

        sent = run.take()
        first, boot, again = (
            one for one in sent if one.action in {"BootNotification", "StopTransaction"}
        )
        assert boot.action == "BootNotification"
        assert first.payload["reason"] == "HardReset"
        assert (again.payload, again.message_id) == (first.payload, first.message_id)


@pytest.mark.spec("1.6", "TC_032_1_CS")
async def test_a_power_failure_with_a_reserve(open_case: Open) -> None:
    async with open_case() as run:
        await run.charge(CARD)
        run.take()

        run.outlets[1].power_fails()
        await run.settle()
        before = told(run)
        await run.restart()

        assert before == ["1 Finishing", "Stop PowerLoss"]
        assert told(run) == ["BootNotification", "0 Available", "1 Finishing"]


@pytest.mark.spec("1.6", "TC_032_2_CS")
async def test_a_power_failure_without_a_reserve(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)
        run.meters[1].energy_wh += Decimal(40)
        run.take()

        await run.restart()

        sent = [one for one in run.take() if one.action != "SecurityEventNotification"]
        assert sent[0].action == "BootNotification"
        (stop,) = (one.payload for one in sent if one.action == "StopTransaction")
        assert (stop["transactionId"], stop["meterStop"]) == (4711, 1040)
        assert stop["reason"] == "PowerLoss"
        assert run.transaction() is None


@pytest.mark.spec("1.6", "TC_034_CS")
async def test_unavailable_lasts_over_a_power_cut(open_case: Open) -> None:
    async with open_case() as run:
        answer = await run.ask("ChangeAvailability", connectorId=1, type="Inoperative")
        before = told(run)
        await run.restart()

        assert answer == ACCEPTED
        assert before == [*BOOTED, "1 Unavailable"]
        assert told(run) == ["BootNotification", "0 Available", "1 Unavailable"]
        await run.swipe(CARD)
        await run.plug()
        assert run.transaction() is None


@pytest.mark.spec("1.6", "TC_034_CS")
async def test_a_station_out_of_order_is_so_after_a_power_cut(open_case: Open) -> None:
    async with open_case() as run:
        await run.ask("ChangeAvailability", connectorId=0, type="Inoperative")
        run.take()
        await run.restart()

        assert told(run) == ["BootNotification", "0 Unavailable", "1 Unavailable"]


@pytest.mark.spec("1.6", "TC_068_CS")
@pytest.mark.parametrize("same", [CARD, CARD.lower()])
async def test_the_token_that_began_ends_a_transaction(open_case: Open, same: str) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)
        run.take()

        await run.swipe(same)
        sent = run.take()

        assert [one.action for one in sent] == ["StatusNotification", "StopTransaction"]
        stop = sent[1].payload
        assert (stop["transactionId"], stop["idTag"], stop["reason"]) == (4711, same, "Local")
        assert sent[0].payload["status"] == "Finishing"


@pytest.mark.spec("1.6", "TC_069_CS")
async def test_another_token_of_the_group_ends_a_transaction(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("Authorize", token_info(parent=GROUP), token_info(parent=GROUP))
        run.answers("StartTransaction", started(4711, parent=GROUP))
        await run.charge(CARD)
        run.take()

        await run.swipe(OTHER_CARD)
        sent = run.take()

        assert [one.action for one in sent] == [
            "Authorize",
            "StatusNotification",
            "StopTransaction",
        ]
        stop = sent[2].payload
        assert (stop["transactionId"], stop["idTag"]) == (4711, OTHER_CARD)
        assert stop["reason"] == "Local"


@pytest.mark.spec("1.6", "4.10")
@pytest.mark.parametrize("status", ["Accepted", "Invalid"])
async def test_a_token_of_no_group_ends_nothing(open_case: Open, status: str) -> None:
    async with open_case() as run:
        run.answers("Authorize", token_info(parent=GROUP), token_info(status))
        await run.charge(CARD)
        run.take()

        await run.swipe(OTHER_CARD)

        assert told(run) == [f"Authorize {OTHER_CARD}"]
        assert _runs(run)


def _runs(run: Case) -> bool:
    return run.transaction() is not None and run.outlets[1].closed
