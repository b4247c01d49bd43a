"""The 25 weaknesses known of the IEM-DCR driver that most stations use, and what ours does instead.

Each line: number, behaviour, the test that shows it.
"""

from pathlib import Path

import pytest

SHOWN = {
    1: (
        "a refused begin leaves nothing behind: polls, clock and the next begin go on",
        "test_a_refused_begin_stops_no_poll",
    ),
    2: (
        "energy is the running total; that of the transaction only dates the begin back",
        "test_energy_is_the_running_total_and_not_that_of_the_transaction",
    ),
    3: (
        "registers of every spelling are read whole, signs and unpadded ones included",
        "test_registers_of_every_spelling_lose_no_digit",
    ),
    4: ("energies are exact decimals", "test_no_watt_hour_is_lost_in_a_large_register"),
    5: (
        "a power cut of the meter between two polls is noticed",
        "test_a_power_cut_between_two_polls_is_noticed_by_the_clock",
    ),
    6: (
        "the charge point that the meter keeps is compared, and what to do is said",
        "test_a_frozen_charge_point_is_told_with_what_to_do",
    ),
    7: (
        "another EVSE id is a refusal, so no session runs unsigned",
        "test_another_evse_id_than_the_configured_one_is_refused",
    ),
    8: (
        "a record is handed out for its own transaction only",
        "test_a_foreign_transaction_is_never_handed_out_as_ours",
    ),
    9: (
        "every request has its time",
        "test_polls_of_a_dead_meter_wait_and_commands_do_not",
    ),
    10: (
        "errors name meter, request, what was found and what was expected",
        "test_each_trouble_has_its_own_sentence_and_passes",
    ),
    11: (
        "whether a transaction runs is asked, not assumed",
        "test_end_of_another_transaction_touches_nothing",
    ),
    12: (
        "after a power cut of the meter end looks for the record instead of ending again",
        "test_a_power_cut_of_the_meter_leaves_a_record_that_end_only_fetches",
    ),
    13: (
        "an end waits for the current to decay, as long as is configured",
        "test_an_end_waits_for_the_current_to_decay",
    ),
    14: (
        "digits and offset of a time belong together, summer or winter, whatever the host's zone",
        "test_times_are_told_in_the_form_of_the_meter",
    ),
    15: (
        "times are instants; an unusable one is replaced by the time of receipt",
        "test_a_record_whose_clock_was_never_set_has_the_time_of_receipt",
    ),
    16: (
        "a refused clock is tried once a minute and looked at before a transaction",
        "test_a_refused_clock_is_tried_again_later_and_stops_no_reading",
    ),
    17: (
        "what an earlier process left is offered before anything can overwrite it",
        "test_another_process_finds_what_waits",
    ),
    18: (
        "after an outage only what is missing is told again; a tariff never in a session",
        "test_a_fresh_meter_is_told_its_charge_point_and_the_time_once",
    ),
    19: (
        "a key that was refused is asked for again; another key is another meter",
        "test_a_refused_key_is_asked_for_again_before_a_transaction",
    ),
    20: (
        "begin, end, owner, meter, charge point and states of a record are looked at",
        "test_what_is_odd_about_a_record_is_told",
    ),
    21: (
        "the algorithm is named where the record does not",
        "test_the_algorithm_is_named_if_the_record_does_not",
    ),
    22: (
        "a command whose answer was lost is looked for, not repeated",
        "test_a_begin_whose_answer_was_lost_is_not_given_twice",
    ),
    23: (
        "a record is asked for until it is there, or its time is up",
        "test_a_record_that_comes_too_late_is_fetched_by_the_next_call",
    ),
    24: (
        "error codes are numbers, told and taken back, and bits can be ignored",
        "test_bits_that_are_ignored_are_left_to_the_meter",
    ),
    25: (
        "state and error flags of the energy are faults of the meter and stop a begin",
        "test_energy_that_the_meter_itself_does_not_trust_is_not_sold",
    ),
}


def test_no_weakness_is_left_out() -> None:
    assert sorted(SHOWN) == list(range(1, 26))


@pytest.mark.parametrize("number", SHOWN)
def test_what_is_claimed_is_shown(number: int) -> None:
    behaviour, test = SHOWN[number]
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_iem_dcr_*.py"))

    assert behaviour
    assert f"def {test}(" in sources
