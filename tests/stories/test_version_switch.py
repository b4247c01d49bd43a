"""A station that changes its OCPP version with facts in its journal: all are told, once.

What the version in use cannot say is logged and kept, so that somebody can account for it.
"""

import base64
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import get_args

import pytest
from fake_clock import START
from sample_facts import RECORD, ended, started, updated
from switch_bench import VERSIONS, Switching, needs_no_words, some_facts, switching

from chargepoint import v16, v201
from chargepoint.bench.csms import FaultKind
from chargepoint.core.facts import (
    CertificateRequested,
    CertificateStatusDue,
    ChargingLimitCleared,
    ChargingLimitSet,
    DataOffered,
    Fact,
    FirmwareProgress,
    LogProgress,
    NeedsStated,
    RecordKept,
    ReservationEnded,
    ReservationEnding,
    ReservationUsed,
    SampleKept,
    ScheduleChosen,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    VariableEvent,
)
from chargepoint.core.firmware import FirmwareStatus
from chargepoint.core.logs import LogStatus
from chargepoint.store.untold import Untold
from chargepoint.v16.transactions import NEVER_ANSWERED

WORDLESS_16 = (
    VariableEvent,
    ReservationEnded,
    ChargingLimitSet,
    ChargingLimitCleared,
    CertificateStatusDue,
    ScheduleChosen,
    CertificateRequested,  # for vehicles
    FirmwareProgress,  # the steps of a plain update
)
WORDLESS_201 = (FirmwareProgress, LogProgress)  # those of a request of 1.6
WORDLESS = {"1.6": WORDLESS_16, "2.0.1": WORDLESS_201}


@pytest.mark.parametrize("seed", range(10))
async def test_every_fact_is_told_once_or_kept_once_wherever_the_version_changes(
    seed: int, tmp_path: Path
) -> None:
    numbers = random.Random(seed)  # noqa: S311 - nothing secret
    facts = some_facts(numbers)
    points = sorted(numbers.sample(range(1, len(facts)), 4))
    async with switching(tmp_path) as it:
        version = numbers.choice(VERSIONS)
        for begin, end in zip([0, *points], [*points, len(facts)], strict=True):
            async with it.life(version) as life:
                life.record(*facts[begin:end])
                if numbers.random() < 0.8:
                    await life.speak(numbers.randint(1, 20))
            version = VERSIONS[1 - VERSIONS.index(version)]
        async with it.life(version) as life:
            await life.speak()
            kept = life.store.untold.all()

    _nothing_lost(it, kept)
    _nothing_doubled(it, kept)
    _sessions_in_order(it)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [("1.6", "2.0.1", "T1 (1) was begun in OCPP 1.6"), ("2.0.1", "1.6", "T1 was begun in OCPP 2")],
)
async def test_a_session_begun_in_another_version_ends_once_and_says_so_once(
    before: str, after: str, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with switching(tmp_path) as it:
        async with it.life(before) as life:
            life.record(started(), updated())
            await life.speak()
        async with it.life(after) as life:
            life.record(updated(seq=2), ended(seq=3))
            await life.speak()
            (kept,) = life.store.untold.all()
            (record,) = life.store.records.of("T1")

    (last,) = (
        it.csms.messages("TransactionEvent")[-1:]
        if after == "2.0.1"
        else it.csms.messages("StopTransaction")
    )
    if after == "2.0.1":
        assert (last["eventType"], last["transactionInfo"]["transactionId"]) == ("Ended", "T1")
        assert len(it.csms.messages("StartTransaction")) == 1
    else:
        assert last["transactionId"] == NEVER_ANSWERED
        assert it.csms.messages("StartTransaction") == []
    assert base64.b64encode(RECORD.document).decode() in json.dumps(last, default=str)
    assert record.delivered_at is not None
    assert (kept.fact, kept.lack.version) == (ended(seq=3), after)
    assert caplog.text.count(words) == 1


async def test_a_session_that_comes_back_to_its_version_ends_under_its_number(
    tmp_path: Path,
) -> None:
    async with switching(tmp_path) as it:
        for version, fact in (("1.6", started()), ("2.0.1", updated()), ("1.6", ended(seq=2))):
            async with it.life(version) as life:
                life.record(fact)
                await life.speak()
        async with it.life("1.6") as life:
            assert life.store.untold.all() == []

    (stop,) = it.csms.messages("StopTransaction")
    assert stop["transactionId"] == 1


async def test_a_begin_told_in_part_in_one_version_and_whole_in_the_other_is_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with switching(tmp_path) as it:
        it.csms.inject(FaultKind.DROP, "MeterValues")
        async with it.life("1.6") as life:
            life.record(started())
            await life.speak(lost=True)
            assert life.store.csms_transaction("T1") == 1
        async with it.life("2.0.1") as life:
            await life.speak()
            (kept,) = life.store.untold.all()

    assert kept.fact == started()
    assert caplog.text.count("T1 (1) was begun with this number, too") == 1


async def test_a_version_that_changes_while_the_station_runs_is_a_first_meeting(
    tmp_path: Path,
) -> None:
    async with switching(tmp_path) as it, it.life("1.6") as life:
        await life.speak()
        await life.speak()
        assert len(it.csms.messages("BootNotification")) == 1

        await life.speak(version="2.0.1")

        boots = it.csms.messages("BootNotification")
        assert [("reason" in boot) for boot in boots] == [False, True]


async def test_what_a_version_cannot_say_is_logged_once_kept_and_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    over = ReservationEnded(7, START, ReservationEnding.EXPIRED)
    offered = DataOffered("com.example", START)
    async with switching(tmp_path) as it, it.life("1.6") as life:
        life.record(over, offered)

        await life.speak()
        await life.speak()

        assert [untold.fact for untold in life.store.untold.all()] == [over]
    assert len(it.csms.messages("DataTransfer")) == 1
    assert caplog.text.count("ReservationEnded not told in full in OCPP 1.6") == 1


async def test_progress_of_work_that_1_6_asked_for_has_no_number_to_be_told_by_in_2_0_1(
    tmp_path: Path,
) -> None:
    plain = FirmwareProgress(None, FirmwareStatus.INSTALLED, START, signed=False)
    diagnostics = LogProgress(None, LogStatus.UPLOADED, START, diagnostics=True)
    async with switching(tmp_path) as it, it.life("2.0.1") as life:
        life.record(plain, diagnostics, FirmwareProgress(7, FirmwareStatus.INSTALLED, START))

        await life.speak()

        assert [untold.fact for untold in life.store.untold.all()] == [plain, diagnostics]
    (told,) = it.csms.messages("FirmwareStatusNotification")
    assert told == {"status": "Installed", "requestId": 7}


async def test_a_number_of_2_0_1_goes_with_the_progress_in_1_6(tmp_path: Path) -> None:
    async with switching(tmp_path) as it, it.life("1.6") as life:
        life.record(
            FirmwareProgress(7, FirmwareStatus.INSTALLED, START),
            LogProgress(9, LogStatus.UPLOADED, START),
        )

        await life.speak()

        assert life.store.untold.all() == []
    (firmware,) = it.csms.messages("SignedFirmwareStatusNotification")
    (log,) = it.csms.messages("LogStatusNotification")
    assert (firmware["requestId"], log["requestId"]) == (7, 9)


def test_every_fact_is_sorted_in_both_versions() -> None:
    """A new kind of fact has a message in each version, or is known to have none there."""
    for package in (v16, v201):
        marked = {
            getattr(method, "delivers", None)
            for block in package.BLOCKS
            for method in vars(block).values()
        }
        wordless = set(WORDLESS_16) if package is v16 else set()
        for kind in get_args(Fact):
            inside = kind in {SampleKept, RecordKept, ReservationUsed}
            assert inside or kind in marked or kind in wordless, f"{kind} in {package}"


def _nothing_lost(it: Switching, kept: list[Untold]) -> None:
    told = {it.names.get(frame.message_id) for frame in it.calls()}
    shelved = {untold.message_id: untold.lack for untold in kept}
    assert len(shelved) == len(kept)
    assert shelved.keys() <= it.facts.keys()
    for message_id, fact in it.facts.items():
        lack = shelved.get(message_id)
        if lack is None:
            # A newer status takes its place; needs are told while a vehicle waits for an answer.
            silent = isinstance(fact, StatusChanged | NeedsStated)
            silent = silent or needs_no_words(fact, "1.6")
            assert message_id in told or silent, f"lost: {fact}"
        else:
            wordless = isinstance(fact, WORDLESS[lack.version])
            assert wordless or (message_id in told and "was begun" in lack.why), f"{fact}: {lack}"


def _nothing_doubled(it: Switching, kept: list[Untold]) -> None:
    """Only a message under way when the connection broke may come again, as the same message.

    Or be kept by the next version.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    for frame in it.calls():
        if frame.message_id in it.names:
            texts[frame.message_id].append(frame.text)
    facts = Counter(it.names[message_id] for message_id in texts for _ in texts[message_id])
    facts.update(one.message_id for one in kept if "was begun" not in one.lack.why)
    assert sum(count - 1 for count in facts.values()) <= it.cuts
    assert all(len(set(of_one)) == 1 for of_one in texts.values())


def _sessions_in_order(it: Switching) -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    for frame in it.calls():
        fact = it.facts.get(it.names.get(frame.message_id, ""))
        if isinstance(fact, TransactionStarted | TransactionUpdated | TransactionEnded):
            seen[fact.transaction_id].append(fact.seq)
    assert seen
    assert all(sequence == sorted(sequence) for sequence in seen.values())
