"""What operators ask of a station at bad moments, in both versions."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

Call: TypeAlias = tuple[str, dict[str, Any]]
Choice: TypeAlias = Callable[[random.Random, int], list[Call]]

_SHUT: Final = {True: "Operative", False: "Inoperative"}


def remote_start(version: str, evse: int, token: str, coin: random.Random) -> Call:
    """Start a transaction."""
    if version == "1.6":
        return "RemoteStartTransaction", {"connectorId": evse, "idTag": token}
    card = {"idToken": token, "type": "ISO14443"}
    start = coin.randrange(1, 2**31)
    return "RequestStartTransaction", {"evseId": evse, "remoteStartId": start, "idToken": card}


def remote_stop(version: str, row: dict[str, Any]) -> Call | None:
    """Stop it; None if the CSMS has no name for it yet."""
    if version == "2.0.1":
        return "RequestStopTransaction", {"transactionId": row["transaction_id"]}
    if row["csms_id"] is None:
        return None
    return "RemoteStopTransaction", {"transactionId": int(row["csms_id"])}


def operative(version: str, evse: int, *, yes: bool = True) -> Call:
    """Open an outlet, or shut it once it is idle."""
    if version == "1.6":
        return "ChangeAvailability", {"connectorId": evse, "type": _SHUT[yes]}
    return "ChangeAvailability", {"evse": {"id": evse}, "operationalStatus": _SHUT[yes]}


def _profile(version: str, evse: int, limit: int) -> Call:
    start = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
        "startSchedule": start,
    }
    common = {
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
    }
    if version == "1.6":
        whole = {"chargingProfileId": 10 + evse, **common, "chargingSchedule": schedule}
        return "SetChargingProfile", {"connectorId": evse, "csChargingProfiles": whole}
    whole = {"id": 10 + evse, **common, "chargingSchedule": [{"id": 1, **schedule}]}
    return "SetChargingProfile", {"evseId": evse, "chargingProfile": whole}


def _trigger_16(coin: random.Random, evses: int) -> list[Call]:
    what = coin.choice(("Heartbeat", "StatusNotification", "MeterValues"))
    place = {} if what == "Heartbeat" else {"connectorId": coin.randint(1, evses)}
    return [("TriggerMessage", {"requestedMessage": what, **place})]


def _trigger_201(coin: random.Random, evses: int) -> list[Call]:
    what = coin.choice(("Heartbeat", "StatusNotification", "MeterValues", "TransactionEvent"))
    place: dict[str, Any] = {} if what == "Heartbeat" else {"evse": {"id": coin.randint(1, evses)}}
    if what == "StatusNotification":
        place["evse"]["connectorId"] = 1
    return [("TriggerMessage", {"requestedMessage": what, **place})]


def _unlock_201(coin: random.Random, evses: int) -> list[Call]:
    return [("UnlockConnector", {"evseId": coin.randint(1, evses), "connectorId": 1})]


def _reset_201(coin: random.Random, evses: int) -> list[Call]:
    kind = coin.choice(("Immediate", "OnIdle", "Immediate"))
    place = (
        {"evseId": coin.randint(1, evses)} if kind == "Immediate" and coin.random() < 0.5 else {}
    )
    return [("Reset", {"type": kind, **place})]


def _reset_16(coin: random.Random, _: int) -> list[Call]:
    return [("Reset", {"type": coin.choice(("Soft", "Hard"))})]


def _read_201(_: random.Random, _evses: int) -> list[Call]:
    interval = {
        "component": {"name": "SampledDataCtrlr"},
        "variable": {"name": "TxUpdatedInterval"},
    }
    return [("GetVariables", {"getVariableData": [interval]})]


def _report_201(coin: random.Random, _: int) -> list[Call]:
    number = coin.randrange(1, 2**31)
    return [("GetBaseReport", {"requestId": number, "reportBase": "SummaryInventory"})]


def _both(version: str) -> list[Choice]:
    def limit(coin: random.Random, evses: int) -> list[Call]:
        return [_profile(version, coin.randint(1, evses), coin.choice((8, 10, 16)))]

    def shut(coin: random.Random, evses: int) -> list[Call]:
        evse = coin.randint(1, evses)
        return [operative(version, evse, yes=False), operative(version, evse)]

    def free(_: random.Random, _evses: int) -> list[Call]:
        return [("ClearCache", {}), ("ClearChargingProfile", {} if version == "1.6" else _ALL)]

    return [limit, shut, free]


_ALL: Final = {"chargingProfileCriteria": {"chargingProfilePurpose": "TxDefaultProfile"}}
CALLS: Final[dict[str, list[Choice]]] = {
    "1.6": [
        *_both("1.6"),
        _trigger_16,
        _reset_16,
        lambda coin, evses: [("UnlockConnector", {"connectorId": coin.randint(1, evses)})],
        lambda _, _evses: [("GetConfiguration", {})],
    ],
    "2.0.1": [*_both("2.0.1"), _trigger_201, _reset_201, _unlock_201, _read_201, _report_201],
}
"""What may be asked, each a list of calls that belong together."""
