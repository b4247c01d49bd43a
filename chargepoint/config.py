"""Loads a config: one YAML file, the environment over it, everything checked before it is used.

Relative paths in it start from the folder of the file, wherever the program was started. All
mistakes are told at once, each with file and line, dotted path, what was found and what is allowed.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chargepoint import config_checks, config_yaml
from chargepoint.config_decode import Decoder, complaint, did_you_mean, found
from chargepoint.config_model import (
    ConnectorSection,
    CsmsSection,
    CustomSetting,
    EvseSection,
    FirmwareSection,
    HardwareConfig,
    HardwareSection,
    LocalSection,
    MeterConfig,
    MeterSection,
    Password,
    StationConfig,
    StationSection,
    TransfersSection,
    listen_address,
)
from chargepoint.config_schema import json_schema
from chargepoint.config_yaml import Node, Positions, child
from chargepoint.errors import ConfigError
from chargepoint.hardware.catalog import UnknownBoard, board_names, board_options
from meters.catalog import UnknownDriver, driver_names, load_driver
from meters.line import BusConfig, SerialBusConfig, TcpBusConfig

__all__ = [
    "BusConfig",
    "ConnectorSection",
    "CsmsSection",
    "CustomSetting",
    "EvseSection",
    "FirmwareSection",
    "HardwareConfig",
    "LocalSection",
    "MeterConfig",
    "Password",
    "Positions",
    "SerialBusConfig",
    "StationConfig",
    "StationSection",
    "TcpBusConfig",
    "TransfersSection",
    "check_settings",
    "json_schema",
    "listen_address",
    "load_config",
]


def load_config(path: str | Path, environ: Mapping[str, str] = os.environ) -> StationConfig:
    """The config in ``path`` with the ``CHARGEPOINT__...`` variables of ``environ`` over it.

    Reads the password file; ``csms.password`` holds the password wherever it came from.

    Raises:
        ConfigError: all that is wrong, one line for each mistake.
    """
    path = Path(path)
    root = config_yaml.override(config_yaml.read(path), environ)
    positions = config_yaml.positions(root, str(path))
    decoder = _StationDecoder(path.absolute().parent)
    config: StationConfig | None = decoder.struct(root, StationConfig, "", positions=positions)
    if config is None or decoder.complaints:
        raise ConfigError("\n".join(decoder.complaints))
    complaints = config_checks.check(config) + config_checks.check_files(config)
    if complaints:
        raise ConfigError("\n".join(complaints))
    return _with_password(config)


def check_settings(config: StationConfig, names: Collection[str]) -> None:
    """Check the names under ``settings`` against all that the station knows, of both versions.

    Raises:
        ConfigError: names that nobody knows, one line for each.
    """
    complaints = [
        complaint(
            config.positions.of(f"settings.{name}"),
            f"settings.{name}",
            "found a setting that this station does not have",
            "a 2.0.1 name (Component.Variable) or a 1.6 key",
            did_you_mean(name, names),
        )
        for name in config.settings
        if name not in names
    ]
    if complaints:
        raise ConfigError("\n".join(complaints))


def _with_password(config: StationConfig) -> StationConfig:
    file = config.csms.password_file
    if file is None:
        return config
    try:
        password = config_checks.read_password(file)
    except (ValueError, OSError) as error:
        where = config.positions.of("csms.password_file")
        raise ConfigError(
            complaint(where, "csms.password_file", str(error), "a file whose first line is text")
        ) from error
    csms = msgspec.structs.replace(config.csms, password=password)
    return msgspec.structs.replace(config, csms=csms)


class _StationDecoder(Decoder):
    """Knows the sections whose keys depend on a driver, or on what kind of bus it is."""

    def decode(self, node: Node, kind: Any, path: str) -> Any:  # noqa: ANN401 - any type, any value
        if kind is MeterConfig:
            return self._driven(node, path, MeterConfig, MeterSection, _meter_options)
        if kind is HardwareConfig:
            return self._driven(node, path, HardwareConfig, HardwareSection, board_options)
        if kind == BusConfig:
            gateway = isinstance(node.value, dict) and "host" in node.value
            return self.struct(node, TcpBusConfig if gateway else SerialBusConfig, path)
        return super().decode(node, kind, path)

    def _driven(
        self,
        node: Node,
        path: str,
        whole: type[msgspec.Struct],
        common: type[msgspec.Struct],
        options_of: Callable[[str], type[msgspec.Struct]],
    ) -> Any:  # noqa: ANN401 - an instance of whole, or None after a complaint
        """A section that names its driver; the keys it does not share belong to the driver."""
        names = [field.name for field in msgspec.structs.fields(common)]
        kind = self._options_kind(node, path, common, options_of)
        if kind is None or not isinstance(node.value, dict):
            return None
        own = {key: item for key, item in node.value.items() if key in names}
        rest = {key: item for key, item in node.value.items() if key not in names}
        options = self.struct(Node(rest, node.where), kind, path, *names)
        return self.struct(Node(own, node.where), whole, path, options=options)

    def _options_kind(
        self,
        node: Node,
        path: str,
        common: type[msgspec.Struct],
        options_of: Callable[[str], type[msgspec.Struct]],
    ) -> type[msgspec.Struct] | None:
        if not isinstance(node.value, dict):
            self.complain(node, path, f"found {found(node)}", "a mapping with driver, ...")
            return None
        driver = node.value.get("driver")
        name = None if driver is None else driver.value
        known = driver_names() if common is MeterSection else board_names()
        where = child(path, "driver")
        if not isinstance(name, str):
            what = "missing" if driver is None else f"found {found(driver)}"
            self.complain(driver or node, where, what, _either(known))
            return None
        try:
            return options_of(name)
        except (UnknownDriver, UnknownBoard):
            hint = did_you_mean(name, known)
            self.complain(driver or node, where, f'found "{name}"', _either(known), hint)
        except ImportError as error:
            needs = f'found "{name}", which needs {error.name or error}'
            self.complain(driver or node, where, needs, "drivers whose packages are installed")
        return None


def _meter_options(name: str) -> type[msgspec.Struct]:
    return load_driver(name).Config


def _either(names: Iterable[str]) -> str:
    return ", ".join(names) or "none is installed"
