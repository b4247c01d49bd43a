"""The tables of what is there: messages from the code, test cases from the marks."""

import re
from collections.abc import Mapping

import pytest
import spec_table

# Cases that cannot be tested over a WebSocket to the small CSMS, and why.
APART: Mapping[str, Mapping[str, str]] = {"1.6": {}, "2.0.1": {}}


@pytest.mark.parametrize(("version", "count"), [("1.6", 39), ("2.0.1", 64)])
def test_every_message_is_listed_with_its_methods(version: str, count: int) -> None:
    rows = {row.action: row for row in spec_table.messages(version)}

    assert len(rows) == count
    assert rows["Authorize"].direction == "station > CSMS"
    assert rows["ClearCache"].direction == "CSMS > station"
    package = spec_table.PACKAGES[version]
    assert rows["ClearCache"].methods == (f"{package}.authorization.Authorization.clear_cache",)
    assert rows["Authorize"].methods == (f"{package}.authorization.Authorization.authorize",)


@pytest.mark.parametrize(("version", "count"), [("1.6", 107), ("2.0.1", 424)])
def test_every_case_has_one_line(version: str, count: int) -> None:
    rows = spec_table.cases(version)

    assert len({row.case_id for row in rows}) == len(rows) == count
    assert all(row.profile and row.about for row in rows)


@pytest.mark.parametrize("version", spec_table.PACKAGES)
def test_every_case_that_a_mark_names_exists(version: str) -> None:
    known = {row.case_id.removesuffix("_CS") for row in spec_table.cases(version)}
    marked = {clause for clause in spec_table.marks(version) if clause.startswith("TC_")}

    assert {clause.removesuffix("_CS") for clause in marked} <= known
    assert all(re.fullmatch(r"TC_[0-9A-Z_]+", clause) for clause in marked)


@pytest.mark.parametrize(
    ("test", "wired"),
    [
        ("v201/test_transactions.py::test_a_session_is_told_from_begin_to_end", True),
        ("v201/test_connection_cases.py::test_a_rejected_station_answers_only_that", True),
        (
            "v201/test_story_provisioning.py::test_a_reset_on_idle_waits_for_the_transaction_then_boots",
            True,
        ),
        ("v201/test_display.py::test_messages_survive_a_restart", False),
        ("v201/test_authorization_list.py::test_a_listed_token_starts_and_stops_offline", True),
        ("csms/test_session.py::test_a_rejected_station_answers_nothing_but_that", False),
        ("core/test_monitoring.py::test_words_differ_by_any_change", False),
    ],
)
def test_a_test_is_wired_if_the_small_csms_has_a_part_in_it(test: str, *, wired: bool) -> None:
    assert spec_table.is_wired(test) is wired


@pytest.mark.parametrize("version", spec_table.PACKAGES)
def test_every_case_is_tested_over_a_real_websocket(version: str) -> None:
    rows = {row.case_id: row for row in spec_table.cases(version) if row.tests}
    apart = {case_id for case_id, row in rows.items() if not row.wired}

    assert apart == set(APART[version])


def test_only_what_is_missing_is_printed_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    spec_table.main(["2.0.1", "--missing"])

    printed = capsys.readouterr().out
    assert "63 of 64 messages, 1 do not apply" in printed
    assert "v201." not in printed


def test_a_message_without_use_has_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    spec_table.main(["2.0.1"])

    printed = capsys.readouterr().out
    assert re.search(r"PublishFirmwareStatusNotification .* does not apply: only a local", printed)


def test_the_keys_of_1_6_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    spec_table.main(["1.6"])

    printed = capsys.readouterr().out
    assert "HeartbeatInterval" in printed
    assert "keys with a test" in printed


def test_a_version_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SystemExit):
        spec_table.main(["2.1"])
