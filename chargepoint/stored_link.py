"""How the station would connect next: as the file says, and as the CSMS changed it since.

Reads the state folder without taking it, for the station may be running. Secrets are for the
connection only: what is told of them is that they were changed.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from chargepoint.clock import SystemClock
from chargepoint.config import StationConfig
from chargepoint.config_open import link_config, open_meters
from chargepoint.core.variables import (
    ALLOW_CSMS_TLS_WILDCARDS,
    ALLOW_SECURITY_PROFILE_DOWNGRADE,
)
from chargepoint.csms.credentials import Basis, Credentials
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.routes import FILE_SLOT, Routes
from chargepoint.errors import StoreError
from chargepoint.store.keystore import KeyStore
from chargepoint.store.network import NetworkProfiles
from chargepoint.store.security_log import Credentials as Kept
from chargepoint.store.tables import Settings, translated
from chargepoint.wiring import device_model


@dataclass(frozen=True, slots=True)
class StoredLink:
    """What the next attempt would be made with; ``changes`` are what the file does not say."""

    config: LinkConfig
    changes: tuple[str, ...] = ()


async def stored_link(config: StationConfig) -> StoredLink:
    """The next attempt of a station with this config and its state folder.

    Raises:
        ConfigError: a certificate, key or setting of the file cannot be.
    """
    link = link_config(config)
    database = config.station.state / "station.db"
    if not database.exists():
        return StoredLink(link)
    basis = Basis(link, config.csms.security_profile, system_roots=config.csms.system_roots)
    try:
        with (
            translated(f"state folder {config.station.state}"),
            closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as db,
        ):
            return await _next(config, basis, db)
    except StoreError as error:
        return StoredLink(link, (f"unknown, {error}",))


async def _next(config: StationConfig, basis: Basis, db: sqlite3.Connection) -> StoredLink:
    keys, kept = KeyStore(config.station.state / "keys"), Kept(db)
    async with open_meters(config, SystemClock().now) as meters:
        model = device_model(config, Settings(db), meters)
    routes = Routes(basis, store=NetworkProfiles(db), keys=keys, model=model)
    credentials = Credentials(routes.basis(), keys, kept)
    credentials.wildcards = lambda: model[ALLOW_CSMS_TLS_WILDCARDS]
    credentials.downgrade = lambda: model[ALLOW_SECURITY_PROFILE_DOWNGRADE]
    found, changes = credentials.config(), []
    if routes.slot != FILE_SLOT or found.url != basis.link.url:
        changes.append(f"network profile {routes.slot}, {found.url}")
    if credentials.profile != basis.profile:
        changes.append(f"security profile {credentials.profile}")
    if found.password is not None and found.password != basis.link.password:
        changes.append("another password")
    return StoredLink(found, tuple(changes))
