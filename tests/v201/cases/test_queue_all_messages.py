"""OCPPCommCtrlr.QueueAllMessages: what waits for the CSMS while it is not there."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case

Open = Callable[..., AbstractAsyncContextManager[Case]]

LIMIT = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
COMING_AND_GOING = ["Occupied", "Available", "Occupied", "Available"]


async def switch(run: Case, value: str) -> None:
    item = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "QueueAllMessages"},
        "attributeValue": value,
    }
    answer = await run.ask("SetVariables", setVariableData=[item])
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"


async def come_and_go(run: Case) -> None:
    for _ in range(2):
        await run.plug()
        await run.unplug()


def words(statuses: list[dict[str, Any]]) -> list[str]:
    return [one["connectorStatus"] for one in statuses]


@pytest.mark.parametrize(
    ("value", "told"),
    [("true", COMING_AND_GOING), ("false", [])],  # at the end it is as the CSMS knows it
)
async def test_every_status_of_an_outage_is_told_only_if_it_is_wanted(
    value: str, told: list[str], open_case: Open
) -> None:
    async with open_case() as run:
        await switch(run, value)
        run.take()
        await run.cut()
        await come_and_go(run)

        await run.back()

        assert words(run.take("StatusNotification")) == told


async def test_after_a_long_outage_the_present_comes_before_the_past(open_case: Open) -> None:
    async with open_case(settings={"OCPPCommCtrlr.OfflineThreshold": "10"}) as run:
        await switch(run, "true")
        run.take()
        await run.cut()
        await come_and_go(run)
        await run.advance(60)

        await run.back()

        statuses = run.take("StatusNotification")
        assert words(statuses) == ["Available", *COMING_AND_GOING]


async def test_what_is_set_lasts_over_a_restart(open_case: Open) -> None:
    async with open_case() as run:
        await switch(run, "true")

        await run.restart()

        assert run.station.store.queue_all


@pytest.mark.parametrize(("value", "told"), [("true", 1), ("false", 0)])
async def test_an_unimportant_event_waits_only_if_everything_does(
    value: str, told: int, open_case: Open
) -> None:
    async with open_case() as run:
        await switch(run, value)
        monitor = {**LIMIT, "type": "Delta", "value": 1, "severity": 9}
        await run.ask("SetVariableMonitoring", setMonitoringData=[monitor])
        run.take()
        await run.cut()
        run.station.model.set_key("ConnectionTimeOut", "77")
        await run.advance(2)

        await run.back()

        assert len(run.take("NotifyEvent")) == told
