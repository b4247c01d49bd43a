"""Security events, the clock that somebody sets, and the certificates of the station.

OCPP 2.0.1 blocks A and M, the security whitepaper of 1.6.
"""

import logging
from collections.abc import Callable
from functools import partial

from chargepoint.clock import Clock
from chargepoint.core import certificates as rules
from chargepoint.core.certificates import Use
from chargepoint.core.facts import Fact, SecurityEvent
from chargepoint.core.security import Event
from chargepoint.core.variables import (
    ALLOW_SECURITY_PROFILE_DOWNGRADE,
    CERTIFICATE_ENTRIES,
    ORGANIZATION_NAME,
    SECC_ID,
)
from chargepoint.station.certificates import Certificates
from chargepoint.station.device_model import DeviceModel
from chargepoint.store.keystore import KeyStore
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

ROUTINE = {
    Event.STARTUP,
    Event.RESET,
    Event.RECONFIGURED,
    Event.LOGIN_ACCEPTED,
}  # no reason to warn anybody


def check_profile(keys: KeyStore, model: DeviceModel, current: int, wanted: int) -> None:
    """Whether the station may go to a security profile and has what it needs (A05).

    Raises:
        Refused: it may not, or lacks a root of the CSMS or a certificate of its own.
    """
    rules.check_profile(
        current,
        wanted,
        root=bool(keys.roots(Use.CSMS_ROOT)),
        certificate=keys.own(Use.STATION).exists(),
        downgrade=model[ALLOW_SECURITY_PROFILE_DOWNGRADE],
    )


class Security:
    """What the security log must hold, and what the station proves itself with."""

    def __init__(
        self, store: Store, clock: Clock, model: DeviceModel, record: Callable[[Fact], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._model = model
        self._record = record
        self.certificates = Certificates(
            store.keys, clock=clock, model=model, record=record, event=self.event
        )
        model.provide(CERTIFICATE_ENTRIES, store.keys.count)
        for variable in (ORGANIZATION_NAME, SECC_ID):
            model.subscribe(variable, partial(self._changed, variable.name))

    def event(self, event: Event, info: str = "") -> None:
        """Put an event into the security log and tell the CSMS."""
        level = logging.INFO if event in ROUTINE else logging.WARNING
        log.log(level, "security: %s%s", event, f": {info}" if info else "")
        self._record(SecurityEvent(str(event), self._clock.now(), info))

    def reconfigured(self, what: str) -> None:
        """A security setting was changed; never its value (2.0.1 A01.FR.12, 1.6 whitepaper A01)."""
        self.event(Event.RECONFIGURED, what)

    def _changed(self, name: str, _: str) -> None:
        self.reconfigured(name)

    def check_profile(self, current: int, wanted: int) -> None:
        """The same with what the station has now."""
        check_profile(self._store.keys, self._model, current, wanted)

    async def run(self) -> None:
        """Watch the certificates; ends only by cancellation."""
        await self.certificates.run()
