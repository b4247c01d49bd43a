"""Connects what the CSMS changes about security with the link: password, certificate, profile."""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chargepoint.config import StationConfig
from chargepoint.config_open import link_config
from chargepoint.core.certificates import Use
from chargepoint.core.security import Event
from chargepoint.core.variables import (
    ALLOW_CSMS_TLS_WILDCARDS,
    ALLOW_SECURITY_PROFILE_DOWNGRADE,
    BASIC_AUTH_PASSWORD,
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    SECURITY_PROFILE,
)
from chargepoint.core.variables_kinds import Secret
from chargepoint.csms.credentials import Basis, Credentials
from chargepoint.csms.link import Link
from chargepoint.csms.session import Session
from chargepoint.errors import ConfigError, Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.store.keystore import KeyStore

if TYPE_CHECKING:
    from chargepoint.csms.outage import Outage

log = logging.getLogger(__name__)

CERTIFICATE_PROFILE = 3  # needs no password any more
ANSWER_FIRST = timedelta(seconds=1)  # between a changed setting and the new connection


def basis(config: StationConfig, keys: KeyStore) -> Basis:
    """What the file says of the link; its certificates become installed ones, once.

    Raises:
        ConfigError: a certificate or key file holds something else.
        StoreError: they could not be stored.
    """
    link, csms = link_config(config), config.csms
    keys.command = csms.key_command
    if csms.ca_file is not None:
        keys.adopt(Use.CSMS_ROOT, csms.ca_file)
    if csms.cert_file is not None and csms.key_file is not None:
        try:
            keys.adopt_own(csms.cert_file, csms.key_file)
        except Refused as refused:
            raise ConfigError(f"csms.cert_file: {csms.cert_file}: {refused}") from refused
    return Basis(link, csms.security_profile, system_roots=csms.system_roots)


class Secured:
    """The link as the settings about security want it."""

    def __init__(
        self,
        credentials: Credentials,
        station: Station,
        link: Link,
        session: Session,
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
    ) -> None:
        self._credentials = credentials
        self._station = station
        self._link = link
        self._spawn = spawn
        self._seen: Outage | None = None
        self._subscribe(session)

    def _subscribe(self, session: Session) -> None:
        model, security = self._station.model, self._station.security
        model.provide(SECURITY_PROFILE, lambda: self._profile)
        model.require(SECURITY_PROFILE, self._check_profile)
        model.subscribe(SECURITY_PROFILE, self._profile_changed)
        model.subscribe(BASIC_AUTH_PASSWORD, self._password_changed)
        security.certificates.reconnect = self.reconnect
        security.certificates.trust = self.refresh
        security.certificates.in_use = lambda: self._link.anchor
        self._credentials.event = security.event
        self._credentials.wildcards = lambda: model[ALLOW_CSMS_TLS_WILDCARDS]
        self._credentials.attempts = lambda: model[NETWORK_PROFILE_CONNECTION_ATTEMPTS]
        self._credentials.downgrade = lambda: model[ALLOW_SECURITY_PROFILE_DOWNGRADE]
        model.subscribe(ALLOW_CSMS_TLS_WILDCARDS, lambda _: self.refresh())
        session.unproven = lambda: self._credentials.trying
        session.on_invalid = lambda what: security.event(Event.INVALID_MESSAGES, what)
        session.on_replay = lambda what: security.event(Event.ATTEMPTED_REPLAY, what)

    @property
    def _profile(self) -> int:
        """The one in use: that of the open connection, also if it is yet to be proven."""
        link, credentials = self._link, self._credentials
        present = link.subprotocol is not None and link.opened_with is link.config
        return credentials.next_profile if present else credentials.profile

    def rebase(self, basis: Basis) -> None:
        """The next attempt goes elsewhere, or the installer's file was read again."""
        self._credentials.basis = basis
        self.refresh()

    def refresh(self) -> None:
        """The next attempt to connect is made as the credentials are now."""
        try:
            config = self._credentials.config()
        except (OSError, StoreError) as error:
            log.error("the link stays as it is: %s", error)  # noqa: TRY400 - a file is broken
            return
        self._link.config = replace(config, ping_interval=self._link.ping_interval)

    def link_changed(self) -> None:
        """Look whether an attempt failed that had not been seen yet."""
        outage = self._link.outage
        if outage is None or outage is self._seen:
            return
        self._seen = outage
        try:
            self._credentials.failed(outage.cause, str(outage))
        except StoreError as error:
            log.error("keys and certificates: %s", error)  # noqa: TRY400 - the disk
        self.refresh()

    def good(self) -> None:
        """The session works on the connection that there is.

        One that was opened before the last change says nothing about what is new.
        """
        self._link.good()
        if self._link.opened_with is not self._link.config:
            return
        try:
            self._credentials.good()
        except StoreError as error:
            log.error("what works could not be stored: %s", error)  # noqa: TRY400 - the disk
        self.refresh()
        self._station.security.certificates.look()

    def reconnect(self) -> None:
        """Connect anew, once the answer of the moment has left."""
        self.refresh()
        self._spawn(self._reconnect())

    async def _reconnect(self) -> None:
        await self._station.clock.sleep(ANSWER_FIRST)
        await self._link.reconnect()

    def _password_changed(self, password: Secret) -> None:
        """OCPP 1.6 writes a key in hexadecimal, 2.0.1 a password as it is (A01)."""
        hexadecimal = self._link.subprotocol == "ocpp1.6"
        self._credentials.change_password(password.value, hexadecimal=hexadecimal)
        self._station.security.reconfigured(BASIC_AUTH_PASSWORD.name)
        self.reconnect()

    def _check_profile(self, wanted: int) -> None:
        """Upwards only, and only with what the profile needs (1.6 whitepaper A05.FR.01 to .04).

        AllowSecurityProfileDowngrade is a variable of 2.0.1: the whitepaper, edition 3 too, knows
        no way back.
        """
        current = self._credentials.profile
        if wanted <= current:
            raise Refused(f"security profile {current} is in use already")
        if wanted < CERTIFICATE_PROFILE and not self._credentials.has_password:
            raise Refused("the station has no password")
        self._station.security.check_profile(current, wanted)

    def _profile_changed(self, wanted: int) -> None:
        self._credentials.change_profile(wanted)
        self.reconnect()
