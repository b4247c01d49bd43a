"""Who may use which EVSE while some are reserved (OCPP 2.0.1 block H, 1.6 sections 5.3 and 5.13).

A reservation names an EVSE, or leaves the choice open: any EVSE, or any with a connector of a type.
Open ones are kept by counting: an EVSE may be given to somebody else as long as the others still
suffice for every reservation, which is a matching of reservations to EVSEs. So there are never more
reservations than EVSEs, and that is their bound.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chargepoint.core.availability import connector_status, in_service
from chargepoint.core.facts import Status
from chargepoint.core.model import EvseState, IdToken, Stage


class Answer(StrEnum):
    """What ReserveNow is answered; the words are those of both versions."""

    ACCEPTED = "Accepted"
    FAULTED = "Faulted"
    OCCUPIED = "Occupied"
    REJECTED = "Rejected"
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Somebody may charge until ``expires``. ``evse_id`` None leaves the EVSE open.

    ``connector_id`` and ``connector_type`` narrow it to a connector; None and empty do not.
    """

    reservation_id: int
    expires: datetime
    token: IdToken
    group: IdToken | None = None
    evse_id: int | None = None
    connector_id: int | None = None
    connector_type: str = ""

    def is_for(self, token: IdToken, group: IdToken | None) -> bool:
        """Whether this token, or one of this group, may use it (OCPP 2.0.1 H03)."""
        return self.token == token or (group is not None and self.group == group)


@dataclass(frozen=True, slots=True)
class Outlet:
    """An EVSE as reservations see it; ``given`` means that somebody is just getting it."""

    state: EvseState
    types: tuple[str, ...]
    given: bool = False

    @property
    def evse_id(self) -> int:
        """Its number."""
        return self.state.evse_id

    @property
    def free(self) -> bool:
        """Whether it can be reserved: no vehicle, nobody authorized."""
        return self.state.stage is Stage.AVAILABLE and not self.given

    def kept(self, known: Iterable[Reservation]) -> bool:
        """Whether it can be used by who reserved: nobody is authorized, and no vehicle is there.

        One that came when it was reserved already does not count (OCPP 2.0.1 G01.FR.09).
        """
        if self.state.stage is Stage.PLUGGED and not self.given:
            return bool(self.state.reserved_for) or any(r.evse_id == self.evse_id for r in known)
        return self.free

    def fits(self, reservation: Reservation) -> bool:
        """Whether it is, or may be, what was reserved."""
        return reservation.evse_id in {None, self.evse_id} and bool([*self._meant(reservation)])

    def serves(self, reservation: Reservation) -> bool:
        """Whether it fits and is in service."""
        return reservation.evse_id in {None, self.evse_id} and any(
            in_service(self.state, number) for number in self._meant(reservation)
        )

    def refusal(self, reservation: Reservation) -> Answer:
        """Why what is meant here cannot be reserved; a fault is said before anything else."""
        if not self.serves(reservation):
            found = {connector_status(self.state, number) for number in self._meant(reservation)}
            return Answer.FAULTED if Status.FAULTED in found else Answer.UNAVAILABLE
        return Answer.OCCUPIED

    def _meant(self, reservation: Reservation) -> Iterator[int]:
        for number, kind in enumerate(self.types, 1):
            if reservation.connector_id in {None, number} and reservation.connector_type in {
                "",
                kind,
            }:
                yield number


@dataclass(frozen=True, slots=True)
class Use:
    """Whether a token may use an EVSE, and which reservation it uses up there, if any."""

    allowed: bool
    reservation_id: int | None = None


def answer(wanted: Reservation, known: Iterable[Reservation], outlets: Sequence[Outlet]) -> Answer:
    """What ReserveNow is answered; a reservation of the same id is replaced (H01.FR.02).

    What does not exist here is rejected; of several reasons the one that will pass soonest is told.
    """
    others = [r for r in known if r.reservation_id != wanted.reservation_id]
    fitting = [outlet for outlet in outlets if outlet.fits(wanted)]
    if not fitting:
        return Answer.REJECTED
    if any(
        outlet.free and outlet.serves(wanted) and _spares(outlet.evse_id, others, outlets)
        for outlet in fitting
    ):
        return Answer.ACCEPTED
    reasons = {outlet.refusal(wanted) for outlet in fitting}
    order = (Answer.OCCUPIED, Answer.FAULTED, Answer.UNAVAILABLE)
    return next(reason for reason in order if reason in reasons)


def use(
    token: IdToken,
    group: IdToken | None,
    evse_id: int,
    known: Sequence[Reservation],
    outlets: Sequence[Outlet],
) -> Use:
    """Whether this token may begin at this EVSE, as far as reservations are concerned (H03).

    Its own reservation is used up, one of this very EVSE first; without one it may if those of
    others can be kept without this EVSE.
    """
    here = next(outlet for outlet in outlets if outlet.evse_id == evse_id)
    own = [r for r in known if r.is_for(token, group) and here.serves(r)]
    for reservation in sorted(own, key=lambda r: r.evse_id is None):
        if _spares(evse_id, [r for r in known if r is not reservation], outlets):
            return Use(allowed=True, reservation_id=reservation.reservation_id)
    return Use(allowed=_spares(evse_id, known, outlets))


def entitled(
    evse_id: int, known: Sequence[Reservation], outlets: Sequence[Outlet]
) -> tuple[int, ...]:
    """The reservations that may be used at this EVSE if nobody else may; empty if it is free."""
    here = next(outlet for outlet in outlets if outlet.evse_id == evse_id)
    if not here.kept(known) or _spares(evse_id, known, outlets):
        return ()
    return tuple(
        r.reservation_id
        for r in known
        if here.serves(r) and _spares(evse_id, [o for o in known if o is not r], outlets)
    )


def lost(known: Iterable[Reservation], outlets: Sequence[Outlet]) -> list[Reservation]:
    """The reservations that cannot be kept because what they need is out of order (H01.FR.16).

    Of several that share what is left, the latest ones go.
    """
    kept: list[Reservation] = []
    gone: list[Reservation] = []
    for reservation in known:
        possible = len(_matched([*kept, reservation], outlets)) > len(kept)
        (kept if possible else gone).append(reservation)
    return gone


def _spares(evse_id: int, known: Sequence[Reservation], outlets: Sequence[Outlet]) -> bool:
    """Whether as many reservations can be kept without this EVSE as with it."""
    able = [outlet for outlet in outlets if outlet.kept(known)]
    without = [outlet for outlet in able if outlet.evse_id != evse_id]
    return len(_matched(known, without)) == len(_matched(known, able))


def _matched(known: Sequence[Reservation], outlets: Sequence[Outlet]) -> dict[int, int]:
    """A largest choice of one EVSE per reservation: EVSE -> place of the reservation in ``known``.

    Augmenting paths: each reservation takes a fitting EVSE, if need be from one that finds another.
    """
    taken: dict[int, int] = {}

    def place(number: int, tried: set[int]) -> bool:
        for outlet in outlets:
            if outlet.evse_id in tried or not outlet.serves(known[number]):
                continue
            tried.add(outlet.evse_id)
            if outlet.evse_id not in taken or place(taken[outlet.evse_id], tried):
                taken[outlet.evse_id] = number
                return True
        return False

    for number in range(len(known)):
        place(number, set())
    return taken
