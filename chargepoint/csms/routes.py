"""Which CSMS is tried: the slots of NetworkConfigurationPriority, one after the other.

Slot 1 is what the installer's file says until a CSMS sets it. What worked last in a slot that is
set anew is tried after all others: a slip in the URL would else leave no way back. The link knows
nothing of slots: it reads ``link.config`` before each attempt, and tells here how its attempts
went. What the connection shows and trusts is for ``csms.credentials``.

Why a CSMS that answers, and does not accept the station, counts like one that cannot be reached
while another one is known to work: a slip in the URL may lead to somebody else's CSMS, and from
there nobody could call the station back.
"""

import logging
from dataclasses import replace
from typing import Protocol

from chargepoint.core.certificates import lower_profiles, lowest_profile
from chargepoint.core.network import Walk, check_priority
from chargepoint.core.security import Event
from chargepoint.core.variables import (
    ACTIVE_NETWORK_PROFILE,
    ALLOW_SECURITY_PROFILE_DOWNGRADE,
    MESSAGE_TIMEOUT,
    NETWORK_CONFIGURATION_PRIORITY,
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    SECURITY_PROFILE,
)
from chargepoint.csms.credentials import Basis, Report
from chargepoint.errors import Refused, StoreError
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.security import check_profile
from chargepoint.store.keystore import KeyStore
from chargepoint.store.network import BEFORE, NetworkProfiles

log = logging.getLogger(__name__)

FILE_SLOT = 1


class Followed(Protocol):
    """What is asked of the link."""

    failures: int


class Routes:
    """The way to the CSMS in use, and the next one when it fails.

    ``base`` is what the installer's file says, ``event`` puts something into the security log.
    """

    def __init__(
        self,
        base: Basis,
        *,
        store: NetworkProfiles,
        keys: KeyStore,
        model: DeviceModel,
    ) -> None:
        self.base = base
        self._store = store
        self._keys = keys
        self._model = model
        self.event: Report = lambda *_: None
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
        profile = self._profile.security_profile
        return replace(self.base, link=link, profile=profile, chosen=True)

    def securities(self) -> dict[int, int]:
        """The security profile of every slot that may be used.

        What is less secure than what once worked never counts again (A05.FR.06), unless there is
        nothing else, or the way back is allowed.
        """
        known = {slot: p.security_profile for slot, p in self._store.load().items()}
        everything = {FILE_SLOT: self.base.profile} | known
        if (good := self._store.good()) is not None and good[0] == BEFORE:
            everything.setdefault(BEFORE, self.base.profile)
        least = self._lowest(self._reached())
        usable = {slot: level for slot, level in everything.items() if level >= least}
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
        return self._next()

    def rejected(self) -> bool:
        """The CSMS answers, but does not accept the station; True if another one is tried now."""
        good = self._store.good()
        if self._worked or good is None or good[0] == self.slot:
            return False  # there is nothing better to go to
        return self._next()

    def _next(self) -> bool:
        """One more attempt came to nothing; True if another slot has its turn."""
        before = self.slot
        self._walk = self._walk.failed(self._model[NETWORK_PROFILE_CONNECTION_ATTEMPTS])
        if self.slot == before:
            return False
        self._profile = self._store.load().get(self.slot)
        log.warning("trying network profile %d", self.slot)
        return True

    def works(self) -> None:
        """The CSMS accepted the station on this connection: this slot is the one to come back to.

        When a higher security profile is reached, what is less secure is forgotten (A05.FR.06).
        What the CSMS sets later may lead back from 3 to 2 where that is allowed; once it did, 2 is
        what counts.
        """
        self._worked = True
        self._failures = 0
        self._walk = replace(self._walk, tried=0)
        try:
            known, reached = self._store.good() is not None, self._reached()
            back = self._lowest(reached) <= self.security
            self._mark_good(self.security if back else reached)
            if known and self.security != reached:
                self.event(Event.RECONFIGURED, f"security profile {self.security}")
            self._forget_below(self.security if self.security > reached else self._lowest(reached))
        except (StoreError, Refused) as error:
            log.warning("network profile %d not noted: %s", self.slot, error)

    def _mark_good(self, security: int) -> None:
        """What the connection was made with, which its slot may not hold any more."""
        if self._store.load().get(self.slot) == self._profile:
            self._store.mark_good(self.slot, security)
        else:
            self._store.keep(self._profile, security)

    def _forget_below(self, least: int) -> None:
        known = {slot: p.security_profile for slot, p in self._store.load().items()}
        for slot in lower_profiles(known, least):
            self._store.forget(slot)
        everything = self.securities()
        usable = everything.keys() - set(lower_profiles(everything, least))
        self._walk = self._walk.only(usable)
        listed = self._model[NETWORK_CONFIGURATION_PRIORITY]
        left = tuple(slot for slot in listed if int(slot) in usable)
        if left and left != listed:
            self._model.assign(NETWORK_CONFIGURATION_PRIORITY, left)

    def _check(self, slots: tuple[str, ...]) -> None:
        def may_use(security: int) -> None:
            check_profile(self._keys, self._model, self._model[SECURITY_PROFILE], security)

        check_priority(slots, self.securities(), may_use)

    def _reached(self) -> int:
        good = self._store.good()
        return good[1] if good else 0

    def _lowest(self, reached: int) -> int:
        return lowest_profile(reached, downgrade=self._model[ALLOW_SECURITY_PROFILE_DOWNGRADE])
