"""Test cases of OCPP 1.6: what happens without a connection (TC_036 to TC_039)."""

from decimal import Decimal
from typing import Any

import pytest
from case_rig import SILENCE, CallError, Case
from words_16 import CARD, OTHER_CARD, Open, configure, started, told

MINUTE = 60


@pytest.mark.spec("1.6", "TC_036_CS")
@pytest.mark.spec("1.6", "MeterValueSampleInterval")
async def test_a_connection_lost_in_a_transaction(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, MeterValueSampleInterval=MINUTE)
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)
        run.take()

        await run.cut()
        await run.advance(3 * MINUTE + 1)
        offline = run.take()
        await run.back()

        assert offline == []
        assert run.outlets[1].closed
        sent = run.take()
        assert "BootNotification" not in [one.action for one in sent]
        values = [one.payload for one in sent if one.action == "MeterValues"]
        assert {one["transactionId"] for one in values} == {4711}
        assert [_timestamp(one) for one in values] == [
            f"2026-03-01T10:0{minute}:00.000Z" for minute in (1, 2, 3)
        ]


@pytest.mark.spec("1.6", "TC_037_1_CS")
@pytest.mark.spec("1.6", "LocalAuthorizeOffline")
async def test_begun_offline_with_a_known_token(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, AuthorizationCacheEnabled=True, LocalAuthorizeOffline=True)
        await _known(run)

        await run.cut()
        await run.charge(CARD)
        await run.advance(MINUTE)
        await run.back()

        sent = run.take()
        (start,) = (one.payload for one in sent if one.action == "StartTransaction")
        assert (start["idTag"], start["timestamp"]) == (CARD, "2026-03-01T10:00:00.000Z")
        assert run.outlets[1].closed
        assert run.transaction() is not None


@pytest.mark.spec("1.6", "LocalAuthorizeOffline")
async def test_offline_nobody_begins_if_known_tokens_do_not_count(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, AuthorizationCacheEnabled=True, LocalAuthorizeOffline=False)
        await _known(run)

        await run.cut()
        await run.plug()
        await run.swipe(CARD)
        await run.advance(MINUTE)
        await run.back()

        assert run.transaction() is None
        assert told(run)[-1] == "1 Finishing"  # it waited for longer than ConnectionTimeOut


@pytest.mark.spec("1.6", "TC_037_2_CS")
@pytest.mark.spec("1.6", "AllowOfflineTxForUnknownId")
@pytest.mark.spec("1.6", "StopTransactionOnInvalidId")
async def test_begun_offline_and_refused_without_an_end(open_case: Open) -> None:
    async with open_case() as run:
        await _begun_by_unknown(run, stop=False)
        run.answers("StartTransaction", started(4711, "Invalid"))

        await run.back()

        words = [word for word in told(run) if word != "MeterValues 1"]
        assert words[-2:] == [f"Start 1 {OTHER_CARD}", "1 SuspendedEVSE"]
        assert not run.outlets[1].closed
        assert run.transaction() is not None
        await run.advance(10 * MINUTE)
        assert "Stop DeAuthorized" not in told(run)


@pytest.mark.spec("1.6", "TC_037_3_CS")
@pytest.mark.spec("1.6", "AllowOfflineTxForUnknownId")
@pytest.mark.spec("1.6", "StopTransactionOnInvalidId")
@pytest.mark.parametrize("status", ["Invalid", "Expired", "Blocked", "ConcurrentTx"])
async def test_begun_offline_and_refused_with_an_end(open_case: Open, status: str) -> None:
    async with open_case() as run:
        await _begun_by_unknown(run, stop=True)
        run.answers("StartTransaction", started(4711, status))

        await run.back()

        words = [word for word in told(run) if word != "MeterValues 1"]
        assert words[-3:] == [f"Start 1 {OTHER_CARD}", "1 Finishing", "Stop DeAuthorized"]
        assert not run.outlets[1].closed


@pytest.mark.spec("1.6", "TC_038_CS")
async def test_ended_offline(open_case: Open) -> None:
    async with open_case() as run:
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)
        run.take()

        await run.cut()
        await run.advance(MINUTE)
        run.meters[1].energy_wh += Decimal(100)
        await run.swipe(CARD)
        await run.advance(MINUTE)
        await run.unplug()
        await run.back()

        sent = run.take()
        (stop,) = (one.payload for one in sent if one.action == "StopTransaction")
        assert (stop["transactionId"], stop["reason"], stop["idTag"]) == (4711, "Local", CARD)
        assert (stop["meterStop"], stop["timestamp"]) == (1100, "2026-03-01T10:01:00.000Z")


@pytest.mark.spec("1.6", "TC_039_CS")
async def test_a_whole_transaction_offline(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, AllowOfflineTxForUnknownId=True)
        run.take()
        run.answers("StartTransaction", started(4711))

        await run.cut()
        await run.charge(OTHER_CARD)
        await run.advance(MINUTE)
        await run.swipe(OTHER_CARD)
        await run.advance(MINUTE)
        await run.unplug()
        await run.back()

        sent = [one for one in run.take() if one.action in {"StartTransaction", "StopTransaction"}]
        assert [one.action for one in sent] == ["StartTransaction", "StopTransaction"]
        start, stop = (one.payload for one in sent)
        assert start["timestamp"] == "2026-03-01T10:00:00.000Z"
        assert stop["timestamp"] == "2026-03-01T10:01:00.000Z"
        assert (start["idTag"], stop["idTag"]) == (OTHER_CARD, OTHER_CARD)
        assert stop["transactionId"] == 4711


@pytest.mark.spec("1.6", "TC_039_CS")
async def test_a_transaction_offline_over_a_power_cut(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, AllowOfflineTxForUnknownId=True)
        run.answers("StartTransaction", started(4711))
        await run.cut()
        await run.charge(OTHER_CARD)
        await run.swipe(OTHER_CARD)
        run.take()

        await run.restart()
        await run.advance(MINUTE)
        await run.back()

        words = told(run)
        assert words[0] == "BootNotification"
        assert [word for word in words if word.startswith("St")] == [
            f"Start 1 {OTHER_CARD}",
            "Stop Local",
        ]


@pytest.mark.spec("1.6", "4.8")
@pytest.mark.spec("1.6", "TransactionMessageAttempts")
@pytest.mark.spec("1.6", "TransactionMessageRetryInterval")
async def test_a_transaction_whose_start_is_never_answered_has_the_number_minus_one(
    open_case: Open,
) -> None:
    async with open_case() as run:
        await configure(
            run,
            TransactionMessageAttempts=3,
            TransactionMessageRetryInterval=MINUTE,
            MeterValueSampleInterval=10 * MINUTE,
        )
        run.take()
        refusal = CallError("InternalError", "no")
        run.answers("StartTransaction", refusal, refusal, refusal)

        await run.charge(CARD)
        starts = [len(run.take("StartTransaction"))]
        for wait in (MINUTE, 2 * MINUTE, 10 * MINUTE):
            await run.advance(wait - 1)
            early = run.take("StartTransaction")
            assert early == []
            await run.advance(1)
            starts.append(len(run.take("StartTransaction")))
        await run.swipe(CARD)

        assert starts == [1, 1, 1, 0]
        (stop,) = run.take("StopTransaction")
        assert stop["transactionId"] == -1


@pytest.mark.spec("1.6", "4.8")
async def test_readings_wait_for_the_number_of_their_transaction(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run, TransactionMessageRetryInterval=5 * MINUTE, MeterValueSampleInterval=MINUTE
        )
        run.take()
        run.answers("StartTransaction", CallError("InternalError", "no"), started(4711))

        await run.charge(CARD)
        await run.advance(3 * MINUTE)
        before = [one.action for one in run.take()]
        await run.advance(2 * MINUTE)

        assert "MeterValues" not in before
        values = run.take("MeterValues")
        assert {one["transactionId"] for one in values} == {4711}
        assert [_timestamp(one)[14:16] for one in values][-5:] == ["01", "02", "03", "04", "05"]


@pytest.mark.spec("1.6", "4.8")
@pytest.mark.spec("1.6", "StopTransactionOnInvalidId")
async def test_a_token_in_use_elsewhere_ends_a_transaction(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, StopTransactionOnInvalidId=True, AuthorizationCacheEnabled=True)
        await _known(run)
        await configure(run, LocalPreAuthorize=True)
        run.take()
        run.answers("StartTransaction", started(4711, "ConcurrentTx"))

        await run.plug()
        await run.swipe(CARD)
        ended = told(run)
        await run.unplug()
        await run.swipe(CARD)
        await run.plug()

        assert ended[-2:] == ["1 Finishing", "Stop DeAuthorized"]
        again = told(run)
        assert again[-2:] == [f"Start 1 {CARD}", "1 Charging"], "it is a good token all the same"


@pytest.mark.spec("1.6", "4.8")
async def test_a_start_sent_twice_is_not_in_the_way_of_itself(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, StopTransactionOnInvalidId=True)
        run.take()
        run.answers("StartTransaction", SILENCE, started(4711, "ConcurrentTx"))

        await run.plug()
        await run.swipe(CARD)
        await run.cut()
        await run.advance(MINUTE)
        await run.back()

        assert len(run.take("StartTransaction")) == 2
        assert run.transaction() is not None
        assert run.outlets[1].closed


def _timestamp(values: dict[str, Any]) -> str:
    (value,) = values["meterValue"]
    return str(value["timestamp"])


async def _known(run: Case) -> None:
    """The token is in the cache."""
    await run.charge(CARD)
    await run.swipe(CARD)
    await run.unplug()
    run.take()


async def _begun_by_unknown(run: Case, *, stop: bool) -> None:
    """Somebody the station does not know charges, and there is no connection."""
    await configure(run, AllowOfflineTxForUnknownId=True, StopTransactionOnInvalidId=stop)
    run.take()
    await run.cut()
    await run.charge(OTHER_CARD)
    await run.advance(MINUTE)
