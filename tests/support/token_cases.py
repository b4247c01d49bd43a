"""The reusable and memory states of block C and E, on the rig for test cases (OCPP 2.0.1)."""

from typing import Any

from case_rig import Case

Payload = dict[str, Any]
Info = dict[str, Any]

CARD, MATE = "04A1B2C3D4", "0455667788"
GROUP: Info = {"groupIdToken": {"idToken": "FLEET-7", "type": "Central"}}
ACCEPTED: Info = {"status": "Accepted"}
INVALID: Info = {"status": "Invalid"}


class Office:
    """What the CSMS says of tokens: ``words`` by token, everything else is Accepted.

    ``later`` are its words in TransactionEventResponse where they differ.
    """

    def __init__(self, run: Case) -> None:
        self.run = run
        self.words: dict[str, Info] = {}
        self.later: dict[str, Info] = {}
        run.csms.standing |= {"Authorize": self._authorize, "TransactionEvent": self._event}
        run.answers("Authorize")
        run.answers("TransactionEvent")

    async def set(self, **values: str) -> None:
        """Change settings of the station, as in ``AuthCtrlr_LocalPreAuthorize="true"``."""
        for name, value in values.items():
            component, variable = name.split("_")
            item = {
                "component": {"name": component},
                "variable": {"name": variable},
                "attributeValue": value,
            }
            answer = await self.run.ask("SetVariables", setVariableData=[item])
            assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted", name

    async def put_on_list(self, kind: str = "ISO14443", **tokens: Info) -> None:
        """IdTokenLocalAuthList: the list holds these tokens and no others."""
        items = [
            {"idToken": {"idToken": token, "type": kind}, "idTokenInfo": info}
            for token, info in tokens.items()
        ]
        answer = await self.run.ask(
            "SendLocalList", versionNumber=1, updateType="Full", localAuthorizationList=items
        )
        assert answer == {"status": "Accepted"}

    async def cache(self, token: str, **info: Any) -> None:
        """IdTokenCached: the token is used once, and the CSMS says this of it."""
        self.words[token] = {"status": "Accepted", **info}
        await self.run.plug()
        await self.run.swipe(token, evse=1)
        await self.run.unplug()
        assert not self.run.outlets[1].closed
        self.run.take()

    async def refused(self, token: str, *, evse: int | None = None) -> list[str]:
        """Present a token that is not accepted; the tokens that the CSMS was asked about.

        Nothing follows from it, not even after the time in which an answer is awaited.
        """
        await self.run.swipe(token, evse)
        await self.run.advance(60)
        sent = self.run.take()
        assert [one for one in sent if one.action == "TransactionEvent"] == []
        assert not any(outlet.closed for outlet in self.run.outlets.values())
        return asked(sent)

    def _authorize(self, payload: Payload) -> Payload:
        return {"idTokenInfo": self._word(payload["idToken"]["idToken"], {})}

    def _event(self, payload: Payload) -> Payload:
        if "idToken" not in payload:
            return {}
        return {"idTokenInfo": self._word(payload["idToken"]["idToken"], self.later)}

    def _word(self, token: str, first: dict[str, Info]) -> Info:
        return first.get(token) or self.words.get(token) or ACCEPTED


def asked(sent: list[Any]) -> list[str]:
    """The tokens of every Authorize."""
    return [one.payload["idToken"]["idToken"] for one in sent if one.action == "Authorize"]


def events(sent: list[Any]) -> list[Payload]:
    """Every TransactionEvent."""
    return [one.payload for one in sent if one.action == "TransactionEvent"]


def states(told: list[Payload]) -> list[str]:
    """The charging state of each event that tells one."""
    infos = [event["transactionInfo"] for event in told]
    return [info["chargingState"] for info in infos if "chargingState" in info]


def statuses(sent: list[Any]) -> list[str]:
    """The connector statuses that were told."""
    return [one.payload["connectorStatus"] for one in sent if one.action == "StatusNotification"]


def gapless(told: list[Payload]) -> bool:
    """Whether the sequence numbers of one transaction begin at 0 and have no gap."""
    return sorted(event["seqNo"] for event in told) == list(range(len(told)))
