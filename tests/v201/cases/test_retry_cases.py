"""Block E, E13 step by step: a transaction message that the CSMS leaves unanswered or refuses."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import SILENCE, CallError, Case
from token_cases import CARD, events

Open = Callable[..., AbstractAsyncContextManager[Case]]

INTERVAL, TIMEOUT = 10, 30
FAILURE = CallError("InternalError", "database locked", {})


def _settings(attempts: int) -> dict[str, str]:
    return {
        "OCPPCommCtrlr.MessageAttempts#TransactionEvent": str(attempts),
        "OCPPCommCtrlr.MessageAttemptInterval#TransactionEvent": str(INTERVAL),
        "OCPPCommCtrlr.MessageTimeout#Default": str(TIMEOUT),
    }


def _due(attempts: int, answer: object) -> list[float]:
    """When each attempt is to be made, counted from the first one."""
    wait = TIMEOUT if answer == SILENCE else 0
    due = [0.0]
    for sent in range(1, attempts):
        due.append(due[-1] + wait + INTERVAL * sent)
    return due


class Attempts:
    """Answers every TransactionEvent with ``answer``, after so many of the first one with {}."""

    def __init__(self, run: Case, answer: Any, *, good_after: int = 1000) -> None:
        self.run = run
        self.times: list[float] = []
        self.first: dict[str, Any] = {}
        self._answer = answer
        self._left = good_after
        run.csms.standing["TransactionEvent"] = self._event
        run.answers("TransactionEvent")

    def _event(self, payload: dict[str, Any]) -> Any:
        self.first = self.first or payload
        if payload != self.first:
            return {}
        self.times.append(self.run.clock.elapsed)
        self._left -= 1
        return self._answer if self._left >= 0 else {}

    @property
    def offsets(self) -> list[float]:
        return [at - self.times[0] for at in self.times]


@pytest.mark.parametrize("attempts", [2, 3, 5])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(SILENCE, marks=pytest.mark.spec("2.0.1", "TC_E_41_CS"), id="silence"),
        pytest.param(FAILURE, marks=pytest.mark.spec("2.0.1", "TC_E_50_CS"), id="CALLERROR"),
    ],
)
async def test_a_message_is_sent_as_often_as_it_may_be_and_no_more(
    open_case: Open, attempts: int, answer: Any
) -> None:
    async with open_case(settings=_settings(attempts)) as run:
        tried = Attempts(run, answer)
        run.take()
        await run.swipe(CARD)
        await run.plug()
        await run.advance(_due(attempts + 1, answer)[-1] + 2 * TIMEOUT)
        sent = run.take()

        assert tried.offsets == _due(attempts, answer)
        assert tried.first["eventType"] == "Started"
        same = [one for one in sent if one.payload == tried.first]
        assert len({one.message_id for one in same}) == 1, "it is the same message"
        assert events(sent)[-1]["seqNo"] > tried.first["seqNo"], "the next one is told"
        assert "BootNotification" not in {one.action for one in sent}
        assert run.csms.stations["CP1"].connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(SILENCE, marks=pytest.mark.spec("2.0.1", "TC_E_42_CS"), id="silence"),
        pytest.param(FAILURE, marks=pytest.mark.spec("2.0.1", "TC_E_51_CS"), id="CALLERROR"),
    ],
)
async def test_a_message_answered_at_the_second_attempt_is_not_sent_again(
    open_case: Open, answer: Any
) -> None:
    async with open_case(settings=_settings(3)) as run:
        tried = Attempts(run, answer, good_after=1)
        await run.swipe(CARD)
        await run.plug()
        await run.advance(_due(4, answer)[-1] + 2 * TIMEOUT)

        assert tried.offsets == _due(2, answer)
        assert run.csms.stations["CP1"].connections == 1
