"""A CSMS for one block at a time: scripted answers, and both validators on every message."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chargepoint.bench.csms_check import payload_faults
from chargepoint.csms.schemas import Schemas

Payload = dict[str, Any]
Answer = Payload | Exception | Callable[[Payload], Payload]

NOW = "2026-03-01T10:00:00.000Z"
ACCEPTED = {"idTokenInfo": {"status": "Accepted"}}
BOOTED = {"status": "Accepted", "currentTime": NOW, "interval": 300}
STANDING: dict[str, dict[str, Payload]] = {
    "2.0.1": {
        "Authorize": ACCEPTED,
        "BootNotification": BOOTED,
        "DataTransfer": {"status": "Accepted"},
        "GetCertificateStatus": {"status": "Failed"},
        "Heartbeat": {"currentTime": NOW},
        "SignCertificate": {"status": "Accepted"},
    },
    "1.6": {
        "Authorize": {"idTagInfo": {"status": "Accepted"}},
        "BootNotification": BOOTED,
        "DataTransfer": {"status": "Accepted"},
        "Heartbeat": {"currentTime": "2026-03-01T10:00:00.500Z"},
        "SignCertificate": {"status": "Accepted"},
        "StartTransaction": {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}},
    },
}


def check(version: str, action: str, payload: Payload, *, answer: bool) -> None:
    """Both validators, which share no code, must find the payload legal."""
    schemas = Schemas(version)
    (schemas.response if answer else schemas.request)(action, payload)
    assert payload_faults(version, action, answer=answer, payload=payload) == []


@dataclass(frozen=True)
class Sent:
    action: str
    payload: Payload
    message_id: str | None


@dataclass
class FakeCsms:
    """Answers with what is scripted for an action, in turn, then with its standing answer."""

    version: str = "2.0.1"
    sent: list[Sent] = field(default_factory=list)
    script: dict[str, deque[Answer]] = field(default_factory=dict)
    standing: dict[str, Answer] = field(default_factory=lambda: {**STANDING["2.0.1"]})
    silences: int = 0
    closed: bool = False

    def answers(self, action: str, *answers: Answer) -> None:
        """What the next calls of this action get."""
        self.script.setdefault(action, deque()).extend(answers)

    async def call(
        self, action: str, payload: Payload, *, message_id: str | None = None
    ) -> Payload:
        check(self.version, action, payload, answer=False)
        self.sent.append(Sent(action, payload, message_id))
        scripted = self.script.get(action)
        answer = scripted.popleft() if scripted else self.standing.get(action, {})
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(payload)
        check(self.version, action, answer, answer=True)
        return answer

    def said(self, action: str) -> list[Payload]:
        """The payloads of every call of this action."""
        return [sent.payload for sent in self.sent if sent.action == action]

    @property
    def actions(self) -> list[str]:
        return [sent.action for sent in self.sent]
