"""Which records a message has in it, form by form, and what is learned from a refusal."""

import itertools
from datetime import timedelta

import pytest
from fake_clock import FakeClock

from chargepoint.csms.profiles import PROFILES
from chargepoint.csms.record_sender import room_of
from chargepoint.csms.size_guard import (
    BELIEVED,
    CLOSES_MOST,
    LASTING,
    PROMPT,
    STANDARD_MOST,
    TOO_BIG,
    Closes,
    Form,
    Record,
    Room,
    Way,
    by_itself,
    forms,
)

ALL_WAYS = (Way.END_ONLY, Way.ANNOUNCED, Way.DATA_TRANSFER, Way.ARCHIVE)
STRICT_WAYS = (Way.END_ONLY, Way.ARCHIVE)
WIDE, STRICT, ANY = Room(2500, 32768), Room(2500, 2500), Room(None, None)

SHORT, LONG, HUGE = Record(700), Record(3000), Record(40_000)
BEGIN, LONG_BEGIN = Record(700, begin=True), Record(3000, begin=True)


@pytest.mark.parametrize(
    ("records", "ways", "room", "told"),
    [
        pytest.param([], ALL_WAYS, WIDE, [set()], id="nothing is signed"),
        pytest.param([SHORT], ALL_WAYS, WIDE, [{0}, set()], id="fits"),
        pytest.param([Record(2500)], STRICT_WAYS, STRICT, [{0}, set()], id="just fits"),
        pytest.param([Record(2501)], STRICT_WAYS, STRICT, [set()], id="just does not"),
        pytest.param([LONG], ALL_WAYS, WIDE, [{0}, set()], id="announced"),
        pytest.param([LONG], STRICT_WAYS, STRICT, [set()], id="not announced"),
        pytest.param([HUGE], ALL_WAYS, WIDE, [set()], id="beyond what can be announced"),
        pytest.param([HUGE], ALL_WAYS, ANY, [{0}, set()], id="no limit is known"),
        pytest.param(
            [BEGIN, SHORT], ALL_WAYS, WIDE, [{0, 1}, {1}, set()], id="begin is left out first"
        ),
        pytest.param(
            [LONG_BEGIN, SHORT],
            ALL_WAYS,
            WIDE,
            [{1}, {0, 1}, set()],
            id="end without a begin that does not fit, then announced",
        ),
        pytest.param(
            [BEGIN, LONG], ALL_WAYS, WIDE, [{0, 1}, {0}, set()], id="begin stays if only it fits"
        ),
        pytest.param([BEGIN, LONG], STRICT_WAYS, STRICT, [{0}, set()], id="the same, strict"),
        pytest.param(
            [LONG_BEGIN, LONG],
            (Way.ANNOUNCED, Way.END_ONLY),
            WIDE,
            [{0, 1}, set()],
            id="in the order of the profile",
        ),
    ],
)
def test_a_message_has_fewer_records_from_form_to_form(
    records: list[Record], ways: tuple[Way, ...], room: Room, told: list[set[int]]
) -> None:
    assert [set(form) for form in forms(records, ways, room)] == told


def test_whatever_the_records_no_form_is_tried_twice_and_the_last_has_none() -> None:
    kinds = (SHORT, LONG, HUGE, BEGIN, LONG_BEGIN)
    for count in range(4):
        for records in itertools.product(kinds, repeat=count):
            for room, ways in itertools.product((WIDE, STRICT, ANY), (ALL_WAYS, STRICT_WAYS, ())):
                found = list(forms(records, ways, room))

                assert found[-1] == frozenset()
                assert len(set(found)) == len(found)
                most = room.most or 10**9
                assert all(records[place].length <= most for form in found for place in form)


@pytest.mark.parametrize(
    ("room", "refused", "left"),
    [
        (WIDE, 3000, Room(2500, 2500)),
        (WIDE, 2000, Room(1999, 1999)),
        (ANY, 5000, Room(4999, 4999)),
        (Room(1000, 1000), 5000, Room(1000, 1000)),
    ],
)
def test_what_was_refused_is_not_tried_again(room: Room, refused: int, left: Room) -> None:
    assert room.narrowed(refused) == left


def test_a_record_of_the_standard_s_length_is_1875_bytes() -> None:
    assert STANDARD_MOST // 4 * 3 == 1875


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_ends_with_the_archive(name: str) -> None:
    ways = PROFILES[name].ways

    assert ways[-1] is Way.ARCHIVE
    assert len(set(ways)) == len(ways)
    assert by_itself(ways) is (Way.DATA_TRANSFER in ways)


@pytest.mark.parametrize(
    ("name", "version", "room"),
    [
        ("standard", "2.0.1", WIDE),
        ("standard", "1.6", ANY),
        ("citrineos", "2.0.1", STRICT),
        ("everest-like", "2.0.1", Room(32768, 32768)),
        ("steve", "1.6", Room(65535, 65535)),
    ],
)
def test_a_profile_has_room_for_so_much(name: str, version: str, room: Room) -> None:
    assert room_of(PROFILES[name], version) == room


# --- closes instead of answers ----------------------------------------------------------------

WHOLE, BARE, OTHER = Form("m1", 0), Form("m1", 10), Form("m2", 0)
AT_ONCE = timedelta(0)


def test_one_close_that_says_too_big_is_enough() -> None:
    closes = Closes(FakeClock().monotonic)

    assert closes.met(WHOLE, 4000, TOO_BIG, None)
    assert not closes.fits(WHOLE, lambda: 4000)
    assert closes.fits(BARE, lambda: 900)


def test_other_closes_have_to_come_again_and_again_upon_the_same_message() -> None:
    clock = FakeClock()
    closes = Closes(clock.monotonic)
    for _ in range(CLOSES_MOST - 1):
        assert not closes.met(WHOLE, 4000, None, AT_ONCE)
        assert not closes.met(OTHER, 4000, 1011, PROMPT)
        assert closes.fits(WHOLE, lambda: 4000)
        assert closes.doubtful(WHOLE)
        clock.elapsed += LASTING.total_seconds()

    assert closes.met(WHOLE, 4000, None, AT_ONCE)
    assert not closes.fits(WHOLE, lambda: 4000)
    assert closes.fits(OTHER, lambda: 4000)


def test_a_line_that_is_bad_for_some_minutes_leaves_no_record_out() -> None:
    clock = FakeClock()
    closes = Closes(clock.monotonic)
    for _ in range(10 * CLOSES_MOST):
        assert not closes.met(WHOLE, 4000, None, AT_ONCE)

    clock.elapsed += LASTING.total_seconds() - 1
    assert not closes.met(WHOLE, 4000, None, AT_ONCE)
    clock.elapsed += 1
    assert closes.met(WHOLE, 4000, None, AT_ONCE)


@pytest.mark.parametrize(
    ("code", "after"),
    [
        (None, PROMPT * 2),
        (1011, None),
        (1000, AT_ONCE),
        (1001, AT_ONCE),
        (1012, AT_ONCE),
        (1013, AT_ONCE),
    ],
)
def test_a_close_for_another_reason_never_counts(code: int | None, after: timedelta | None) -> None:
    closes = Closes(FakeClock().monotonic)
    for _ in range(2 * CLOSES_MOST):
        assert not closes.met(WHOLE, 4000, code, after)

    assert not closes.doubtful(WHOLE)
    assert closes.fits(WHOLE, lambda: 4000)


def test_a_length_is_learned_once_a_shorter_form_was_taken() -> None:
    closes = Closes(FakeClock().monotonic)
    closes.met(WHOLE, 4000, TOO_BIG, AT_ONCE)
    assert closes.fits(OTHER, lambda: 4000)
    closes.told("m1")

    assert not closes.fits(OTHER, lambda: 4000)
    assert closes.fits(OTHER, lambda: 3999)
    closes.met(OTHER, 3000, TOO_BIG, AT_ONCE)
    closes.told("m2")
    assert not closes.fits(WHOLE, lambda: 3000)
    closes.met(WHOLE, 3500, TOO_BIG, AT_ONCE)
    closes.told("m1")
    assert not closes.fits(OTHER, lambda: 3000)


def close_without_a_word(closes: Closes, clock: FakeClock, form: Form, length: int) -> None:
    for _ in range(CLOSES_MOST):
        closes.met(form, length, None, AT_ONCE)
        clock.elapsed += LASTING.total_seconds()
    closes.told(form.message_id)


def test_what_nobody_said_is_believed_for_a_day() -> None:
    clock = FakeClock()
    closes = Closes(clock.monotonic)
    closes.met(WHOLE, 9000, TOO_BIG, AT_ONCE)
    closes.told("m1")
    close_without_a_word(closes, clock, WHOLE, 4000)

    clock.elapsed += BELIEVED.total_seconds() - LASTING.total_seconds() - 1
    assert not closes.fits(OTHER, lambda: 4000)
    clock.elapsed += LASTING.total_seconds() + 1
    assert closes.fits(OTHER, lambda: 8999)
    assert not closes.fits(OTHER, lambda: 9000)
    close_without_a_word(closes, clock, OTHER, 5000)
    assert closes.fits(WHOLE, lambda: 4999)
    assert not closes.fits(WHOLE, lambda: 5000)


def test_a_message_that_is_taken_in_no_form_teaches_nothing() -> None:
    closes = Closes(FakeClock().monotonic)
    closes.met(WHOLE, 4000, TOO_BIG, AT_ONCE)
    closes.forget("m1")
    closes.told("m1")

    assert closes.fits(WHOLE, lambda: 4000)
