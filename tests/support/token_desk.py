"""A station at which tokens are presented, and a CSMS that has a word for each of them."""

from dataclasses import dataclass, field
from typing import Any

from chargepoint.core.inputs import Plugged, Unplugged, VehicleReady
from chargepoint.core.model import IdToken, IdTokenType, Stage

Payload = dict[str, Any]
Info = dict[str, Any]


@dataclass
class TokenDesk:
    """Presents tokens to a station that talks OCPP 2.0.1 and counts what it asks.

    ``words`` are the CSMS's idTokenInfo by token, everything else is Accepted; ``later`` are those
    of TransactionEventResponse where they differ.
    """

    talk: Any
    words: dict[str, Info] = field(default_factory=dict)
    later: dict[str, Info] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.talk.csms.standing["Authorize"] = lambda payload: {
            "idTokenInfo": self._word(payload["idToken"]["idToken"], {})
        }
        self.talk.csms.standing["TransactionEvent"] = self._event

    @property
    def asked(self) -> list[str]:
        """The tokens of every Authorize so far."""
        return [said["idToken"]["idToken"] for said in self.talk.csms.said("Authorize")]

    def stage(self, evse_id: int = 1) -> Stage:
        stage: Stage = self.talk.bench.state(evse_id).stage
        return stage

    async def set(self, component: str, variable: str, value: str) -> None:
        """Change a setting as a CSMS does."""
        item = {
            "attributeValue": value,
            "component": {"name": component},
            "variable": {"name": variable},
        }
        answer = await self.talk.ask("SetVariables", {"setVariableData": [item]})
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"

    async def plug(self, evse_id: int = 1) -> None:
        await self.talk.bench.feed(Plugged(), VehicleReady(ready=True), evse_id=evse_id)

    async def swipe(
        self, token: str, kind: IdTokenType = IdTokenType.ISO14443, *, evse_ids: Any = ()
    ) -> list[Payload]:
        """Present a token; the transaction events that were told for it."""
        await self.talk.bench.station.authorizer.present(IdToken(token, kind), evse_ids)
        await self.talk.bench.clock.settle()
        return await self.told()

    async def told(self) -> list[Payload]:
        """The transaction events that wait, told to the CSMS if there is a link."""
        if not self.talk.session.online:
            return []
        events: list[Payload] = await self.talk.events()
        return events

    async def cache(self, token: str, **info: Any) -> None:
        """Have a token in the cache: it is used once, and the CSMS says this of it."""
        self.words[token] = {"status": "Accepted", **info}
        await self.swipe(token)
        if self.stage() is Stage.AUTHORIZED:
            await self.swipe(token)
        assert self.stage() is Stage.AVAILABLE
        self.talk.csms.sent.clear()

    async def list(self, version: int = 1, **tokens: Info) -> None:
        """Have tokens on the local list."""
        items = [
            {"idToken": {"idToken": token, "type": "ISO14443"}, "idTokenInfo": info}
            for token, info in tokens.items()
        ]
        payload = {
            "versionNumber": version,
            "updateType": "Full",
            "localAuthorizationList": items,
        }
        assert await self.talk.ask("SendLocalList", payload) == {"status": "Accepted"}

    async def leave(self) -> None:
        await self.talk.bench.feed(Unplugged())

    async def offline(self) -> None:
        await self.talk.cut()

    async def online(self) -> None:
        await self.talk.back()

    def _word(self, token: str, more: dict[str, Info]) -> Info:
        return more.get(token) or self.words.get(token) or {"status": "Accepted"}

    def _event(self, payload: Payload) -> Payload:
        if "idToken" not in payload:
            return {}
        return {"idTokenInfo": self._word(payload["idToken"]["idToken"], self.later)}
