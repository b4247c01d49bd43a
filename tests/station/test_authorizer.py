"""A token was presented: every row of online and offline, known and unknown, and who may stop."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import START
from station_bench import TOKEN, Bench, FakeSession, station_bench

from chargepoint.core.authorization import Known
from chargepoint.core.facts import TransactionEnded, TransactionStarted
from chargepoint.core.inputs import FaultRaised, Plugged
from chargepoint.core.model import (
    Cause,
    Fault,
    IdToken,
    IdTokenType,
    Source,
    Stage,
    StopReason,
)
from chargepoint.errors import CsmsUnavailable, StoreError

GROUP = IdToken("FLEET-7", IdTokenType.CENTRAL)
OTHER = IdToken("DDEEFF0011")
GOOD = Known("Accepted", Source.CSMS)
MEMBER = Known("Accepted", Source.CSMS, GROUP)
BLOCKED = Known("Blocked", Source.CSMS)
EXPIRED = Known("Accepted", Source.CSMS, expires=START - timedelta(seconds=1))

PRE = "LocalPreAuthorize"
OFFLINE = "LocalAuthorizeOffline"
UNKNOWN = "AllowOfflineTxForUnknownId"
CACHE = "AuthorizationCacheEnabled"

# online, remembered, said by the CSMS, settings -> begins, vouched by, asked
ROWS: dict[str, tuple[bool, Known | None, Known, dict[str, str], Source | None, bool]] = {
    "online, accepted": (True, None, GOOD, {}, Source.CSMS, True),
    "online, blocked": (True, None, BLOCKED, {}, None, True),
    "online, expired": (True, None, EXPIRED, {}, None, True),
    "online, remembered": (True, GOOD, GOOD, {}, Source.CSMS, True),
    "online, remembered, now blocked": (True, GOOD, BLOCKED, {}, None, True),
    "online, remembered, fast": (True, GOOD, BLOCKED, {PRE: "true"}, Source.CACHE, False),
    "online, remembered as bad": (True, BLOCKED, GOOD, {PRE: "true"}, Source.CSMS, True),
    "online, remembered, not to be": (
        True,
        GOOD,
        BLOCKED,
        {PRE: "true", CACHE: "false"},
        None,
        True,
    ),
    "offline, unknown": (False, None, GOOD, {}, None, False),
    "offline, unknown, allowed": (
        False,
        None,
        GOOD,
        {UNKNOWN: "true"},
        Source.UNKNOWN_OFFLINE,
        False,
    ),
    "offline, remembered": (False, GOOD, GOOD, {}, Source.CACHE, False),
    "offline, remembered, not allowed": (False, GOOD, GOOD, {OFFLINE: "false"}, None, False),
    "offline, blocked": (False, BLOCKED, GOOD, {UNKNOWN: "true"}, None, False),
    "offline, expired": (False, EXPIRED, GOOD, {UNKNOWN: "true"}, None, False),
    "offline, remembered, not to be": (False, GOOD, GOOD, {CACHE: "false"}, None, False),
}


@pytest.mark.spec("2.0.1", "C01.FR.01")
@pytest.mark.spec("2.0.1", "C12.FR.02")
@pytest.mark.spec("2.0.1", "C13.FR.02")
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_who_may_begin(
    bench: Bench,
    row: tuple[bool, Known | None, Known, dict[str, str], Source | None, bool],
) -> None:
    online, remembered, says, settings, source, asked = row
    if remembered:
        bench.station.authorizer.learn(TOKEN, remembered)
    for key, value in settings.items():
        bench.set(key, value)
    bench.session.online = online
    bench.session.says[TOKEN.value] = says
    await bench.feed(Plugged())

    await bench.station.authorizer.present(TOKEN)

    transaction = bench.state().transaction
    assert (transaction.authorization.source if transaction else None) is source
    assert bool(bench.session.asked) is asked


async def test_a_csms_that_does_not_answer_counts_as_offline(bench: Bench) -> None:
    bench.store.tokens.remember(TOKEN, GOOD, START)
    await bench.feed(Plugged())
    bench.session.gate.clear()
    presented = asyncio.create_task(bench.station.authorizer.present(TOKEN))
    await bench.clock.settle()

    bench.session.online = False  # lost while it was asked
    bench.session.gate.set()
    await presented

    assert bench.state().stage is Stage.CHARGING
    assert bench.session.asked == [TOKEN.value]


@pytest.mark.spec("2.0.1", "C10.FR.01")
@pytest.mark.parametrize("says", [GOOD, BLOCKED])
async def test_the_word_of_the_csms_is_remembered_whatever_it_is(bench: Bench, says: Known) -> None:
    bench.session.says[TOKEN.value] = says

    await bench.station.authorizer.present(TOKEN)

    known = bench.store.tokens.known(TOKEN)
    assert known == Known(says.status, Source.CACHE)


@pytest.mark.spec("2.0.1", "C10.FR.01")
async def test_nothing_is_remembered_while_the_cache_is_off(bench: Bench) -> None:
    bench.set(CACHE, "false")

    await bench.station.authorizer.present(TOKEN)

    assert bench.store.tokens.known(TOKEN) is None


@pytest.mark.spec("2.0.1", "C05.FR.04")
@pytest.mark.parametrize("kind", [IdTokenType.CENTRAL, IdTokenType.NO_AUTHORIZATION])
async def test_what_the_csms_made_up_itself_is_not_remembered(
    bench: Bench, kind: IdTokenType
) -> None:
    bench.station.authorizer.learn(IdToken("made-up", kind), GOOD)

    assert bench.store.tokens.known(IdToken("made-up")) is None


async def test_a_cache_that_cannot_be_written_or_read_stops_nobody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("authorization cache: disk I/O error")

    monkeypatch.setattr(bench.store.tokens, "remember", refuse)
    monkeypatch.setattr(bench.store.tokens, "known", refuse)
    await bench.feed(Plugged())

    await bench.station.authorizer.present(TOKEN)

    assert bench.state().stage is Stage.CHARGING


@pytest.mark.spec("2.0.1", "C01.FR.03")
async def test_the_same_token_ends_its_transaction_without_asking(bench: Bench) -> None:
    await bench.charge()

    await bench.station.authorizer.present(IdToken(TOKEN.value.lower()))

    (ended,) = bench.facts(TransactionEnded)
    assert (ended.reason, ended.cause) == (StopReason.LOCAL, Cause.STOP_AUTHORIZED)
    assert ended.stop_token == TOKEN
    assert bench.session.asked == []


async def test_the_same_token_takes_its_authorization_back(bench: Bench) -> None:
    await bench.station.authorizer.present(TOKEN)
    assert bench.state().stage is Stage.AUTHORIZED

    await bench.station.authorizer.present(TOKEN)

    assert bench.state().stage is Stage.AVAILABLE


@pytest.mark.spec("2.0.1", "C09.FR.05")
@pytest.mark.parametrize(
    ("says", "ended"),
    [(MEMBER, True), (GOOD, False), (Known("Blocked", Source.CSMS, GROUP), False)],
    ids=["of the group", "of no group", "of the group, but blocked"],
)
async def test_another_token_of_the_group_ends_the_transaction_once_the_csms_agrees(
    bench: Bench, says: Known, *, ended: bool
) -> None:
    bench.session.says = {TOKEN.value: MEMBER, OTHER.value: says}
    await bench.feed(Plugged())
    await bench.station.authorizer.present(TOKEN)

    await bench.station.authorizer.present(OTHER)

    assert bool(bench.facts(TransactionEnded)) is ended
    assert bench.session.asked == [TOKEN.value, OTHER.value]
    if ended:
        assert bench.facts(TransactionEnded)[0].stop_token == OTHER


@pytest.mark.parametrize("says", [GOOD, MEMBER], ids=["of no group", "of a group"])
async def test_a_card_read_twice_begins_one_session_and_does_not_end_it(
    tmp_path: Path, says: Known
) -> None:
    async with station_bench(tmp_path, connectors=(("cType2",), ("cType2",))) as bench:
        bench.session.says[TOKEN.value] = says
        await bench.feed(Plugged(), evse_id=1)
        await bench.feed(Plugged(), evse_id=2)
        bench.session.gate.clear()
        readings = [asyncio.create_task(bench.station.authorizer.present(TOKEN)) for _ in range(2)]
        await bench.clock.settle()
        bench.session.gate.set()
        await asyncio.gather(*readings)

        stages = [bench.state(1).stage, bench.state(2).stage]

    assert stages == [Stage.CHARGING, Stage.PLUGGED]
    assert bench.session.asked == [TOKEN.value]


async def test_a_card_read_while_the_meter_begins_does_not_begin_elsewhere(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=(("cType2",), ("cType2",))) as bench:
        await bench.feed(Plugged())
        bench.meters[1].gate.clear()
        first = asyncio.create_task(bench.station.authorizer.present(TOKEN))
        await bench.clock.settle()
        assert bench.state(1).stage is Stage.OPENING

        await bench.station.authorizer.present(TOKEN)
        bench.meters[1].gate.set()
        await first

        assert bench.state(2).stage is Stage.AVAILABLE


async def test_two_people_at_once_get_two_outlets(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=(("cType2",), ("cType2",))) as bench:
        await bench.feed(Plugged(), evse_id=1)
        await bench.feed(Plugged(), evse_id=2)

        await asyncio.gather(
            bench.station.authorizer.present(TOKEN), bench.station.authorizer.present(OTHER)
        )

        tokens = {fact.evse_id: fact.token for fact in bench.facts(TransactionStarted)}
        assert tokens == {1: TOKEN, 2: OTHER}


async def test_a_token_goes_to_where_a_vehicle_waits(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=(("cType2",), ("cType2",))) as bench:
        await bench.feed(Plugged(), evse_id=2)

        await bench.station.authorizer.present(TOKEN)

        assert [bench.state(1).stage, bench.state(2).stage] == [Stage.AVAILABLE, Stage.CHARGING]


async def test_a_reader_of_one_outlet_serves_no_other(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=(("cType2",), ("cType2",))) as bench:
        await bench.feed(Plugged(), evse_id=2)

        await bench.station.authorizer.present(TOKEN, [1])

        assert [bench.state(1).stage, bench.state(2).stage] == [Stage.AUTHORIZED, Stage.PLUGGED]


async def test_a_token_where_no_outlet_is_free_does_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await bench.feed(FaultRaised(Fault("GroundFailure")))

    await bench.station.authorizer.present(TOKEN)

    assert bench.state().stage is Stage.AVAILABLE
    assert "no outlet is free" in caplog.text
    assert TOKEN.value not in caplog.text


async def test_a_session_that_cannot_be_stored_is_not_begun(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.feed(Plugged())
    monkeypatch.setattr(bench.store, "takes_sessions", lambda: False)

    await bench.station.authorizer.present(TOKEN)
    await bench.station.authorizer.start_remotely(bench.evse().runner, TOKEN, 1, ask=False)

    assert bench.state().stage is Stage.PLUGGED
    assert caplog.text.count("EVSE 1: no session") == 2


@pytest.mark.spec("2.0.1", "F01.FR.01")
@pytest.mark.parametrize(
    ("ask", "says", "begins"),
    [(False, BLOCKED, True), (True, GOOD, True), (True, BLOCKED, False)],
    ids=["not asked", "asked, accepted", "asked, blocked"],
)
async def test_a_remote_start_asks_if_it_is_to(
    bench: Bench, says: Known, *, ask: bool, begins: bool
) -> None:
    bench.session.says[TOKEN.value] = says
    await bench.feed(Plugged())

    await bench.station.authorizer.start_remotely(bench.evse().runner, TOKEN, 7, ask=ask)

    started = bench.facts(TransactionStarted)
    assert bool(started) is begins
    assert bool(bench.session.asked) is ask
    if begins:
        assert (started[0].cause, started[0].remote_start_id) == (Cause.REMOTE_START, 7)


async def test_the_cache_can_be_emptied(bench: Bench) -> None:
    bench.store.tokens.remember(TOKEN, GOOD, START)

    assert bench.station.authorizer.clear_cache()

    assert bench.store.tokens.known(TOKEN) is None


@pytest.mark.parametrize(
    ("status", "repeated", "goes_on"),
    [
        ("Accepted", False, True),
        ("Blocked", True, False),
        ("ConcurrentTx", False, False),
        ("ConcurrentTx", True, True),
    ],
)
async def test_the_word_on_the_token_of_a_running_transaction(
    bench: Bench, status: str, *, repeated: bool, goes_on: bool
) -> None:
    known = Known(status, Source.CSMS)

    assert bench.station.authorizer.judge(TOKEN, known, repeated=repeated) is goes_on
    assert (bench.store.tokens.known(TOKEN) is None) is (status == "ConcurrentTx")


@pytest.mark.spec("2.0.1", "C01.FR.21")
@pytest.mark.parametrize(("evse_id", "goes_on"), [(1, False), (2, True), (None, True)])
async def test_a_transaction_goes_on_only_where_the_csms_lets_its_token(
    bench: Bench, evse_id: int | None, *, goes_on: bool
) -> None:
    known = Known("Accepted", Source.CSMS, evse_ids=(2, 3))

    went = bench.station.authorizer.judge(TOKEN, known, repeated=False, evse_id=evse_id)

    assert went is goes_on


async def test_a_session_that_is_refused_leaves_the_reader_free(tmp_path: Path) -> None:
    class Deaf(FakeSession):
        async def authorize(self, token: IdToken) -> Known:
            raise CsmsUnavailable(f"no word about {token}")

    async with station_bench(tmp_path, session=Deaf()) as bench:
        await bench.feed(Plugged())
        await bench.station.authorizer.present(TOKEN)
        bench.set(UNKNOWN, "true")

        await bench.station.authorizer.present(TOKEN)

        assert bench.state().stage is Stage.CHARGING
