"""From a config to what it describes: meters on open buses, and how to reach the CSMS.

Shared by everything that runs a config: the station, the check, the meter command.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chargepoint.config_decode import complaint
from chargepoint.config_model import CsmsSection, StationConfig
from chargepoint.core.reach import Reach, networks_of
from chargepoint.errors import ConfigError
from meters.api import Meter
from meters.catalog import load_driver

if TYPE_CHECKING:
    import ssl

    from chargepoint.csms.link import LinkConfig
    from chargepoint.csms.revocation import Revocation


@asynccontextmanager
async def open_meters(
    config: StationConfig, now: Callable[[], datetime]
) -> AsyncIterator[dict[str, Meter]]:
    """All meters by name, on buses and connections that close when the context does.

    Nothing is sent yet. ``now`` is wall time, aware.
    """
    from meters.modbus import ModbusBus
    from meters.opening import http_meter

    async with AsyncExitStack() as stack:
        buses = {
            name: await stack.enter_async_context(ModbusBus(bus))
            for name, bus in config.buses.items()
        }
        meters: dict[str, Meter] = {}
        for name, meter in config.meters.items():
            driver, options = load_driver(meter.driver), meter.options
            if meter.bus is None:
                alone = http_meter(driver, options, now=now)
                meters[name] = await stack.enter_async_context(alone)
            else:
                meters[name] = driver.create(options, buses[meter.bus], now=now)
        yield meters


def link_config(config: StationConfig) -> "LinkConfig":
    """Where and how to connect to the CSMS, as far as the file says it.

    Raises:
        ConfigError: a certificate or key file holds something else.
    """
    from chargepoint.csms.link import LinkConfig
    from chargepoint.csms.profiles import PROFILES

    csms = config.csms
    secure = urlsplit(csms.url).scheme == "wss"
    return LinkConfig(
        url=csms.url,
        station_id=config.station.id,
        subprotocols=tuple(f"ocpp{version}" for version in csms.ocpp),
        password=None if csms.password is None else csms.password.reveal().encode(),
        tls=_tls(config) if secure else None,
        pause=PROFILES[csms.profile].pause,
        revocation=_revocation(csms) if secure else None,
    )


def _tls(config: StationConfig) -> "ssl.SSLContext":
    import ssl

    from chargepoint.csms.tls import client_context

    csms = config.csms
    try:
        context = client_context(ca_file=csms.ca_file, system=csms.system_roots)
    except ssl.SSLError as error:
        raise _unfit(config, "ca_file", f"{csms.ca_file} holds no certificate") from error
    if csms.cert_file is None or csms.key_file is None:
        return context
    try:
        # Without a password argument OpenSSL would ask on the terminal, and wait.
        context.load_cert_chain(csms.cert_file, csms.key_file, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        found = f"{csms.key_file} is no unencrypted key that fits {csms.cert_file}"
        raise _unfit(config, "key_file", found) from error
    return context


def _revocation(csms: CsmsSection) -> "Revocation | None":
    if not (csms.crl_file or csms.crl_url or csms.ocsp):
        return None
    from chargepoint.csms.revocation import Revocation, Sources

    required = csms.revocation_required
    return Revocation(Sources(csms.crl_file, csms.crl_url, csms.ocsp, required))


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _unfit(config: StationConfig, key: str, found: str) -> ConfigError:
    path = f"csms.{key}"
    return ConfigError(complaint(config.positions.of(path), path, found, "PEM files"))


def reach_of(config: StationConfig) -> Reach:
    """Which addresses files travel to and from: public ones, those of the config, the CSMS's own.

    Of the CSMS only an address that the installer wrote counts: where a name, or a URL that the
    CSMS set, leads to is not the installer's word.
    """
    near = tuple(ip_network(text) for text in config.transfers.local_addresses)
    return Reach((*near, *networks_of(urlsplit(config.csms.url).hostname or "")))
