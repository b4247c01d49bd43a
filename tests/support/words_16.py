"""What a station of OCPP 1.6 says in a test case, in short, and what the CSMS often asks."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from case_rig import Case
from scripted_csms import Sent

Payload = dict[str, Any]
Open = Callable[..., AbstractAsyncContextManager[Case]]
"""The fixture ``open_case``."""

ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}
CARD, OTHER_CARD, GROUP = "04A1B2C3D4", "04EEEEEEEE", "FLEET"

_IN_SHORT: dict[str, Callable[[Payload], str]] = {
    "Authorize": lambda told: f"Authorize {told['idTag']}",
    "FirmwareStatusNotification": lambda told: f"Firmware {told['status']}",
    "MeterValues": lambda told: f"MeterValues {told['connectorId']}",
    "StartTransaction": lambda told: f"Start {told['connectorId']} {told['idTag']}",
    "StatusNotification": lambda told: f"{told['connectorId']} {told['status']}",
    "StopTransaction": lambda told: f"Stop {told['reason']}",
}


def in_short(sent: Sent) -> str:
    """A message in a few words."""
    return _IN_SHORT.get(sent.action, lambda _: sent.action)(sent.payload)


def told(run: Case) -> list[str]:
    """All that the station said since the last ``take``.

    But for its security log, and the begin values of a transaction: these follow the start by the
    OCA note on signed meter values, and no test case minds them.
    """
    return [in_short(sent) for sent in run.take() if not _aside(sent)]


def _aside(sent: Sent) -> bool:
    if sent.action == "MeterValues":
        values = [value for one in sent.payload["meterValue"] for value in one["sampledValue"]]
        return all(value["context"] == "Transaction.Begin" for value in values)
    return sent.action == "SecurityEventNotification"


def said(run: Case, action: str) -> Payload:
    """The one message of this kind since the last ``take``."""
    (payload,) = run.take(action)
    return payload


async def configure(run: Case, **keys: object) -> None:
    """Set keys as a CSMS does."""
    for key, value in keys.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        assert await run.ask("ChangeConfiguration", key=key, value=text) == ACCEPTED, key


def token_info(status: str = "Accepted", *, parent: str = "") -> Payload:
    """What the CSMS says of a token."""
    return {"idTagInfo": {"status": status, **({"parentIdTag": parent} if parent else {})}}


def started(number: int, status: str = "Accepted", *, parent: str = "") -> Payload:
    """The answer to a StartTransaction."""
    return {"transactionId": number, **token_info(status, parent=parent)}
