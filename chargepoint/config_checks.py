"""What must fit together in a config: names, addresses, security profile, files, permissions.

Each check is a generator of complaints about a config whose single values are already right.
"""

import ipaddress
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from chargepoint.config_decode import complaint, did_you_mean
from chargepoint.config_model import (
    CsmsSection,
    EvseSection,
    MeterConfig,
    Password,
    StationConfig,
    listen_address,
)
from chargepoint.csms.profiles import PROFILES
from meters.catalog import load_driver
from meters.line import BusConfig, SerialBusConfig

if TYPE_CHECKING:
    from meters.catalog import HttpDriver

_EVERYBODY: Final = 0o007
_VENDOR_1_6: Final = 20  # OCPP 1.6 section 6.1, chargePointVendor
_WITH_PASSWORD: Final = {1, 2}
_WITH_CERTIFICATE: Final = 3
_PLAIN_TEXT_ONLY: Final = 1
_TLS_FROM: Final = 2


def check(config: StationConfig) -> list[str]:
    """Every complaint about how the parts of ``config`` fit together, in the order of the file."""
    found = [*_station(config), *_csms(config.csms), *_buses(config), *_meters(config)]
    found += [*_evses(config), *_custom(config), *_local(config), *_transfers(config)]
    ordered = sorted(found, key=lambda item: config.positions.line(item[0]))
    return [complaint(config.positions.of(path), path, *words) for path, *words in ordered]


def check_files(config: StationConfig) -> list[str]:
    """Complaints about files that are named but missing, unreadable, or readable by everybody."""
    csms, positions = config.csms, config.positions
    complaints: list[str] = []
    if csms.password is not None and positions.of("csms.password").startswith(f"{positions.file}:"):
        complaints += _secret("csms.password", Path(positions.file), positions.of("csms.password"))
    for name in ("password_file", "ca_file", "cert_file", "key_file", "crl_file"):
        path: Path | None = getattr(csms, name)
        if path is None:
            continue
        where = f"csms.{name}"
        unreadable = _unreadable(path)
        if unreadable:
            complaints.append(complaint(positions.of(where), where, unreadable, "a readable file"))
        elif name in {"password_file", "key_file"}:
            complaints += _secret(where, path, positions.of(where))
    complaints += _commands(config)
    return complaints


def _commands(config: StationConfig) -> Iterator[str]:
    """Programs that are not there, or may not be run."""
    commands = {"csms.key_command": config.csms.key_command}
    for name in ("install_command", "confirm_command", "reboot_command"):
        commands[f"firmware.{name}"] = getattr(config.firmware, name, ())
    for where, command in commands.items():
        if command and shutil.which(command[0]) is None:
            place, found = config.positions.of(where), f'found "{command[0]}", no program here'
            yield complaint(place, where, found, "a program and its arguments")


def read_password(path: Path) -> Password:
    """The first line of a password file, which ``check_files`` found readable.

    Raises:
        ValueError: it is empty or no text.
    """
    lines = path.read_text("utf-8").splitlines()
    if not lines or not lines[0]:
        raise ValueError(f"{path} is empty")
    return Password(lines[0])


Found = tuple[str, ...]  # path, found, allowed, perhaps a hint


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return ""


def _secret(where: str, path: Path, place: str) -> Iterator[str]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _EVERYBODY:
        yield complaint(
            place,
            where,
            f"{path} holds a secret and is open to everybody (mode {mode:04o})",
            "mode 0640 or less",
            f"chmod o= {path}",
        )


def _station(config: StationConfig) -> Iterator[Found]:
    name = config.station.id
    if ":" in name or any(char.isspace() or not char.isprintable() for char in name):
        yield "station.id", f'found "{name}"', "characters without ':' and blanks"
    vendor = config.station.vendor
    if "1.6" in config.csms.ocpp and len(vendor) > _VENDOR_1_6:
        yield (
            "station.vendor",
            f"found {len(vendor)} characters",
            f"at most {_VENDOR_1_6} with OCPP 1.6",
        )


def _csms(csms: CsmsSection) -> Iterator[Found]:
    if csms.profile not in PROFILES:
        hint = did_you_mean(csms.profile, PROFILES)
        yield "csms.profile", f'found "{csms.profile}"', ", ".join(PROFILES), hint
    if len(set(csms.ocpp)) < len(csms.ocpp):
        yield "csms.ocpp", f"found {', '.join(csms.ocpp)}", "each version once"
    try:
        parts = urlsplit(csms.url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # its text may hold a piece of a password
        yield "csms.url", "found a URL that cannot be read", "ws://HOST[:PORT]/PATH or wss://..."
        return
    if parts.username is not None or parts.password is not None:
        yield "csms.url", "found a user name or password in it", "`password_file` instead"
    elif parts.scheme not in {"ws", "wss"} or not host:
        yield "csms.url", f'found "{csms.url}"', "ws://HOST[:PORT]/PATH or wss://..."
    elif parts.query or parts.fragment:
        yield "csms.url", f'found "{csms.url}"', "a URL without `?` and `#`"
    yield from _security_profile(csms, parts.scheme)


def _security_profile(csms: CsmsSection, scheme: str) -> Iterator[Found]:
    profile, path = csms.security_profile, "csms.security_profile"
    if profile >= _TLS_FROM and scheme == "ws":
        yield path, f"found {profile} with a ws:// URL", "wss:// with profiles 2 and 3"
    if profile == _PLAIN_TEXT_ONLY and scheme == "wss":
        yield path, "found 1 with a wss:// URL", "2, which is a password over TLS"
    if csms.ca_file is not None and scheme == "ws":
        yield "csms.ca_file", "found with a ws:// URL", "only with wss://"
    yield from _revocation(csms, scheme)
    yield from _password(csms)
    for name in ("cert_file", "key_file"):
        there = getattr(csms, name) is not None
        if profile == _WITH_CERTIFICATE and not there:
            yield path, f"found 3 without `{name}`", "3 with `cert_file` and `key_file`"
        if profile != _WITH_CERTIFICATE and there:
            yield f"csms.{name}", f"found with security profile {profile}", "only with profile 3"


def _revocation(csms: CsmsSection, scheme: str) -> Iterator[Found]:
    for name in ("system_roots", "crl_file", "crl_url", "ocsp", "revocation_required"):
        if getattr(csms, name) and scheme == "ws":
            yield f"csms.{name}", "found with a ws:// URL", "only with wss://"
    if csms.crl_url is not None and not csms.crl_url.startswith(("http://", "https://")):
        yield "csms.crl_url", f'found "{csms.crl_url}"', "http:// or https://"
    if csms.revocation_required and not (csms.crl_file or csms.crl_url or csms.ocsp):
        path = "csms.revocation_required"
        yield path, "found without a source", "with `crl_file`, `crl_url` or `ocsp`"


def _password(csms: CsmsSection) -> Iterator[Found]:
    profile = csms.security_profile
    inline, file = csms.password is not None, csms.password_file is not None
    if inline and file:
        yield "csms.password", "found beside `password_file`", "one of the two"
    if profile in _WITH_PASSWORD and not (inline or file):
        what = f"found {profile} without a password"
        yield "csms.security_profile", what, "`password_file`, or `password`"
    if profile not in _WITH_PASSWORD and (inline or file):
        key = "csms.password" if inline else "csms.password_file"
        yield key, f"found with security profile {profile}", "only with profiles 1 and 2"
    if csms.password is not None and not csms.password.reveal():
        yield "csms.password", "found empty text", "a password"


def _buses(config: StationConfig) -> Iterator[Found]:
    first: dict[str, str] = {}
    for name, bus in config.buses.items():
        line = _line(bus)
        if line in first:
            yield f"buses.{name}", f"found {line} again", f"one bus per line, see `{first[line]}`"
        first.setdefault(line, name)


def _line(bus: BusConfig) -> str:
    return bus.port if isinstance(bus, SerialBusConfig) else f"{bus.host}:{bus.tcp_port}"


def _meters(config: StationConfig) -> Iterator[Found]:
    first: dict[tuple[object, ...], str] = {}
    for name, meter in config.meters.items():
        yield from _bus_of(config, name, meter)
        try:
            address = _address(meter)
        except ValueError as error:  # options that are right one by one and not together
            yield f"meters.{name}", f"found {error}", f"options that {meter.driver} can use"
            continue
        if address is None:
            continue
        if address in first:
            at = " ".join(str(part) for part in address[1:])
            yield (
                f"meters.{name}",
                f"found the address of `{first[address]}` again ({address[0]} {at})",
                "one address per meter",
            )
        first.setdefault(address, name)


def _bus_of(config: StationConfig, name: str, meter: MeterConfig) -> Iterator[Found]:
    modbus = load_driver(meter.driver).TRANSPORT == "modbus"
    path, known = f"meters.{name}.bus", ", ".join(config.buses) or "none is defined"
    if modbus and meter.bus is None:
        yield path, f"missing, and {meter.driver} needs one", f"a name under `buses`: {known}"
    elif not modbus and meter.bus is not None:
        yield path, f'found "{meter.bus}"', f"no bus: {meter.driver} is reached over the network"
    elif meter.bus is not None and meter.bus not in config.buses:
        hint = did_you_mean(meter.bus, config.buses)
        yield path, f'found "{meter.bus}"', f"a name under `buses`: {known}", hint


def _address(meter: MeterConfig) -> tuple[object, ...] | None:
    """What tells two meters apart on their way to the station; None if the driver does not say.

    Raises:
        ValueError: the driver of a meter on the network cannot say where it is.
    """
    driver = load_driver(meter.driver)
    if driver.TRANSPORT == "http":
        there = cast("HttpDriver", driver).http_config(meter.options)
        return there.host.lower(), there.port
    unit = getattr(meter.options, "powermeter_device_id", None)
    return None if meter.bus is None or unit is None else (meter.bus, unit)


def _evses(config: StationConfig) -> Iterator[Found]:
    yield from _numbered("evses", [evse.id for evse in config.evses])
    known = ", ".join(config.meters) or "none is defined"
    meter_of: dict[str, int] = {}
    names: dict[str, int] = {}
    for index, evse in enumerate(config.evses):
        path = f"evses[{index}]"
        yield from _outlet(evse, path)
        if evse.meter not in config.meters:
            hint = did_you_mean(evse.meter, config.meters)
            yield (
                f"{path}.meter",
                f'found "{evse.meter}"',
                f"a name under `meters`: {known}",
                hint,
            )
        elif evse.meter in meter_of:
            yield (
                f"{path}.meter",
                f'found "{evse.meter}", which measures EVSE {meter_of[evse.meter]}',
                "a meter of its own for each EVSE",
            )
        meter_of.setdefault(evse.meter, evse.id)
        if evse.evse_id and evse.evse_id in names:
            yield (
                f"{path}.evse_id",
                f'found "{evse.evse_id}", which is EVSE {names[evse.evse_id]}',
                "a name of its own for each EVSE",
            )
        names.setdefault(evse.evse_id, evse.id)


def _outlet(evse: EvseSection, path: str) -> Iterator[Found]:
    numbers = [connector.id for connector in evse.connectors]
    yield from _numbered(f"{path}.connectors", numbers)
    for name in ("max_current_a", "voltage_v"):
        value = getattr(evse, name)
        if value <= 0:
            yield f"{path}.{name}", f"found {value}", "more than 0"


def _numbered(path: str, ids: Sequence[int]) -> Iterator[Found]:
    """OCPP counts from 1 without gaps (2.0.1 part 1 section 7)."""
    if sorted(ids) != list(range(1, len(ids) + 1)):
        wanted = ", ".join(str(number) for number in range(1, len(ids) + 1))
        yield path, f"found the ids {_joined(ids)}", f"{wanted}: from 1, no gap, none twice"


def _joined(words: Iterable[object]) -> str:
    return ", ".join(str(word) for word in words)


def _custom(config: StationConfig) -> Iterator[Found]:
    for name in config.custom_settings:
        component, _, variable = name.partition(".")
        if not component or not variable:
            yield f"custom_settings.{name}", f'found the name "{name}"', "Component.Variable"


def _local(config: StationConfig) -> Iterator[Found]:
    if config.local is None:
        return
    try:
        listen_address(config.local.listen)
    except ValueError as error:
        yield "local.listen", f'found "{config.local.listen}"', str(error)


def _transfers(config: StationConfig) -> Iterator[Found]:
    for index, text in enumerate(config.transfers.local_addresses):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            path = f"transfers.local_addresses[{index}]"
            yield path, f"found {error}", "an address, or a network like 10.20.0.0/16"
