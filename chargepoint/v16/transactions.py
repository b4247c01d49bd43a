"""StartTransaction, MeterValues, StopTransaction (sections 4.7, 4.8, 4.10).

Our id of a transaction is a UUID, the CSMS's a number that it gives in its answer. The number
need not be unique: there are systems that give every transaction the same one.
"""

import logging
from typing import Any

from chargepoint.core.facts import TransactionEnded, TransactionStarted, TransactionUpdated
from chargepoint.core.model import IdToken, Sampled, StopReason
from chargepoint.csms.adapter import Delivery, delivers
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.record_sender import RecordSender
from chargepoint.errors import CsmsRejected, StoreError
from chargepoint.station.station import Station
from chargepoint.v16 import wire
from chargepoint.v16.connectors import Connectors
from chargepoint.v16.metering import meter_values
from meters.model import Reading

log = logging.getLogger(__name__)

VERSION = "1.6"
_LARGEST = 2**63 - 1
NEVER_ANSWERED = -1  # transactionId if the CSMS gave none (errata v4.0 to section 4.8)

STOPPED: dict[StopReason, str] = {
    StopReason.DEAUTHORIZED: "DeAuthorized",
    StopReason.EMERGENCY_STOP: "EmergencyStop",
    StopReason.EV_DISCONNECTED: "EVDisconnected",
    StopReason.IMMEDIATE_RESET: "HardReset",
    StopReason.LOCAL: "Local",
    StopReason.MASTER_PASS: "Local",
    StopReason.OTHER: "Other",
    StopReason.POWER_LOSS: "PowerLoss",
    StopReason.REBOOT: "Reboot",
    StopReason.REMOTE: "Remote",
    StopReason.SCHEDULED_RESET: "SoftReset",
    StopReason.STOPPED_BY_EV: "EVDisconnected",
    StopReason.TIMEOUT: "Other",
    StopReason.UNLOCK_COMMAND: "UnlockCommand",
}


class Transactions:
    """Tells the life of transactions; the CSMS's word on a token is an input again."""

    def __init__(
        self,
        station: Station,
        connectors: Connectors,
        profile: CsmsProfile,
        records: RecordSender,
    ) -> None:
        self._station = station
        self._connectors = connectors
        self._profile = profile
        self._records = records

    @delivers(TransactionStarted)
    async def started(self, fact: TransactionStarted, delivery: Delivery) -> None:
        """Section 4.8, then the begin values in a message of their own (OCA note 1.0, 3.2.1).

        If a cut or a refusal came between the two, only the second one is sent again.
        """
        if fact.begin is None or fact.token is None:
            return  # 1.6 knows a transaction only from its meter on; an update tells of that
        delivery.csms_id = self._station.store.csms_transaction(fact.transaction_id)
        if delivery.csms_id is None:
            who = (fact.token, fact.reservation_id)
            await self._start(fact, fact.begin, *who, delivery)
        await self._tell_values(fact, delivery, part=1)

    @delivers(TransactionUpdated)
    async def updated(self, fact: TransactionUpdated, delivery: Delivery) -> None:
        """Section 4.7: a reading was due; 1.6 has no words for anything else.

        Where a transaction of 2.0.1 starts before its meter, this is where it starts for 1.6.
        """
        who, store = fact.begun_for, self._station.store
        elsewhere = store.untold.begun(fact.transaction_id) not in {"", VERSION}
        begins = fact.begin is not None and who is not None and not elsewhere
        if begins and fact.begin is not None and who is not None:
            delivery.csms_id = store.csms_transaction(fact.transaction_id)
            if delivery.csms_id is None:
                given = (who.token, who.reservation_id)
                await self._start(fact, fact.begin, *given, delivery)
        elif not fact.begun:
            return
        await self._tell_values(fact, delivery, part=1 if begins else 0)

    @delivers(TransactionEnded)
    async def ended(self, fact: TransactionEnded, delivery: Delivery) -> None:
        """Section 4.10: the transaction is over; the signed record is in transactionData.

        One whose meter never began is none in 1.6.
        """
        if fact.begin is None:
            return
        payload: dict[str, Any] = {
            "transactionId": self._csms_id(fact.transaction_id),
            "meterStop": _meter_stop(fact),
            "timestamp": wire.timestamp(fact.at),
            "reason": STOPPED[fact.reason],
        }
        if fact.stop_token is not None:
            payload["idTag"] = wire.id_tag(fact.stop_token)
        with_key, once = fact.with_key, fact.key_once

        def word(samples: tuple[Sampled, ...]) -> dict[str, Any]:
            values = meter_values(samples, with_key=with_key, profile=self._profile, once=once)
            return {**payload, "transactionData": values} if values else payload

        reply = await self._records.send("StopTransaction", fact, delivery, word)
        if fact.stop_token is not None and "idTagInfo" in reply:
            self._station.authorizer.learn(fact.stop_token, wire.known(reply["idTagInfo"]))

    async def _start(
        self,
        fact: TransactionStarted | TransactionUpdated,
        begin: Reading,
        token: IdToken,
        reservation_id: int | None,
        delivery: Delivery,
    ) -> None:
        """Bound in the commit that forgets the fact, and at once if another message follows.

        ``meterStart`` is 0 only for a meter that has no import register.
        """
        payload = {
            "connectorId": self._connectors.number(fact.evse_id, fact.connector_id),
            "idTag": wire.id_tag(token),
            "meterStart": wire.energy_wh(begin) or 0,
            "timestamp": wire.timestamp(fact.at),
        }
        if reservation_id is not None:
            payload["reservationId"] = reservation_id
        reply = await delivery.call("StartTransaction", payload)
        delivery.csms_id = _number(reply)
        if fact.samples:
            try:
                self._station.store.bind_csms_transaction(fact.transaction_id, delivery.csms_id)
            except StoreError as error:  # it must not be begun a second time because of that
                log.warning("the number of a transaction is stored later: %s", error)
        known = wire.known(reply["idTagInfo"])
        if not self._station.authorizer.judge(token, known, repeated=delivery.repeated):
            self._station.spawn(self._station.token_refused(fact.transaction_id))

    async def _tell_values(
        self,
        fact: TransactionStarted | TransactionUpdated,
        delivery: Delivery,
        *,
        part: int = 0,
    ) -> None:
        def word(samples: tuple[Sampled, ...]) -> dict[str, Any] | None:
            values = meter_values(samples, with_key=fact.with_key, profile=self._profile)
            if not values:
                return None
            return {
                "connectorId": self._connectors.number(fact.evse_id, fact.connector_id),
                "transactionId": self._csms_id(fact.transaction_id),
                "meterValue": values,
            }

        await self._records.send("MeterValues", fact, delivery, word, part=part)

    def _csms_id(self, transaction_id: str) -> int:
        csms_id = self._station.store.csms_transaction(transaction_id)
        return NEVER_ANSWERED if csms_id is None else csms_id


def _meter_stop(fact: TransactionEnded) -> int:
    """The end of the register, or without an end reading the last that is known of it."""
    readings = (fact.end, *(sampled.reading for sampled in reversed(fact.samples)), fact.begin)
    for reading in readings:
        if reading is not None and (energy := wire.energy_wh(reading)) is not None:
            return energy
    return 0


def _number(reply: dict[str, Any]) -> int:
    """What the CSMS calls a transaction. The schema sets no limit, the database does."""
    number: int = reply["transactionId"]
    if abs(number) > _LARGEST:
        raise CsmsRejected("FormatViolation", "a transactionId of more than 64 bits")
    return number
