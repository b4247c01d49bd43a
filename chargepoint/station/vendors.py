"""Vendor-specific data: who in this station knows what to do with it, and has some to tell.

An extension is an object behind an entry point of the group ``chargepoint.data_transfer`` in any
installed package: the entry point's name is the vendor id, the object is called with the station
and gives an ``Extension``. A program that runs a station of its own calls ``register`` instead.
"""

import asyncio
import json
import logging
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, Protocol

from chargepoint.core.facts import DataOffered
from chargepoint.errors import Refused

if TYPE_CHECKING:
    from chargepoint.station.station import Station

log = logging.getLogger(__name__)

GROUP: Final = "chargepoint.data_transfer"
ANSWER_TIMEOUT_S = 20.0  # a CSMS waits for an answer for about 30 s
VENDOR_MOST, MESSAGE_MOST = 255, 50  # characters of the ids, in both versions
OFFERS_MOST = 200
OFFER_MOST = 16_384  # characters


class Extension(Protocol):
    """What knows the messages of one vendor."""

    async def received(self, message_id: str | None, data: Any) -> Any:  # noqa: ANN401 - anything
        """Do what a message asks for; returns the data of the answer, None for none.

        ``data`` is text in OCPP 1.6 and any JSON value in 2.0.1; None if there is none.

        Raises:
            UnknownMessage: no message of this id is known.
            Refused: known, and not done.
        """
        ...


class UnknownVendor(Refused):
    """No extension of that vendor id is known."""


class UnknownMessage(Refused):
    """The vendor is known, the message is not."""


class Vendors:
    """The extensions of a station by their vendor id. Those of packages are loaded when named."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self._known: dict[str, Extension] = {}

    def register(self, vendor_id: str, extension: Extension) -> None:
        """Let an extension answer for a vendor, in place of any other one."""
        self._known[vendor_id] = extension

    async def transfer(self, vendor_id: str, message_id: str | None, data: Any) -> Any:  # noqa: ANN401 - anything
        """Hand over what the CSMS sent; the data of the answer (1.6 section 5.6, 2.0.1 P01).

        Raises:
            UnknownVendor, UnknownMessage: nobody knows what it is.
            Refused: the extension said no, or nothing in time.
        """
        extension = self._known.get(vendor_id) or self._loaded(vendor_id)
        if extension is None:
            raise UnknownVendor("no such vendor is known here", reason="UnknownVendorId")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await extension.received(message_id, data)
        except TimeoutError as error:
            log.warning("the extension of %s did not answer in time", vendor_id)
            raise Refused("no answer in time", reason="InternalError") from error

    def offer(self, vendor_id: str, message_id: str | None = None, data: Any = None) -> None:  # noqa: ANN401 - anything
        """Tell the CSMS something, now or once it can be told (1.6 section 4.3, 2.0.1 P02).

        It waits over a restart. A CSMS that does not want it is not asked again.

        Raises:
            Refused: an id or the data is too long, or too much waits already.
        """
        text = None if data is None else json.dumps(data)
        for what, length, most in (
            ("vendor id", len(vendor_id), VENDOR_MOST),
            ("message id", len(message_id or ""), MESSAGE_MOST),
            ("data", len(text or ""), OFFER_MOST),
        ):
            if length > most:
                raise Refused(f"{what}: found {length} characters, allowed {most}")
        if (waiting := self._station.store.journal.waiting_of(DataOffered)) >= OFFERS_MOST:
            raise Refused(f"{waiting} messages wait already, allowed {OFFERS_MOST}")
        self._station.record(DataOffered(vendor_id, self._station.clock.now(), message_id, text))

    def _loaded(self, vendor_id: str) -> Extension | None:
        for point in entry_points(group=GROUP, name=vendor_id):
            extension: Extension = point.load()(self._station)
            self._known[vendor_id] = extension
            log.info("extension of %s loaded", vendor_id)
            return extension
        return None
