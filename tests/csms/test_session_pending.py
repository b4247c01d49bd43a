"""A station that the CSMS has not accepted yet tells what it is asked for, and nothing else."""

from pathlib import Path

import pytest
from case_rig import CallError, Case, case

from chargepoint.core.facts import MeterSampled
from chargepoint.errors import StoreError

PENDING = {"status": "Pending", "interval": 600, "currentTime": "2026-03-01T10:00:00Z"}
RESUME = {"TxCtrlr.AllowEnergyTransferResumption": "true"}
BOTH = pytest.mark.parametrize("version", ["2.0.1", "1.6"])


async def begin_pending(run: Case) -> None:
    """The station starts, and the CSMS has it wait."""
    run.take()
    run.answers("BootNotification", PENDING)
    await run.start() if not run.lives else await run.restart()
    assert [sent.action for sent in run.take()] == ["BootNotification"]


def told(run: Case) -> list[str]:
    return [sent.action for sent in run.take()]


@pytest.mark.spec("2.0.1", "B02.FR.02")
@BOTH
@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification", "Heartbeat"])
async def test_what_is_triggered_is_told_while_pending_and_nothing_else(
    tmp_path: Path, version: str, message: str
) -> None:
    async with case(version, tmp_path, start=False) as run:
        await begin_pending(run)
        await run.plug()
        silent = told(run)

        answer = await run.ask("TriggerMessage", requestedMessage=message)
        asked = set(told(run))
        await run.advance(590)

        assert answer == {"status": "Accepted"}
        assert (silent, asked, told(run)) == ([], {message}, [])


@pytest.mark.parametrize(
    ("version", "message", "sent"),
    [
        ("2.0.1", "FirmwareStatusNotification", "FirmwareStatusNotification"),
        ("2.0.1", "LogStatusNotification", "LogStatusNotification"),
        ("2.0.1", "SignChargingStationCertificate", "SignCertificate"),
        ("1.6", "FirmwareStatusNotification", "FirmwareStatusNotification"),
        ("1.6", "DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
    ],
)
async def test_so_is_what_other_blocks_tell(
    tmp_path: Path, version: str, message: str, sent: str
) -> None:
    settings = {"SecurityCtrlr.OrganizationName": "Example"}
    async with case(version, tmp_path, start=False, settings=settings) as run:
        await begin_pending(run)

        await run.ask("TriggerMessage", requestedMessage=message)
        if sent == "SignCertificate":  # its key is made in a thread
            await run.until(lambda: run.csms.messages(sent))
            await run.settle()

        assert told(run) == [sent]


@pytest.mark.parametrize("version", ["1.6"])
async def test_an_extended_trigger_does_the_same(tmp_path: Path, version: str) -> None:
    async with case(version, tmp_path, start=False) as run:
        await begin_pending(run)

        await run.ask("ExtendedTriggerMessage", requestedMessage="MeterValues")

        assert told(run) == ["MeterValues"]


@pytest.mark.parametrize(
    ("version", "message", "sent"),
    [("2.0.1", "TransactionEvent", "TransactionEvent"), ("1.6", "MeterValues", "MeterValues")],
)
async def test_a_transaction_that_goes_on_is_told_of_while_pending(
    tmp_path: Path, version: str, message: str, sent: str
) -> None:
    async with case(version, tmp_path, settings=RESUME) as run:
        transaction_id = await run.charge()
        await begin_pending(run)

        answer = await run.ask("TriggerMessage", requestedMessage=message)
        (asked,) = run.take()

        assert answer == {"status": "Accepted"}
        assert asked.action == sent
        if version == "2.0.1":
            assert asked.payload["triggerReason"] == "Trigger"
            assert asked.payload["transactionInfo"]["transactionId"] == transaction_id


@BOTH
async def test_what_was_told_while_pending_is_not_told_again(tmp_path: Path, version: str) -> None:
    async with case(version, tmp_path, start=False) as run:
        await begin_pending(run)
        await run.ask("TriggerMessage", requestedMessage="MeterValues")
        run.take()

        await run.ask("TriggerMessage", requestedMessage="BootNotification")

        assert "MeterValues" not in told(run)


@BOTH
async def test_what_the_csms_refused_while_pending_is_given_up(
    tmp_path: Path, version: str
) -> None:
    async with case(version, tmp_path, start=False) as run:
        await begin_pending(run)
        run.answers("MeterValues", CallError("InternalError", "no"))
        await run.ask("TriggerMessage", requestedMessage="MeterValues")
        first = told(run)
        await run.ask("TriggerMessage", requestedMessage="MeterValues")

        assert (first, told(run)) == (["MeterValues"], ["MeterValues"])
        assert not run.life.store.journal.waiting_of(MeterSampled)


@pytest.mark.spec("2.0.1", "B02.FR.02")
async def test_a_fact_behind_one_that_waits_keeps_its_place(tmp_path: Path) -> None:
    unknown = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    async with case("2.0.1", tmp_path, settings=RESUME | unknown) as run:
        await run.cut()
        await run.charge("04A1B2C3D4")
        run.csms.refuse = None
        await begin_pending(run)

        await run.ask("TriggerMessage", requestedMessage="TransactionEvent")
        while_pending = told(run)
        await run.ask("TriggerMessage", requestedMessage="BootNotification")

        assert while_pending == []
        kinds = [event["eventType"] for event in run.take("TransactionEvent")]
        assert (kinds[0], kinds[-1]) == ("Started", "Updated")


async def test_a_disk_that_refuses_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with case("2.0.1", tmp_path, start=False) as run:
        await begin_pending(run)

        def refuse(_: int) -> None:
            raise StoreError("disk full")

        monkeypatch.setattr(run.life.store.journal, "first_since", refuse)
        answer = await run.ask("TriggerMessage", requestedMessage="MeterValues")
        await run.ask("TriggerMessage", requestedMessage="BootNotification")

        assert answer == {"status": "Accepted"}
        assert "MeterValues" in told(run)
