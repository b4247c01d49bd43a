"""From the config to the parts: meters, board, settings, adapters, link."""

import asyncio
import importlib
import logging
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from chargepoint.clock import Clock
from chargepoint.config import StationConfig
from chargepoint.config_model import EvseSection
from chargepoint.core.variables_layout import (
    ConnectorDescription,
    CustomSetting,
    Signing,
)
from chargepoint.core.variables_layout import (
    EvseDescription as EvseLayout,
)
from chargepoint.csms.adapter import Adapter, SessionView
from chargepoint.csms.identity import Identity
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.profiles import PROFILES, CsmsProfile
from chargepoint.errors import ConfigError, Refused
from chargepoint.hardware.simulated import SimulatedBoard, SimulatedOutlet
from chargepoint.station.device_model import DeviceModel, SettingRefused
from chargepoint.station.station import EvseDescription, Station
from chargepoint.store.sqlite import Store
from meters.api import Meter, SigningMeter
from meters.catalog import load_driver
from meters.modbus import ModbusBus
from meters.model import Reading

log = logging.getLogger(__name__)

PACKAGES = {"1.6": "chargepoint.v16", "2.0.1": "chargepoint.v201"}


async def open_meters(
    config: StationConfig, clock: Clock, stack: AsyncExitStack
) -> dict[str, Meter]:
    """Every meter of the config on its bus. Nothing is opened yet: a bus opens at its first use."""
    buses = {
        name: await stack.enter_async_context(ModbusBus(bus)) for name, bus in config.buses.items()
    }
    meters: dict[str, Meter] = {}
    for name, meter in config.meters.items():
        driver = load_driver(meter.driver)
        if meter.bus is None:
            meters[name] = driver.create(meter.options, now=clock.now)
        else:
            meters[name] = driver.create(meter.options, buses[meter.bus], now=clock.now)
    return meters


def profile_of(config: StationConfig) -> CsmsProfile:
    """The CSMS profile that the config names.

    Raises:
        ConfigError: there is none of that name.
    """
    if config.csms.profile not in PROFILES:
        raise ConfigError(
            f"{config.positions.of('csms.profile')}: csms.profile: found"
            f" {config.csms.profile!r}, allowed {', '.join(PROFILES)}"
        )
    return PROFILES[config.csms.profile]


def link_config(config: StationConfig, *, ping: timedelta = timedelta(0)) -> LinkConfig:
    """How to reach the CSMS."""
    password = config.csms.password
    return LinkConfig(
        url=config.csms.url,
        station_id=config.station.id,
        subprotocols=tuple(f"ocpp{version}" for version in config.csms.ocpp),
        password=password.reveal().encode() if password else None,
        tls=_tls(config) if config.csms.url.startswith("wss:") else None,
        ping_interval=ping,
    )


def _tls(config: StationConfig) -> ssl.SSLContext:
    csms = config.csms
    context = ssl.create_default_context(cafile=csms.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if csms.cert_file is not None:
        context.load_cert_chain(csms.cert_file, csms.key_file)
    return context


def adapters_of(
    config: StationConfig,
    station: Station,
    *,
    profile: CsmsProfile,
    identity: Identity,
    session: SessionView,
) -> dict[str, Adapter]:
    """Only the versions in use are imported."""
    adapters: dict[str, Adapter] = {}
    for version in config.csms.ocpp:
        package = importlib.import_module(PACKAGES[version])
        adapter: Adapter = package.adapter(
            station, profile=profile, identity=identity, session=session
        )
        adapters[adapter.subprotocol] = adapter
    return adapters


def device_model(config: StationConfig, store: Store, meters: dict[str, Meter]) -> DeviceModel:
    """All variables of this station; what the config gives as first value is checked here.

    Raises:
        ConfigError: a setting that does not exist, or whose value cannot be.
    """
    custom = [
        CustomSetting(
            name=name,
            type=setting.type,
            access=setting.access,
            value=setting.value,
            key=setting.key,
            unit=setting.unit or "",
            minimum=None if setting.min_limit is None else int(setting.min_limit),
            maximum=None if setting.max_limit is None else int(setting.max_limit),
            values=setting.values_list,
        )
        for name, setting in config.custom_settings.items()
    ]
    evses = [
        EvseLayout(
            id=section.id,
            connectors=tuple(ConnectorDescription(c.id, c.type) for c in section.connectors),
            phases=section.phases,
            max_current_a=section.max_current_a,
            voltage_v=section.voltage_v,
            signing=Signing() if isinstance(meters[section.meter], SigningMeter) else None,
            evse_id=section.evse_id,
        )
        for section in config.evses
    ]
    try:
        return DeviceModel(
            evses=evses, store=store.settings, settings=config.settings, custom=custom
        )
    except SettingRefused as refused:
        where = config.positions.of(f"settings.{refused.name}")
        raise ConfigError(f"{where}: settings: {refused}") from refused
    except Refused as refused:
        raise ConfigError(f"custom_settings: {refused}") from refused


def describe(section: EvseSection, meters: dict[str, Meter]) -> EvseDescription:
    """An EVSE of the config as the station wants it."""
    return EvseDescription(
        evse_id=section.id,
        charge_point=section.evse_id,
        meter_name=section.meter,
        meter=meters[section.meter],
        connectors=tuple(connector.type for connector in section.connectors),
    )


def board(config: StationConfig) -> SimulatedBoard:
    """The outlets of the config."""
    outlets = []
    for section in config.evses:
        outlet = SimulatedOutlet(
            section.id,
            connectors=len(section.connectors),
            max_current_a=section.max_current_a,
            phases=section.phases,
        )
        options = section.hardware.options
        if getattr(options, "control", None):
            outlet.load = _control_load(Path(options.control), options.control_unit)
        outlets.append(outlet)
    return SimulatedBoard(outlets)


def _control_load(
    path: Path, unit: int
) -> Callable[[int, Decimal, int], Coroutine[Any, Any, None]]:
    """Tell a simulated meter what the vehicle takes; it may come and go."""
    from meters.simulators.control import ControlClient

    client = ControlClient(path)

    async def load(_evse_id: int, watts: Decimal, phases: int) -> None:
        try:
            await client.set_load(watts, phases=phases, unit=unit)
        except OSError as error:
            log.debug("simulated meter not told of %s W: %s", watts, error)

    return load


async def verify(reading: Reading) -> str:
    """The verdict on a signed reading, with the key the meter itself gave.

    The cryptography library is imported in a thread at the first use: the idle station does not
    need its 8 MB, and importing it must not hold up the loop.
    """
    signed = reading.signed
    if signed is None:
        return ""
    if signed.encoding != "OCMF":
        return "unsupported"
    from meters.ocmf import verify_document

    verdict = await asyncio.to_thread(verify_document, signed.document, signed.public_key)
    return str(verdict.outcome)
