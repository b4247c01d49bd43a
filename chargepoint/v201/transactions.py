"""Block E, transactions: TransactionEvent."""

from typing import Any

from chargepoint.core.facts import TransactionEnded, TransactionStarted, TransactionUpdated
from chargepoint.core.model import ChargingState, IdToken, Sampled, StopReason
from chargepoint.csms.adapter import Delivery, delivers, handles
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.record_sender import RecordSender
from chargepoint.station.station import Station
from chargepoint.v201 import tariff, wire
from chargepoint.v201.metering import meter_values

# ReasonEnumType has no word for a reset that waits; the transaction is ended by it all the same.
# Nor has it one for unlocking, which is the CSMS's doing.
STOPPED: dict[StopReason, str] = {
    StopReason.SCHEDULED_RESET: "ImmediateReset",
    StopReason.UNLOCK_COMMAND: "Remote",
}

Happened = TransactionStarted | TransactionUpdated | TransactionEnded


class Transactions:
    """Tells the life of transactions; the CSMS's word on a token is an input again."""

    def __init__(self, station: Station, profile: CsmsProfile, records: RecordSender) -> None:
        self._station = station
        self._profile = profile
        self._records = records

    @delivers(TransactionStarted)
    async def started(self, fact: TransactionStarted, delivery: Delivery) -> None:
        """E01 to E03: a start point is reached; a token that is not accepted ends it (E05)."""
        payload = self._event("Started", fact, delivery)
        self._add_who(payload, fact, fact.token)
        await self._tell(fact, payload, delivery, fact.token)

    @delivers(TransactionUpdated)
    async def updated(self, fact: TransactionUpdated, delivery: Delivery) -> None:
        """E02: a reading was due, somebody was authorized, or the charging state changed."""
        payload = self._event("Updated", fact, delivery)
        self._add_who(payload, fact, fact.token)
        await self._tell(fact, payload, delivery, fact.token if fact.authorizes else None)

    async def _tell(
        self,
        fact: TransactionStarted | TransactionUpdated,
        payload: dict[str, Any],
        delivery: Delivery,
        begins: IdToken | None,
    ) -> None:
        reply = await self._send(fact, payload, delivery)
        tariff.learn(self._station, fact.transaction_id, reply)
        if begins is None or "idTokenInfo" not in reply:
            return
        known = wire.known(reply["idTokenInfo"])
        judge, repeated = self._station.authorizer.judge, delivery.repeated
        if not judge(begins, known, repeated=repeated, evse_id=fact.evse_id):
            self._station.spawn(self._station.token_refused(fact.transaction_id))

    @delivers(TransactionEnded)
    async def ended(self, fact: TransactionEnded, delivery: Delivery) -> None:
        """E06: the transaction is over; the signed record is in its last reading."""
        payload = self._event("Ended", fact, delivery)
        payload["transactionInfo"]["stoppedReason"] = STOPPED.get(fact.reason, str(fact.reason))
        if fact.stop_token is not None:
            payload["idToken"] = wire.id_token(fact.stop_token)
        reply = await self._send(fact, payload, delivery)
        tariff.learn(self._station, fact.transaction_id, reply)
        if fact.stop_token is not None and "idTokenInfo" in reply:
            known = wire.known(reply["idTokenInfo"])
            self._station.authorizer.learn(fact.stop_token, known)

    @handles("GetTransactionStatus")
    async def status(self, payload: dict[str, Any]) -> dict[str, Any]:
        """E14: whether it runs, and whether anything about it waits to be told.

        Without an id the question is about messages of any transaction.
        """
        transaction_id = payload.get("transactionId")
        waits = {"messagesInQueue": self._station.store.journal.waits_for(transaction_id)}
        if transaction_id is None:
            return waits
        runner = self._station.find(transaction_id)
        ongoing = runner is not None and runner.state.running is not None
        return {"ongoingIndicator": ongoing, **waits}

    def _event(self, kind: str, fact: Happened, delivery: Delivery) -> dict[str, Any]:
        """The connector is told once a vehicle is there: before, nobody knows it (E01.FR.16)."""
        evse = {"id": fact.evse_id}
        if kind != "Started" or fact.charging_state is not ChargingState.IDLE:
            evse["connectorId"] = fact.connector_id
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": wire.timestamp(fact.at),
            "triggerReason": str(fact.cause),
            "seqNo": fact.seq,
            "transactionInfo": {
                "transactionId": fact.transaction_id,
                "chargingState": str(fact.charging_state),
            },
            "evse": evse,
        }
        if delivery.offline:
            payload["offline"] = True
        return payload

    def _add_who(
        self,
        payload: dict[str, Any],
        fact: TransactionStarted | TransactionUpdated,
        token: IdToken | None,
    ) -> None:
        """Who begins or ends, in the first message about it (E03.FR.01, F01.FR.25, H01.FR.15)."""
        if token is not None:
            payload["idToken"] = wire.id_token(token)
        if fact.remote_start_id is not None:
            payload["transactionInfo"]["remoteStartId"] = fact.remote_start_id
        if fact.reservation_id is not None:
            payload["reservationId"] = fact.reservation_id
        if fact.phases is not None:
            payload["numberOfPhasesUsed"] = fact.phases

    async def _send(
        self, fact: Happened, payload: dict[str, Any], delivery: Delivery
    ) -> dict[str, Any]:
        """With as many of its signed records as the CSMS takes; the readings always go along.

        A signed record for which there is no place is told as a lack.
        """
        once = isinstance(fact, TransactionEnded) and fact.key_once

        def word(samples: tuple[Sampled, ...]) -> dict[str, Any]:
            values = meter_values(samples, with_key=fact.with_key, profile=self._profile, once=once)
            if left := _without_place(samples, values):
                delivery.lack = f"{left} signed records without a measured value to go with"
            return {**payload, "meterValue": values} if values else payload

        return await self._records.send("TransactionEvent", fact, delivery, word)


def _without_place(samples: tuple[Sampled, ...], values: list[dict[str, Any]]) -> int:
    """How many signed records no measured value could carry."""
    records = sum(sampled.reading.signed is not None for sampled in samples)
    told = sum("signedMeterValue" in one for value in values for one in value["sampledValue"])
    return records - told
