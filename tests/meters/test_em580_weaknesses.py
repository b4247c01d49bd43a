"""The 41 weaknesses known of the EM580 driver that most stations use, and what ours does instead.

The numbers are those of section 13 of the reference of this meter.
"""

from pathlib import Path
from typing import NamedTuple

import pytest


class Weakness(NamedTuple):
    """One row: what the known driver does, how ours behaves, the test that shows it."""

    number: int
    known: str
    ours: str
    test: str


TABLE = tuple(
    Weakness(*row)
    for row in (
        (
            1,
            "takes commands before it is configured; a stop at boot destroys the unread record",
            "every command connects first, and a record found at boot is fetched, not lost",
            "test_another_process_finds_and_fetches_what_waits",
        ),
        (
            2,
            "start, and stop without an id, throw an unread record away",
            "begin refuses while a record waits; only release discards, and only what it names",
            "test_begin_discards_nothing_of_another_transaction",
        ),
        (
            3,
            "confirms before the record is stored; a failed confirmation spoils a good stop",
            "end leaves the record in the meter; release confirms it and may be repeated",
            "test_a_release_whose_answer_was_lost_is_done",
        ),
        (
            4,
            "writes identification flags in the order of the list",
            "each flag goes into the register of its family",
            "test_each_flag_goes_into_the_register_of_its_family",
        ),
        (
            5,
            "computes in 32-bit floats and loses Wh above 16 777 216",
            "energies are exact integers of Wh",
            "test_no_watt_hour_is_lost_on_the_way",
        ),
        (
            6,
            "only time-outs raise a fault; noise and exceptions fail silently",
            "every failure is an error, each kind with its own sentence and counter",
            "test_each_fault_has_its_own_sentence_and_counter",
        ),
        (
            7,
            "a device-state error is never cleared",
            "each complaint is told when it comes and when it goes",
            "test_what_the_meter_complains_about_is_told_and_taken_back",
        ),
        (
            8,
            "a clock setting that was put off never happens",
            "what falls due in a transaction is done at the first look after it",
            "test_a_clock_that_falls_due_in_a_transaction_is_set_at_the_first_look_after_it",
        ),
        (
            9,
            "rewrites clock and zone at every connection, even in a transaction",
            "neither is touched while one runs, and a refusal stops no reading",
            "test_a_new_time_zone_waits_for_the_end_of_the_transaction",
        ),
        (
            10,
            "takes the time once, before a write that may be repeated for long",
            "each attempt to set the clock takes the time anew",
            "test_each_attempt_to_set_the_clock_takes_the_time_anew",
        ),
        (
            11,
            "gives the meter 1.1 s to sign; too late and corrupted are one error",
            "the time is a setting, later records are fetched, corrupted is an error of its own",
            "test_a_record_that_comes_too_late_is_fetched_by_the_next_call",
        ),
        (
            12,
            "says that a transaction began without looking",
            "begin returns when the meter is seen to run, and says if it does not",
            "test_a_begin_that_the_meter_takes_without_effect_is_refused",
        ),
        (
            13,
            "repeats begin and end up to nine times when an answer is lost",
            "the effect is looked for; a command is given once",
            "test_a_begin_whose_answer_was_lost_is_not_given_twice",
        ),
        (
            14,
            "a start value that cannot be read leaves an orphan transaction",
            "begin may be repeated and completes what it began",
            "test_a_begin_whose_reading_fails_is_completed_by_the_next_call",
        ),
        (
            15,
            "writes fields and begin into a running or corrupted session",
            "begin refuses, end fetches or says what is lost, release frees the meter",
            "test_a_corrupted_record_is_told_apart_and_given_up_by_release",
        ),
        (
            16,
            "a long tariff text cuts the transaction id off",
            "the tariff is cut, the id never",
            "test_a_long_tariff_is_cut_and_the_id_is_not",
        ),
        (
            17,
            "recovers only ids in the form of a UUID",
            "ids of any form come back",
            "test_another_process_finds_and_ends_what_runs",
        ),
        (
            18,
            "searches the record for TT by hand",
            "the record is parsed, not searched",
            "test_a_text_like_a_tariff_in_another_field_does_not_mislead",
        ),
        (
            19,
            "keeps the padding and believes any size",
            "the size is checked, the padding is cut, what is no record is kept as evidence",
            "test_a_record_whose_size_is_told_wrongly_for_good_is_found_all_the_same",
        ),
        (
            20,
            "truncations of legal content are only logged, tariff texts without a word",
            "what is cut, and how much, is told before the transaction starts",
            "test_what_the_record_will_not_say_is_told_before_the_transaction_starts",
        ),
        (
            21,
            "a second stop sends the end again and fails",
            "end may be repeated and gives the same record",
            "test_end_and_release_may_be_repeated",
        ),
        (
            22,
            "keeps a start value over transactions and hands it out with another's record",
            "a begin belongs to its id; after a restart it is worked out from the meter's counters",
            "test_the_begin_is_found_after_a_restart_while_energy_flows",
        ),
        (
            23,
            "believes its own flags when the meter says otherwise",
            "the meter's state is asked before each step, and a lost session is told",
            "test_a_transaction_that_left_no_record_is_told_until_the_next_one",
        ),
        (
            24,
            "does not notice a transaction that the meter ended, or mistakes its own end for that",
            "watching a transaction and ending it exclude each other",
            "test_a_meter_that_ends_a_transaction_by_itself_is_noticed",
        ),
        (
            25,
            "commands and polls interleave without order",
            "one lock per meter for commands, turns on the line for requests",
            "test_polls_go_on_while_the_meter_signs",
        ),
        (
            26,
            "a stop blocks for half a minute or for ever when the meter is away",
            "commands on a dead meter fail soon, and can be cancelled",
            "test_an_end_on_a_dead_meter_fails_soon",
        ),
        (
            27,
            "one failed read costs a new configuration and ten seconds",
            "a damaged answer costs one request",
            "test_a_damaged_answer_costs_one_request_and_no_new_start",
        ),
        (
            28,
            "a meter without key gives no readings",
            "a meter without key gives readings and refuses to begin",
            "test_a_meter_without_key_is_read_and_does_not_sign",
        ),
        (
            29,
            "registers that old meters lack keep them from starting",
            "registers that a meter lacks are done without",
            "test_old_meters_of_the_em300_series_say_how_to_use_them",
        ),
        (
            30,
            "takes unknown codes for signing meters and does not notice a swapped one",
            "signature type and key tell whether a meter signs; a swapped one is reported",
            "test_another_meter_in_the_place_of_the_old_one_is_reported",
        ),
        (
            31,
            "repeats exception answers up to nine times",
            "an exception answer is not asked again",
            "test_an_exception_answer_is_final",
        ),
        (
            32,
            "reads the signed map each second, half of the bus time",
            "the signed map is read on demand only",
            "test_a_poll_costs_two_requests",
        ),
        (
            33,
            "repeats the read of a missing temperature in every cycle",
            "a missing temperature is asked for once, and costs no reading",
            "test_a_meter_without_temperature_is_asked_for_it_once",
        ),
        (
            34,
            "stamps values with the time of publishing, the signed map too",
            "a reading carries the moment it was taken, a record that of the meter",
            "test_a_session_gives_a_record_that_verifies",
        ),
        (
            35,
            "values of one reading come from four requests",
            "a poll is two requests, one behind the other",
            "test_a_poll_costs_two_requests",
        ),
        (
            36,
            "its own default settings are too long for its check of a reboot",
            "the default settings survive a reboot of any length: polls fail at once meanwhile",
            "test_a_silent_meter_fails_polls_at_once_and_comes_back",
        ),
        (
            37,
            "waits for silence after each answer, checks no length, never opens the port again",
            "a read ends at its last byte, is checked, and the port opens again",
            "test_a_transaction_outlives_an_adapter_that_was_pulled",
        ),
        (
            38,
            "a dead meter blocks the line for all",
            "a dead meter is asked rarely",
            "test_a_dead_meter_hardly_slows_down_the_others",
        ),
        (
            39,
            "misreads phase sequence and firmware of the EM300 series",
            "both series are understood",
            "test_an_em340_tells_a_wrong_phase_sequence_by_zero_and_its_firmware_by_a_letter",
        ),
        (
            40,
            "has its users compact a record before they verify it",
            "what is signed is handed on byte for byte",
            "test_the_document_is_what_the_meter_holds_byte_for_byte",
        ),
        (
            41,
            "ignores charging status, clock status and session counters; ends silently",
            "they decide whether an end is needed, the clock is right, what the begin was",
            "test_an_end_whose_answer_was_lost_is_not_given_twice",
        ),
    )
)


def test_no_weakness_is_left_out() -> None:
    assert [row.number for row in TABLE] == list(range(1, 42))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"W{row.number}")
def test_what_is_claimed_is_shown(row: Weakness) -> None:
    sources = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]

    assert row.known
    assert row.ours
    assert any(
        f"\nasync def {row.test}(" in text or f"\ndef {row.test}(" in text for text in sources
    )
