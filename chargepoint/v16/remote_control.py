"""The CSMS starts, stops, unlocks, asks for messages (sections 5.11, 5.12, 5.17, 5.18)."""

import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from chargepoint.core.availability import in_service
from chargepoint.core.model import Cause, IdToken, Stage, StopReason, Transaction
from chargepoint.core.profiles_model import Profile
from chargepoint.core.variables import TX_UPDATED_MEASURANDS
from chargepoint.csms.adapter import Csms, Registration, SessionView, Trigger, Work, handles
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsError, Refused
from chargepoint.station.authorizer import choose
from chargepoint.station.evse import EvseRunner
from chargepoint.station.station import Station
from chargepoint.v16 import wire
from chargepoint.v16.availability import Availability
from chargepoint.v16.connectors import Connectors
from chargepoint.v16.smart_charging import read_profile

log = logging.getLogger(__name__)

Message = Callable[[Csms], Coroutine[Any, Any, Any]]

# What an extended trigger means by a message that has a name of its own for signed firmware.
_EXTENDED = {"FirmwareStatusNotification": "SignedFirmwareStatusNotification"}


class RemoteControl:
    """What the CSMS has the station do. ``availability`` words the statuses it asks for.

    ``triggers`` are the ways to messages that other blocks have.
    """

    def __init__(
        self,
        station: Station,
        connectors: Connectors,
        session: SessionView,
        availability: Availability,
        triggers: Mapping[str, Trigger],
    ) -> None:
        self._station = station
        self._connectors = connectors
        self._session = session
        self._availability = availability
        self._triggers = triggers

    @handles("RemoteStartTransaction")
    async def remote_start(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """Section 5.11: start where it says, else where a vehicle waits, else anywhere free."""
        token = wire.token(payload["idTag"])
        runner, by_group = self._startable(payload.get("connectorId"), token)
        if runner is None or not self._accepted() or not self._station.store.takes_sessions():
            return {"status": "Rejected"}
        try:
            profile = self._profile_of(payload, runner.evse_id)
        except Refused as refused:
            log.info("remote start rejected: %s", refused)
            return {"status": "Rejected"}
        ask = by_group or self._station.settings.authorize_remote_start()

        anywhere = "connectorId" not in payload and profile is None

        def start() -> Coroutine[Any, Any, None]:
            begin = self._station.authorizer.start_remotely(
                runner, token, None, ask=ask, anywhere=anywhere
            )
            limits = self._station.limits
            return limits.begin_with(runner.evse_id, profile, begin, lenient=True)

        return Reply({"status": "Accepted"}, start)

    @handles("RemoteStopTransaction")
    async def remote_stop(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """Section 5.12: end a transaction that runs; anything else is rejected."""
        transaction = self._running(payload["transactionId"])
        if transaction is None or not self._accepted():
            return {"status": "Rejected"}
        transaction_id = transaction.transaction_id

        def stop() -> Coroutine[Any, Any, None]:
            return self._station.stop(transaction_id, StopReason.REMOTE, Cause.REMOTE_STOP)

        return Reply({"status": "Accepted"}, stop)

    @handles("UnlockConnector")
    async def unlock(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.18: ends a running transaction first; a connector without lock has none."""
        try:
            place = self._connectors.place(payload["connectorId"])
            unlocked = await self._station.unlock(place.evse_id, place.connector_id)
        except Refused:
            return {"status": "NotSupported"}
        return {"status": "Unlocked" if unlocked else "UnlockFailed"}

    @handles("TriggerMessage")
    async def trigger(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """Section 5.17: the answer first, then the message asked for."""
        try:
            work = self._triggered(payload["requestedMessage"], payload.get("connectorId"))
        except Refused as refused:
            log.info("TriggerMessage rejected: %s", refused)
            return {"status": "Rejected"}
        if work is None:
            return {"status": "NotImplemented"}
        return Reply({"status": "Accepted"}, work)

    @handles("ExtendedTriggerMessage")
    async def trigger_extended(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """Security whitepaper section 5.3: the same with more messages to ask for."""
        message = payload["requestedMessage"]
        return await self.trigger({**payload, "requestedMessage": _EXTENDED.get(message, message)})

    def _triggered(self, message: str, connector: int | None) -> Work | None:
        """What is to be done after the answer; a connector that does not matter is ignored."""
        match message:
            case "BootNotification":
                if self._accepted():
                    raise Refused("the station is accepted already")
                return self._boot
            case "Heartbeat":
                return lambda: self._send(_heartbeat)
            case "MeterValues":
                if connector is None:
                    return lambda: self._sample(list(self._station.evses))
                evse_id = self._connectors.place(connector).evse_id
                return lambda: self._sample([evse_id])
            case "StatusNotification":
                if connector is None:
                    return lambda: self._report([0, *self._connectors])
                if connector:
                    self._connectors.place(connector)
                return lambda: self._report([connector])
            case _ if message in self._triggers:
                return self._triggers[message]()
        return None

    async def _boot(self) -> None:
        self._session.boot_again()

    async def _sample(self, evse_ids: list[int]) -> None:
        for evse_id in evse_ids:
            wanted = self._station.settings.measurands(TX_UPDATED_MEASURANDS)
            await self._station.sample_now(evse_id, in_transaction=True, measurands=wanted)

    async def _report(self, connectors: list[int]) -> None:
        for connector in connectors:
            await self._send(partial(self._availability.report, connector=connector))

    async def _send(self, message: Message) -> None:
        """Send what was asked for over the connection there is; what cannot be sent is dropped."""
        if (csms := self._session.csms) is None:
            return
        try:
            await message(csms)
        except CsmsError as error:
            log.warning("a message that the CSMS asked for was not sent: %s", error)

    def _startable(self, connector: int | None, token: IdToken) -> tuple[EvseRunner | None, bool]:
        """The EVSE for a session, None if there is none, or it is not free or reserved.

        True as well if only the parent of the token may open it, which is not known and has to be
        asked for (section 5.13).
        """
        try:
            runners = self._meant(connector)
        except Refused as refused:
            log.info("remote start rejected: %s", refused)
            return None, False
        reservations, group = self._station.reservations, self._station.authorizer.group_of(token)
        runner = choose(reservations.admitting(runners, token, group))
        if runner is not None or group is not None:
            return runner, False
        return choose(reservations.admitting_a_group(runners, token)), True

    def _meant(self, connector: int | None) -> list[EvseRunner]:
        if connector is None:
            return [evse.runner for evse in self._station.evses.values()]
        evse_id, connector_id = self._connectors.place(connector)
        runner = self._station.evse(evse_id).runner
        if not in_service(runner.state, connector_id):
            raise Refused(f"connector {connector} is out of order")
        return [runner]

    def _profile_of(self, payload: dict[str, Any], evse_id: int) -> Profile | None:
        """The profile that a start brings; ignored while smart charging is off (section 5.16.2)."""
        if "chargingProfile" not in payload or not self._station.profiles.enabled:
            return None
        profile = read_profile(payload["chargingProfile"], self._station.clock.now())
        self._station.profiles.consider(evse_id, profile, lenient=True, awaited=True)
        return profile

    def _running(self, csms_id: int) -> Transaction | None:
        """The transaction of that number that runs; of several with one number the newest."""
        states = (evse.runner.state for evse in self._station.evses.values())
        running = (s.transaction for s in states if s.stage is Stage.CHARGING)
        store = self._station.store
        meant = [t for t in running if t and store.csms_transaction(t.transaction_id) == csms_id]
        return max(meant, key=lambda transaction: transaction.started_at, default=None)

    def _accepted(self) -> bool:
        return self._session.registration is Registration.ACCEPTED


async def _heartbeat(csms: Csms) -> None:
    await csms.call("Heartbeat", {})
