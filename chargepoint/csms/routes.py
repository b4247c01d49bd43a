"""Which CSMS is tried: the slots of NetworkConfigurationPriority, one after the other.

Slot 1 is what the installer's file says until a CSMS sets it. The link knows nothing of slots: it
reads ``link.config`` before each attempt, and tells here how its attempts went. What the connection
shows and trusts is for ``csms.credentials``.
"""

import logging
from dataclasses import replace
from typing import Protocol

from chargepoint.core.network import Walk, check_priority
from chargepoint.core.variables import (
    ACTIVE_NETWORK_PROFILE,
    MESSAGE_TIMEOUT,
    NETWORK_CONFIGURATION_PRIORITY,
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    SECURITY_PROFILE,
)
from chargepoint.csms.credentials import Basis
from chargepoint.errors import Refused, StoreError
from chargepoint.station.device_model import DeviceModel
from chargepoint.store.network import NetworkProfiles

log = logging.getLogger(__name__)

FILE_SLOT = 1


class Followed(Protocol):
    """What is asked of the link."""

    failures: int


class Routes:
    """The way to the CSMS in use, and the next one when it fails.

    ``base`` is what the installer's file says.
    """

    def __init__(
        self,
        base: Basis,
        *,
        store: NetworkProfiles,
        model: DeviceModel,
    ) -> None:
        self.base = base
        self._store = store
        self._model = model
        self._failures = 0
        self._worked = False  # on the present connection
        good = store.good()
        priority = model[NETWORK_CONFIGURATION_PRIORITY]
        self._walk = Walk.of(priority, self.securities(), good[0] if good else None)
        self._profile = self._store.load().get(self.slot)
        model.provide(ACTIVE_NETWORK_PROFILE, lambda: self.slot)
        model.provide(SECURITY_PROFILE, lambda: self.security)
        model.provide(
            MESSAGE_TIMEOUT, lambda: self._profile.message_timeout if self._profile else None
        )
        model.require(NETWORK_CONFIGURATION_PRIORITY, self._check)

    @property
    def slot(self) -> int:
        """The configuration slot in use."""
        return self._walk.slot

    @property
    def security(self) -> int:
        """Its security profile."""
        return self._profile.security_profile if self._profile else self.base.profile

    def basis(self) -> Basis:
        """Where to connect now, and how secure that has to be."""
        if self._profile is None:
            return self.base
        link = replace(self.base.link, url=self._profile.url)
        return replace(self.base, link=link, profile=self._profile.security_profile)

    def securities(self) -> dict[int, int]:
        """The security profile of every slot that may be used.

        What is less secure than what once worked never counts again (A05.FR.06), unless there is
        nothing else.
        """
        known = {slot: p.security_profile for slot, p in self._store.load().items()}
        everything = {FILE_SLOT: self.base.profile} | known
        good = self._store.good()
        reached = good[1] if good else 0
        usable = {slot: level for slot, level in everything.items() if level >= reached}
        return usable or everything

    def follow(self, link: Followed) -> bool:
        """See how the link fares, and choose the slot of its next attempt.

        True if another CSMS is tried from now on, which needs a BootNotification (B10.FR.10). The
        loss of a connection that worked is no failed attempt.
        """
        failed = link.failures > self._failures
        self._failures = link.failures
        if not failed or self._worked:
            self._worked = self._worked and not failed
            return False
        before = self.slot
        self._walk = self._walk.failed(self._model[NETWORK_PROFILE_CONNECTION_ATTEMPTS])
        if self.slot == before:
            return False
        self._profile = self._store.load().get(self.slot)
        log.warning("trying network profile %d", self.slot)
        return True

    def works(self) -> None:
        """The CSMS accepted the station on this connection: this slot is the one to come back to.

        A higher security profile is final: what is less secure is forgotten (A05.FR.06).
        """
        self._worked = True
        self._failures = 0
        self._walk = replace(self._walk, tried=0)
        try:
            self._store.mark_good(self.slot, self.security)
            self._forget_less_secure()
        except (StoreError, Refused) as error:
            log.warning("network profile %d not noted: %s", self.slot, error)

    def _forget_less_secure(self) -> None:
        for slot, profile in self._store.load().items():
            if profile.security_profile < self.security:
                self._store.forget(slot)
        usable = self.securities()
        listed = self._model[NETWORK_CONFIGURATION_PRIORITY]
        left = tuple(slot for slot in listed if int(slot) in usable)
        if left and left != listed:
            self._model.assign(NETWORK_CONFIGURATION_PRIORITY, left)

    def _check(self, slots: tuple[str, ...]) -> None:
        check_priority(slots, self.securities(), security=self.security)
