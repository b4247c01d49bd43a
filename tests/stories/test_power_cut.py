"""A sample of the power cuts; ``scripts/power_cut`` does all of them.

Each case is a session of a station in a process of its own beside a meter in another; one of them
is killed where the case says and started again on what it had stored.
"""

import pytest
from power_cut_case import Case
from power_cut_sweep import sweep

pytestmark = pytest.mark.timeout(180)

AT_A_COMMIT = {
    "2.0.1": (
        "commit-before:TransactionStarted",
        "commit-after:TransactionStarted",
        "commit-before:TransactionEnded",
        "commit-after:TransactionEnded",
    ),
    "1.6": ("commit-after:TransactionStarted", "commit-before:TransactionEnded"),
}
AT_AN_ORDER = ("order-after:TakeBegin", "order-after:TakeEnd", "order-before:ReleaseRecord")
BEFORE_THE_ANSWER_OF_THE_METER = (
    "command-sent:0x7040=0042",  # begin
    "slow/command-sent:0x7040=0045",  # end
    "command-sent:0x7100",  # release
)
BEFORE_THE_ANSWER_OF_THE_CSMS = {
    "2.0.1": ("sent:TransactionEventStarted", "received:answer-TransactionEventEnded"),
    "1.6": ("sent:StartTransaction", "received:answer-StartTransaction", "sent:StopTransaction"),
}
WHILE_RECOVERING = ("commit-after:TransactionStarted+order-after:TakeEnd",)
OF_THE_METER = ("meter-write-after:0x7040", "meter-save-before:state=READY", "meter-random:1.5")
OF_THE_LINK = {
    "2.0.1": ("offline/commit-after:TransactionEnded", "drop:6", "lose-answer:7"),
    "1.6": ("offline/commit-after:TransactionStarted", "lose-answer:all"),
}
ASKED = {
    "2.0.1": (
        "asked/commit-before:insert-charging_profile",
        "asked/commit-after:insert-job",  # the first step of a change at several EVSEs
        "asked/sent:answer-UpdateFirmware",
        "asked/commit-after:FirmwareProgress",
    ),
    "1.6": ("asked/commit-after:insert-local_list", "asked/commit-before:delete-job"),
}


async def fine(version: str, *texts: str) -> None:
    """Nothing lost, doubled or left open in any of these cases, and each of them did happen."""
    table = await sweep([Case.parse(version, text) for text in texts], jobs=2)

    results = [result for row in table.results.values() for result in row]
    assert {str(result.case): result.findings for result in results if result.findings} == {}
    assert [str(r.case) for r in results if not r.struck and r.case.cuts] == []


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_station_killed_at_a_commit_loses_and_doubles_nothing(version: str) -> None:
    await fine(version, *AT_A_COMMIT[version])


async def test_station_killed_at_an_order_carries_it_out_once() -> None:
    await fine("2.0.1", *AT_AN_ORDER)


async def test_station_killed_before_the_answer_of_the_meter_gives_no_command_twice() -> None:
    await fine("2.0.1", *BEFORE_THE_ANSWER_OF_THE_METER)


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_station_killed_before_the_answer_of_the_csms_sends_the_same_message(
    version: str,
) -> None:
    await fine(version, *BEFORE_THE_ANSWER_OF_THE_CSMS[version])


async def test_station_killed_again_while_it_recovers_loses_and_doubles_nothing() -> None:
    await fine("2.0.1", *WHILE_RECOVERING)


async def test_killed_meter_ends_the_session_with_its_record() -> None:
    await fine("2.0.1", *OF_THE_METER)


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_bad_link_or_none_delays_the_messages_and_no_more(version: str) -> None:
    await fine(version, *OF_THE_LINK[version])


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_what_the_csms_asked_for_has_its_whole_effect_or_none(version: str) -> None:
    await fine(version, *ASKED[version])
