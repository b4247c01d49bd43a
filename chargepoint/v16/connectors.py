"""The connectors of OCPP 1.6: numbered from 1 over all EVSEs; 0 is the station.

A station whose EVSEs have one connector each gives connector and EVSE the same number. The keys
NumberOfConnectors and MeterPublicKey<n> count in the same way.
"""

from collections.abc import Iterator
from typing import NamedTuple

from chargepoint.errors import Refused
from chargepoint.station.station import Station


class Place(NamedTuple):
    """Where a connector is; its number within the EVSE counts from 1."""

    evse_id: int
    connector_id: int


class Connectors:
    """Translates between the numbers of OCPP 1.6 and the places of the station."""

    def __init__(self, station: Station) -> None:
        places = (
            Place(evse_id, connector_id)
            for evse_id, evse in station.evses.items()
            for connector_id, _ in enumerate(evse.description.connectors, 1)
        )
        self._places = dict(enumerate(places, 1))
        self._numbers = {place: number for number, place in self._places.items()}

    def __iter__(self) -> Iterator[int]:
        """The numbers of all connectors, without the station's."""
        return iter(self._places)

    def number(self, evse_id: int, connector_id: int = 1) -> int:
        """The number of a connector; 0 for EVSE 0, which is the station.

        A fact may be older than the config and name an EVSE that is gone: it keeps its number.
        """
        return self._numbers.get(Place(evse_id, connector_id), evse_id)

    def place(self, number: int) -> Place:
        """Where a connector is.

        Raises:
            Refused: there is no connector of that number; 0 is none.
        """
        if number not in self._places:
            raise Refused(f"no connector {number}, there are 1 to {len(self._places)}")
        return self._places[number]
