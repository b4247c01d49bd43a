"""What a screen shows now: the messages of the CSMS and what the station itself has to say.

OCPP 2.0.1 block O. Nothing here knows a screen; what one can do is in ``Abilities``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from chargepoint.core.availability import status
from chargepoint.core.facts import Status
from chargepoint.core.model import EvseState, Stage, Text
from chargepoint.errors import Refused

MESSAGES_MOST = 100
_IDS_END = 2**31


class Priority(StrEnum):
    """How far in front a message is shown (OCPP 2.0.1 MessagePriorityEnumType)."""

    ALWAYS_FRONT = "AlwaysFront"  # alone, whatever else there is
    IN_FRONT = "InFront"  # before the normal cycle; several take turns
    NORMAL_CYCLE = "NormalCycle"


class Situation(StrEnum):
    """What a message may be bound to (OCPP 2.0.1 MessageStateEnumType); one is always so."""

    CHARGING = "Charging"  # a transaction has energy, or could have
    FAULTED = "Faulted"
    IDLE = "Idle"  # none of the others
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a message belongs, in the words of the CSMS; ``evse_id`` None is every EVSE."""

    name: str
    instance: str | None = None
    evse_id: int | None = None
    connector_id: int | None = None


@dataclass(frozen=True, slots=True)
class DisplayMessage:
    """A message of the CSMS. None is always: any situation, from now, for ever, any session."""

    message_id: int
    priority: Priority
    text: Text
    situation: Situation | None = None
    starts: datetime | None = None
    ends: datetime | None = None
    transaction_id: str | None = None
    screen: Screen | None = None

    @property
    def evse_id(self) -> int | None:
        """The one EVSE it is for; None for all."""
        return self.screen.evse_id if self.screen else None


NO_STORE: Final = Text("Out of order: no session can be recorded", language="en")
"""Shown where nobody charges, in place of all else, while nothing can be stored."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens at one EVSE, as far as messages depend on it."""

    evse_id: int
    situation: Situation
    transaction_id: str | None = None

    @classmethod
    def of(cls, state: EvseState) -> "Scene":
        """The scene of an EVSE now."""
        transaction = state.transaction
        return cls(
            state.evse_id,
            _situation(state),
            transaction.transaction_id if transaction else None,
        )


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the screen can do: words of the standard, and how many messages are kept."""

    formats: tuple[str, ...]
    priorities: tuple[str, ...] = tuple(Priority)
    situations: tuple[str, ...] = tuple(Situation)
    most: int = MESSAGES_MOST


Messages = tuple[DisplayMessage, ...]  # in the order in which they came, oldest first


def accept(
    kept: Messages, message: DisplayMessage, running: Iterable[str], abilities: Abilities
) -> Messages:
    """The messages after this one came: it replaces that of its id (O01, O02, O06).

    One that is always in front also replaces its predecessor on the same screen in the same
    session. Who is refused changes nothing.

    Raises:
        Refused: with the status of SetDisplayMessageResponse in ``reason``, or ``OutOfStorage``.
    """
    _check(message, running, abilities)
    left = tuple(old for old in kept if not _replaces(message, old))
    if len(left) >= abilities.most:
        raise Refused(f"{len(left)} messages are kept already", reason="OutOfStorage")
    return (*left, message)


def current(kept: Messages, now: datetime, running: Iterable[str]) -> Messages:
    """Those that may still be shown: neither their end nor that of their session has come."""
    alive = set(running)
    return tuple(
        message
        for message in kept
        if (message.ends is None or now < message.ends)
        and (message.transaction_id is None or message.transaction_id in alive)
    )


def shown(kept: Messages, scene: Scene, now: datetime, own: tuple[Text, ...]) -> tuple[Text, ...]:
    """What the screen of an EVSE shows now, in turn; ``own`` is the station's, normal cycle."""
    due = [message for message in kept if _is_due(message, scene, now)]
    front = [message.text for message in due if message.priority is Priority.ALWAYS_FRONT]
    if front:
        return (front[-1],)
    before = tuple(message.text for message in due if message.priority is Priority.IN_FRONT)
    return before or (*own, *(message.text for message in due))


def next_change(kept: Messages, now: datetime) -> datetime | None:
    """When time alone next changes what is shown; None if it never does."""
    edges = (edge for message in kept for edge in (message.starts, message.ends))
    return min((edge for edge in edges if edge is not None and edge > now), default=None)


def matching(
    kept: Messages,
    *,
    ids: Iterable[int] | None = None,
    priority: Priority | None = None,
    situation: Situation | None = None,
) -> Messages:
    """Those that fit every criterion given (O03, O04)."""
    wanted = None if ids is None else set(ids)
    return tuple(
        message
        for message in kept
        if (wanted is None or message.message_id in wanted)
        and priority in {None, message.priority}
        and situation in {None, message.situation}
    )


def _situation(state: EvseState) -> Situation:
    current_status = status(state)
    if current_status is Status.FAULTED:
        return Situation.FAULTED
    if current_status is Status.UNAVAILABLE:
        return Situation.UNAVAILABLE
    return Situation.CHARGING if state.stage is Stage.CHARGING else Situation.IDLE


def _check(message: DisplayMessage, running: Iterable[str], abilities: Abilities) -> None:
    if abs(message.message_id) >= _IDS_END:
        raise Refused("an id has 32 bits", reason="InvalidValue")
    if message.starts is not None and message.ends is not None and message.ends <= message.starts:
        raise Refused("it ends before it starts", reason="InvalidValue")
    for word, known, reason in (
        (message.priority, abilities.priorities, "NotSupportedPriority"),
        (message.text.format, abilities.formats, "NotSupportedMessageFormat"),
        (message.situation, (None, *abilities.situations), "NotSupportedState"),
    ):
        if word not in known:
            raise Refused(
                f"found {word}, known are {', '.join(filter(None, known))}", reason=reason
            )
    if message.transaction_id is not None and message.transaction_id not in set(running):
        raise Refused("no such transaction runs", reason="UnknownTransaction")


def _replaces(message: DisplayMessage, old: DisplayMessage) -> bool:
    if old.message_id == message.message_id:
        return True
    front = message.priority is old.priority is Priority.ALWAYS_FRONT
    return front and (old.evse_id, old.transaction_id) == (message.evse_id, message.transaction_id)


def _is_due(message: DisplayMessage, scene: Scene, now: datetime) -> bool:
    return (
        (message.starts is None or message.starts <= now)
        and (message.ends is None or now < message.ends)
        and message.situation in {None, scene.situation}
        and message.transaction_id in {None, scene.transaction_id}
        and message.evse_id in {None, scene.evse_id}
    )
