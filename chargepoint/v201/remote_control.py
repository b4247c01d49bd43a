"""Block F, remote control: start, stop, unlock, trigger."""

import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from chargepoint.core.availability import free
from chargepoint.core.model import Cause, IdToken, Stage, StopReason
from chargepoint.core.profiles_model import Profile
from chargepoint.csms.adapter import Registration, SessionView, Trigger, Work, handles
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsError, Refused
from chargepoint.station.authorizer import choose
from chargepoint.station.evse import EvseRunner
from chargepoint.station.known_tokens import OWN_TO_CSMS
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.availability import Availability
from chargepoint.v201.charging_profile import read_profile

log = logging.getLogger(__name__)

_ABOUT_EVSE = {"MeterValues", "StatusNotification", "TransactionEvent"}
_FREE = {Stage.AVAILABLE, Stage.PLUGGED, Stage.FINISHED}


class RemoteControl:
    """The CSMS starts, stops, unlocks, asks for messages.

    ``triggers`` are the ways to messages that other blocks have.
    """

    def __init__(
        self,
        station: Station,
        session: SessionView,
        availability: Availability,
        triggers: Mapping[str, Trigger],
    ) -> None:
        self._station = station
        self._availability = availability
        self._session = session
        self._triggers = triggers

    @handles("RequestStartTransaction")
    async def request_start(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """F01, F02: start a session, with a charging profile for it unless that is off (K05)."""
        group = wire.group(payload)
        try:
            token = wire.whole_token(payload["idToken"])
            runner = self._startable(payload.get("evseId"), token, group)
            profile = self._profile_of(payload, runner.evse_id)
        except Refused as refused:
            return wire.answer("Rejected", refused)
        if why := self._station.store.refuses():
            return wire.answer("Rejected", Refused(why, reason="InternalError"))
        remote_start_id = payload["remoteStartId"]
        begun = runner.state.running
        # What the CSMS made up itself, or nobody has, is not asked about (C02.FR.03, C05).
        ask = self._station.settings.authorize_remote_start() and token.type not in OWN_TO_CSMS

        anywhere = "evseId" not in payload and profile is None

        def start() -> Coroutine[Any, Any, None]:
            begin = self._station.authorizer.start_remotely(
                runner, token, remote_start_id, ask=ask, group=group, anywhere=anywhere
            )
            limits = self._station.limits
            return limits.begin_with(runner.evse_id, profile, begin, lenient=False)

        # One that a cable has begun is named at once (F01.FR.13).
        named = {"transactionId": begun.transaction_id} if begun is not None else {}
        return Reply({"status": "Accepted", **named}, start)

    @handles("RequestStopTransaction")
    async def request_stop(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """F03: end a transaction that runs; anything else is rejected."""
        transaction_id = payload["transactionId"]
        runner = self._station.find(transaction_id)
        if runner is None or runner.state.running is None or not self._may_act():
            return wire.answer("Rejected", Refused("no such transaction", reason="TxNotFound"))

        def stop() -> Coroutine[Any, Any, None]:
            return self._station.stop(transaction_id, StopReason.REMOTE, Cause.REMOTE_STOP)

        return Reply({"status": "Accepted"}, stop)

    @handles("UnlockConnector")
    async def unlock(self, payload: dict[str, Any]) -> dict[str, Any]:
        """F05: not while an authorized transaction runs."""
        try:
            evse = self._station.evse(payload["evseId"], payload["connectorId"])
            if evse.runner.state.metering or evse.runner.state.authorized:
                return {"status": "OngoingAuthorizedTransaction"}
        except Refused as refused:
            return wire.answer("UnknownConnector", refused)
        try:
            unlocked = await self._station.unlock(payload["evseId"], payload["connectorId"])
        except Refused as refused:  # the cable is fixed
            return wire.answer("UnlockFailed", refused)
        return {"status": "Unlocked" if unlocked else "UnlockFailed"}

    @handles("TriggerMessage")
    async def trigger(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """F06: the answer first, then the message asked for."""
        try:
            work = self._triggered(payload["requestedMessage"], payload.get("evse"))
        except Refused as refused:
            return wire.answer("Rejected", refused)
        if work is None:
            return {"status": "NotImplemented"}
        return Reply({"status": "Accepted"}, work)

    def _triggered(self, message: str, evse: dict[str, Any] | None) -> Work | None:
        """What is to be done after the answer; an EVSE that does not matter is ignored."""
        match message:
            case "BootNotification":
                if self._session.registration is Registration.ACCEPTED:
                    raise Refused("the station is accepted already", reason="NotEnabled")
                return self._boot
            case "Heartbeat":
                return self._heartbeat
            case _ if message in self._triggers:
                return self._triggers[message]()
        return self._about(message, evse)

    def _about(self, message: str, evse: dict[str, Any] | None) -> Work | None:
        """The same for the messages that are about an EVSE."""
        every = [evse["id"]] if evse else list(self._station.evses)
        if evse and message in _ABOUT_EVSE:
            self._station.evse(evse["id"], evse.get("connectorId"))
        match message:
            case "MeterValues":
                return lambda: self._sample(every, in_transaction=False)
            case "TransactionEvent":
                running = [i for i in every if self._charges(i)]
                if not running:
                    raise Refused("no transaction runs", reason="TxNotFound")
                return lambda: self._sample(running, in_transaction=True)
            case "StatusNotification":
                return lambda: self._statuses(evse)
        return None

    async def _boot(self) -> None:
        self._session.boot_again()

    async def _heartbeat(self) -> None:
        if (csms := self._session.csms) is not None:
            try:
                await csms.call("Heartbeat", {})
            except CsmsError as error:
                log.warning("triggered Heartbeat not sent: %s", error)

    async def _sample(self, evse_ids: list[int], *, in_transaction: bool) -> None:
        for evse_id in evse_ids:
            await self._station.sample_now(evse_id, in_transaction=in_transaction)

    async def _statuses(self, evse: dict[str, Any] | None) -> None:
        if (csms := self._session.csms) is not None:
            where = evse or {}
            try:
                await self._availability.report(csms, where.get("id"), where.get("connectorId"))
            except CsmsError as error:
                log.warning("triggered StatusNotification not sent: %s", error)

    def _startable(self, evse_id: int | None, token: IdToken, group: IdToken | None) -> EvseRunner:
        if not self._may_act():
            raise Refused("the station is not accepted yet", reason="CSNotAccepted")
        if evse_id is None:
            runners = [evse.runner for evse in self._station.evses.values()]
            runner = choose(self._station.reservations.admitting(runners, token, group))
            if runner is None:
                raise Refused("no EVSE is free", reason="TxInProgress")
            return runner
        runner = self._station.evse(evse_id).runner
        state = runner.state
        if state.stage not in _FREE:
            raise Refused(f"EVSE {evse_id} is in use", reason="TxInProgress")
        if not free(state, runner.connectors):
            raise Refused(f"EVSE {evse_id} is out of order", reason="NotEnabled")
        if not self._station.reservations.use(evse_id, token, group).allowed:
            raise Refused(f"EVSE {evse_id} is reserved", reason="Reserved")
        return runner

    def _profile_of(self, payload: dict[str, Any], evse_id: int) -> Profile | None:
        """The profile that a start brings; ignored while smart charging is off (F01.FR.12)."""
        if "chargingProfile" not in payload or not self._station.profiles.enabled:
            return None
        profile = read_profile(payload["chargingProfile"])
        self._station.profiles.consider(evse_id, profile, awaited=True)
        return profile

    def _charges(self, evse_id: int) -> bool:
        return self._station.evse(evse_id).runner.state.running is not None

    def _may_act(self) -> bool:
        return self._session.registration is Registration.ACCEPTED
