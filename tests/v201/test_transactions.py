"""Block E: the life of a transaction as TransactionEvents."""

import base64
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from fake_clock import START
from sample_facts import ENERGY, RECORD, ended, started
from station_bench import TOKEN

from chargepoint.core.authorization import Known
from chargepoint.core.inputs import (
    EnergyDenied,
    LimitChanged,
    Plugged,
    PowerRestored,
    ReadingTaken,
    StopRequested,
    Unplugged,
    VehicleReady,
)
from chargepoint.core.model import (
    Cause,
    Context,
    IdToken,
    IdTokenType,
    Sampled,
    Source,
    Stage,
    StopReason,
)
from chargepoint.csms.adapter import Delivery
from chargepoint.csms.schemas import Schemas
from chargepoint.errors import CsmsRejected, CsmsUnavailable
from chargepoint.store import archive
from meters.model import Reading, SignedReading

REFUSED = {"idTokenInfo": {"status": "Invalid"}}


@pytest.mark.spec("2.0.1", "E01.FR.07")
@pytest.mark.spec("2.0.1", "E02.FR.01")
@pytest.mark.spec("2.0.1", "E06.FR.08")
async def test_a_session_is_told_from_begin_to_end(talk: Any) -> None:
    transaction = await talk.bench.charge()
    talk.bench.meters[1].energy_wh = Decimal("9000.5")
    await talk.bench.station.authorizer.present(TOKEN)

    begun, _, over = await talk.events()

    transaction_id = transaction.transaction_id
    token = {"idToken": "04A1B2C3D4", "type": "ISO14443"}
    register = {
        "measurand": "Energy.Active.Import.Register",
        "location": "Outlet",
        "unitOfMeasure": {"unit": "Wh"},
    }
    first = {"value": 1000, "context": "Transaction.Begin", **register}
    assert begun == {
        "eventType": "Started",
        "timestamp": "2026-03-01T10:00:00.000Z",
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": transaction_id, "chargingState": "EVConnected"},
        "evse": {"id": 1, "connectorId": 1},
        "idToken": token,
        "meterValue": [{"timestamp": "2026-03-01T10:00:00.000Z", "sampledValue": [first]}],
    }
    signed = over["meterValue"][1]["sampledValue"][0].pop("signedMeterValue")
    last = {"value": Decimal("9000.5"), "context": "Transaction.End", **register}
    assert over == {
        "eventType": "Ended",
        "timestamp": "2026-03-01T10:00:00.000Z",
        "triggerReason": "StopAuthorized",
        "seqNo": 2,
        "transactionInfo": {
            "transactionId": transaction_id,
            "chargingState": "EVConnected",
            "stoppedReason": "Local",
        },
        "evse": {"id": 1, "connectorId": 1},
        "idToken": token,
        "meterValue": [
            {"timestamp": "2026-03-01T10:00:00.000Z", "sampledValue": [first]},
            {"timestamp": "2026-03-01T10:00:00.000Z", "sampledValue": [last]},
        ],
    }
    record = base64.b64decode(signed["signedMeterData"]).decode()
    assert record.startswith('OCMF|{"TT":"<=>' + transaction_id)
    assert set(signed) == {"signedMeterData", "signingMethod", "encodingMethod", "publicKey"}


@pytest.mark.spec("2.0.1", "E01.FR.07")
async def test_sequence_numbers_have_no_gap(talk: Any) -> None:
    await talk.bench.charge()
    reading = await talk.bench.meters[1].read()
    await talk.bench.feed(
        ReadingTaken(reading, Context.PERIODIC),
        VehicleReady(ready=False),
        LimitChanged(Decimal(6)),
        ReadingTaken(reading, Context.CLOCK),
        EnergyDenied(),
    )
    await talk.bench.finish()

    events = await talk.events()

    assert [event["seqNo"] for event in events] == list(range(8))
    assert [event["triggerReason"] for event in events] == [
        "Authorized",
        "ChargingStateChanged",
        "MeterValuePeriodic",
        "ChargingStateChanged",
        "ChargingRateChanged",
        "MeterValueClock",
        "ChargingStateChanged",
        "RemoteStop",
    ]
    states = [event["transactionInfo"]["chargingState"] for event in events]
    assert states[3] == "SuspendedEV"
    assert states[6:] == ["SuspendedEVSE", "EVConnected"]


ENDS: list[tuple[Any, str, str]] = [
    (Unplugged(), "EVCommunicationLost", "EVDisconnected"),
    (PowerRestored(plugged=True), "AbnormalCondition", "PowerLoss"),
    (StopRequested(StopReason.REMOTE, Cause.REMOTE_STOP), "RemoteStop", "Remote"),
    (
        StopRequested(StopReason.SCHEDULED_RESET, Cause.RESET_COMMAND),
        "ResetCommand",
        "ImmediateReset",
    ),
    (
        StopRequested(StopReason.DEAUTHORIZED, Cause.DEAUTHORIZED),
        "Deauthorized",
        "DeAuthorized",
    ),
]


@pytest.mark.spec("2.0.1", "E06.FR.08")
@pytest.mark.parametrize(("end", "trigger", "reason"), ENDS)
async def test_an_end_names_what_ended_it(talk: Any, end: Any, trigger: str, reason: str) -> None:
    await talk.bench.charge()
    await talk.bench.feed(end)

    over = (await talk.events())[-1]

    assert over["triggerReason"] == trigger
    assert over["transactionInfo"]["stoppedReason"] == reason
    assert "idToken" not in over


async def test_every_reason_and_cause_has_a_legal_word(talk: Any) -> None:
    talk.bench.store.record(*(ended(reason=reason) for reason in StopReason))
    talk.bench.store.record(*(ended(cause=cause) for cause in Cause))

    assert len(await talk.events()) == len(StopReason) + len(Cause)


@pytest.mark.spec("2.0.1", "E04.FR.03")
async def test_what_happened_offline_says_so(talk: Any) -> None:
    await talk.cut()
    await talk.bench.charge()
    await talk.back()
    await talk.bench.finish()

    begun, _, over = await talk.events()

    assert begun["offline"] is True
    assert "offline" not in over


@pytest.mark.spec("2.0.1", "F01.FR.25")
async def test_a_remote_start_is_named_with_its_number(talk: Any) -> None:
    await talk.bench.feed(Plugged())
    await talk.bench.station.authorizer.start_remotely(
        talk.bench.evse().runner, IdToken("R1", IdTokenType.CENTRAL), 77, ask=False
    )

    begun = (await talk.events())[0]

    assert begun["triggerReason"] == "RemoteStart"
    assert begun["transactionInfo"]["remoteStartId"] == 77
    assert begun["idToken"] == {"idToken": "R1", "type": "Central"}


@pytest.mark.spec("2.0.1", "E05.FR.10")
@pytest.mark.parametrize(("stops", "stage"), [(True, Stage.FINISHED), (False, Stage.CHARGING)])
async def test_a_token_that_the_csms_refuses_afterwards_gets_no_more_energy(
    talk: Any, stage: Stage, *, stops: bool
) -> None:
    talk.bench.set("StopTransactionOnInvalidId", str(stops).lower())
    await talk.bench.charge()
    talk.csms.answers("TransactionEvent", REFUSED)

    events = await talk.events()

    assert talk.bench.state().stage is stage
    assert not talk.bench.outlets[1].closed
    assert events[-1]["triggerReason"] == ("Deauthorized" if stops else "ChargingStateChanged")
    known = talk.bench.store.tokens.known(TOKEN)
    assert known is not None
    assert known.status == "Invalid"


async def test_a_token_that_the_csms_accepts_goes_on_and_is_remembered(talk: Any) -> None:
    await talk.bench.charge()
    talk.csms.answers("TransactionEvent", {"idTokenInfo": {"status": "Accepted"}})

    await talk.events()

    assert talk.bench.state().stage is Stage.CHARGING
    assert talk.bench.store.tokens.known(TOKEN) == Known("Accepted", Source.CACHE)


async def test_no_word_on_the_token_is_no_refusal(talk: Any) -> None:
    await talk.bench.charge()

    await talk.events()

    assert talk.bench.state().stage is Stage.CHARGING
    assert talk.bench.store.tokens.known(TOKEN) is None


async def test_concurrent_tx_after_a_lost_answer_is_about_this_very_transaction(
    talk: Any,
) -> None:
    await talk.bench.charge()
    concurrent = {"idTokenInfo": {"status": "ConcurrentTx"}}
    talk.csms.answers("TransactionEvent", concurrent)
    entry = next(e for e in talk.bench.journal() if e.stream.startswith("transaction"))

    await talk.adapter.deliver(Delivery(entry, talk.csms, repeated=True))
    await talk.bench.clock.settle()

    assert talk.bench.state().stage is Stage.CHARGING


async def test_the_word_on_the_stopping_token_is_remembered(talk: Any) -> None:
    talk.bench.store.record(ended(stop_token=IdToken("DDEEFF00")))
    talk.csms.answers("TransactionEvent", {"idTokenInfo": {"status": "Blocked"}})

    await talk.events()

    known = talk.bench.store.tokens.known(IdToken("DDEEFF00"))
    assert known is not None
    assert known.status == "Blocked"


async def test_a_refusal_after_the_transaction_ended_changes_nothing(talk: Any) -> None:
    await talk.bench.charge()
    await talk.bench.finish()
    talk.csms.answers("TransactionEvent", REFUSED)

    events = await talk.events()

    assert [event["eventType"] for event in events] == ["Started", "Updated", "Ended"]


@pytest.mark.parametrize("error", [CsmsRejected("InternalError"), CsmsUnavailable("gone")])
@pytest.mark.parametrize("fact", [started(), ended()], ids=["Started", "Ended"])
async def test_what_was_not_told_stays_in_the_journal(
    talk: Any, fact: Any, error: Exception
) -> None:
    talk.bench.store.record(fact)
    talk.csms.answers("TransactionEvent", error)

    await talk.tell()

    assert talk.bench.store.waiting == 1


async def test_a_transaction_without_end_reading_is_told_with_what_there_is(talk: Any) -> None:
    begin = started().samples
    talk.bench.store.record(ended(end=None, samples=begin, missing="meter gone", verdict=""))

    (over,) = await talk.events()

    contexts = [value["sampledValue"][0]["context"] for value in over["meterValue"]]
    assert contexts == ["Transaction.Begin"]


async def test_without_any_sample_there_is_no_empty_list(talk: Any) -> None:
    talk.bench.store.record(started(samples=()), ended(samples=()))

    assert all("meterValue" not in event for event in await talk.events())


async def test_a_record_longer_than_2_0_1_allows_is_sent_all_the_same(
    talk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fact = ended()
    end = replace(fact.samples[-1].reading, signed=SignedReading(b"OCMF|" + b"x" * 3000))
    samples = (replace(fact.samples[-1], reading=end),)
    talk.bench.store.record(replace(fact, end=end, samples=samples))
    entry = talk.bench.store.next_entry()
    sent: list[Any] = []

    class Line:
        async def call(self, action: str, payload: Any, *, message_id: str | None) -> Any:
            Schemas("2.0.1").request(action, payload)
            sent.append((message_id, payload))
            return {}

    await talk.adapter.deliver(Delivery(entry, Line()))

    ((message_id, payload),) = sent
    value = payload["meterValue"][0]["sampledValue"][0]["signedMeterValue"]
    assert message_id == entry.message_id
    assert base64.b64decode(value["signedMeterData"]) == end.signed.document
    assert "signed record of 4008 characters, OCPP 2.0.1: 2500" in caplog.text


@pytest.mark.spec("2.0.1", "TC_E_28_CS")
@pytest.mark.spec("2.0.1", "TC_E_29_CS")
@pytest.mark.spec("2.0.1", "TC_E_30_CS")
@pytest.mark.spec("2.0.1", "TC_E_31_CS")
@pytest.mark.spec("2.0.1", "TC_E_32_CS")
@pytest.mark.spec("2.0.1", "TC_E_33_CS")
@pytest.mark.spec("2.0.1", "TC_E_34_CS")
async def test_the_csms_can_ask_what_became_of_a_transaction(talk: Any) -> None:
    async def status(transaction_id: str | None) -> tuple[Any, bool]:
        payload = {} if transaction_id is None else {"transactionId": transaction_id}
        answer = await talk.ask("GetTransactionStatus", payload)
        return answer.get("ongoingIndicator"), answer["messagesInQueue"]

    await talk.tell()
    assert (await status("nobody"), await status(None)) == ((False, False), (None, False))
    transaction_id = (await talk.bench.charge()).transaction_id
    assert (await status(transaction_id), await status(None)) == ((True, True), (None, True))
    await talk.tell()
    assert (await status(transaction_id), await status(None)) == ((True, False), (None, False))
    await talk.bench.finish()
    assert await status(transaction_id) == (False, True)
    assert await status("nobody") == (False, False)
    await talk.tell()
    assert await status(transaction_id) == (False, False)


async def test_a_record_that_no_message_can_carry_is_kept_as_not_told(talk: Any) -> None:
    bare = Sampled(Reading(START, (), RECORD), Context.END, ENERGY)
    talk.bench.station.record(ended(samples=(bare,), end=bare.reading))

    (over,) = await talk.events()

    store = talk.bench.station.store
    (untold,) = store.untold.all()
    assert "meterValue" not in over
    assert untold.lack.why == "1 signed records without a measured value to go with"
    with archive.RecordArchive(store.folder) as opened:
        (record,) = opened.oldest_first()
    assert record.delivery is archive.Delivery.UNTOLD
