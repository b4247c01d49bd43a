"""Whole sessions with signed records of any length, and what a CSMS heard of them."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from case_rig import Case, case
from scripted_csms import Sent

VERSIONS = ("2.0.1", "1.6")
END = {"2.0.1": "TransactionEvent", "1.6": "StopTransaction"}
LONG = 3000  # bytes; 4000 characters

SIGNED = {
    "SampledDataCtrlr.SignReadings": "true",
    "SampledDataCtrlr.TxStartedMeasurands": "Energy.Active.Import.Register",
    "OCPPCommCtrlr.PublicKeyWithSignedMeterValue": "EveryMeterValue",
}


@asynccontextmanager
async def station(
    version: str, folder: Path, *, end: int = LONG, begin: int | None = None, **more: Any
) -> AsyncIterator[Case]:
    """A station whose meter gives records of so many bytes; one of the begin if ``begin``."""
    started = {} if begin is None else {"SampledDataCtrlr.SignStartedReadings": "true"}
    settings = SIGNED | started | more.pop("settings", {})
    async with case(version, folder, start=False, settings=settings, **more) as run:
        run.meters[1].record_bytes = end
        run.meters[1].signs_begin, run.meters[1].begin_bytes = begin is not None, begin or 0
        await run.start()
        await run.advance(5)
        yield run


async def session(run: Case) -> str:
    """A whole session of 1.5 kWh; its id."""
    await run.plug()
    await run.advance(5)  # some systems want their calls apart
    await run.swipe("04A1B2C3D4", 1)
    await run.advance(5)
    transaction = run.transaction()
    assert transaction is not None
    run.meters[1].energy_wh += 1500
    await run.unplug()
    await run.advance(5)
    return transaction.transaction_id


def ends(sent: list[Sent], version: str) -> list[Sent]:
    return [
        one
        for one in sent
        if one.action == END[version] and one.payload.get("eventType", "Ended") == "Ended"
    ]


def records(payload: dict[str, Any]) -> list[bytes]:
    """The signed records in a message of either version, as the meter gave them."""
    found = []
    for value in payload.get("meterValue", payload.get("transactionData", [])):
        for sample in value["sampledValue"]:
            container = sample.get("signedMeterValue")
            if sample.get("format") == "SignedData":
                container = json.loads(sample["value"])
            if container:
                found.append(base64.b64decode(container["signedMeterData"], validate=True))
    return found


def energy(sent: Sent) -> float:
    """What an end says that the register holds, in Wh."""
    if "meterStop" in sent.payload:
        return float(sent.payload["meterStop"])
    samples = sent.payload["meterValue"][-1]["sampledValue"]
    return float(
        next(s["value"] for s in samples if s["measurand"] == "Energy.Active.Import.Register")
    )


def offered(sent: list[Sent]) -> list[dict[str, Any]]:
    """The data of every record that was told by itself."""
    found = []
    for one in sent:
        if one.action == "DataTransfer":
            assert (one.payload["vendorId"], one.payload["messageId"]) == (
                "chargepoint",
                "SignedMeterValue",
            )
            data = one.payload["data"]
            found.append(json.loads(data) if isinstance(data, str) else data)
    return found


def document(data: dict[str, Any]) -> bytes:
    return base64.b64decode(data["signedMeterValue"]["signedMeterData"], validate=True)


def events(sent: list[Sent]) -> list[str]:
    return [one.payload["type"] for one in sent if one.action == "SecurityEventNotification"]
