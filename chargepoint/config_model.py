"""What a config says: one struct per section, as a station uses it."""

import ipaddress
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chargepoint.config_yaml import Positions
from meters.line import BusConfig

OcppVersion = Literal["1.6", "2.0.1"]
ConnectorType = Literal[
    "cCCS1",
    "cCCS2",
    "cG105",
    "cTesla",
    "cType1",
    "cType2",
    "s309-1P-16A",
    "s309-1P-32A",
    "s309-3P-16A",
    "s309-3P-32A",
    "sBS1361",
    "sCEE-7-7",
    "sType2",
    "sType3",
    "Other1PhMax16A",
    "Other1PhOver16A",
    "Other3Ph",
    "Pan",
    "wInductive",
    "wResonant",
    "Undetermined",
    "Unknown",
]  # OCPP 2.0.1 ConnectorEnumType
SettingType = Literal[
    "string",
    "decimal",
    "integer",
    "dateTime",
    "boolean",
    "OptionList",
    "SequenceList",
    "MemberList",
]  # OCPP 2.0.1 DataEnumType

TransferScheme = Literal["ftp", "ftps", "http", "https", "sftp"]

SettingText = Annotated[
    str, Meta(description="as OCPP writes it: true, 30; a list is joined with commas")
]


class Password:
    """A secret; only ``reveal`` shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Password) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: values only, no unknown keys."""


class RecordsSection(Section, frozen=True, kw_only=True):
    """How much of the signed records stays on the station.

    What the CSMS does not have, or a meter still holds, stays in any case. A bill can be contested
    for three years from the end of the year (German Civil Code 195, 199): up to four years.
    """

    keep_days: Annotated[
        int, Meta(ge=0, le=36_500, description="after their delivery to the CSMS; 0 without end")
    ] = 1461
    max_count: Annotated[int, Meta(ge=1, description="the oldest go first")] = 1_000_000
    max_size_mb: Annotated[
        int, Meta(ge=1, description="of records and their keys; the oldest go first")
    ] = 500


class StationSection(Section, frozen=True, kw_only=True):
    """Who the station is."""

    id: Annotated[
        str,
        Meta(min_length=1, max_length=48, description="OCPP identity; no ':' and no blanks in it"),
    ]
    vendor: Annotated[
        str, Meta(min_length=1, max_length=50, description="at most 20 characters with OCPP 1.6")
    ]
    model: Annotated[str, Meta(min_length=1, max_length=20)]
    serial_number: Annotated[str, Meta(max_length=25)] = ""
    state: Annotated[
        Path, Meta(description="folder of database, keys and certificates, made with mode 0700")
    ] = Path("state")
    records: RecordsSection = RecordsSection()


class CsmsSection(Section, frozen=True, kw_only=True):
    """The back office and how to reach it.

    ``ocpp`` is in order of preference. ``password`` is there whether it was written in place or
    came from ``password_file``.
    """

    url: Annotated[
        str, Meta(description="ws:// or wss://; the station's id is appended as last path segment")
    ]
    ocpp: Annotated[
        tuple[OcppVersion, ...],
        Meta(min_length=1, description='"2.0.1", "1.6", or a list in order of preference'),
    ]
    security_profile: Annotated[
        int,
        Meta(ge=0, le=3, description="0 nothing, 1 password, 2 TLS, password, 3 TLS, certificate"),
    ] = 0
    password: Annotated[
        Password | None,
        Meta(description="profiles 1, 2; refused when everybody may read the config file"),
    ] = None
    password_file: Annotated[
        Path | None, Meta(description="profiles 1, 2; its first line is the password")
    ] = None
    ca_file: Annotated[Path | None, Meta(description="profiles 2, 3: the roots to trust (PEM)")] = (
        None
    )
    system_roots: Annotated[
        bool, Meta(description="trust the roots of this machine, too: a CSMS with a public one")
    ] = False
    cert_file: Annotated[
        Path | None, Meta(description="profile 3: the station's certificate and chain (PEM)")
    ] = None
    key_file: Annotated[Path | None, Meta(description="profile 3: its private key (PEM)")] = None
    key_command: Annotated[
        tuple[str, ...],
        Meta(description="profile 3: makes keys in a security module or TPM; README, section TLS"),
    ] = ()
    crl_file: Annotated[
        Path | None, Meta(description="lists of revoked CSMSs (PEM, DER), read at each connection")
    ] = None
    crl_url: Annotated[
        str | None, Meta(description="http:// or https://, where such a list is fetched (DER, PEM)")
    ] = None
    ocsp: Annotated[
        bool, Meta(description="ask the responder that the certificate of the CSMS names")
    ] = False
    revocation_required: Annotated[
        bool, Meta(description="no connection if neither list nor responder knows the CSMS")
    ] = False
    profile: Annotated[
        str, Meta(description="what this CSMS needs different; README, section about the CSMS")
    ] = "standard"


class MeterSection(Section, frozen=True, kw_only=True):
    """What all meters have in common."""

    driver: Annotated[
        str, Meta(description="module in meters/drivers, or an entry point `meters.drivers`")
    ]
    bus: Annotated[str | None, Meta(description="for Modbus meters: a name under `buses`")] = None


class MeterConfig(MeterSection, frozen=True, kw_only=True):
    """A meter; ``options`` is the ``Config`` struct of its driver."""

    options: Any


class HardwareSection(Section, frozen=True, kw_only=True):
    """What all boards have in common."""

    driver: Annotated[
        str,
        Meta(description="module in chargepoint/hardware, or an entry point chargepoint.hardware"),
    ]


class HardwareConfig(HardwareSection, frozen=True, kw_only=True):
    """A board's outlet; ``options`` is the ``Config`` struct of its driver."""

    options: Any


class ConnectorSection(Section, frozen=True, kw_only=True):
    """A socket or cable of an EVSE."""

    id: Annotated[int, Meta(ge=1)] = 1
    type: ConnectorType = "Unknown"


class EvseSection(Section, frozen=True, kw_only=True):
    """A place where one vehicle charges at a time."""

    id: Annotated[int, Meta(ge=1, description="1, 2, 3, ... without gaps")]
    evse_id: Annotated[
        str, Meta(max_length=48, description="goes into the signed record, e.g. DE*ABC*E123*1")
    ] = ""
    meter: Annotated[str, Meta(description="a name under `meters`")]
    connectors: Annotated[tuple[ConnectorSection, ...], Meta(min_length=1)] = (ConnectorSection(),)
    max_current_a: Annotated[Decimal, Meta(description="per phase")] = Decimal(32)
    phases: Literal[1, 3] = 3
    voltage_v: Annotated[Decimal, Meta(description="phase to neutral; turns W into A")] = Decimal(
        230
    )
    hardware: HardwareConfig


class CustomSetting(Section, frozen=True, kw_only=True):
    """A variable of the maker: reported, changed and kept like the standard ones.

    ``key`` is its name in OCPP 1.6, by default the last part of the 2.0.1 name. The limits and the
    list are the characteristics of the same names in 2.0.1.
    """

    type: SettingType = "string"
    access: Literal["ReadOnly", "ReadWrite", "WriteOnly"] = "ReadWrite"
    value: SettingText = ""
    key: Annotated[str | None, Meta(max_length=50)] = None
    unit: Annotated[str | None, Meta(max_length=16)] = None
    min_limit: Decimal | None = None
    max_limit: Decimal | None = None
    values_list: tuple[str, ...] = ()


class LocalSection(Section, frozen=True, kw_only=True):
    """The station's own interface."""

    listen: Annotated[
        str, Meta(description="HOST:PORT; port 0 is any free one, [::1]:8600 for IPv6")
    ] = "127.0.0.1:8600"
    ready_file: Annotated[
        Path | None, Meta(description="written when listening: url, token and pid, mode 0600")
    ] = None
    drive_real_hardware: Annotated[
        bool,
        Meta(description="take tokens, faults and network cuts although a board is not simulated"),
    ] = False

    @property
    def host(self) -> str:
        """The address or name to listen on."""
        return listen_address(self.listen)[0]

    @property
    def port(self) -> int:
        """The TCP port, 0 for any free one."""
        return listen_address(self.listen)[1]

    @property
    def exposed(self) -> bool:
        """Whether others than the programs of this machine can connect."""
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() != "localhost"


class FirmwareSection(Section, frozen=True, kw_only=True):
    """How a new firmware is put in place.

    Each command is a program and its arguments, run without a shell.
    """

    install_command: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="gets the file; exit 0 done, 10 restart needed, 20 unfit"),
    ]
    confirm_command: Annotated[
        tuple[str, ...], Meta(description="after a restart: exit 0 if the new firmware runs")
    ] = ()
    reboot_command: Annotated[
        tuple[str, ...],
        Meta(description="restarts the machine; without it the station starts again by itself"),
    ] = ()
    timeout_s: Annotated[int, Meta(ge=1, description="of the install command")] = 1800
    roots: Annotated[
        Path | None,
        Meta(
            description="folder of the maker's roots (*.pem, *.crl); else those that were installed"
        ),
    ] = None
    allow_unsigned: Annotated[
        bool, Meta(description="take updates without certificate and signature")
    ] = False
    max_size_mb: Annotated[int, Meta(ge=1, le=2047)] = 1024
    while_charging: Annotated[
        Literal["nothing", "download", "install"],
        Meta(description="how much of an update does not wait for sessions to end"),
    ] = "download"


class TransfersSection(Section, frozen=True, kw_only=True):
    """Where firmware may come from and logs may go: the CSMS names the addresses."""

    schemes: Annotated[
        tuple[TransferScheme, ...],
        Meta(min_length=1, description="sftp also needs the extra `sftp` and keys/known_hosts"),
    ] = ("ftp", "ftps", "http", "https", "sftp")
    local_addresses: Annotated[
        tuple[str, ...],
        Meta(
            description="networks beside the public ones, like 10.20.0.0/16; an address that"
            " stands in csms.url is always allowed, a name in it is not"
        ),
    ] = ()


class StationConfig(Section, frozen=True, kw_only=True):
    """A whole config, checked.

    ``settings`` holds the text that OCPP would carry: "true", "30", lists joined with commas.
    ``local`` None means no local interface. ``positions`` says where each value was written.
    """

    station: StationSection
    csms: CsmsSection
    buses: dict[str, BusConfig] = {}
    meters: dict[str, MeterConfig]
    evses: Annotated[tuple[EvseSection, ...], Meta(min_length=1)]
    settings: dict[str, SettingText] = {}
    custom_settings: dict[str, CustomSetting] = {}
    local: LocalSection | None = None
    firmware: FirmwareSection | None = None
    transfers: TransfersSection = TransfersSection()
    positions: Positions


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT"; an IPv6 address stands in brackets.

    Raises:
        ValueError: it is something else; the message says what is allowed.
    """
    host, colon, port = text.rpartition(":")
    largest = 65_535
    if not (colon and host and port.isdecimal() and port.isascii() and int(port) <= largest):
        raise ValueError("HOST:PORT with a port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1])), int(port)
        except ValueError as error:
            raise ValueError("HOST:PORT with a valid IPv6 address in the brackets") from error
    if ":" in host:
        raise ValueError("HOST:PORT with an IPv6 address in brackets, like [::1]:8600")
    return host, int(port)
