"""Signed records that a CSMS has no room for: the energy is told, and no record is lost.

Whole stations of both versions, with a CSMS that refuses long fields.
"""

from pathlib import Path
from typing import Any

import pytest
from case_rig import SILENCE, CallError, Case
from long_records import (
    END,
    LONG,
    VERSIONS,
    document,
    ends,
    energy,
    events,
    offered,
    records,
    session,
    station,
)
from scripted_csms import GONE

from chargepoint.core.facts import RecordApart, TransactionEnded
from chargepoint.csms.profiles import PROFILES, CsmsProfile

TOO_LONG = {"2.0.1": "FormatViolation", "1.6": "PropertyConstraintViolation"}


def refuse_long(run: Case, version: str) -> None:
    """The CSMS answers every end with a record in it as one that checks lengths does."""
    action = END[version]

    def answer(payload: dict[str, Any]) -> Any:
        if any(len(record) > 1875 for record in records(payload)):
            return CallError(TOO_LONG[version], "too long")
        return None

    run.csms.record_most = 32768  # else its schema check speaks first
    run.csms.standing[action] = answer
    run.answers(action)


async def field_length(run: Case) -> str:
    component = {"name": "OCPPCommCtrlr"}
    variable = {"name": "FieldLength", "instance": "TransactionEventRequest.signedMeterData"}
    item = {"component": component, "variable": variable}
    answer = await run.ask("GetVariables", getVariableData=[item])
    (result,) = answer["getVariableResult"]
    value: str = result["attributeValue"]
    return value


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_long_record_goes_to_a_csms_that_takes_it(version: str, tmp_path: Path) -> None:
    async with station(version, tmp_path) as run:
        run.csms.record_most = 32768
        transaction = await session(run)

        sent = run.take()
        (end,) = ends(sent, version)
        (row,) = run.station.store.records.of(transaction)
        assert records(end.payload) == [row.document]
        assert len(row.document) >= LONG
        assert row.delivered_at is not None
        assert offered(sent) == []
        if version == "2.0.1":
            assert await field_length(run) == "32768"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_refused_end_is_told_without_its_record_which_follows_by_itself(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path) as run:
        refuse_long(run, version)
        transaction = await session(run)

        sent = run.take()
        refused, told = ends(sent, version)
        (row,) = run.station.store.records.of(transaction)
        assert records(refused.payload) == [row.document]
        assert records(told.payload) == []
        assert energy(told) == 2500
        assert refused.message_id != told.message_id
        (data,) = offered(sent)
        assert document(data) == row.document
        assert data["transactionId"] == (transaction if version == "2.0.1" else 1)
        assert data["context"] == "Transaction.End"
        assert data["signedMeterValue"]["publicKey"]
        assert row.delivered_at is not None
        (view,) = run.csms.stations["CP1"].transactions
        assert view.ended == 1
        assert run.station.store.waiting == 0


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_length_that_was_refused_is_not_tried_again(version: str, tmp_path: Path) -> None:
    async with station(version, tmp_path) as run:
        refuse_long(run, version)
        await session(run)
        run.take()

        await session(run)

        sent = run.take()
        (told,) = ends(sent, version)
        assert records(told.payload) == []
        assert len(offered(sent)) == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "answer",
    [{"status": "UnknownVendorId"}, {"status": "Rejected"}, CallError("NotImplemented", "")],
)
async def test_a_record_that_nobody_takes_is_kept_and_reported(
    version: str, answer: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with station(version, tmp_path) as run:
        refuse_long(run, version)
        run.answers("DataTransfer", answer)
        transaction = await session(run)

        sent = run.take()
        assert len(offered(sent)) == 1
        assert events(sent).count("SignedRecordNotTold") == 1
        assert "is kept here and not told" in caplog.text
        (row,) = run.station.store.records.of(transaction)
        assert len(row.document) >= LONG
        assert row.delivered_at is None
        (kept,) = run.station.store.untold.all()
        assert isinstance(kept.fact, RecordApart)
        assert run.station.store.waiting == 0


async def test_a_strict_csms_is_never_sent_a_message_that_it_would_refuse(tmp_path: Path) -> None:
    async with station("2.0.1", tmp_path, csms={"profile": "citrineos"}) as run:
        transaction = await session(run)

        sent = run.take()
        (told,) = ends(sent, "2.0.1")
        (row,) = run.station.store.records.of(transaction)
        assert records(told.payload) == []
        assert energy(told) == 2500
        assert offered(sent) == []
        assert row.delivered_at is None
        assert events(sent).count("SignedRecordNotTold") == 1
        (kept,) = run.station.store.untold.all()
        assert isinstance(kept.fact, TransactionEnded)
        assert kept.fact.samples[-1].reading.signed is not None
        assert await field_length(run) == "2500"


async def test_a_limit_that_is_known_in_1_6_is_kept_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROFILES, "narrow", CsmsProfile(record_most_16=3000))
    async with station("1.6", tmp_path, csms={"profile": "narrow"}) as run:
        transaction = await session(run)

        sent = run.take()
        (told,) = ends(sent, "1.6")
        (row,) = run.station.store.records.of(transaction)
        assert records(told.payload) == []
        assert energy(told) == 2500
        assert [document(data) for data in offered(sent)] == [row.document]


async def test_a_begin_record_that_does_not_fit_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with station("2.0.1", tmp_path, end=500, begin=LONG) as run:
        run.csms.record_most = 32768
        transaction = await session(run)

        sent = run.take()
        (told,) = ends(sent, "2.0.1")
        begin, end = run.station.store.records.of(transaction)
        assert records(told.payload) == [end.document]
        assert [document(data) for data in offered(sent)] == [begin.document]
        assert begin.delivered_at is not None


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_begin_record_that_is_refused_is_told_again_without(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path, end=500, begin=500) as run:
        action = "TransactionEvent" if version == "2.0.1" else "MeterValues"
        run.answers(action, CallError(TOO_LONG[version], "no signed values here"))
        transaction = await session(run)

        sent = run.take()
        first, second = [one for one in sent if one.action == action][:2]
        begin, end = run.station.store.records.of(transaction)
        assert records(first.payload) == [begin.document]
        assert records(second.payload) == []
        assert second.payload["meterValue"]
        # What was too long there is not tried in the end.
        (told,) = ends(sent, version)
        assert begin.document not in records(told.payload)
        assert begin.document in [document(data) for data in offered(sent)]
        assert end.document in [*records(told.payload), *map(document, offered(sent))]


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_last_attempt_is_made_without_a_record_whatever_the_error_was(
    version: str, tmp_path: Path
) -> None:
    settings = {
        "OCPPCommCtrlr.MessageAttempts#TransactionEvent": "2",
        "OCPPCommCtrlr.MessageAttemptInterval#TransactionEvent": "10",
    }
    async with station(version, tmp_path, end=500, settings=settings) as run:

        def answer(payload: dict[str, Any]) -> Any:
            return (
                CallError("InternalError", "value too long for type") if records(payload) else None
            )

        run.csms.standing[END[version]] = answer
        run.answers(END[version])
        transaction = await session(run)
        await run.advance(30)

        first, second, told = ends(run.take(), version)
        (row,) = run.station.store.records.of(transaction)
        assert first.message_id == second.message_id != told.message_id
        assert records(second.payload) == [row.document]
        assert records(told.payload) == []
        assert energy(told) == 2500


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_cut_after_the_end_leaves_the_record_to_be_told(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path) as run:
        refuse_long(run, version)
        run.answers("DataTransfer", SILENCE)
        transaction = await session(run)
        run.take()

        await run.restart()
        await run.advance(5)

        sent = run.take()
        (row,) = run.station.store.records.of(transaction)
        assert ends(sent, version) == []
        assert [document(data) for data in offered(sent)] == [row.document]
        assert row.delivered_at is not None


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_end_that_may_have_arrived_is_repeated_and_its_record_told_once(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path) as run:
        lost = [GONE]

        def answer(payload: dict[str, Any]) -> Any:
            if any(len(record) > 1875 for record in records(payload)):
                return CallError(TOO_LONG[version], "too long")
            ends_it = payload.get("eventType", "Ended") == "Ended"
            return lost.pop() if ends_it and lost else None

        run.csms.record_most = 32768
        run.csms.standing[END[version]] = answer
        run.answers(END[version])
        transaction = await session(run)
        await run.advance(60)

        sent = run.take()
        (row,) = run.station.store.records.of(transaction)
        whole, bare, whole_again, bare_again = ends(sent, version)
        assert (whole, bare) == (whole_again, bare_again)
        assert whole.message_id == whole_again.message_id
        assert bare.message_id == bare_again.message_id
        assert [document(data) for data in offered(sent)] == [row.document]


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_answer_that_breaks_its_schema_is_no_refusal_of_the_record(
    version: str, tmp_path: Path
) -> None:
    async with station(version, tmp_path, end=500) as run:
        run.csms.standing[END[version]] = lambda payload: {"wrong": 1} if records(payload) else None
        run.answers(END[version])
        await session(run)

        (told,) = ends(run.take(), version)
        assert len(records(told.payload)) == 1
        run.csms.violations.clear()  # its own


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_record_that_fits_is_told_as_ever(version: str, tmp_path: Path) -> None:
    async with station(version, tmp_path, end=1875) as run:
        transaction = await session(run)

        sent = run.take()
        (told,) = ends(sent, version)
        (row,) = run.station.store.records.of(transaction)
        assert records(told.payload) == [row.document]
        assert offered(sent) == []
        assert run.station.store.untold.count() == 0


async def test_every_record_that_a_message_went_without_is_named(tmp_path: Path) -> None:
    profile = {"profile": "citrineos"}
    async with station("2.0.1", tmp_path, begin=LONG, csms=profile) as run:
        await session(run)

        (over,) = [
            one.lack.why
            for one in run.station.store.untold.all()
            if isinstance(one.fact, TransactionEnded)
        ]

    assert over.count("the CSMS has no room for it") == 2
    assert "Transaction.Begin" in over
    assert "Transaction.End" in over
