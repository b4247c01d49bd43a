"""What the small CSMS knows about a station: its boot, its statuses, its transactions.

A message that comes again under its old id is counted as a duplicate and changes nothing else, so
that a test can ask for exactly one start and one end whatever happened to the connection.
"""

from dataclasses import dataclass, field
from typing import Any, Final

MAX_ANSWERS: Final = 10_000


@dataclass(slots=True)
class TransactionView:
    """One transaction. ``sequence`` holds the seqNo of every 2.0.1 event, in order of arrival."""

    transaction_id: str
    started: int = 0
    ended: int = 0
    token: str | None = None
    reason: str | None = None
    sequence: list[int] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Started and not ended."""
        return self.started > 0 and self.ended == 0


@dataclass(slots=True)
class StationView:
    """One station, over all its connections."""

    station_id: str
    version: str = ""
    connected: bool = False
    connections: int = 0
    boot: dict[str, Any] | None = None
    statuses: dict[tuple[int, int], str] = field(default_factory=dict)
    transactions: list[TransactionView] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)  # message id, action
    answers: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)  # id: call, answer

    def transaction(self, transaction_id: str) -> TransactionView | None:
        """The newest transaction of that id, if any."""
        for transaction in reversed(self.transactions):
            if transaction.transaction_id == transaction_id:
                return transaction
        return None

    def remember(self, message_id: str, text: str, answer: dict[str, Any]) -> None:
        """Keep the answer for the case that the message comes again; the oldest are forgotten."""
        self.answers[message_id] = (text, answer)
        if len(self.answers) > MAX_ANSWERS:
            del self.answers[next(iter(self.answers))]

    def note(self, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> None:
        """Take in a request that is no duplicate, and the answer it got."""
        match action:
            case "BootNotification":
                self.boot = payload
            case "StatusNotification":
                self._status(payload)
            case "StartTransaction":
                self._start(payload, str(answer.get("transactionId")))
            case "StopTransaction":
                self._stop(payload)
            case "MeterValues" if "transactionId" in payload:
                self._find(str(payload["transactionId"])).payloads.append(payload)
            case "TransactionEvent":
                self._event(payload)

    def _status(self, payload: dict[str, Any]) -> None:
        if "connectorStatus" in payload:
            place = (payload["evseId"], payload["connectorId"])
            self.statuses[place] = payload["connectorStatus"]
        else:
            self.statuses[payload["connectorId"], 0] = payload["status"]

    def _start(self, payload: dict[str, Any], transaction_id: str) -> None:
        # Ids may repeat in 1.6, so every start is a transaction of its own.
        self.transactions.append(
            TransactionView(transaction_id, started=1, token=payload["idTag"], payloads=[payload])
        )

    def _stop(self, payload: dict[str, Any]) -> None:
        transaction = self._find(str(payload["transactionId"]))
        transaction.ended += 1
        transaction.reason = payload.get("reason", "Local")  # the default of 1.6
        transaction.payloads.append(payload)

    def _event(self, payload: dict[str, Any]) -> None:
        transaction = self._find(payload["transactionInfo"]["transactionId"])
        transaction.sequence.append(payload["seqNo"])
        transaction.payloads.append(payload)
        if "idToken" in payload and transaction.token is None:
            transaction.token = payload["idToken"]["idToken"]
        if payload["eventType"] == "Started":
            transaction.started += 1
        elif payload["eventType"] == "Ended":
            transaction.ended += 1
            transaction.reason = payload["transactionInfo"].get("stoppedReason", "Local")

    def _find(self, transaction_id: str) -> TransactionView:
        found = self.transaction(transaction_id)
        if found is None:
            found = TransactionView(transaction_id)
            self.transactions.append(found)
        return found
