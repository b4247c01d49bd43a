"""Block N, diagnostics: what the station keeps about a customer, told and forgotten on request.

Transactions and their signed records are no part of it: they are evidence for a bill, and what is
kept of them for people names tokens in masked form only.
"""

import logging
from collections.abc import Coroutine, Iterator
from typing import Any

from chargepoint.core.authorization import Known
from chargepoint.core.display import DisplayMessage
from chargepoint.core.facts import ReservationEnded, ReservationEnding
from chargepoint.core.model import IdToken
from chargepoint.core.reservation import Reservation
from chargepoint.csms.adapter import SessionView, handles
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsError, StoreError
from chargepoint.station.station import Station
from chargepoint.v201 import wire

log = logging.getLogger(__name__)

DATA_MOST = 512  # characters of one message
NOTHING = "nothing is stored about this customer"
CLEARED = "what was stored about this customer is cleared"


class Customers:
    """Tells and clears what is stored about a token: what is known of it, reserved, shown."""

    def __init__(self, station: Station, session: SessionView) -> None:
        self._station = station
        self._session = session

    @handles("CustomerInformation")
    async def information(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """N09, N10: accepted first; then the report, or the word that there is nothing left.

        A customer identifier is taken for the text of a token; certificates of customers are not
        stored, so that none can be asked about.
        """
        named = [key for key in ("idToken", "customerIdentifier") if key in payload]
        if len(named) != 1 or "customerCertificate" in payload:
            return {"status": "Invalid"}
        if not (payload["report"] or payload["clear"]):
            return {"status": "Rejected"}
        if "idToken" in payload:
            token = wire.token(payload["idToken"])
        else:
            token = IdToken(payload["customerIdentifier"])
        try:
            text = self._done(token, report=payload["report"], clear=payload["clear"])
        except StoreError as error:
            log.error("customer information: %s", error)  # noqa: TRY400 - the disk
            return {"status": "Rejected"}
        request_id = payload["requestId"]

        def send() -> Coroutine[Any, Any, None]:
            return self._send(request_id, text)

        return Reply({"status": "Accepted"}, send)

    def _done(self, token: IdToken, *, report: bool, clear: bool) -> str:
        """What is stored, or that it is gone; it is gone when this returns."""
        lines = [*self._known(token), *self._reserved(token), *self._in_use(token)]
        if clear:
            self._clear(token)
        if not lines:
            return NOTHING
        return "\n".join(lines) if report else CLEARED

    def _known(self, token: IdToken) -> Iterator[str]:
        if (known := self._station.store.tokens.known(token)) is not None:
            yield f"authorization cache: {_words(known)}"

    def _reserved(self, token: IdToken) -> Iterator[str]:
        for reservation in self._reservations(token):
            where = "any EVSE" if reservation.evse_id is None else f"EVSE {reservation.evse_id}"
            until = wire.timestamp(reservation.expires)
            yield f"reservation {reservation.reservation_id}: {where} until {until}"

    def _in_use(self, token: IdToken) -> Iterator[str]:
        for evse_id, evse in self._station.evses.items():
            state = evse.runner.state
            held = state.transaction.authorization if state.transaction else state.authorization
            if held is not None and held.token == token:
                yield f"EVSE {evse_id}: in use now"
        for message in self._messages(token):
            yield f"display message {message.message_id}: {message.text.content}"

    def _reservations(self, token: IdToken) -> list[Reservation]:
        return [one for one in self._station.reservations.known if one.token == token]

    def _messages(self, token: IdToken) -> list[DisplayMessage]:
        """Those bound to a transaction of this token; they end with it (O02)."""
        running = [evse.runner.state.transaction for evse in self._station.evses.values()]
        own = {
            one.transaction_id
            for one in running
            if one and one.authorization and one.authorization.token == token
        }
        return [one for one in self._station.displays.find() if one.transaction_id in own]

    def _clear(self, token: IdToken) -> None:
        """What is in use stays: it ends with the session. The CSMS is told of reservations.

        All of it is one commit, so that nothing is half cleared, and nothing without that word.
        """
        station, now = self._station, self._station.clock.now()
        gone = [
            ReservationEnded(one.reservation_id, now, ReservationEnding.REMOVED)
            for one in self._reservations(token)
        ]
        messages = [message.message_id for message in self._messages(token)]

        def forget() -> None:
            station.store.tokens.forget(token)
            station.store.screens.remove(messages)

        station.store.record(*gone, offline=self._session.csms is None, also=forget)
        station.displays.forgotten(messages)
        station.recorded(0, tuple(gone))

    async def _send(self, request_id: int, text: str) -> None:
        """NotifyCustomerInformation with parts counted from 0; a lost connection ends it."""
        starts = range(0, len(text), DATA_MOST)
        try:
            for part, start in enumerate(starts):
                if (csms := self._session.csms) is None:
                    return
                payload = {
                    "requestId": request_id,
                    "generatedAt": wire.timestamp(self._station.clock.now()),
                    "seqNo": part,
                    "tbc": start + DATA_MOST < len(text),
                    "data": text[start : start + DATA_MOST],
                }
                await csms.call("NotifyCustomerInformation", payload)
        except CsmsError as error:
            log.warning("customer information %d not finished: %s", request_id, error)


def _words(known: Known) -> str:
    words = [f"status {known.status}"]
    if known.group is not None:
        words.append(f"group {known.group.value}")
    if known.expires is not None:
        words.append(f"until {wire.timestamp(known.expires)}")
    return ", ".join(words)
