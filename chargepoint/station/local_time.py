"""What the CSMS reads of local time: it follows from the zone, and changes no time stamp."""

from typing import TYPE_CHECKING

from chargepoint.core.local_time import next_transition, offset
from chargepoint.core.variables import NEXT_TIME_OFFSET, NEXT_TIME_OFFSET_TRANSITION, TIME_OFFSET

if TYPE_CHECKING:
    from chargepoint.station.station import Station


def provide_local_time(station: "Station") -> None:
    """Connect the variables of the local time with the zone that is set."""
    model, clock, zone = station.model, station.clock, station.profiles.zone

    def next_offset() -> str | None:
        change = next_transition(zone(), clock.now())
        return None if change is None else offset(zone(), change)

    model.provide(TIME_OFFSET, lambda: offset(zone(), clock.now()))
    model.provide(NEXT_TIME_OFFSET, next_offset)
    model.provide(NEXT_TIME_OFFSET_TRANSITION, lambda: next_transition(zone(), clock.now()))
