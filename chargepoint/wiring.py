"""From the config to the parts of a station: board, settings, adapters, verification."""

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from chargepoint.config import StationConfig
from chargepoint.config_model import EvseSection
from chargepoint.config_open import reach_of
from chargepoint.core.firmware import WhileCharging
from chargepoint.core.profiles_model import Outlet
from chargepoint.core.transfer import Scheme
from chargepoint.core.variables import (
    MESSAGE_TIMEOUT,
    RETRY_BACK_OFF_RANDOM_RANGE,
    RETRY_BACK_OFF_REPEAT_TIMES,
    RETRY_BACK_OFF_WAIT_MINIMUM,
)
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
from chargepoint.csms.link import BackOff
from chargepoint.csms.profiles import PROFILES, CsmsProfile
from chargepoint.errors import ConfigError
from chargepoint.hardware.api import Board, EvseHardware, Indicator, OutletDescription, Picture
from chargepoint.hardware.catalog import load_board
from chargepoint.hardware.simulated import SimulatedOutlet
from chargepoint.station.device_model import DeviceModel, SettingRefused, SettingsStore
from chargepoint.station.evse import is_socket
from chargepoint.station.installer import CommandInstaller
from chargepoint.station.station import EvseDescription, Station
from chargepoint.station.upkeep import Upkeep
from chargepoint.store.leaving import Bounds
from meters.api import Meter, SigningMeter
from meters.model import MeterInfo, Reading

log = logging.getLogger(__name__)

PACKAGES = {"1.6": "chargepoint.v16", "2.0.1": "chargepoint.v201"}


def profile_of(config: StationConfig) -> CsmsProfile:
    """The CSMS profile that the config names; the config was checked for it."""
    return PROFILES[config.csms.profile]


def _wanted_settings(config: StationConfig) -> dict[str, str]:
    """What its CSMS wants set otherwise than by default, unless the config says how."""
    patience = profile_of(config).patience
    if patience is None or {MESSAGE_TIMEOUT.name, MESSAGE_TIMEOUT.key} & config.settings.keys():
        return {}
    return {MESSAGE_TIMEOUT.name: f"{patience.total_seconds():g}"}


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


def device_model(
    config: StationConfig, store: SettingsStore, meters: dict[str, Meter]
) -> DeviceModel:
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
            minimum=setting.min_limit,
            maximum=setting.max_limit,
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
            signing=_signing(meters[section.meter]),
            evse_id=section.evse_id,
        )
        for section in config.evses
    ]
    settings = {**_wanted_settings(config), **config.settings}
    try:
        return DeviceModel(evses=evses, store=store, settings=settings, custom=custom)
    except SettingRefused as refused:
        where = config.positions.of(f"{refused.section}.{refused.name}")
        raise ConfigError(f"{where}: {refused.section}: {refused}") from refused


def _signing(meter: Meter) -> Signing | None:
    """What a meter can sign; no driver here signs single readings."""
    if not isinstance(meter, SigningMeter):
        return None
    begin, readings = getattr(meter, "signs_begin", False), getattr(meter, "signs_readings", False)
    return Signing(started=begin, updated=readings, aligned=readings)


def back_off(model: DeviceModel) -> BackOff:
    """How long to wait before the next attempt to connect, as set now."""
    return BackOff(
        model[RETRY_BACK_OFF_WAIT_MINIMUM],
        model[RETRY_BACK_OFF_RANDOM_RANGE],
        model[RETRY_BACK_OFF_REPEAT_TIMES],
    )


def upkeep_of(config: StationConfig) -> Upkeep:
    """What the config says of updates and logs."""
    firmware = config.firmware
    common = Upkeep(
        ca_file=config.csms.ca_file,
        station_id=config.station.id,
        config=lambda: _plain(config),
        reach=reach_of(config),
        schemes=frozenset(Scheme(name.upper()) for name in config.transfers.schemes),
    )
    if firmware is None:
        return common
    installer = CommandInstaller(
        firmware.install_command,
        firmware.confirm_command,
        firmware.reboot_command,
        timedelta(seconds=firmware.timeout_s),
    )
    return replace(
        common,
        installer=installer,
        unsigned=firmware.allow_unsigned,
        while_charging=WhileCharging(firmware.while_charging),
        size_most=firmware.max_size_mb * 1024 * 1024,
        roots=firmware.roots,
    )


def bounds_of(config: StationConfig) -> Bounds:
    """How much of the signed records is kept."""
    records = config.station.records
    return Bounds(
        records.max_count,
        records.max_size_mb * 1024 * 1024,
        timedelta(days=records.keep_days) if records.keep_days else None,
    )


def _plain(config: StationConfig) -> dict[str, Any]:
    """The config as plain values, as it was written; passwords are stars."""
    names = [field.name for field in msgspec.structs.fields(StationConfig)]
    return {
        name: msgspec.to_builtins(getattr(config, name), enc_hook=str)
        for name in names
        if name != "positions"
    }


def describe(section: EvseSection, meters: dict[str, Meter]) -> EvseDescription:
    """An EVSE of the config as the station wants it."""
    return EvseDescription(
        evse_id=section.id,
        charge_point=section.evse_id,
        meter_name=section.meter,
        meter=meters[section.meter],
        connectors=tuple(connector.type for connector in section.connectors),
        outlet=Outlet(section.voltage_v, section.phases, section.max_current_a),
    )


def board(config: StationConfig) -> Board:
    """The outlets of the config, each driven by its own module."""
    boards: dict[str, Board] = {}
    for name in dict.fromkeys(section.hardware.driver for section in config.evses):
        mine = [section for section in config.evses if section.hardware.driver == name]
        boards[name] = load_board(name).create([_outlet(section) for section in mine])
    outlets = {
        section.id: boards[section.hardware.driver].outlet(section.id) for section in config.evses
    }
    for section in config.evses:
        outlet, options = outlets[section.id], section.hardware.options
        if isinstance(outlet, SimulatedOutlet) and options.control is not None:
            outlet.load = _control_load(options.control, options.control_unit)
    if all(isinstance(part, Indicator) for part in boards.values()):
        screens: dict[int, Indicator] = {
            section.id: part
            for section in config.evses
            if isinstance(part := boards[section.hardware.driver], Indicator)
        }
        return _BoardsWithScreens(outlets, list(boards.values()), screens)
    return _Boards(outlets, list(boards.values()))


class _Boards:
    """Several boards as one."""

    def __init__(self, outlets: dict[int, EvseHardware], boards: list[Board]) -> None:
        self._outlets = outlets
        self._boards = boards

    def outlet(self, evse_id: int) -> EvseHardware:
        return self._outlets[evse_id]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for part in self._boards:
                tasks.create_task(part.run())


class _BoardsWithScreens(_Boards):
    """Several boards as one, all of which have screens."""

    def __init__(
        self,
        outlets: dict[int, EvseHardware],
        boards: list[Board],
        screens: dict[int, Indicator],
    ) -> None:
        super().__init__(outlets, boards)
        self._screens = screens

    @property
    def formats(self) -> tuple[str, ...]:
        """What all of them can show."""
        able = [set(screen.formats) for screen in self._screens.values()]
        return tuple(sorted(set.intersection(*able)))

    async def show(self, picture: Picture) -> None:
        await self._screens[picture.evse_id].show(picture)


def _outlet(section: EvseSection) -> OutletDescription:
    return OutletDescription(
        evse_id=section.id,
        connectors=len(section.connectors),
        max_current_a=section.max_current_a,
        phases=section.phases,
        options=section.hardware.options,
        captive=frozenset(one.id for one in section.connectors if not is_socket(one.type)),
    )


def _control_load(where: Path, unit: int) -> Callable[[int, Decimal, int], Awaitable[None]]:
    """Tell a simulated meter what the vehicle takes; it may come and go."""
    from meters.simulators.control import ControlClient, SimulatorRefused, SimulatorUnreachable

    client = ControlClient(where)

    async def load(_evse_id: int, watts: Decimal, phases: int) -> None:
        try:
            await client.set_load(watts, phases, unit=unit)
        except (SimulatorUnreachable, SimulatorRefused) as error:
            log.warning("simulated meter not told of %s W: %s", watts, error)

    return load


async def prepare(info: MeterInfo) -> None:
    """A transaction began: be ready to verify its record when it comes.

    The cryptography library is imported in a thread: the idle station does not need its 8 MB, and
    importing it must not hold up the loop.
    """
    from meters.ocmf import prepare as ready

    await asyncio.to_thread(ready, info.public_key, method=info.signing_method)


async def verify(reading: Reading) -> str:
    """The verdict on a signed reading, with the key the meter itself gave."""
    signed = reading.signed
    if signed is None:
        return ""
    if signed.encoding != "OCMF":
        return "unsupported"
    from meters.ocmf import verified_ahead, verify_document

    what = (signed.document, signed.public_key)
    verdict = verified_ahead(*what, method=signed.method)
    if verdict is None:
        verdict = await asyncio.to_thread(verify_document, *what, method=signed.method)
    return str(verdict.outcome)
