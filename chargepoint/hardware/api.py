"""What the station asks of a charger's board.

A method that returns has been obeyed: the contactor *has* moved, the limit *is* in force. Anything
weaker would fail open. A board reports what happens to it through the events it is given; it may
call them from the event loop only, in the order in which things happened.

What a board must do by itself, because a process can be killed and a loop can hang:

- It opens every contactor when it has not been served for 5 s. Being served means that
  ``Board.run`` goes round: whatever feeds the watchdog of the board (a message to its controller, a
  pulse on a line, ``/dev/watchdog`` of a relay) is sent from there at least once a second, and from
  nowhere else, for there it stops with the loop and with the process.
- It opens them when it starts, before it answers anybody, and when ``Board.run`` ends.
- It opens them at once for what the standard of the outlet asks (IEC 61851-1: the pilot leaves C or
  D; residual current; protective conductor), without asking the station. The station hears of it
  afterwards, as ``VehicleAsks`` or ``BoardFault``.
- It never closes a contactor that it was not told to close since it opened.

What the station does on its side: it opens the contactor as soon as nobody supervises the outlet
(``station.supervision``), gives the order again at each start, and ends within a bound.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from chargepoint.errors import Refused


class NotDriveable(Refused):
    """A stimulus was asked of real hardware."""


@dataclass(frozen=True, slots=True)
class VehiclePlugged:
    """A vehicle is connected."""

    connector_id: int = 1


@dataclass(frozen=True, slots=True)
class VehicleUnplugged:
    """The vehicle is gone."""


@dataclass(frozen=True, slots=True)
class VehicleAsks:
    """The vehicle asks for energy (IEC 61851 C/D), or stopped asking (B)."""

    ready: bool


@dataclass(frozen=True, slots=True)
class BoardFault:
    """Something broke (``active``) or works again; ``connector_id`` is where, 0 everywhere."""

    error_code: str
    active: bool = True
    info: str = ""
    vendor_error_code: str = ""
    connector_id: int = 0


@dataclass(frozen=True, slots=True)
class BayOccupied:
    """The detector of the parking bay sees a vehicle, or no longer does."""

    occupied: bool


@dataclass(frozen=True, slots=True)
class PowerFailing:
    """The mains are gone, and a reserve lasts for seconds; a board without one says nothing."""


BoardEvent = (
    VehiclePlugged | VehicleUnplugged | VehicleAsks | BoardFault | BayOccupied | PowerFailing
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the board sees of the vehicle at this moment."""

    plugged: bool
    connector_id: int = 1
    asks: bool = False
    bay: bool = False


class EvseHardware(Protocol):
    """One outlet."""

    def seen(self) -> Seen:
        """The vehicle as it is now; asked when the station starts."""
        ...

    def events(self) -> AsyncIterator[BoardEvent]:
        """What happens from now on, in order, for ever. Has one reader."""
        ...

    async def close_contactor(self) -> None:
        """Offer energy.

        Raises:
            HardwareFault: not confirmed in time; the contactor counts as open and must be checked.
        """
        ...

    async def open_contactor(self) -> None:
        """Offer none.

        Raises:
            HardwareFault: not confirmed in time; the contactor may be welded.
        """
        ...

    async def set_current_limit(self, amps: Decimal | None) -> None:
        """Offer at most ``amps`` per phase; None lifts the limit, 0 pauses.

        Raises:
            HardwareFault: not confirmed in time; the limit in force is unknown.
        """
        ...

    async def lock(self, connector_id: int) -> bool:
        """Hold the cable in its socket; False if the lock did not move. Locking again is fine.

        Raises:
            Refused: there is no lock at this connector.
        """
        ...

    async def unlock(self, connector_id: int) -> bool:
        """Give the cable back; False if the lock did not move. Unlocking again is fine.

        Raises:
            Refused: there is no lock at this connector.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutletDescription:
    """What the installer said of an outlet; ``options`` is the ``Config`` of the board's module.

    ``captive`` are the connectors whose cable is fixed to the station: they have no lock.
    """

    evse_id: int
    connectors: int
    max_current_a: Decimal
    phases: int
    options: object
    captive: frozenset[int] = frozenset()


class Board(Protocol):
    """All outlets of one station that are driven by one module.

    The module offers ``create(descriptions: list[OutletDescription]) -> Board``.
    """

    def outlet(self, evse_id: int) -> EvseHardware:
        """The outlet of an EVSE."""
        ...

    async def run(self) -> None:
        """Serve the hardware for ever, and feed its watchdog; ends only by cancellation.

        If it fails or returns, all outlets count as unsupervised: they are opened, and it is
        started again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """One thing to read; ``format`` is ASCII, HTML, URI or UTF8, ``language`` a tag of RFC 5646."""

    content: str
    format: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """All that the screen of an EVSE shows: several take turns, none leaves it to the board.

    ``languages`` are those that whoever is authorized there reads, best first: a board that has
    words of its own uses the first of them that it knows (OCPP 2.0.1 C01.FR.08 to .10).
    """

    evse_id: int
    words: tuple[Words, ...]
    languages: tuple[str, ...] = ()


@runtime_checkable
class Indicator(Protocol):
    """A board that has screens also offers this."""

    @property
    def formats(self) -> tuple[str, ...]:
        """What it can show, of ASCII, HTML, URI and UTF8."""
        ...

    async def show(self, picture: Picture) -> None:
        """Show this from now on.

        Raises:
            HardwareFault: the screen did not confirm; it is asked again with the next change.
        """
        ...
