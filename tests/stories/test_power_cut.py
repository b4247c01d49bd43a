"""A sample of the power cuts; ``scripts/power_cut`` does all of them.

Each case is a session of a station in a process of its own beside a meter in another; one of them
is killed where the case says and started again on what it had stored.
"""

import pytest
from power_cut_case import Case
from power_cut_sweep import sweep

pytestmark = pytest.mark.timeout(180)

AT_A_COMMIT = (
    "commit-before:TransactionStarted",
    "commit-after:TransactionStarted",
    "commit-before:TransactionEnded",
    "commit-after:TransactionEnded",
)
AT_AN_ORDER = (
    "order-before:TakeBegin",
    "order-after:TakeBegin",
    "order-after:TakeEnd",
    "order-before:ReleaseRecord",
)
BETWEEN_COMMAND_AND_ANSWER = (
    "command-sent:0x7040=0042",  # begin
    "slow/command-sent:0x7040=0045",  # end
    "command-sent:0x7100",  # release
)
MESSAGE_SENT = {
    "2.0.1": ("sent:TransactionEventStarted", "received:TransactionEvent"),
    "1.6": ("sent:StartTransaction", "sent:StopTransaction"),
}
WHILE_RECOVERING = (
    "commit-after:TransactionStarted+order-after:TakeEnd",
    "order-after:TakeEnd+commit-before:TransactionEnded",
)
METER = (
    "meter-write-before:0x7040",
    "meter-write-after:0x7040",
    "meter-save-before:READY",
    "meter-random:1.5",
)
OFFLINE = ("offline/none", "offline/commit-after:TransactionEnded", "offline/order-after:TakeBegin")
LINK = ("drop:all", "lose-answer:all", "close-after:6")


async def fine(version: str, *texts: str) -> None:
    table = await sweep([Case.parse(version, text) for text in texts], jobs=len(texts))

    results = [result for row in table.results.values() for result in row]
    assert {str(result.case): result.findings for result in results if result.findings} == {}
    assert [str(r.case) for r in results if not r.struck and r.case.cuts] == []


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_station_killed_at_a_commit_loses_and_doubles_nothing(version: str) -> None:
    await fine(version, *AT_A_COMMIT)


async def test_station_killed_at_an_order_loses_and_doubles_nothing() -> None:
    await fine("2.0.1", *AT_AN_ORDER)


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_station_killed_before_it_had_an_answer_asks_again_and_gets_it_once(
    version: str,
) -> None:
    await fine(version, *BETWEEN_COMMAND_AND_ANSWER, *MESSAGE_SENT[version])


async def test_station_killed_again_while_it_recovers_loses_and_doubles_nothing() -> None:
    await fine("2.0.1", *WHILE_RECOVERING)


async def test_killed_meter_ends_the_session_with_its_record() -> None:
    await fine("2.0.1", *METER)


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_session_without_csms_is_told_when_the_csms_is_back(version: str) -> None:
    await fine(version, *OFFLINE)


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_link_that_drops_at_every_message_loses_and_doubles_nothing(version: str) -> None:
    await fine(version, *LINK)
