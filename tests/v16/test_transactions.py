import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from fake_clock import START

from chargepoint.core.facts import TransactionEnded, TransactionStarted
from chargepoint.core.inputs import ReadingTaken, StopRequested, VehicleReady
from chargepoint.core.model import Cause, Context, IdToken, Source, Stage, StopReason
from chargepoint.errors import CsmsRejected, CsmsUnavailable
from chargepoint.store.untold import Lack
from chargepoint.v16 import wire
from chargepoint.v16.transactions import STOPPED
from meters.errors import MeterRefused
from meters.model import Quantity, Reading, Sample

ENERGY = "Energy.Active.Import.Register"
REMOTE = StopRequested(StopReason.REMOTE, Cause.REMOTE_STOP)


async def stop(bench: Any, wh: int = 0, given: StopRequested = REMOTE, evse_id: int = 1) -> None:
    """Charge this much, then end the transaction."""
    bench.meters[evse_id].energy_wh += wh
    bench.clock.pass_time(1800)
    await bench.feed(given, evse_id=evse_id)


async def sample(bench: Any) -> None:
    reading = await bench.meters[1].read()
    await bench.feed(ReadingTaken(reading, Context.PERIODIC))


def transaction_messages(bench: Any) -> list[str]:
    return [action for action in bench.csms.actions if action != "StatusNotification"]


# --- start ------------------------------------------------------------------------------------


@pytest.mark.spec("1.6", "4.8")
async def test_start_tells_connector_token_register_and_time(bench: Any) -> None:
    bench.meters[2].energy_wh = Decimal("108814.5")
    await bench.charge(evse_id=2)
    await bench.tell()

    assert bench.csms.said("StartTransaction") == [
        {
            "connectorId": 2,
            "idTag": "04A1B2C3",
            "meterStart": 108815,
            "timestamp": "2026-03-01T10:00:00.000Z",
        }
    ]


@pytest.mark.spec("1.6", "4.8")
@pytest.mark.parametrize("measurands", ["", ENERGY])
async def test_the_id_of_the_csms_is_kept(bench: Any, measurands: str) -> None:
    bench.set("StartTxnSampledData", measurands)
    transaction = await bench.charge()
    await bench.tell()

    assert bench.station.store.csms_transaction(transaction.transaction_id) == 4711


@pytest.mark.parametrize("measurands", ["", ENERGY])
async def test_an_id_that_no_database_holds_is_no_answer(bench: Any, measurands: str) -> None:
    bench.set("StartTxnSampledData", measurands)
    accepted = {"idTagInfo": {"status": "Accepted"}}
    bench.csms.answers("StartTransaction", {"transactionId": 2**63, **accepted})
    await bench.charge()
    await stop(bench)

    for wait_s in (60, 120, 180):
        await bench.tell()
        await bench.clock.advance(wait_s)

    assert len(bench.csms.said("StartTransaction")) == 3
    (ended,) = bench.csms.said("StopTransaction")
    assert ended["transactionId"] == -1


@pytest.mark.parametrize(
    ("measured", "told"),
    [("0", 0), ("0.49", 0), ("0.5", 1), ("1000.5", 1001), ("1E+3", 1000), ("1234567.499", 1234567)],
)
def test_energy_is_told_in_whole_watt_hours(bench: Any, measured: str, told: int) -> None:
    reading = Reading(bench.clock.now(), (Sample(Quantity.ENERGY_IMPORT, Decimal(measured)),))

    assert wire.energy_wh(reading) == told


@pytest.mark.spec("1.6", "4.8")
async def test_begin_values_follow_in_a_message_of_their_own(bench: Any) -> None:
    await bench.charge()
    await bench.tell()

    assert transaction_messages(bench) == ["StartTransaction", "MeterValues"]
    (told,) = bench.csms.said("MeterValues")
    assert (told["connectorId"], told["transactionId"]) == (1, 4711)
    ((value,),) = (entry["sampledValue"] for entry in told["meterValue"])
    assert (value["context"], value["value"], value["unit"]) == ("Transaction.Begin", "1000", "Wh")


async def test_without_begin_measurands_nothing_follows_the_start(bench: Any) -> None:
    bench.set("StartTxnSampledData", "")
    await bench.charge()
    await bench.tell()

    assert transaction_messages(bench) == ["StartTransaction"]


async def test_a_signed_begin_value_goes_with_the_begin_values(bench: Any) -> None:
    bench.set("SampledDataSignStartedReadings", "true")
    bench.meters[1].signs_begin = True
    await bench.charge()
    await bench.tell()

    ((signed, plain),) = (
        entry["sampledValue"] for entry in bench.csms.said("MeterValues")[0]["meterValue"]
    )
    assert (signed["format"], signed["context"]) == ("SignedData", "Transaction.Begin")
    assert (plain["format"], plain["value"]) == ("Raw", "1000")


@pytest.mark.spec("1.6", "4.8")
@pytest.mark.parametrize("broken", [CsmsUnavailable("cut"), CsmsRejected("InternalError")])
async def test_a_start_that_was_answered_is_not_sent_again(bench: Any, broken: Exception) -> None:
    await bench.charge()
    bench.csms.answers("MeterValues", broken)
    await bench.tell()

    await bench.back()
    await bench.clock.advance(60)
    await bench.tell()

    assert transaction_messages(bench) == ["StartTransaction", "MeterValues", "MeterValues"]
    first, second = (sent for sent in bench.csms.sent if sent.action == "MeterValues")
    assert first == second
    assert first.message_id == second.message_id


@pytest.mark.spec("1.6", "4.8")
async def test_a_start_without_answer_is_sent_again_as_the_same_message(bench: Any) -> None:
    await bench.charge()
    bench.csms.answers("StartTransaction", CsmsUnavailable("no answer"))
    await bench.tell()

    await bench.back()
    await bench.tell()

    first, second = (sent for sent in bench.csms.sent if sent.action == "StartTransaction")
    assert first == second
    assert first.message_id == second.message_id


async def test_messages_of_one_fact_have_ids_of_their_own(bench: Any) -> None:
    await bench.charge()
    await bench.tell()

    start, values = (s for s in bench.csms.sent if s.action in {"StartTransaction", "MeterValues"})
    assert start.message_id != values.message_id


@pytest.mark.spec("1.6", "TC_037_3")
@pytest.mark.spec("1.6", "4.8")
async def test_a_refused_token_ends_the_transaction(bench: Any) -> None:
    bench.csms.standing["StartTransaction"] = {
        "transactionId": 0,
        "idTagInfo": {"status": "Invalid"},
    }
    await bench.charge()
    await bench.tell()

    (told,) = bench.csms.said("StopTransaction")
    assert (told["reason"], told["transactionId"]) == ("DeAuthorized", 0)
    assert bench.station.store.tokens.known(IdToken("04A1B2C3")).status == "Invalid"


@pytest.mark.spec("1.6", "TC_037_2")
@pytest.mark.spec("1.6", "9.1.26")
async def test_a_refused_token_stops_only_the_energy_if_the_settings_say_so(bench: Any) -> None:
    bench.set("StopTransactionOnInvalidId", "false")
    bench.csms.standing["StartTransaction"] = {
        "transactionId": 5,
        "idTagInfo": {"status": "Blocked"},
    }
    await bench.charge()
    await bench.tell()

    assert bench.csms.said("StopTransaction") == []
    assert bench.csms.said("StatusNotification")[-1]["status"] == "SuspendedEVSE"
    assert bench.state().stage is Stage.CHARGING


async def test_an_accepted_token_is_remembered_with_its_group(bench: Any) -> None:
    bench.csms.standing["StartTransaction"] = {
        "transactionId": 5,
        "idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET"},
    }
    await bench.charge()
    await bench.tell()

    known = bench.station.store.tokens.known(IdToken("04A1B2C3"))
    assert (known.status, known.group, known.source) == (
        "Accepted",
        IdToken("FLEET"),
        Source.CACHE,
    )
    assert bench.state().stage is Stage.CHARGING


async def test_a_token_too_long_for_an_id_tag_does_not_lose_the_start(bench: Any) -> None:
    await bench.charge(tag="0123456789ABCDEF0123456789")
    await bench.tell()

    (told,) = bench.csms.said("StartTransaction")
    assert told["idTag"] == "0123456789ABCDEF0123"


# --- meanwhile --------------------------------------------------------------------------------


@pytest.mark.spec("1.6", "4.7")
async def test_a_reading_is_told_with_the_id_of_its_transaction(bench: Any) -> None:
    await bench.charge()
    await bench.tell()
    bench.meters[1].energy_wh = Decimal("1234.5")
    await sample(bench)
    await bench.tell()

    told = bench.csms.said("MeterValues")[-1]
    assert (told["connectorId"], told["transactionId"]) == (1, 4711)
    (entry,) = told["meterValue"]
    assert {(v["measurand"], v["value"], v["context"]) for v in entry["sampledValue"]} == {
        (ENERGY, "1234.5", "Sample.Periodic"),
        ("Power.Active.Import", "0", "Sample.Periodic"),
    }


@pytest.mark.spec("1.6", "4.7")
async def test_a_change_without_a_reading_has_no_words(bench: Any) -> None:
    await bench.charge()
    await bench.tell()
    before = len(transaction_messages(bench))

    await bench.feed(VehicleReady(ready=False))
    await bench.tell()

    assert len(transaction_messages(bench)) == before


# --- end --------------------------------------------------------------------------------------


@pytest.mark.spec("1.6", "4.10")
async def test_stop_tells_register_time_reason_and_readings(bench: Any) -> None:
    await bench.charge()
    await stop(bench, 500)
    await bench.tell()

    (told,) = bench.csms.said("StopTransaction")
    data = told.pop("transactionData")
    assert told == {
        "transactionId": 4711,
        "meterStop": 1500,
        "timestamp": "2026-03-01T10:30:00.000Z",
        "reason": "Remote",
    }
    assert [entry["timestamp"] for entry in data] == [
        "2026-03-01T10:00:00.000Z",
        "2026-03-01T10:30:00.000Z",
    ]
    (begin,), (signed, end) = (entry["sampledValue"] for entry in data)
    assert (begin["context"], begin["value"]) == ("Transaction.Begin", "1000")
    assert (end["context"], end["value"]) == ("Transaction.End", "1500")
    assert (signed["context"], signed["format"]) == ("Transaction.End", "SignedData")
    assert json.loads(signed["value"])["encodingMethod"] == "OCMF"


@pytest.mark.spec("1.6", "4.10")
async def test_stop_names_the_token_that_asked_for_it(bench: Any) -> None:
    await bench.charge()
    other = IdToken("OTHER")
    await stop(bench, given=StopRequested(StopReason.LOCAL, Cause.STOP_AUTHORIZED, other))
    bench.csms.standing["StopTransaction"] = {"idTagInfo": {"status": "Blocked"}}
    await bench.tell()

    (told,) = bench.csms.said("StopTransaction")
    assert (told["idTag"], told["reason"]) == ("OTHER", "Local")
    assert bench.station.store.tokens.known(other).status == "Blocked"


@pytest.mark.spec("1.6", "7.36")
@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.DEAUTHORIZED, "DeAuthorized"),
        (StopReason.EMERGENCY_STOP, "EmergencyStop"),
        (StopReason.EV_DISCONNECTED, "EVDisconnected"),
        (StopReason.IMMEDIATE_RESET, "HardReset"),
        (StopReason.LOCAL, "Local"),
        (StopReason.MASTER_PASS, "Local"),
        (StopReason.OTHER, "Other"),
        (StopReason.POWER_LOSS, "PowerLoss"),
        (StopReason.REBOOT, "Reboot"),
        (StopReason.REMOTE, "Remote"),
        (StopReason.SCHEDULED_RESET, "SoftReset"),
        (StopReason.UNLOCK_COMMAND, "UnlockCommand"),
    ],
)
async def test_every_reason_has_its_word(bench: Any, reason: StopReason, word: str) -> None:
    await bench.charge()
    await stop(bench, given=StopRequested(reason, Cause.ABNORMAL_CONDITION))
    await bench.tell()

    assert [told["reason"] for told in bench.csms.said("StopTransaction")] == [word]


def test_no_reason_is_without_a_word() -> None:
    assert STOPPED.keys() == set(StopReason)


@pytest.mark.spec("1.6", "4.10")
async def test_without_final_measurands_and_signing_there_is_no_transaction_data(
    bench: Any,
) -> None:
    bench.set("StopTxnSampledData", "")
    bench.set("SampledDataSignReadings", "false")
    await bench.charge()
    await stop(bench, 500)
    await bench.tell()

    (told,) = bench.csms.said("StopTransaction")
    assert "transactionData" not in told
    assert told["meterStop"] == 1500


async def test_a_signed_record_is_sent_even_without_final_measurands(bench: Any) -> None:
    bench.set("StopTxnSampledData", "")
    await bench.charge()
    await stop(bench)
    await bench.tell()

    (entry,) = bench.csms.said("StopTransaction")[0]["transactionData"]
    assert [value["format"] for value in entry["sampledValue"]] == ["SignedData", "Raw"]


async def test_a_meter_that_lost_its_record_still_gives_the_last_register(bench: Any) -> None:
    await bench.charge()
    bench.meters[1].energy_wh = Decimal(1700)
    assert await bench.station.evse(1).meter.refresh() is not None
    bench.meters[1].running = ""
    bench.meters[1].fails = MeterRefused("no such transaction")
    await bench.feed(REMOTE)
    bench.meters[1].fails = None
    await bench.tell()

    assert bench.csms.said("StopTransaction")[0]["meterStop"] == 1700


@pytest.mark.parametrize(("kept", "told"), [(("1300", "1450"), 1450), ((), 1000)])
async def test_without_an_end_reading_the_last_known_one_counts(
    bench: Any, kept: tuple[str, ...], told: int
) -> None:
    await bench.charge()
    await bench.feed(REMOTE)
    ended = (await bench.tell_until(TransactionEnded)).fact
    samples = tuple(
        replace(
            ended.samples[0],
            reading=Reading(bench.clock.now(), (Sample(Quantity.ENERGY_IMPORT, Decimal(wh)),)),
        )
        for wh in kept
    )
    await bench.deliver_fact(replace(ended, end=None, samples=samples))

    assert bench.csms.said("StopTransaction")[-1]["meterStop"] == told


@pytest.mark.spec("1.6", "4.8")
async def test_a_transaction_that_the_csms_never_answered_is_number_minus_one(bench: Any) -> None:
    await bench.charge()
    await sample(bench)
    await stop(bench)
    begin = await bench.tell_until(TransactionStarted)
    bench.station.store.given_up(begin, Lack("1.6", "refused", START.isoformat()))
    await bench.tell()

    assert bench.csms.said("StartTransaction") == []
    told = bench.csms.said("MeterValues") + bench.csms.said("StopTransaction")
    assert [payload["transactionId"] for payload in told] == [-1, -1]
