"""The 18 weaknesses known of the LEM driver that most stations use, and what ours does instead.

Each line: number, behaviour, the test that shows it.
"""

from pathlib import Path

import pytest

SHOWN = {
    1: (
        "a record without end or of another transaction is never handed on, nothing is a makeshift",
        "test_an_intermediate_record_is_never_taken_for_the_end",
    ),
    2: (
        "the stop is given once and looked for; only the record is asked for again",
        "test_a_record_that_cannot_be_read_is_read_by_the_next_call",
    ),
    3: (
        "what runs is what the meter says, not what the driver remembers",
        "test_an_end_that_never_arrived_is_given_by_the_next_call",
    ),
    4: (
        "a transaction whose status is not 17 is told, with what was wrong",
        "test_a_transaction_that_is_not_billable_is_told_and_handed_on",
    ),
    5: ("a poll is one request, no record in it", "test_a_poll_is_one_request"),
    6: (
        "an answer that is none is an error like any other",
        "test_each_fault_of_a_poll_is_told_and_passes",
    ),
    7: (
        "time zone and daylight saving are written where they differ; a fresh clock is left alone",
        "test_a_begin_sets_a_clock_that_was_set_long_ago",
    ),
    8: (
        "a begin gives a reading or an error, nothing in between",
        "test_a_begin_that_never_arrived_can_be_repeated",
    ),
    9: (
        "who charges and the transaction are told apart, each whole",
        "test_who_charges_is_told_to_the_meter",
    ),
    10: ("ids of any form come back", "test_ids_of_any_form_come_back"),
    11: (
        "lengths and ranges are checked before the meter is asked",
        "test_a_charging_point_that_does_not_fit_is_refused_with_what_to_do",
    ),
    12: (
        "an outage is told with the first poll, and polls go on",
        "test_after_many_failures_polls_rest",
    ),
    13: (
        "what another one left running is ended by the caller, who gets its record",
        "test_begin_waits_until_another_transaction_is_stored",
    ),
    14: (
        "a stop that comes too early for the meter is given again later",
        "test_an_early_stop_that_is_declined_is_for_later",
    ),
    15: (
        "versions are compared as numbers",
        "test_the_second_version_is_told_from_numbers_not_from_text",
    ),
    16: ("values are exact, times have their offset", "test_no_watt_hour_is_lost_on_the_way"),
    17: (
        "the record is parsed and compared with the meter's own legal record of that id",
        "test_a_record_of_another_transaction_is_not_handed_on",
    ),
    18: (
        "status and error bits are looked at every minute, told and taken back",
        "test_complaints_are_told_once_and_taken_back",
    ),
}


def test_no_weakness_is_left_out() -> None:
    assert sorted(SHOWN) == list(range(1, 19))


@pytest.mark.parametrize("number", SHOWN)
def test_what_is_claimed_is_shown(number: int) -> None:
    behaviour, test = SHOWN[number]
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_lem_*.py"))

    assert behaviour
    assert f"def {test}(" in sources
