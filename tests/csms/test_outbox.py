"""The journal on its way: order, attempts, intervals, what is given up and what never is."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bad_disk import BadDisk, Ill, bad_disk
from fake_clock import START, FakeClock
from sample_facts import RECORD, ended, idle_sample, security, started, status, updated
from station_bench import entries

from chargepoint.core.facts import Fact, SecurityEvent, Status
from chargepoint.csms.adapter import Delivery, NotYet
from chargepoint.csms.outbox import DEFECT_PAUSE, Outbox, Retry, is_dead
from chargepoint.csms.rpc import OutgoingInvalid
from chargepoint.csms.size_guard import CLOSES_MOST
from chargepoint.errors import CsmsClosed, CsmsRejected, CsmsUnavailable, StoreError
from chargepoint.store.sqlite import Store

REJECTED = CsmsRejected("InternalError", "database locked")
SILENT = CsmsUnavailable("no answer within 30 s")
TOO_BIG = CsmsClosed(1009, timedelta(seconds=1))
BROKEN = CsmsClosed(None, timedelta(seconds=1))
INVALID = OutgoingInvalid("TransactionEvent: broken")


@dataclass
class Line:
    """An open connection; nothing is said on it, the adapter does the talking."""

    closed: bool = False
    silences: int = 0

    async def call(self, *_: Any, **__: Any) -> dict[str, Any]:
        raise AssertionError("not used")


@dataclass
class Told:
    """One attempt to tell a fact."""

    at: float
    fact: Fact
    message_id: str
    repeated: bool


@dataclass
class Teller:
    """An adapter that writes down what it is to tell; ``script`` holds errors, by stream.

    ``pulse`` is what a heartbeat comes to.
    """

    clock: FakeClock
    version: str = "2.0.1"
    script: dict[str, deque[Exception | None]] = field(default_factory=lambda: defaultdict(deque))
    told: list[Told] = field(default_factory=list)
    csms_id: int | None = None
    unknown: frozenset[str] = frozenset()
    pulse: Exception | None = None
    beats: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def deliver(self, delivery: Delivery) -> None:
        entry = delivery.entry
        told = Told(self.clock.elapsed, entry.fact, entry.message_id, delivery.repeated)
        self.told.append(told)
        await self.gate.wait()
        script = self.script[entry.stream]
        error = script.popleft() if script else None
        if error is not None:
            raise error
        delivery.csms_id = self.csms_id

    async def heartbeat(self, _: Any) -> None:
        self.beats += 1
        if self.pulse is not None:
            raise self.pulse

    def facts(self) -> list[Fact]:
        return [told.fact for told in self.told]


@dataclass
class Post:
    """The outbox under test at work."""

    store: Store
    clock: FakeClock
    outbox: Outbox
    teller: Teller
    line: Line = field(default_factory=Line)
    draining: "asyncio.Task[None] | None" = None

    async def drain(self) -> None:
        """Start draining over the line; what needs no time has been done."""
        teller: Any = self.teller
        self.draining = asyncio.create_task(self.outbox.drain(teller, self.line))
        await self.clock.settle()

    async def record(self, *facts: Fact) -> None:
        self.store.record(*facts)
        self.outbox.wake()
        await self.clock.settle()

    async def outcome(self) -> None:
        assert self.draining is not None
        await self.draining


@pytest.fixture
def disk() -> Iterator[BadDisk]:
    with bad_disk() as disk:
        yield disk


@pytest.fixture
def store(tmp_path: Path, disk: BadDisk) -> Iterator[Store]:  # noqa: ARG001 - below it
    with Store(tmp_path / "state", "CP1") as store:
        yield store


@pytest.fixture
async def post(store: Store) -> AsyncIterator[Post]:
    clock = FakeClock()
    outbox = Outbox(store, clock, lambda: Retry(3, timedelta(seconds=60)))
    post = Post(store, clock, outbox, Teller(clock))
    yield post
    if post.draining is not None:
        post.draining.cancel()
        await asyncio.wait([post.draining])


async def test_everything_is_told_in_order_and_then_more_is_waited_for(post: Post) -> None:
    first = (started(), updated(), status(), ended(seq=2), security())
    post.store.record(*first)

    await post.drain()
    await post.record(started("T2"))

    assert post.teller.facts() == [*first, started("T2")]
    assert post.store.waiting == 0
    assert not any(told.repeated for told in post.teller.told)


async def test_the_csms_id_of_a_transaction_is_kept(post: Post) -> None:
    post.teller.csms_id = 4711
    post.store.record(started())

    await post.drain()

    assert post.store.csms_transaction("T1") == 4711


@pytest.mark.spec("2.0.1", "TC_E_51_CS")
@pytest.mark.spec("2.0.1", "E13.FR.03")
async def test_a_refused_stream_waits_while_others_go_on(post: Post) -> None:
    post.teller.script["transaction T1"].append(REJECTED)
    post.store.record(started("T1"), updated("T1"), started("T2"), status())

    await post.drain()

    assert post.teller.facts() == [started("T1"), started("T2"), status()]
    await post.clock.advance(60)
    assert post.teller.facts()[3:] == [started("T1"), updated("T1")]


@pytest.mark.spec("2.0.1", "TC_E_50_CS")
@pytest.mark.spec("2.0.1", "E13.FR.02")
@pytest.mark.spec("2.0.1", "E13.FR.03")
@pytest.mark.parametrize("error", [REJECTED, SILENT], ids=["CALLERROR", "no answer"])
async def test_a_fact_is_tried_at_growing_intervals_then_given_up(
    post: Post, error: Exception
) -> None:
    post.teller.script["transaction T1"].extend([error] * 3)
    post.store.record(ended())
    begin = post.clock.elapsed

    await post.drain()
    await post.clock.advance(1000)

    assert [told.at - begin for told in post.teller.told] == [0, 60, 180]
    assert post.store.waiting == 0


async def test_a_message_sent_again_is_the_same_message(post: Post) -> None:
    post.teller.script["transaction T1"].append(REJECTED)
    post.store.record(ended())

    await post.drain()
    await post.clock.advance(60)

    first, again = post.teller.told
    assert (first.message_id, first.fact) == (again.message_id, again.fact)
    assert (first.repeated, again.repeated) == (False, True)


async def test_what_is_given_up_makes_way_and_its_record_stays_in_the_archive(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.teller.script["transaction T1"].extend([REJECTED] * 3)
    post.store.record(ended(), ended("T2"))

    await post.drain()
    await post.clock.advance(1000)

    (row,) = post.store.records.of("T1")
    assert (row.document, row.delivered_at) == (RECORD.document, None)
    (other,) = post.store.records.of("T2")
    assert other.delivered_at is not None
    assert "TransactionEnded given up after 3 attempts: InternalError" in caplog.text
    (kept,) = post.store.untold.all()
    assert (kept.fact, kept.lack.why) == (ended(), str(REJECTED))


async def test_attempts_count_over_a_restart(post: Post, store: Store) -> None:
    post.teller.script["transaction T1"].extend([REJECTED] * 9)
    store.record(ended())
    store.attempted(entries(store)[0])
    store.attempted(entries(store)[0])

    await post.drain()

    assert len(post.teller.told) == 1
    assert store.waiting == 0


@pytest.mark.parametrize(
    ("line", "dead"),
    [(Line(), False), (Line(silences=2), False), (Line(silences=3), True), (Line(True), True)],
)
def test_a_connection_is_dead_if_closed_or_silent_three_times(line: Line, *, dead: bool) -> None:
    assert is_dead(line) is dead


@pytest.mark.parametrize("line", [Line(closed=True), Line(silences=3)])
async def test_a_connection_that_dies_is_no_attempt(post: Post, line: Line) -> None:
    post.line, post.teller.pulse = line, SILENT
    post.teller.script["transaction T1"].append(SILENT)
    post.store.record(ended(), updated("T2"))

    await post.drain()
    with pytest.raises(CsmsUnavailable):
        await post.outcome()

    assert [entry.attempts for entry in entries(post.store)] == [0, 0]
    assert post.teller.facts() == [ended()]


@pytest.mark.spec("2.0.1", "E13.FR.02")
@pytest.mark.parametrize("pulse", [None, REJECTED], ids=["answered", "refused"])
async def test_a_csms_that_leaves_one_message_unanswered_is_not_gone(
    post: Post, pulse: Exception | None
) -> None:
    post.line, post.teller.pulse = Line(silences=3), pulse
    post.teller.script["transaction T1"].extend([SILENT] * 3)
    post.store.record(ended())
    begin = post.clock.elapsed

    await post.drain()
    await post.clock.advance(1000)

    assert [told.at - begin for told in post.teller.told] == [0, 60, 180]
    assert post.store.waiting == 0
    assert post.teller.beats == 3


async def lose(post: Post, times: int) -> None:
    """Drain over connections that are closed upon what is told first."""
    for _ in range(times):
        post.line = Line(closed=True)
        await post.drain()
        with pytest.raises(CsmsClosed):
            await post.outcome()
    post.line = Line()
    await post.drain()


async def test_a_message_that_is_too_big_in_its_shortest_form_makes_way_and_costs_no_attempt(
    post: Post,
) -> None:
    post.teller.script["transaction T1"].extend([TOO_BIG] * 2)
    post.store.record(ended("T1"), ended("T2"), status())

    await lose(post, 1)

    assert post.teller.facts() == [ended("T1"), ended("T2"), status()]
    assert post.draining is not None
    post.draining.cancel()
    await asyncio.wait([post.draining])
    post.clock.elapsed += 60
    await lose(post, 1)
    (waits,) = entries(post.store)
    assert (waits.fact, waits.attempts) == (ended("T1"), 0)
    await post.clock.advance(119)
    assert len(post.teller.told) == 4
    await post.clock.advance(1)
    assert post.store.waiting == 0
    assert post.store.untold.count() == 0


async def test_a_message_upon_which_connections_break_makes_way_and_costs_no_attempt(
    post: Post,
) -> None:
    post.teller.script["transaction T1"].extend([BROKEN] * CLOSES_MOST)
    post.store.record(ended("T1"), ended("T2"))

    await lose(post, CLOSES_MOST)

    assert post.teller.facts() == [*[ended("T1")] * CLOSES_MOST, ended("T2")]
    (waits,) = entries(post.store)
    assert (waits.fact, waits.attempts) == (ended("T1"), 0)
    await post.clock.advance(60)
    assert post.store.waiting == 0


async def test_the_next_connection_goes_on_where_the_last_one_broke(post: Post) -> None:
    post.line.closed = True
    post.teller.script["transaction T1"].append(SILENT)
    post.store.record(ended())
    await post.drain()
    with pytest.raises(CsmsUnavailable):
        await post.outcome()

    post.line = Line()
    await post.drain()

    first, again = post.teller.told
    assert first.message_id == again.message_id
    assert again.repeated
    assert post.store.waiting == 0


async def test_a_stream_is_held_over_a_reconnect(post: Post) -> None:
    post.teller.script["transaction T1"].append(REJECTED)
    post.store.record(ended())
    await post.drain()
    assert post.draining is not None
    post.draining.cancel()
    await asyncio.wait([post.draining])

    await post.drain()
    assert len(post.teller.told) == 1
    await post.clock.advance(60)

    assert len(post.teller.told) == 2


@pytest.mark.parametrize("fact", [status(), idle_sample()])
async def test_what_is_only_of_the_moment_is_given_up_at_the_first_refusal(
    post: Post, fact: Fact
) -> None:
    post.teller.script.default_factory = lambda: deque([REJECTED])  # type: ignore[attr-defined]
    post.store.record(fact)

    await post.drain()

    assert post.store.waiting == 0


@pytest.mark.parametrize("fact", [status(), idle_sample(), security()])
async def test_what_was_not_answered_is_told_again(post: Post, fact: Fact) -> None:
    post.teller.script[entries_stream(post.store, fact)].append(SILENT)

    await post.drain()
    assert post.store.waiting == 1
    await post.clock.advance(60)

    assert post.teller.facts() == [fact, fact]
    assert post.store.waiting == 0


def entries_stream(store: Store, fact: Fact) -> str:
    store.record(fact)
    return entries(store)[0].stream


@pytest.mark.spec("2.0.1", "A04.FR.02")
async def test_a_security_event_is_insisted_on(post: Post) -> None:
    post.teller.script["security"].append(REJECTED)
    post.store.record(security())

    await post.drain()
    assert post.store.waiting == 1
    await post.clock.advance(60)

    assert post.store.waiting == 0


@pytest.mark.spec("2.0.1", "A04.FR.02")
async def test_a_critical_security_event_is_never_given_up(post: Post) -> None:
    post.teller.script["security"].extend([REJECTED] * 20)
    post.store.record(security())

    await post.drain()
    await post.clock.advance(3600 * 3)

    assert len(post.teller.facts()) == 21
    assert post.store.waiting == 0


@pytest.mark.parametrize("code", ["FormatViolation", "TypeConstraintViolation"])
async def test_an_event_that_the_csms_cannot_read_does_not_stop_the_next_one(
    post: Post, code: str
) -> None:
    post.teller.script["security"].extend([CsmsRejected(code)] * 3)
    post.store.record(SecurityEvent("NewInTheNextEdition", START))
    post.store.record(security())

    await post.drain()
    await post.clock.advance(3600 * 3)

    assert len(post.teller.facts()) == 4
    assert post.store.waiting == 0


async def test_another_security_event_is_given_up_after_the_attempts(post: Post) -> None:
    post.teller.script["security"].extend([REJECTED] * 20)
    post.store.record(SecurityEvent("InvalidMessages", START))

    await post.drain()
    await post.clock.advance(3600 * 3)

    assert len(post.teller.facts()) < 20
    assert post.store.waiting == 0


@pytest.mark.parametrize("code", ["NotImplemented", "NotSupported"])
async def test_a_csms_that_knows_no_security_events_is_told_none(
    post: Post, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    post.teller.script["security"].append(CsmsRejected(code))
    post.store.record(security())

    await post.drain()

    assert post.store.waiting == 0
    assert [one.levelname for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(("unknown", "waiting"), [(frozenset({"InternalError"}), 0), ((), 1)])
async def test_a_csms_may_have_a_word_of_its_own_for_unknown_messages(
    post: Post, unknown: frozenset[str], waiting: int
) -> None:
    post.teller.unknown = frozenset(unknown)
    post.teller.script["security"].append(CsmsRejected("InternalError"))
    post.store.record(security())

    await post.drain()

    assert post.store.waiting == waiting


@pytest.mark.parametrize("defect", [INVALID, KeyError("measurand")])
async def test_a_fact_we_cannot_word_holds_up_only_its_stream_and_that_not_for_ever(
    post: Post, caplog: pytest.LogCaptureFixture, defect: Exception
) -> None:
    post.teller.script["transaction T1"].extend([defect] * 3)
    post.store.record(ended("T1"), ended("T2"), updated("T1"))

    await post.drain()

    assert [entry.fact for entry in entries(post.store)] == [ended("T1"), updated("T1")]
    assert "TransactionEnded cannot be told" in caplog.text
    await post.clock.advance(DEFECT_PAUSE.total_seconds() * 2)
    assert post.teller.facts()[2:] == [ended("T1"), ended("T1"), updated("T1")]
    assert post.store.waiting == 0
    (kept,) = post.store.untold.all()
    assert (kept.fact, kept.lack.version) == (ended("T1"), "2.0.1")
    assert "cannot be told" in kept.lack.why


async def test_a_status_superseded_on_its_way_is_followed_by_the_new_one(post: Post) -> None:
    post.store.record(status())
    post.teller.gate.clear()
    await post.drain()

    await post.record(status(Status.CHARGING))
    post.teller.gate.set()
    await post.clock.settle()

    assert post.teller.facts() == [status(), status(Status.CHARGING)]
    assert post.store.waiting == 0


async def test_cancelled_on_the_way_nothing_is_lost(post: Post) -> None:
    post.store.record(ended())
    post.teller.gate.clear()
    await post.drain()
    assert post.draining is not None
    post.draining.cancel()
    await asyncio.wait([post.draining])

    assert [(entry.fact, entry.attempts) for entry in entries(post.store)] == [(ended(), 0)]


async def test_what_the_disk_does_not_note_is_told_once_and_noted_when_the_disk_takes_it(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("full")

    post.store.record(ended())
    with monkeypatch.context() as patched:
        patched.setattr(post.store, "delivered", refuse)
        post.outbox.note(lambda: post.store.delivered(entries(post.store)[0], START))
        await post.drain()
        await post.clock.advance(60)
    assert [told.fact for told in post.teller.told] == []
    assert post.store.waiting == 1

    await post.clock.advance(10)

    assert [told.fact for told in post.teller.told] == []
    assert post.store.waiting == 0


async def test_a_receipt_that_is_not_noted_yet_outlives_the_connection(
    post: Post, disk: BadDisk
) -> None:
    post.store.record(ended())
    disk.fail(1, Ill.FULL, lasting=True)

    await post.drain()
    await post.clock.advance(30)
    assert post.draining is not None
    post.draining.cancel()
    await post.drain()
    await post.clock.advance(30)
    disk.repair()
    await post.clock.advance(30)

    assert [told.fact for told in post.teller.told] == [ended()]
    assert post.store.waiting == 0


async def test_a_disk_that_cannot_be_read_before_a_fact_is_told_costs_no_attempt(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("disk I/O error")

    post.store.record(ended())
    with monkeypatch.context() as patched:
        patched.setattr(post.store, "csms_transaction", refuse)
        await post.drain()
    assert [(entry.fact, entry.attempts) for entry in entries(post.store)] == [(ended(), 0)]

    await post.clock.advance(10)

    assert [told.fact for told in post.teller.told] == [ended()]


async def test_a_fact_that_is_early_waits_and_holds_up_only_its_stream(post: Post) -> None:
    post.teller.script["status 1.1"].append(NotYet(timedelta(seconds=5)))
    post.store.record(status(), security())

    await post.drain()
    assert [told.at for told in post.teller.told] == [1000.0, 1000.0]

    await post.clock.advance(5)

    last = post.teller.told[-1]
    assert (last.at, last.fact, last.repeated) == (1005.0, status(), False)
    assert post.store.waiting == 0


async def test_a_fact_that_another_one_follows_while_it_waits_is_never_told(post: Post) -> None:
    post.teller.script["status 1.1"].append(NotYet(timedelta(seconds=5)))
    await post.drain()
    await post.record(status())

    await post.record(status(Status.AVAILABLE))
    await post.clock.advance(5)

    assert post.teller.facts() == [status(), status(Status.AVAILABLE)]
