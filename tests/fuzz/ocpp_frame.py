"""Frames of the CSMS: message, schema check of both versions, and the masked form for logs."""

import json
from collections.abc import Iterator

from chargepoint.csms import frames
from chargepoint.csms.frames import Call, Malformed
from chargepoint.csms.schemas import Schemas, Violation

MODULES = ("chargepoint.csms.frames", "chargepoint.csms.schemas")
STRUCTURED = True
SECRET = "04A1B2C3D4E5F6SECRET"
VERSIONS = [Schemas(version) for version in ("1.6", "2.0.1")]
WORDS = (
    "idTag", "parentIdTag", "idToken", "additionalIdToken", "password", "apnPassword", "simPin",
    "AuthorizationKey", "BasicAuthPassword", "variable", "attributeValue", "server", "key", "value",
    "ftp://user:secret@host/", SECRET, "Reset", "SetVariables", "SetChargingProfile", "Accepted",
    "TransactionEvent", "RequestStartTransaction", "ChangeConfiguration", "SendLocalList",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    token = {"idToken": SECRET, "type": "ISO14443"}
    start = {"idToken": token, "remoteStartId": 1, "evseId": 1}
    period = {"startPeriod": 0, "limit": 16.1}
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    password = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    vpn = {"server": "a", "user": "b", "password": SECRET, "key": SECRET, "type": "IPSec"}
    network = {"ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "ws://a:b@c"}
    network |= {"messageTimeout": 30, "securityProfile": 0, "ocppInterface": "Wired0", "vpn": vpn}
    for frame in (
        [2, "1", "RequestStartTransaction", start],
        [2, "1", "RemoteStartTransaction", {"idTag": SECRET, "chargingProfile": profile}],
        [2, "1", "SetVariables", {"setVariableData": [password | {"attributeValue": SECRET}]}],
        [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET}],
        [2, "1", "SetNetworkProfile", {"configurationSlot": 1, "connectionData": network}],
        [2, "1", "UpdateFirmware", {"location": "ftp://u:p@h/f", "retrieveDate": "2026-03-01T1"}],
        [3, "1", {"currentTime": "2026-03-01T10:00:00Z", "interval": 300, "status": "Accepted"}],
        [4, "1", "InternalError", "no", {}],
        [4, "1"],
        [2, "1", "Reset", {"type": "Immediate"}],
    ):
        yield json.dumps(frame).encode()


def run(data: bytes) -> str:
    text = data.decode(errors="replace")
    masked = frames.masked(text)
    ends = _parsed(data)
    assert _parsed(text) == ends or "\ufffd" in text
    if masked.startswith("<"):
        return ends
    assert frames.masked(masked) == masked
    return ends


def _parsed(frame: str | bytes) -> str:
    try:
        message = frames.parse(frame)
    except Malformed as malformed:
        assert str(malformed)
        return str(malformed.defect)
    if not isinstance(message, Call):
        return type(message).__name__
    _hidden(message)
    return f"call, {', '.join(_judged(message, schemas) for schemas in VERSIONS)}"


def _judged(call: Call, schemas: Schemas) -> str:
    if call.action not in schemas.actions():
        return "unknown"
    try:
        schemas.request(call.action, call.payload)
    except Violation as violation:
        sentence = str(violation)
        assert len(sentence) < 4000, "a refusal is no echo"
        assert frames.error(call.message_id, violation.code, sentence, {})
        return violation.code
    assert frames.parse(frames.call(call.message_id, call.action, call.payload)) == call
    return "legal"


def _hidden(call: Call) -> None:
    """A token where a token stands is never in the masked form."""
    if isinstance(call.payload, dict) and call.payload.get("idTag") == SECRET:
        only = {"idTag": SECRET}
        assert SECRET not in frames.masked(json.dumps([2, "1", "Authorize", only]))
