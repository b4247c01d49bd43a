"""One readable line per message, for people who watch a station."""

from collections.abc import Iterator
from typing import Any, Final

from chargepoint.bench.csms_check import Direction, Frame

_ARROWS: Final = {Direction.FROM_STATION: "->", Direction.FROM_CSMS: "<-"}
_CALL, _RESULT, _ERROR = 2, 3, 4
_TOLD: Final = ("status", "connectorStatus", "reason", "type", "requestedMessage", "errorCode")
_MAX_READINGS: Final = 3


def describe(frame: Frame, *, show_tokens: bool = False) -> str:
    """``frame`` in a line; token values are starred unless ``show_tokens``."""
    arrow = f"{frame.station} {_ARROWS[frame.direction]}"
    match frame.kind:
        case 0:
            return f"{arrow} no message: {len(frame.text)} characters"
        case 4:
            return f"{arrow} {frame.action or '?'} refused: {frame.payload}"
        case 3:
            words = " ".join(_common(frame.payload))
            return f"{arrow} {frame.action} answered{': ' if words else ''}{words}"
        case _:
            return " ".join([arrow, frame.action, *_call(frame, show_tokens=show_tokens)])


def _call(frame: Frame, *, show_tokens: bool) -> Iterator[str]:
    payload = frame.payload if isinstance(frame.payload, dict) else {}
    if "eventType" in payload:
        yield f"{payload['eventType']} seq {payload.get('seqNo')} {payload.get('triggerReason')}"
    yield from _common(payload)
    yield from _place(payload)
    yield from _transaction(payload)
    token = payload.get("idTag") or payload.get("idToken")
    if token is not None:
        value = token.get("idToken") if isinstance(token, dict) else token
        yield f"token {value if show_tokens else '***'}"
    for key in ("meterStart", "meterStop"):
        if key in payload:
            yield f"{payload[key]} Wh"
    yield from _readings(payload)


def _common(payload: Any) -> Iterator[str]:
    if not isinstance(payload, dict):
        return
    for key in _TOLD:
        if isinstance(payload.get(key), str) and "eventType" not in payload:
            yield payload[key]
    for key in ("idTokenInfo", "idTagInfo"):
        if isinstance(payload.get(key), dict):
            yield f"token {payload[key].get('status')}"


def _place(payload: dict[str, Any]) -> Iterator[str]:
    evse = payload.get("evse")
    evse_id = evse.get("id") if isinstance(evse, dict) else payload.get("evseId")
    if evse_id is not None:
        yield f"EVSE {evse_id}"
    if "connectorId" in payload:
        yield f"connector {payload['connectorId']}"


def _transaction(payload: dict[str, Any]) -> Iterator[str]:
    about = payload.get("transactionInfo")
    if isinstance(about, dict):
        yield f"transaction {about.get('transactionId')}"
        yield from (str(about[key]) for key in ("chargingState", "stoppedReason") if key in about)
    elif "transactionId" in payload:
        yield f"transaction {payload['transactionId']}"
    if payload.get("offline"):
        yield "offline"


def _readings(payload: dict[str, Any]) -> Iterator[str]:
    values = payload.get("meterValue") or payload.get("transactionData")
    samples = [
        sample
        for value in (values if isinstance(values, list) else [])
        if isinstance(value, dict)
        for sample in value.get("sampledValue") or []
        if isinstance(sample, dict)
    ]
    plain = [sample for sample in samples if sample.get("format") != "SignedData"]
    yield from (_reading(sample) for sample in plain[:_MAX_READINGS])
    if len(plain) > _MAX_READINGS:
        yield f"and {len(plain) - _MAX_READINGS} more"
    if len(plain) < len(samples):
        yield "signed"
    for sample in plain:
        if isinstance(signed := sample.get("signedMeterValue"), dict):
            yield f"signed {signed.get('encodingMethod', '')}".rstrip()


def _reading(sample: dict[str, Any]) -> str:
    unit = sample.get("unitOfMeasure")
    name = unit.get("unit") if isinstance(unit, dict) else sample.get("unit")
    measurand = sample.get("measurand", "Energy.Active.Import.Register")
    default = "Wh" if measurand.startswith("Energy") else ""
    return f"{sample.get('value')} {name or default}".rstrip()
