"""Life on a connection: announced, accepted, statuses, heartbeats, and what a reconnect needs."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sample_facts import security, started, status
from session_bench import SILENCE, SessionBench, session_bench
from station_bench import REMOTE_STOP, TOKEN, until

from chargepoint.core.authorization import Known
from chargepoint.core.facts import Status
from chargepoint.core.inputs import Plugged
from chargepoint.core.model import IdToken, Source
from chargepoint.csms.adapter import Registration
from chargepoint.csms.session import STATUS_ATTEMPTS
from chargepoint.errors import CsmsUnavailable, StoreError

TWO = (("cType2",), ("cType2",))
TRIGGER_BOOT = {"requestedMessage": "BootNotification"}


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[SessionBench]:
    async with session_bench(tmp_path, connectors=TWO) as bench:
        yield bench


@pytest.mark.spec("2.0.1", "TC_B_01_CS")
@pytest.mark.spec("2.0.1", "B01.FR.01")
@pytest.mark.spec("2.0.1", "B01.FR.05")
async def test_after_the_boot_every_status_is_told_then_what_waits(it: SessionBench) -> None:
    it.bench.store.record(security("PowerUp"), status(Status.CHARGING), started())

    await it.connect()

    assert it.office.actions == [
        "BootNotification",
        "StatusNotification",
        "StatusNotification",
        "SecurityEventNotification",
        "TransactionEvent",
    ]
    told = it.office.said("StatusNotification")
    assert [(p["evseId"], p["connectorStatus"]) for p in told] == [
        (1, "Available"),
        (2, "Available"),
    ]
    assert it.session.online


@pytest.mark.spec("2.0.1", "TC_B_03_CS")
@pytest.mark.spec("2.0.1", "B01.FR.08")
@pytest.mark.spec("2.0.1", "B02.FR.02")
@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
async def test_before_it_is_accepted_the_station_says_nothing_else(
    it: SessionBench, registration: str
) -> None:
    it.office.boots(registration, registration, "Accepted", interval=20)
    it.bench.store.record(started())
    await it.connect()

    await it.bench.clock.advance(19)
    assert it.office.actions == ["BootNotification"]
    assert not it.session.online
    await it.bench.feed(Plugged())
    await it.bench.clock.advance(20)
    assert it.office.actions == ["BootNotification"] * 2

    await it.bench.clock.advance(1)
    assert it.office.actions[2:4] == ["BootNotification", "StatusNotification"]
    assert it.office.said("TransactionEvent")


async def test_nobody_is_asked_about_a_token_before_the_station_is_accepted(
    it: SessionBench,
) -> None:
    with pytest.raises(CsmsUnavailable, match="not connected"):
        await it.session.authorize(TOKEN)
    it.office.boots("Pending")
    await it.connect()

    with pytest.raises(CsmsUnavailable, match="not connected"):
        await it.session.authorize(TOKEN)

    assert "Authorize" not in it.office.actions


@pytest.mark.spec("2.0.1", "B02.FR.08")
@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ({"status": "Pending", "interval": 7, "currentTime": "2026-03-01T10:00:00Z"}, 7),
        ({"status": "Pending", "interval": 0, "currentTime": "2026-03-01T10:00:00Z"}, 60),
        ({"status": "Rejected", "interval": 0, "currentTime": "2026-03-01T10:00:00Z"}, 60),
        (("InternalError", "no database"), 30),
        ({"status": "Maybe"}, 30),
    ],
    ids=["its interval", "pending, ours", "rejected, ours", "CALLERROR", "nonsense"],
)
async def test_the_station_announces_itself_again_in_time(
    it: SessionBench, answer: Any, seconds: float
) -> None:
    it.office.answers("BootNotification", answer)
    await it.connect()

    await it.bench.clock.advance(seconds - 0.1)
    assert it.office.actions == ["BootNotification"]
    await it.bench.clock.advance(0.2)

    assert it.office.actions[1] == "BootNotification"
    assert it.session.registration is Registration.ACCEPTED


async def test_a_boot_without_answer_is_sent_again(it: SessionBench) -> None:
    it.view.call_timeout = timedelta(milliseconds=20)
    it.office.answers("BootNotification", SILENCE)
    await it.connect()
    await until(lambda: it.bench.clock.sleeping > 0)

    await it.bench.clock.advance(30)

    assert it.office.actions[:2] == ["BootNotification", "BootNotification"]
    assert it.session.online


@pytest.mark.spec("2.0.1", "F06.FR.17")
async def test_the_csms_may_call_for_the_boot_at_once(it: SessionBench) -> None:
    it.office.boots("Pending", "Accepted", interval=600)
    connection = await it.connect()

    answer = await connection.ask("TriggerMessage", TRIGGER_BOOT)
    await it.bench.clock.settle()

    assert answer[2] == {"status": "Accepted"}
    reasons = [payload["reason"] for payload in it.office.said("BootNotification")]
    assert reasons == ["PowerUp", "Triggered"]
    assert it.session.online


@pytest.mark.spec("2.0.1", "F06.FR.17")
async def test_an_accepted_station_does_not_boot_on_call(it: SessionBench) -> None:
    connection = await it.connect()

    answer = await connection.ask("TriggerMessage", TRIGGER_BOOT)

    assert answer[2]["status"] == "Rejected"
    assert not it.session.boot_again()


@pytest.mark.spec("2.0.1", "B02.FR.01")
async def test_a_pending_station_answers(it: SessionBench) -> None:
    it.office.boots("Pending")
    connection = await it.connect()

    answer = await connection.ask(
        "GetVariables",
        {"getVariableData": [{"component": {"name": "A"}, "variable": {"name": "B"}}]},
    )

    assert answer[2]["getVariableResult"][0]["attributeStatus"] == "UnknownComponent"


@pytest.mark.spec("2.0.1", "TC_B_30_CS")
@pytest.mark.spec("2.0.1", "B03.FR.08")
async def test_a_rejected_station_answers_nothing_but_that(it: SessionBench) -> None:
    it.office.boots("Rejected")
    connection = await it.connect()

    answer = await connection.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})

    assert (answer[0], answer[2]) == (4, "SecurityError")


@pytest.mark.spec("2.0.1", "B01.FR.04")
async def test_the_heartbeat_interval_of_the_csms_is_taken_and_kept(it: SessionBench) -> None:
    it.office.boots("Accepted", interval=77)

    await it.connect()

    assert it.bench.store.settings.load_settings()["OCPPCommCtrlr.HeartbeatInterval"] == "77"
    assert it.view.timing().heartbeat == timedelta(seconds=77)


async def test_an_interval_of_zero_leaves_the_heartbeat_as_it_is(it: SessionBench) -> None:
    it.office.boots("Accepted", interval=0)

    await it.connect()

    assert it.view.timing().heartbeat == timedelta(seconds=300)


@pytest.mark.spec("2.0.1", "G02.FR.06")
async def test_a_heartbeat_is_sent_only_after_quiet(it: SessionBench) -> None:
    it.office.boots("Accepted", interval=60)
    await it.connect()

    await it.bench.clock.advance(40)
    await it.bench.feed(Plugged())
    await it.bench.clock.advance(40)
    assert "Heartbeat" not in it.office.actions

    await it.bench.clock.advance(30)
    assert it.office.actions.count("Heartbeat") == 1
    await it.bench.clock.advance(120)
    assert it.office.actions.count("Heartbeat") == 3


async def test_a_refused_heartbeat_is_no_reason_to_stop(it: SessionBench) -> None:
    it.office.boots("Accepted", interval=60)
    it.office.answers("Heartbeat", ("InternalError", ""))
    await it.connect()

    await it.bench.clock.advance(125)

    assert it.office.actions.count("Heartbeat") == 2
    assert it.session.online


async def test_a_csms_that_answers_no_heartbeat_is_hung_up_on_after_three(
    it: SessionBench,
) -> None:
    it.office.boots("Accepted", interval=60)
    it.office.standing["Heartbeat"] = SILENCE
    it.view.call_timeout = timedelta(milliseconds=10)
    await it.connect()

    for _ in range(3):
        await it.bench.clock.advance(60)
        await asyncio.sleep(0.03)
    await it.ended()

    assert it.office.actions.count("Heartbeat") == 3
    assert not it.session.online
    assert it.session.registration is Registration.ACCEPTED


async def test_a_csms_that_answers_no_boot_is_hung_up_on_after_three(it: SessionBench) -> None:
    it.office.answers("BootNotification", SILENCE, SILENCE, SILENCE)
    it.view.call_timeout = timedelta(milliseconds=10)
    await it.connect()

    for _ in range(2):
        await asyncio.sleep(0.03)
        await it.bench.clock.advance(30)
    await it.ended()

    assert it.office.actions == ["BootNotification"] * 3


@pytest.mark.spec("2.0.1", "TC_B_52_CS")
@pytest.mark.spec("2.0.1", "B04.FR.01")
async def test_after_a_short_absence_only_what_changed_is_told(it: SessionBench) -> None:
    connection = await it.connect()
    await it.lose(connection)
    assert not it.session.online
    await it.bench.feed(Plugged(), evse_id=2)
    await it.bench.clock.advance(59)
    mark = len(it.office.heard)

    await it.connect()

    assert [heard.action for heard in it.office.heard[mark:]] == ["StatusNotification"]
    assert it.office.heard[-1].payload["evseId"] == 2
    assert it.session.online


@pytest.mark.spec("2.0.1", "TC_B_51_CS")
@pytest.mark.spec("2.0.1", "B04.FR.01")
async def test_after_a_long_absence_everything_is_told_without_a_boot(it: SessionBench) -> None:
    connection = await it.connect()
    await it.lose(connection)
    await it.bench.feed(Plugged(), evse_id=2)
    await it.bench.clock.advance(61)
    mark = len(it.office.heard)

    await it.connect()

    told = [(h.action, h.payload["connectorStatus"]) for h in it.office.heard[mark:]]
    assert told == [("StatusNotification", "Available"), ("StatusNotification", "Occupied")]


async def test_statuses_that_a_broken_connection_cut_off_are_told_on_the_next(
    it: SessionBench,
) -> None:
    await it.connect(drop_at="StatusNotification")
    await it.ended()
    mark = len(it.office.heard)

    await it.connect()

    told = [(heard.action, heard.payload["evseId"]) for heard in it.office.heard[mark:]]
    assert told == [("StatusNotification", 1), ("StatusNotification", 2)]


async def test_a_status_that_was_told_is_not_owed_to_the_next_connection(
    it: SessionBench,
) -> None:
    await it.connect(drop_at="StatusNotification", spared=1)
    await it.ended()

    await it.connect()

    told = [payload["evseId"] for payload in it.office.said("StatusNotification")]
    assert told == [1, 2, 2]
    assert "BootNotification" not in it.office.actions[1:]


async def test_a_status_that_is_refused_does_not_keep_the_others_back(it: SessionBench) -> None:
    it.office.answers("StatusNotification", ("InternalError", ""))

    await it.connect()

    assert it.office.actions.count("StatusNotification") == 2
    assert it.session.online


async def test_a_status_that_nobody_answers_does_not_end_the_connection(it: SessionBench) -> None:
    it.view.call_timeout = timedelta(milliseconds=20)
    it.office.answers("StatusNotification", *[SILENCE] * STATUS_ATTEMPTS)

    await it.connect()
    await until(lambda: it.office.actions.count("StatusNotification") == STATUS_ATTEMPTS + 1)

    told = [heard for heard in it.office.heard if heard.action == "StatusNotification"]
    assert [heard.payload["evseId"] for heard in told] == [*[1] * STATUS_ATTEMPTS, 2]
    assert len({heard.message_id for heard in told}) == 2
    assert it.office.actions.count("BootNotification") == 1
    assert it.session.online


async def test_a_csms_that_answers_nothing_any_more_is_left_among_the_statuses(
    it: SessionBench,
) -> None:
    it.view.call_timeout = timedelta(milliseconds=20)
    it.office.standing["StatusNotification"] = SILENCE
    it.office.standing["Heartbeat"] = SILENCE

    await it.connect()

    await it.ended()
    assert not it.session.online


async def test_a_status_that_changes_while_statuses_are_told_is_told_last(
    it: SessionBench,
) -> None:
    it.office.boots("Pending", interval=5)
    await it.connect()
    await it.bench.feed(Plugged(), evse_id=1)

    await it.bench.clock.advance(5)

    told = [p["connectorStatus"] for p in it.office.said("StatusNotification")]
    assert told == ["Occupied", "Available"], "what waited in the journal is history"


@pytest.mark.spec("2.0.1", "B12.FR.05")
async def test_a_restart_is_announced_with_its_reason_once(it: SessionBench) -> None:
    connection = await it.connect()
    await it.lose(connection)

    it.session.forget("RemoteReset")
    connection = await it.connect()
    await it.lose(connection)
    await it.connect()

    reasons = [payload["reason"] for payload in it.office.said("BootNotification")]
    assert reasons == ["PowerUp", "RemoteReset"]


async def test_the_csms_is_asked_about_a_token(it: SessionBench) -> None:
    it.office.answers("Authorize", {"idTokenInfo": {"status": "Blocked"}})
    await it.connect()

    known = await it.session.authorize(TOKEN)

    assert known == Known("Blocked", Source.CSMS)


async def test_a_csms_that_will_not_say_counts_as_away(it: SessionBench) -> None:
    it.office.answers("Authorize", ("InternalError", ""))
    await it.connect()

    with pytest.raises(CsmsUnavailable, match="no word about the token"):
        await it.session.authorize(IdToken("AB"))


async def test_a_csms_that_answers_nothing_any_more_is_hung_up_on(it: SessionBench) -> None:
    it.view.call_timeout = timedelta(milliseconds=10)
    it.office.standing.update(TransactionEvent=SILENCE, Heartbeat=SILENCE)
    await it.connect()

    for number in range(3):
        it.bench.store.record(started(f"T{number}"))
    it.outbox.wake()
    await it.ended()

    assert not it.session.online
    assert it.bench.store.waiting == 3
    assert len(it.office.said("TransactionEvent")) == 3


async def test_a_connection_lost_in_a_call_ends_and_the_call_is_made_again(
    it: SessionBench,
) -> None:
    it.bench.store.record(started())
    await it.connect(drop_at="TransactionEvent")
    await it.ended()

    await it.connect()

    ids = [h.message_id for h in it.office.heard if h.action == "TransactionEvent"]
    assert len(ids) == 2
    assert len(set(ids)) == 1, "the same message keeps its id"
    assert it.bench.store.waiting == 0


async def test_a_disk_that_cannot_be_read_ends_nothing(
    it: SessionBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise StoreError("journal: disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(it.bench.store, "next_entry", refuse)
        await it.connect()
        await it.bench.charge()
        await it.bench.clock.advance(1)
    assert "nothing can be told: journal: disk I/O error" in caplog.text
    assert not [one for one in it.office.heard if one.action == "TransactionEvent"]

    await it.bench.clock.advance(10)

    assert it.session.online
    assert [one for one in it.office.heard if one.action == "TransactionEvent"]


async def test_a_stop_goes_on_although_the_connection_of_its_command_breaks(
    it: SessionBench,
) -> None:
    connection = await it.connect()
    transaction = await it.bench.charge()
    it.bench.meters[1].gate.clear()
    answer = await connection.ask(
        "RequestStopTransaction", {"transactionId": transaction.transaction_id}
    )
    await it.bench.clock.settle()
    await it.lose(connection)

    it.bench.meters[1].gate.set()
    await it.bench.clock.settle()
    await it.connect()

    assert answer[2] == {"status": "Accepted"}
    (ended,) = [p for p in it.office.said("TransactionEvent") if p["eventType"] == "Ended"]
    assert ended["triggerReason"] == "RemoteStop"
    assert ended["offline"] is True


async def test_a_report_is_not_continued_on_the_next_connection(it: SessionBench) -> None:
    connection = await it.connect(drop_at="NotifyReport")
    await connection.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    await it.ended()

    await it.connect()
    await it.bench.clock.settle()

    assert len(it.office.said("NotifyReport")) == 1


async def test_serving_can_be_cancelled_at_any_time(it: SessionBench) -> None:
    await it.connect()
    await it.bench.charge()

    for serving in it._served:
        serving.cancel()
    await asyncio.wait(it._served)
    await it.bench.feed(REMOTE_STOP)

    assert not it.session.online
    assert it.bench.store.waiting >= 1


async def test_an_accepted_station_has_the_schemas_of_a_session_ready(it: SessionBench) -> None:
    from chargepoint.csms import schemas

    schemas._compiled.cache_clear()
    await it.connect()

    before = schemas._compiled.cache_info().misses
    for action in ("Authorize", "TransactionEvent"):
        with pytest.raises(schemas.Violation):
            schemas.Schemas("2.0.1").request(action, {})
    detailed = 2  # the words for a violation are compiled when the first one is met
    assert schemas._compiled.cache_info().misses == before + detailed
