"""How far a long job is, with the number of the request it was asked for with."""

from typing import Any

from chargepoint.core.facts import FirmwareProgress, LogProgress
from chargepoint.core.firmware import FirmwareStatus
from chargepoint.core.logs import LogStatus
from chargepoint.csms.adapter import Delivery


async def tell_progress(
    action: str, fact: FirmwareProgress | LogProgress, delivery: Delivery
) -> None:
    """Every status carries the request's id, but Idle; a request made in OCPP 1.6 has none."""
    payload: dict[str, Any] = {"status": str(fact.status)}
    if fact.request_id is not None:
        payload["requestId"] = fact.request_id
    elif fact.status not in {FirmwareStatus.IDLE, LogStatus.IDLE}:
        delivery.lack = f"{fact.status} of a request without an id, made in OCPP 1.6"
        return
    await delivery.call(action, payload)
