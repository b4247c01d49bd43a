"""What the small CSMS answers when nobody told it otherwise: it accepts everything."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Boot:
    """Answer to one BootNotification; ``interval`` in seconds, as on the wire."""

    status: str = "Accepted"
    interval: int = 300


# Actions with a fixed answer.
_FIXED: Final[Mapping[str, Mapping[str, Payload]]] = {
    "1.6": {
        "DataTransfer": {"status": "Accepted"},
        "DiagnosticsStatusNotification": {},
        "FirmwareStatusNotification": {},
        "LogStatusNotification": {},
        "MeterValues": {},
        "SecurityEventNotification": {},
        "SignCertificate": {"status": "Accepted"},
        "SignedFirmwareStatusNotification": {},
        "StatusNotification": {},
    },
    "2.0.1": {
        "ClearedChargingLimit": {},
        "DataTransfer": {"status": "Accepted"},
        "FirmwareStatusNotification": {},
        "Get15118EVCertificate": {"status": "Accepted", "exiResponse": ""},
        "GetCertificateStatus": {"status": "Accepted"},
        "LogStatusNotification": {},
        "MeterValues": {},
        "NotifyChargingLimit": {},
        "NotifyCustomerInformation": {},
        "NotifyDisplayMessages": {},
        "NotifyEVChargingNeeds": {"status": "Accepted"},
        "NotifyEVChargingSchedule": {"status": "Accepted"},
        "NotifyEvent": {},
        "NotifyMonitoringReport": {},
        "NotifyReport": {},
        "PublishFirmwareStatusNotification": {},
        "ReportChargingProfiles": {},
        "ReservationStatusUpdate": {},
        "SecurityEventNotification": {},
        "SignCertificate": {"status": "Accepted"},
        "StatusNotification": {},
    },
}


@dataclass(slots=True)
class Answers:
    """The script of the CSMS; every field may be changed while it runs.

    ``boots`` are given out in turn, the last one for ever. ``tokens`` maps a token to its status,
    all others have ``other_tokens``. ``count_transactions`` gives every 1.6 transaction a new id;
    otherwise all are number 1, as with some systems in the field.
    """

    boots: deque[Boot] = field(default_factory=lambda: deque([Boot()]))
    tokens: dict[str, str] = field(default_factory=dict)
    other_tokens: str = "Accepted"
    count_transactions: bool = False
    _last_transaction: int = 0

    def script_boots(self, boots: Iterable[Boot]) -> None:
        """Replace what is answered to the next BootNotifications; at least one."""
        self.boots = deque(boots)

    def answer(self, version: str, action: str, payload: Payload) -> Payload | None:
        """The answer to a legal request; None if a station never sends such a request."""
        fixed = _FIXED[version].get(action)
        if fixed is not None:
            return dict(fixed)
        match action:
            case "BootNotification":
                return self._boot()
            case "Heartbeat":
                return {"currentTime": _now()}
            case "Authorize" if version == "1.6":
                return {"idTagInfo": {"status": self._status(payload["idTag"])}}
            case "Authorize":
                return {"idTokenInfo": {"status": self._status(payload["idToken"]["idToken"])}}
            case "StartTransaction" if version == "1.6":
                return self._start(payload)
            case "StopTransaction" if version == "1.6":
                token = payload.get("idTag")
                return {} if token is None else {"idTagInfo": {"status": self._status(token)}}
            case "TransactionEvent" if version != "1.6":
                token = payload.get("idToken")
                return (
                    {}
                    if token is None
                    else {"idTokenInfo": {"status": self._status(token["idToken"])}}
                )
        return None

    def _boot(self) -> Payload:
        boot = self.boots.popleft() if len(self.boots) > 1 else self.boots[0]
        return {"currentTime": _now(), "interval": boot.interval, "status": boot.status}

    def _start(self, payload: Payload) -> Payload:
        self._last_transaction = self._last_transaction + 1 if self.count_transactions else 1
        return {
            "transactionId": self._last_transaction,
            "idTagInfo": {"status": self._status(payload["idTag"])},
        }

    def _status(self, token: str) -> str:
        return self.tokens.get(token, self.other_tokens)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
