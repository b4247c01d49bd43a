"""Limits that the device model announces: how many items, how many bytes one request may have."""

import json
from typing import Any

from chargepoint.csms.rpc import CallError


def within(payload: dict[str, Any], count: int, *, items: int, size: int) -> None:
    """Return if a request keeps to its limits (OCPP 2.0.1 B06.FR.16, .17, B08.FR.17, .18).

    Raises:
        CallError: too many items, or too many bytes.
    """
    if count > items:
        raise CallError("OccurrenceConstraintViolation", f"{count} items, at most {items}")
    length = len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())
    if length > size:
        raise CallError("FormatViolation", f"{length} bytes, at most {size}")
