"""Which records a message has in it, form by form, and what is learned from a refusal."""

import itertools

import pytest

from chargepoint.csms.profiles import PROFILES
from chargepoint.csms.record_sender import room_of
from chargepoint.csms.size_guard import STANDARD_MOST, Record, Room, Way, by_itself, forms

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
