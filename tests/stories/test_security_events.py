"""Security events that a station sees, told to the CSMS as each version calls them."""

import json
from pathlib import Path
from typing import Any

import pytest
from case_rig import CallError, Case, case

from chargepoint.core.security import NOT_CRITICAL, Event

BOTH = pytest.mark.parametrize("version", ["2.0.1", "1.6"])


def frame(message_id: str, action: str, payload: dict[str, Any]) -> str:
    return json.dumps([2, message_id, action, payload])


def events(run: Case) -> list[tuple[str, str]]:
    told = run.take("SecurityEventNotification")
    return [(event["type"], event.get("techInfo", "")) for event in told]


@pytest.mark.spec("2.0.1", "A04.FR.01")
@BOTH
async def test_a_call_that_comes_twice_is_a_replay_and_answered(
    tmp_path: Path, version: str
) -> None:
    async with case(version, tmp_path) as run:
        run.take()
        heartbeat = frame("77", "TriggerMessage", {"requestedMessage": "Heartbeat"})
        for _ in range(3):
            await run.send_raw(heartbeat)
        sent = run.take()

        assert [one.action for one in sent].count("Heartbeat") == 3
        told = [one.payload for one in sent if one.action == "SecurityEventNotification"]
        assert [(one["type"], one["techInfo"]) for one in told] == [
            ("AttemptedReplayAttacks", "TriggerMessage 77 came twice")
        ]


@BOTH
async def test_a_csms_that_numbers_its_calls_badly_or_comes_back_is_no_attacker(
    tmp_path: Path, version: str
) -> None:
    async with case(version, tmp_path) as run:
        run.take()
        for message in ("Heartbeat", "MeterValues"):
            await run.send_raw(frame("1", "TriggerMessage", {"requestedMessage": message}))
        await run.cut()
        await run.advance(5)
        await run.back()
        await run.send_raw(frame("1", "TriggerMessage", {"requestedMessage": "Heartbeat"}))

        assert events(run) == []


@pytest.mark.spec("2.0.1", "A04.FR.02")
@BOTH
async def test_critical_events_outlive_an_outage_and_a_restart(
    tmp_path: Path, version: str
) -> None:
    critical = [event for event in Event if event not in NOT_CRITICAL]
    async with case(version, tmp_path) as run:
        run.take()
        await run.cut()
        for event in critical:
            run.station.security.event(event, "before the restart")
        await run.advance(5)
        run.csms.refuse = None
        await run.restart()
        told = run.take("SecurityEventNotification")

        mine = [event for event in told if event.get("techInfo") == "before the restart"]
        assert len(mine) == len(critical)
        assert {event["timestamp"] for event in mine} == {mine[0]["timestamp"]}


@BOTH
async def test_a_set_clock_is_told(tmp_path: Path, version: str) -> None:
    async with case(version, tmp_path) as run:
        await run.advance(15)
        run.take()
        run.clock.set_wall(run.clock.now().replace(hour=23))
        await run.advance(20)

        ((kind, info),) = events(run)
        assert kind == "SettingSystemTime"
        assert info.startswith("by +")


NEWER = {"type": "DiscardedRenewedClientCertificate", "techInfo": "no connection came about"}


@BOTH
@pytest.mark.parametrize("malformed", [True, False])
async def test_a_csms_with_an_older_list_is_told_in_its_words(
    tmp_path: Path, version: str, *, malformed: bool
) -> None:
    code = {"1.6": "FormationViolation", "2.0.1": "FormatViolation"}[version]
    code = code if malformed else "InternalError"
    async with case(version, tmp_path) as run:
        run.take()
        run.answers("SecurityEventNotification", CallError(code, "unknown type"))
        run.station.security.event(Event.DISCARDED_CERTIFICATE, NEWER["techInfo"])
        await run.settle()
        first, *more = run.take("SecurityEventNotification")
        again = {
            "type": "ReconfigurationOfSecurityParameters",
            "timestamp": first["timestamp"],
            "techInfo": f"{NEWER['type']}: {NEWER['techInfo']}",
        }

        assert first == NEWER | {"timestamp": first["timestamp"]}
        assert more == ([again] if malformed else [])
