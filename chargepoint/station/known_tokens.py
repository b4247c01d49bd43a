"""What the station knows of tokens by itself: the local list, then the cache."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from chargepoint.clock import Clock
from chargepoint.core.authorization import Known, Rules, aged
from chargepoint.core.model import Fault, IdToken, IdTokenType, Source
from chargepoint.core.variables import (
    AUTH_CACHE_STORAGE,
    LOCAL_LIST_ENTRIES,
    LOCAL_LIST_STORAGE,
    CachePolicy,
)
from chargepoint.errors import StoreError
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.local_list import LocalList
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

# Tokens that the CSMS made up or nobody has are never remembered (2.0.1 C02.FR.03, C05).
OWN_TO_CSMS = {IdTokenType.CENTRAL, IdTokenType.NO_AUTHORIZATION}

CONCURRENT = "ConcurrentTx"
LIST_CONFLICT = "LocalListConflict"


class KnownTokens:
    """The local list and the cache, as one; the list counts before the cache (2.0.1 C13.FR.01).

    ``on_conflict`` is told of tokens of which the CSMS says something else than its list.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        rules: Callable[[], Rules],
        policy: Callable[[], CachePolicy],
    ) -> None:
        self.on_conflict: Callable[[IdToken], None] = lambda _: None
        self._store = store
        self._clock = clock
        self._rules = rules
        self._policy = policy

    def of(self, token: IdToken) -> Known | None:
        """What is known of a token that is presented now; None if the disk does not say.

        A cached entry that still counts is used by this: its life begins anew.
        """
        rules, now = self._rules(), self._clock.now()
        try:
            listed = self._listed(token)
            if listed is not None or not rules.cache:
                return listed
            cached = self._store.tokens.cached(token)
            if cached is None:
                return None
            known = aged(cached.known, cached.used_at, rules)
            if known.accepted(now):
                self._store.tokens.used(token, now)
        except StoreError as error:
            log.warning("nothing known of token %s: %s", token.masked, error)
            return None
        return known

    def learn(self, token: IdToken, known: Known) -> None:
        """Remember what the CSMS said of a token, in whatever message (2.0.1 C10.FR.01).

        ConcurrentTx is not remembered: it is about a moment, not about the token. Nor is what the
        local list knows better (1.6 section 3.5.3); if that is something else, somebody is told.
        """
        if token.type in OWN_TO_CSMS or known.status == CONCURRENT:
            return
        try:
            listed = self._listed(token)
            if listed is None and self._rules().cache:
                entry = replace(known, source=Source.CACHE)
                self._store.tokens.remember(token, entry, self._clock.now(), self._policy())
        except StoreError as error:
            log.warning("authorization not remembered: %s", error)
            return
        if listed is not None and listed.status != known.status:
            self.on_conflict(token)

    def forget_all(self) -> None:
        """Empty the cache."""
        self._store.tokens.forget_all()

    def _listed(self, token: IdToken) -> Known | None:
        if not self._rules().local_list:
            return None
        return self._store.local_list.known(token)


class Warn(Protocol):
    """Tells something about the station that stops nothing (``station.availability``)."""

    def __call__(self, fault: Fault, *, active: bool) -> None:
        """It is so, or over."""
        ...


def report_conflicts(tokens: KnownTokens, local_list: LocalList, warn: Warn) -> None:
    """Warn of a list that says something else than the CSMS, until there is another one.

    OCPP 1.6 section 3.5.2, LocalListConflict.
    """

    def conflict(token: IdToken | None) -> None:
        info = f"token {token.masked}" if token is not None else ""
        warn(Fault(LIST_CONFLICT, info, blocks=False), active=token is not None)

    tokens.on_conflict = conflict
    local_list.changed = lambda: conflict(None)


def provide(model: DeviceModel, store: Store) -> None:
    """Report how full the list and the cache are; a disk that does not say leaves it open."""

    def asked(count: Callable[[], int]) -> Callable[[], int | None]:
        def ask() -> int | None:
            try:
                return count()
            except StoreError:
                return None

        return ask

    model.provide(AUTH_CACHE_STORAGE, asked(store.tokens.bytes))
    model.provide(LOCAL_LIST_ENTRIES, asked(store.local_list.entries))
    model.provide(LOCAL_LIST_STORAGE, asked(store.local_list.bytes))
