"""Messages with signed records in them, in the first form that the CSMS takes.

``csms.size_guard`` holds the rule. What the message went without is offered by DataTransfer, or
kept: every record is in the table ``record`` of the store, or with its fact among the untold ones.
"""

import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import msgspec

from chargepoint.core.facts import (
    MeterSampled,
    RecordApart,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint.core.model import Context, Sampled
from chargepoint.core.security import Event
from chargepoint.core.variables import LONGEST_RECORD, MESSAGE_ATTEMPTS
from chargepoint.csms import frames
from chargepoint.csms.adapter import Delivery, delivers
from chargepoint.csms.profiles import CsmsProfile, SignedForm
from chargepoint.csms.schemas import Violation
from chargepoint.csms.signed import container, length_16, length_201, unsigned
from chargepoint.csms.size_guard import (
    TOO_MUCH,
    UNWANTED,
    Closes,
    Form,
    Record,
    Room,
    Way,
    by_itself,
    forms,
)
from chargepoint.csms.words import timestamp
from chargepoint.errors import CsmsClosed, CsmsRejected, CsmsUnavailable
from chargepoint.station.station import Station
from meters.model import SignedReading

log = logging.getLogger(__name__)

VENDOR: Final = "chargepoint"
MESSAGE: Final = "SignedMeterValue"
"""Of the DataTransfer. Its data is JSON (in 1.6 as text): ``transactionId``, that of the CSMS in
1.6; ``evseId``; ``connectorId``; ``timestamp`` and ``context`` of the reading;
``signedMeterValue`` with the four members of the OCA note, the record always in Base64."""

_NO_ROOM: Final = "the CSMS has no room for it"
_CLOSED_UPON: Final = "the CSMS closes the connection upon so long a message"
_FORM_PARTS: Final = 10  # message ids of a form lie beyond those of the parts of a message

Told = TransactionStarted | TransactionUpdated | TransactionEnded | MeterSampled
Word = Callable[[tuple[Sampled, ...]], dict[str, Any] | None]
"""The message of some samples; None if they have nothing to say."""


class RecordSender:
    """Sends what has signed records, in one OCPP version; a block of its adapter.

    It remembers which length was refused or met by a close, at most until the next start.
    """

    def __init__(self, station: Station, profile: CsmsProfile, *, version: str) -> None:
        self._station = station
        self._profile = profile
        self._as_text = version == "1.6"
        self._mute = self._as_text and profile.signed_form is SignedForm.NOTHING
        self._length = length_16 if self._as_text else length_201
        self._room = room_of(profile, version)
        self._closes = Closes(self._seconds)

    async def send(
        self, action: str, fact: Told, delivery: Delivery, word: Word, *, part: int = 0
    ) -> dict[str, Any]:
        """Send the message of a fact; its answer, empty if there was nothing to say.

        Every form has a message id of its own, which is the same whenever it is sent again.

        Raises:
            CsmsUnavailable, CsmsRejected: not told in any form, or something else is wrong.
        """
        samples = fact.samples if not isinstance(fact, MeterSampled) else (fact.sampled,)
        signed = [sampled for sampled in samples if sampled.reading.signed is not None]
        tried = forms([self._record(one) for one in signed], self._profile.ways, self._room)
        refused: frozenset[int] = frozenset()
        why = _NO_ROOM
        for form in tried:
            left = {place: one for place, one in enumerate(signed) if place not in form}
            kept = _without(samples, left.values())
            payload = word(kept)
            place = part + _FORM_PARTS * sum(1 << missing for missing in left)
            last = not form
            fits = self._fits(action, payload, delivery, place)
            if not (last or fits):
                why = _CLOSED_UPON
                continue
            inner = kept[1:-1] if last else ()
            if inner and not fits:
                payload, place = word((kept[0], kept[-1])), place + _FORM_PARTS
            try:
                call = self._call_shortest if last and not (inner and fits) else self._call
                reply = {} if payload is None else await call(action, payload, delivery, place)
            except CsmsRejected as refusal:
                if last or not self._is_too_much(refusal, delivery):
                    raise
                log.warning("%s with signed records refused: %s; again with less", action, refusal)
                refused = form if refusal.code in TOO_MUCH else refused
                continue
            self._learn(signed, refused - form)
            self._closes.told(delivery.entry.message_id)
            self._left_out(fact, delivery, list(left.values()), why)
            if inner and not fits:
                _lacks(delivery, f"{len(inner)} readings in between: {_CLOSED_UPON}")
            return reply
        raise AssertionError("there is always a form without records")

    @delivers(RecordApart)
    async def apart(self, fact: RecordApart, delivery: Delivery) -> None:
        """A record by itself: DataTransfer (1.6 section 4.3, 2.0.1 P02), or else kept here."""
        payload = {"vendorId": VENDOR, "messageId": MESSAGE, "data": self._data(fact)}
        if not self._fits("DataTransfer", payload, delivery, 0):
            self._closes.told(delivery.entry.message_id)
            self._keep(fact, delivery, _CLOSED_UPON)
            return
        try:
            reply = await self._call("DataTransfer", payload, delivery, 0)
        except CsmsRejected as refusal:
            if refusal.code not in UNWANTED and not self._is_last(delivery):
                raise
            self._keep(fact, delivery, str(refusal))
            return
        if reply["status"] != "Accepted":
            self._keep(fact, delivery, f"DataTransfer was answered {reply['status']}")

    # --- inside -----------------------------------------------------------------------------

    def _seconds(self) -> float:
        return self._station.clock.monotonic()

    async def _call(
        self, action: str, payload: dict[str, Any], delivery: Delivery, place: int
    ) -> dict[str, Any]:
        """Send a form that has another one after it."""
        form = Form(delivery.entry.message_id, place)
        if self._closes.doubtful(form):
            with suppress(CsmsRejected):
                await delivery.csms.call("Heartbeat", {})
        try:
            return await delivery.call(action, payload, part=place)
        except CsmsClosed as closed:
            length = _length(action, payload)
            if self._closes.met(form, length, closed.code, closed.after):
                log.warning("%s of %s characters: %s; again with less", action, length, closed)
            raise CsmsUnavailable(str(closed)) from closed  # no attempt: there is another form

    async def _call_shortest(
        self, action: str, payload: dict[str, Any], delivery: Delivery, place: int
    ) -> dict[str, Any]:
        """Send a form that has none after it."""
        try:
            return await delivery.call(action, payload, part=place)
        except CsmsClosed:
            self._closes.forget(delivery.entry.message_id)
            raise

    def _fits(
        self, action: str, payload: dict[str, Any] | None, delivery: Delivery, place: int
    ) -> bool:
        form = Form(delivery.entry.message_id, place)
        return payload is None or self._closes.fits(form, lambda: _length(action, payload))

    def _record(self, sampled: Sampled) -> Record:
        limited = self._room.sure is not None
        length = self._length(_signed(sampled), self._profile) if limited else 0
        return Record(length, begin=sampled.context is Context.BEGIN)

    def _is_too_much(self, refusal: CsmsRejected, delivery: Delivery) -> bool:
        """Whether it may go without records; at the last attempt the energy is all that counts.

        An answer that breaks its schema is no refusal: the message was taken in.
        """
        if isinstance(refusal.__cause__, Violation):
            return False
        return refusal.code in TOO_MUCH or self._is_last(delivery)

    def _is_last(self, delivery: Delivery) -> bool:
        return delivery.entry.attempts + 1 >= self._station.model[MESSAGE_ATTEMPTS]

    def _learn(self, signed: list[Sampled], refused: frozenset[int]) -> None:
        """Remember the shortest record without which the message was taken."""
        if refused:
            shortest = min(self._length(_signed(signed[place]), self._profile) for place in refused)
            self._room = self._room.narrowed(shortest)

    def _left_out(self, fact: Told, delivery: Delivery, left: list[Sampled], why: str) -> None:
        delivery.apart = delivery.apart or bool(left) or self._mute
        for sampled in left:
            apart = RecordApart(
                fact.evse_id,
                0 if isinstance(fact, MeterSampled) else fact.connector_id,
                "" if isinstance(fact, MeterSampled) else fact.transaction_id,
                fact.at,
                sampled,
                fact.with_key,
            )
            if apart.transaction_id and by_itself(self._profile.ways):
                delivery.more.append(apart)
            else:
                self._keep(apart, delivery, why)

    def _keep(self, fact: RecordApart, delivery: Delivery, why: str) -> None:
        """The last way: it stays here, and whoever has to account for it can see so."""
        length = self._length(_signed(fact.sampled), self._profile)
        about = f"transaction {fact.transaction_id}" if fact.transaction_id else "no transaction"
        words = f"signed record ({fact.sampled.context}, {length} characters) of {about}"
        log.error("%s is kept here and not told: %s", words, why)
        delivery.apart = True
        _lacks(delivery, f"{words}: {why}")
        self._station.security.event(Event.RECORD_NOT_TOLD, f"{words}: {why}"[:255])

    def _data(self, fact: RecordApart) -> Any:
        reading = fact.sampled.reading
        about: dict[str, Any] = {}
        if fact.transaction_id:
            number = self._station.store.csms_transaction(fact.transaction_id)
            about["transactionId"] = number if self._as_text else fact.transaction_id
        data = {
            **about,
            "evseId": fact.evse_id,
            "connectorId": fact.connector_id,
            "timestamp": timestamp(reading.taken_at),
            "context": str(fact.sampled.context),
            "signedMeterValue": container(
                _signed(fact.sampled),
                with_key=fact.with_key,
                profile=replace(self._profile, base64_record=True),
            ),
        }
        return msgspec.json.encode(data).decode() if self._as_text else data


def room_of(profile: CsmsProfile, version: str) -> Room:
    """How long a record may be in a version; only 2.0.1 can announce a longer one (FieldLength)."""
    if version == "1.6":
        return Room(profile.record_most_16, profile.record_most_16)
    most = LONGEST_RECORD if Way.ANNOUNCED in profile.ways else profile.record_most
    return Room(profile.record_most, max(most, profile.record_most))


def _lacks(delivery: Delivery, what: str) -> None:
    delivery.lack = "; ".join(filter(None, [delivery.lack, what]))


def _without(samples: tuple[Sampled, ...], left: Collection[Sampled]) -> tuple[Sampled, ...]:
    """The samples, those that are left out without their records; two of them may be equal."""
    if not left:
        return samples
    bare = {id(one) for one in left}
    return tuple(unsigned(one) if id(one) in bare else one for one in samples)


def _signed(sampled: Sampled) -> SignedReading:
    if sampled.reading.signed is None:
        raise ValueError("a reading without a record")
    return sampled.reading.signed


def _length(action: str, payload: dict[str, Any]) -> int:
    """Characters of a message, but for its id."""
    return len(frames.call("", action, payload))
