"""``chargepoint systemd-unit``: the unit with which systemd runs the station of a config."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from chargepoint.config import StationConfig

_STATE: Final = Path("/var/lib")
_RUN: Final = Path("/run")
_HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
_FIRST_FREE_PORT: Final = 1024
_ADAPTERS: Final = {"ttyUSB": "char-ttyUSB", "ttyACM": "char-ttyACM"}
"""Serial adapters that may be unplugged: who comes back has another device number."""

_HEAD = """\
# Printed by `chargepoint systemd-unit`; put it into /etc/systemd/system/chargepoint.service.
[Unit]
Description=Charging station {station}
# It charges without a network and with a wrong clock, so it waits for neither.
After=network.target
{limit}
[Service]
# Ready once the local part works; the CSMS may come later.
Type=notify
NotifyAccess=main
ExecStart={command} run {config}
ExecReload=/bin/kill -HUP $MAINPID
# It is told that all is well only while everything that must move does.
WatchdogSec={watchdog}
TimeoutStartSec=120
# The station ends within 30 s whatever hangs, and loses nothing if it is killed.
TimeoutStopSec=45
Restart=always
RestartSec=10
# A config with mistakes is not cured by another start.
RestartPreventExitStatus=2
"""

_HARDENING = """\

NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome={home}
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# To see whether the clock is kept right; to set it takes a capability that the station has not.
SystemCallFilter=adjtimex clock_adjtime
SystemCallErrorNumber=EPERM
UMask=0077
# An idle station has 40 to 50 MB; the rest is for updates, uploads and certificates.
MemoryHigh=192M
MemoryMax=256M
TasksMax=64
LimitNOFILE=1024
OOMPolicy=stop

[Install]
WantedBy=multi-user.target
"""


@click.command("systemd-unit")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--user", default="chargepoint", show_default=True, help="Who it runs as.")
@click.option("--dynamic-user", is_flag=True, help="A user of its own, made at each start.")
@click.option("--group", default="dialout", show_default=True, help="Who may open serial ports.")
@click.option("--device", multiple=True, help="A device that the board needs; may be repeated.")
@click.option("--watchdog", default=60, show_default=True, type=click.IntRange(10, 3600))
@click.option("--reboot-after", type=click.IntRange(1), help="Failed starts within 10 minutes.")
@click.option("--command", help="The program; by default the one that prints this.")
def systemd_unit(
    config: Path,
    *,
    user: str,
    dynamic_user: bool,
    group: str,
    device: tuple[str, ...],
    watchdog: int,
    reboot_after: int | None,
    command: str | None,
) -> None:
    """Print a systemd unit for the station of CONFIG.

    Its paths, serial ports and privileges are those that CONFIG needs, and no others. A station
    that fails is started again for ever, every 10 s; with --reboot-after the machine is started
    again if that does not help.
    """
    from chargepoint.config import load_config

    station = load_config(config)
    known = _HEAD.format(
        station=_plain(station.station.id),
        limit=_limit(reboot_after),
        command=command or _own_command(),
        config=_quoted(config.absolute()),
        watchdog=watchdog,
    )
    lines = [
        *(["DynamicUser=yes"] if dynamic_user else [f"User={user}"]),
        f"SupplementaryGroups={group}",
        *_folders(station, dynamic=dynamic_user),
        *_devices(station, device),
        *_remarks(station),
    ]
    privileged = station.local is not None and 0 < station.local.port < _FIRST_FREE_PORT
    hardening = _HARDENING.format(
        home="read-only" if _in_a_home(station, config.absolute()) else "yes",
        capabilities="CAP_NET_BIND_SERVICE" if privileged else "",
    )
    click.echo(f"{known}\n{chr(10).join(lines)}\n{hardening}", nl=False)


def _limit(reboot_after: int | None) -> str:
    """Nobody stands beside a charger to start it again: by default no limit but the pace."""
    if reboot_after is None:
        return "StartLimitIntervalSec=0\n"
    limits = f"StartLimitIntervalSec=600\nStartLimitBurst={reboot_after}"
    return f"{limits}\nStartLimitAction=reboot\n"


def _own_command() -> str:
    beside = Path(sys.prefix) / "bin" / "chargepoint"
    if beside.exists():
        return _quoted(beside)
    return f"{_quoted(Path(sys.executable))} -m chargepoint"


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(path: Path) -> str:
    """A path as one word of a command line; ``%`` and ``$`` mean something there."""
    text = _plain(str(path)).replace("$", "$$")
    return text if shlex.quote(str(path)) == str(path) else '"{}"'.format(text.replace('"', '\\"'))


def _folders(station: "StationConfig", *, dynamic: bool) -> Iterator[str]:
    """Where it may write: its state, and where the ready file goes."""
    folder = station.station.state.absolute()
    if _is_inside(folder, _STATE):
        yield f"StateDirectory={_plain(str(folder.relative_to(_STATE)))}"
        yield "StateDirectoryMode=0700"
    else:
        if dynamic:
            raise click.UsageError(f"--dynamic-user needs station.state inside {_STATE}")
        yield f"# To be made before: install -d -m 0700 -o USER {_word(folder)}"
        yield f"ReadWritePaths={_word(folder)}"
    ready = station.local.ready_file if station.local else None
    if ready is None or _is_inside(ready.absolute(), folder):
        return
    place = ready.absolute().parent
    if _is_inside(place, _RUN) and not _is_inside(place, _HOMES[-1]):
        yield f"RuntimeDirectory={_plain(str(place.relative_to(_RUN)))}"
        yield "RuntimeDirectoryMode=0700"
    else:
        yield f"ReadWritePaths={_word(place)}"


def _word(path: Path) -> str:
    """A path in a list of paths."""
    text = _plain(str(path))
    return f'"{text}"' if " " in text else text


def _is_inside(path: Path, folder: Path) -> bool:
    return path != folder and path.is_relative_to(folder)


def _devices(station: "StationConfig", more: tuple[str, ...]) -> Iterator[str]:
    """The serial ports of the meters, what the board needs, and nothing else."""
    from meters.line import SerialBusConfig

    named = [bus.port for bus in station.buses.values() if isinstance(bus, SerialBusConfig)]
    ports = [port for port in named if port.startswith("/dev/")]  # others are no devices
    found = list(dict.fromkeys([*(one for port in ports for one in _nodes(port)), *more]))
    yield "DevicePolicy=closed"
    if not found:
        yield "PrivateDevices=yes"
    for one in found:
        yield f"DeviceAllow={_plain(one)} rw"


def _nodes(port: str) -> list[str]:
    """What stands behind a port; a name that udev makes may be either kind of adapter."""
    real = Path(port).resolve().name
    kinds = [kind for start, kind in _ADAPTERS.items() if real.startswith(start)]
    if kinds:
        return kinds
    by_udev = port.startswith("/dev/serial/") or Path(port).is_symlink()
    if by_udev and not Path(port).exists():
        return list(_ADAPTERS.values())
    return [str(Path(port).resolve()) if by_udev else port]


def _remarks(station: "StationConfig") -> Iterator[str]:
    boards = sorted({evse.hardware.driver for evse in station.evses} - {"simulated"})
    if boards:
        yield f"# Devices of the board ({', '.join(boards)}) go with --device."
    if station.firmware is not None:
        yield "# firmware.install_command runs within the limits below: let it ask a service of"
        yield "# the system for what needs more (a D-Bus call, a file that a path unit waits for)."


def _in_a_home(station: "StationConfig", config: Path) -> bool:
    csms = station.csms
    files = (csms.ca_file, csms.cert_file, csms.key_file, csms.password_file)
    paths = [config, station.station.state, Path(sys.prefix), *(file for file in files if file)]
    return any(_is_inside(path.absolute(), home) for path in paths for home in _HOMES)
