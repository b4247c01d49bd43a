"""The 41 weaknesses known of the EM580 driver that most stations use, and what ours does instead.

Each line: number, behaviour, the test that shows it.
"""

from pathlib import Path

import pytest

SHOWN = {
    1: (
        "every command connects first, so a record found at boot is fetched, not lost",
        "test_another_process_finds_and_fetches_what_waits",
    ),
    2: (
        "begin refuses while a record waits; nothing is discarded",
        "test_begin_discards_nothing_of_another_transaction",
    ),
    3: (
        "end leaves the record in the meter; release confirms it and may be repeated",
        "test_a_release_whose_answer_was_lost_is_done",
    ),
    4: (
        "each identification flag goes into the register of its family",
        "test_each_flag_goes_into_the_register_of_its_family",
    ),
    5: ("energies are exact integers of Wh", "test_no_watt_hour_is_lost_on_the_way"),
    6: (
        "every persistent failure is an error, each kind with its own sentence",
        "test_each_fault_has_its_own_sentence_and_counter",
    ),
    7: (
        "complaints of the meter are taken back when the bits are gone",
        "test_what_the_meter_complains_about_is_told_and_taken_back",
    ),
    8: (
        "the clock is set after connecting and before a transaction",
        "test_the_clock_is_set_again_when_the_meter_has_lost_it",
    ),
    9: (
        "the clock is not touched while a transaction runs; a refusal stops no reading",
        "test_the_clock_is_set_before_a_transaction_and_not_during_one",
    ),
    10: (
        "each attempt to set the clock takes the time anew",
        "test_each_attempt_to_set_the_clock_takes_the_time_anew",
    ),
    11: (
        "signing may take its time; too late and corrupted are different errors",
        "test_a_record_that_comes_too_late_is_fetched_by_the_next_call",
    ),
    12: (
        "begin returns when the meter is seen to run",
        "test_a_begin_that_never_arrived_can_be_repeated",
    ),
    13: (
        "a command whose answer was lost is looked for, not repeated",
        "test_a_begin_whose_answer_was_lost_is_not_given_twice",
    ),
    14: (
        "a begin whose reading fails is completed by repeating it",
        "test_a_begin_whose_reading_fails_is_completed_by_the_next_call",
    ),
    15: (
        "nothing is written into a running or corrupted session",
        "test_a_corrupted_record_is_told_apart_and_given_up_by_release",
    ),
    16: ("the tariff is cut, the id never", "test_a_long_tariff_is_cut_and_the_id_is_not"),
    17: (
        "ids of any form come back",
        "test_another_process_finds_and_ends_what_runs",
    ),
    18: (
        "the record is parsed, not searched",
        "test_a_text_like_a_tariff_in_another_field_does_not_mislead",
    ),
    19: (
        "the size is checked and the padding is cut",
        "test_the_document_is_what_the_meter_holds_byte_for_byte",
    ),
    20: (
        "what legal content loses is told, without its value",
        "test_what_is_cut_from_legal_content_is_told_without_its_value",
    ),
    21: ("end may be repeated", "test_end_and_release_may_be_repeated"),
    22: ("a begin reading belongs to its id", "test_begin_may_be_repeated"),
    23: (
        "the meter's state is asked before each step, never assumed",
        "test_a_power_cut_of_the_meter_leaves_a_record_that_end_only_fetches",
    ),
    24: (
        "watching a transaction and ending it exclude each other",
        "test_a_meter_that_ends_a_transaction_by_itself_is_noticed",
    ),
    25: (
        "one lock per meter for commands, turns on the line for requests",
        "test_polls_go_on_while_the_meter_signs",
    ),
    26: ("commands on a dead meter fail soon", "test_an_end_on_a_dead_meter_fails_soon"),
    27: (
        "a damaged answer costs one request",
        "test_a_damaged_answer_costs_one_request_and_no_new_start",
    ),
    28: (
        "a meter without key gives readings",
        "test_a_meter_without_key_is_read_and_does_not_sign",
    ),
    29: (
        "registers that a meter lacks are done without",
        "test_a_meter_without_optional_registers_is_used_all_the_same",
    ),
    30: (
        "a swapped meter is noticed; its key tells whether it signs",
        "test_another_meter_in_the_place_of_the_old_one_is_reported",
    ),
    31: ("an exception answer is not asked again", "test_an_exception_answer_is_final"),
    32: ("the signed map is read on demand only", "test_a_poll_costs_two_requests"),
    33: (
        "a missing temperature is asked for once",
        "test_a_meter_without_temperature_is_asked_for_it_once",
    ),
    34: (
        "a reading carries the moment it was taken, a record that of the meter",
        "test_a_session_gives_a_record_that_verifies",
    ),
    35: (
        "a poll is two requests behind each other",
        "test_a_poll_costs_two_requests",
    ),
    36: (
        "an outage of any length ends by itself with the settings as they come",
        "test_a_silent_meter_fails_polls_at_once_and_comes_back",
    ),
    37: (
        "a read ends at its last byte, is checked, and the port opens again",
        "test_a_record_is_read_nearly_as_fast_as_the_line_allows",
    ),
    38: (
        "a dead meter is asked rarely",
        "test_a_dead_meter_hardly_slows_down_the_others",
    ),
    39: (
        "the phase sequence of both series is understood",
        "test_a_wrong_phase_sequence_is_recognised_on_both_series",
    ),
    40: (
        "what is signed is handed on byte for byte",
        "test_the_document_is_what_the_meter_holds_byte_for_byte",
    ),
    41: (
        "the charging status decides whether an end is still needed",
        "test_an_end_whose_answer_was_lost_is_not_given_twice",
    ),
}


def test_no_weakness_is_left_out() -> None:
    assert sorted(SHOWN) == list(range(1, 42))


@pytest.mark.parametrize("number", SHOWN)
def test_what_is_claimed_is_shown(number: int) -> None:
    behaviour, test = SHOWN[number]
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert behaviour
    assert f"def {test}(" in sources
