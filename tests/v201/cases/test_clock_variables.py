"""ClockCtrlr and lengths that are announced: what the CSMS reads is what is done."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from case_rig import Case

from chargepoint.csms.schemas import Schemas, Violation

Open = Callable[..., AbstractAsyncContextManager[Case]]
RECORD = "FieldLength", "TransactionEventRequest.signedMeterData"


async def read(run: Case, component: str, *names: tuple[str, str | None]) -> list[str]:
    items = [
        {
            "component": {"name": component},
            "variable": {"name": name} | ({"instance": instance} if instance else {}),
        }
        for name, instance in names
    ]
    answer = await run.ask("GetVariables", getVariableData=items)
    assert {one["attributeStatus"] for one in answer["getVariableResult"]} == {"Accepted"}
    return [one["attributeValue"] for one in answer["getVariableResult"]]


async def set_zone(run: Case, name: str) -> str:
    item = {
        "component": {"name": "ClockCtrlr"},
        "variable": {"name": "TimeZone"},
        "attributeValue": name,
    }
    answer = await run.ask("SetVariables", setVariableData=[item])
    return str(answer["setVariableResult"][0]["attributeStatus"])


ZONE = (
    ("TimeZone", None),
    ("TimeOffset", None),
    ("TimeOffset", "NextTransition"),
    ("NextTimeOffsetTransitionDateTime", None),
)


async def test_the_offset_follows_from_the_zone(open_case: Open) -> None:
    async with open_case() as run:
        assert await read(run, "ClockCtrlr", *ZONE) == ["", "+00:00", "", ""]

        assert await set_zone(run, "Europe/Berlin") == "Accepted"

        told = await read(run, "ClockCtrlr", *ZONE)
        assert told == ["Europe/Berlin", "+01:00", "+02:00", "2026-03-29T01:00:00.000Z"]
        await run.restart()
        assert await read(run, "ClockCtrlr", ("TimeOffset", None)) == ["+01:00"]


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../etc/passwd", "/etc/passwd"])
async def test_a_zone_that_there_is_not_is_rejected(name: str, open_case: Open) -> None:
    async with open_case() as run:
        assert await set_zone(run, name) == "Rejected"

        assert await read(run, "ClockCtrlr", ("TimeZone", None)) == [""]


async def test_a_zone_of_the_file_that_there_is_not_counts_as_utc(open_case: Open) -> None:
    async with open_case(settings={"ClockCtrlr.TimeZone": "Europe/Atlantis"}) as run:
        assert await read(run, "ClockCtrlr", ("TimeOffset", None)) == ["+00:00"]


async def test_the_longest_record_that_is_announced_is_the_longest_that_is_sent(
    open_case: Open,
) -> None:
    async with open_case() as run:
        (announced,) = await read(run, "OCPPCommCtrlr", RECORD)
        await run.charge()
        run.take()
        await run.unplug()
        event = run.take("TransactionEvent")[-1]
    signed = event["meterValue"][-1]["sampledValue"][0]["signedMeterValue"]

    signed["signedMeterData"] = "A" * int(announced)
    Schemas("2.0.1").request("TransactionEvent", event)
    signed["signedMeterData"] += "A"

    with pytest.raises(Violation, match="at most"):
        Schemas("2.0.1").request("TransactionEvent", event)
