"""What one OCPP version looks like to the rest: blocks with marked methods, collected here.

A block is a plain class. A method marked ``@handles("Reset")`` answers that call of the CSMS, one
marked ``@delivers(TransactionEnded)`` tells that fact, one marked ``@triggers("Heartbeat")`` sends
that message when the CSMS asks for it. The marks are the only list: nothing else has to be edited
to add an action or a fact.
"""

import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from chargepoint.core.authorization import Known
from chargepoint.core.contract import Contract
from chargepoint.core.facts import Fact
from chargepoint.core.model import IdToken
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.rpc import Handler  # noqa: TC001 - an import rule sees it
from chargepoint.store.sqlite import Entry

F = TypeVar("F", bound=Callable[..., Any])


class Registration(StrEnum):
    """What the CSMS said to the last BootNotification (RegistrationStatus)."""

    UNKNOWN = "Unknown"
    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True)
class BootAnswer:
    """Answer to a BootNotification; interval zero means that the station chooses."""

    registration: Registration
    current_time: datetime
    interval: timedelta


class Csms(Protocol):
    """One open connection to the CSMS (``csms.rpc.Endpoint``)."""

    async def call(
        self, action: str, payload: dict[str, Any], *, message_id: str | None = None
    ) -> dict[str, Any]:
        """Send one call and return the answer's payload.

        Raises:
            CsmsUnavailable: the connection is gone or nobody answered in time.
            CsmsRejected: the CSMS answered CALLERROR.
        """
        ...


@dataclass(slots=True)
class Delivery:
    """One fact on its way: gives every message of the fact its own, unchanging id.

    ``csms_id`` is what the CSMS called the transaction in its answer, if it did; it is stored in
    the same commit that forgets the fact. ``repeated`` means that it was sent before and nobody
    knows whether it arrived. ``lack`` is what the version has no words for, empty if all was said.
    ``variant`` sets the ids apart from those of the same fact in another version, which is another
    message: a CSMS that knows an id already repeats its old answer.
    ``apart``: the CSMS has not got the signed records of the fact; ``more`` is to be told because
    of that, and stored in the commit that forgets the fact.
    """

    entry: Entry
    csms: Csms
    repeated: bool = False
    csms_id: int | None = field(default=None)
    lack: str = ""
    variant: str = ""
    apart: bool = False
    more: list[Fact] = field(default_factory=list)

    @property
    def offline(self) -> bool:
        """Whether the fact happened while there was no link."""
        return self.entry.offline

    async def call(self, action: str, payload: dict[str, Any], *, part: int = 0) -> dict[str, Any]:
        """Send the fact's message; ``part`` counts up if a version needs several for one fact."""
        message_id = self.entry.message_id
        if name := f"{self.variant}{part or ''}":
            message_id = str(uuid.uuid5(uuid.UUID(message_id), name))
        return await self.csms.call(action, payload, message_id=message_id)


class NotYet(Exception):  # noqa: N818 - nothing is wrong
    """A fact is to be told only if it still holds after ``wait``; its stream waits, no other."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"not before {wait}")
        self.wait = wait


Deliver = Callable[[Any, Delivery], Awaitable[None]]


def handles(action: str) -> Callable[[F], F]:
    """Mark a method as the answer to a call of the CSMS."""

    def mark(method: F) -> F:
        method.handles = action  # type: ignore[attr-defined]
        return method

    return mark


def delivers(fact: type[Fact]) -> Callable[[F], F]:
    """Mark a method as the way to tell a fact."""

    def mark(method: F) -> F:
        method.delivers = fact  # type: ignore[attr-defined]
        return method

    return mark


Work = Callable[[], Coroutine[Any, Any, None]]
Trigger = Callable[[], Work]


def triggers(message: str) -> Callable[[F], F]:
    """Mark a method as the way to a message that TriggerMessage may ask for.

    It returns what sends the message once the answer has left, or raises Refused if it cannot be
    sent now. What no method is marked for is answered NotImplemented.
    """

    def mark(method: F) -> F:
        method.triggers = message  # type: ignore[attr-defined]
        return method

    return mark


def triggered_by(blocks: Iterable[object]) -> Mapping[str, Trigger]:
    """The ways to messages that these blocks have, by the name of the message."""
    return {message: method for block in blocks for message, method in _marked(block, "triggers")}


def _marked(block: object, mark: str) -> Iterator[tuple[Any, Callable[..., Any]]]:
    for name in dir(type(block)):
        value = getattr(getattr(type(block), name), mark, None)
        if value:
            yield value, getattr(block, name)


class SessionView(Protocol):
    """What blocks may know of the session with the CSMS (``csms.session.Session``)."""

    @property
    def registration(self) -> Registration:
        """What the CSMS said to the last BootNotification."""
        ...

    @property
    def csms(self) -> Csms | None:
        """The open connection, if there is one; for work after a reply."""
        ...

    def boot_again(self) -> bool:
        """Announce the station now; False if it is accepted already."""
        ...


class Provisioning(Protocol):
    """The block every version has: boot and heartbeat."""

    async def boot(self, csms: Csms, reason: str) -> BootAnswer:
        """Announce the station; ``reason`` is a word of OCPP 2.0.1 BootReasonEnumType."""
        ...

    async def heartbeat(self, csms: Csms) -> datetime:
        """Say that the station lives; returns the CSMS's time."""
        ...


class Authorizing(Protocol):
    """The block every version has: asking about a token."""

    async def authorize(
        self, csms: Csms, token: IdToken, contract: Contract | None = None
    ) -> Known:
        """What the CSMS says of a token, or of the contract that it is the id of.

        Raises:
            CsmsUnavailable, CsmsRejected: it did not say.
        """
        ...


class Adapter:
    """One OCPP version: its subprotocol, its handlers, its ways to tell facts.

    ``profile`` is how its CSMS wants to be treated. ``ahead`` names the actions of a session, whose
    schemas are made ready while nobody waits, ``variant`` the ids of messages, see ``Delivery``.
    ``unknown`` are codes of CALLERROR for a message that the CSMS does not know, beside those of
    the standard.
    """

    def __init__(
        self,
        version: str,
        *,
        provisioning: Provisioning,
        authorization: Authorizing,
        blocks: Iterable[object],
        ahead: tuple[str, ...] = (),
        variant: str = "",
        profile: CsmsProfile | None = None,
        unknown: frozenset[str] = frozenset(),
    ) -> None:
        self.version = version
        self.profile = profile or CsmsProfile()
        self.unknown = unknown
        self.variant = variant
        self.ahead = ahead
        self.subprotocol = f"ocpp{version}"
        self.boot = provisioning.boot
        self.heartbeat = provisioning.heartbeat
        self.authorize = authorization.authorize
        self.handlers: dict[str, Handler] = {}
        self._deliver: dict[type[Fact], Deliver] = {}
        for block in (provisioning, authorization, *blocks):
            self._collect(block)

    async def deliver(self, delivery: Delivery) -> None:
        """Tell one fact; of one this version has no words for, say so in ``delivery.lack``.

        Raises:
            CsmsUnavailable: not told; try again.
            CsmsRejected: refused; counts as an attempt.
        """
        delivery.variant = self.variant
        method = self._deliver.get(type(delivery.entry.fact))
        if method is None:
            delivery.lack = "there is no message for it"
            return
        await method(delivery.entry.fact, delivery)

    def _collect(self, block: object) -> None:
        self.handlers.update(_marked(block, "handles"))
        self._deliver.update(_marked(block, "delivers"))
