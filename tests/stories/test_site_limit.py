"""Whoever speaks for the CSMS cannot take more than the installer said that the site has."""

from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case


async def choose(run: Case, version: str, amperes: str) -> tuple[str, Any]:
    """What the station says to another limit of the site: status and reason, if it gives one."""
    if version == "1.6":
        answer = await run.ask("ChangeConfiguration", key="SiteCurrent", value=amperes)
        return answer["status"], None
    item = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "SiteCurrent"}}
    asked = [{**item, "attributeValue": amperes}]
    (result,) = (await run.ask("SetVariables", setVariableData=asked))["setVariableResult"]
    info = result.get("attributeStatusInfo", {})
    return result["attributeStatus"], info.get("reasonCode")


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_the_csms_cannot_lift_the_limit_of_the_site(tmp_path: Path, version: str) -> None:
    settings = {"SmartChargingCtrlr.SiteCurrent": "20"}
    too_high, zero = ("ValueTooHigh", "ValueZeroNotAllowed") if version == "2.0.1" else (None, None)
    async with case(version, tmp_path, settings=settings) as run:
        await run.charge()

        for asked, said, limit in (
            ("63", ("Rejected", too_high), 20),
            ("0", ("Rejected", zero), 20),
            ("10", ("Accepted", None), 10),
            ("21", ("Rejected", too_high), 10),
            ("20", ("Accepted", None), 20),
        ):
            assert await choose(run, version, asked) == said
            assert run.outlets[1].limit_a == limit
