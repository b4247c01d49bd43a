"""What an installer can say about a LEM DCBM."""

import binascii
import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from meters.http import HttpConfig

_ZONE: Final = re.compile(r"([+-])(\d\d):(?:00|15|30|45)")
_EAST, _WEST = 14, 11
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_DST: Final = (
    '{"activated": false, "offset": 60,'
    ' "start": {"order": "last", "day": "sunday", "month": "march", "hour": "T01:00Z"},'
    ' "end": {"order": "last", "day": "sunday", "month": "october", "hour": "T01:00Z"}}'
)

Port = Annotated[int, Meta(ge=1, le=65_535)]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of a meter with ``driver: lem_dcbm``; the names are those that EVerest has.

    ip_address: of the meter, or its host name.
    port: for HTTP, and for HTTPS as well: the meter speaks one of them on the same port.
    interface: network interface to bind to; only empty can be had, a route does the same.
    meter_tls_certificate: the meter's certificate as PEM text, as ``/v1/certificate`` gives it (the
        two line breaks that are missing there do not matter); not empty means HTTPS with exactly
        that certificate, empty means HTTP.
    ntp_server_1_ip_addr, ntp_server_1_port, ntp_server_2_ip_addr, ntp_server_2_port: with a first
        server the meter takes its time from there, else from this station.
    meter_timezone: offset from UTC, -11:00 to +14:00 in quarters of an hour.
    meter_dst: rule of daylight saving, JSON, handed to the meter as it is.
    resilience_initial_connection_retries: after so many failed polls in a row they no longer all
        ask the meter, but only one each ``resilience_initial_connection_retry_delay``; 0 lets all
        of them ask. A failure is told at once in any case.
    resilience_initial_connection_retry_delay: in ms.
    resilience_transaction_request_retries: how often a question is repeated that belongs to the
        begin or end of a transaction. The command itself is never repeated: it is looked for.
    resilience_transaction_request_retry_delay: in ms.
    cable_id: entry of the meter's table of cable compensations.
    tariff_id: number of the tariff that the meter stores with a transaction.
    IT: identification type of OCMF as the meter numbers it (0 NONE to 17 KEY_CODE); a setting of
        the whole device, chosen once in its life; -1 leaves it as it is.
    SC, UV, UD: written with each transaction to meters with the second version of the interface.
    temperature_warning_level_C, temperature_error_level_C: of the hotter sensor; 5000 is never. The
        second is at least the first.
    temperature_hysteresis_K: so far the temperature must fall until the complaint is taken back.
    temperature_min_time_as_valid_ms: so long a level must be held until it counts.
    command_timeout_ms: for one request, connecting included.
    ready_timeout_s: how long the meter may take to offer the record after the end.
    state_read_interval_s: how often a poll also looks at status and error bits.
    """

    ip_address: Annotated[str, Meta(min_length=1)]
    port: Port = 80
    interface: str = ""
    meter_tls_certificate: str = ""
    ntp_server_1_ip_addr: str = ""
    ntp_server_1_port: Port = 123
    ntp_server_2_ip_addr: str = ""
    ntp_server_2_port: Port = 123
    meter_timezone: str = "+00:00"
    meter_dst: str = _DST
    resilience_initial_connection_retries: Annotated[int, Meta(ge=0)] = 25
    resilience_initial_connection_retry_delay: Annotated[int, Meta(ge=0)] = 10_000
    resilience_transaction_request_retries: Annotated[int, Meta(ge=0)] = 3
    resilience_transaction_request_retry_delay: Annotated[int, Meta(ge=0)] = 250
    cable_id: Annotated[int, Meta(ge=0, le=7)] = 0
    tariff_id: Annotated[int, Meta(ge=0, le=4)] = 0
    IT: Annotated[int, Meta(ge=-1, le=17)] = -1
    SC: int = 0
    UV: str = ""
    UD: str = ""
    temperature_warning_level_C: float = 5000.0  # noqa: N815 - the name that users know
    temperature_error_level_C: float = 5000.0  # noqa: N815
    temperature_hysteresis_K: Annotated[float, Meta(ge=0)] = 3.0  # noqa: N815
    temperature_min_time_as_valid_ms: Annotated[int, Meta(ge=0)] = 5000
    command_timeout_ms: Annotated[int, Meta(ge=1000, le=20_000)] = 5000
    ready_timeout_s: Annotated[int, Meta(ge=1, le=600)] = 40
    state_read_interval_s: Annotated[int, Meta(ge=1, le=3600)] = 60

    def __post_init__(self) -> None:
        """Refuse what the meter would refuse later.

        Raises:
            ValueError: names the key, what was found and what is allowed.
        """
        if self.interface:
            raise ValueError("interface: found a name, expected nothing: set a route to the meter")
        _check_zone(self.meter_timezone)
        if self.ntp_server_2_ip_addr and not self.ntp_server_1_ip_addr:
            raise ValueError("ntp_server_2_ip_addr without ntp_server_1_ip_addr")
        self.daylight_saving()
        self.certificate()

    def daylight_saving(self) -> dict[str, Any]:
        """``meter_dst`` as values.

        Raises:
            ValueError: it is no JSON object.
        """
        try:
            return msgspec.json.decode(self.meter_dst, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ValueError(f"meter_dst: {error}, expected a JSON object") from error

    def certificate(self) -> bytes | None:
        """``meter_tls_certificate`` as DER; None without.

        Raises:
            ValueError: it is no certificate in PEM.
        """
        if not self.meter_tls_certificate.strip():
            return None
        match = _PEM.search(self.meter_tls_certificate)
        if match is None:
            raise ValueError(
                "meter_tls_certificate: expected PEM, -----BEGIN CERTIFICATE-----..., as "
                "/v1/certificate of the meter gives it"
            )
        try:
            # Some copies have their line breaks as two characters, backslash and n.
            text = match[1].replace("\\n", "")
            return binascii.a2b_base64("".join(text.split()), strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"meter_tls_certificate: broken base64, {error}") from error

    def servers(self) -> list[dict[str, Any]]:
        """The NTP servers as the meter wants them, always two if there is one; else none."""
        if not self.ntp_server_1_ip_addr:
            return []
        return [
            {"ipAddress": self.ntp_server_1_ip_addr, "port": self.ntp_server_1_port},
            {"ipAddress": self.ntp_server_2_ip_addr, "port": self.ntp_server_2_port},
        ]


def http_config(config: Config) -> HttpConfig:
    """Where the meter is."""
    certificate = config.certificate()
    return HttpConfig(
        host=config.ip_address,
        port=config.port,
        tls=certificate is not None,
        certificate=certificate,
        timeout_ms=config.command_timeout_ms,
    )


def _check_zone(text: str) -> None:
    match = _ZONE.fullmatch(text)
    most = _WEST if text.startswith("-") else _EAST
    if match is None or int(match[2]) > most or (int(match[2]) == most and text[-2:] != "00"):
        raise ValueError(
            f"meter_timezone: found {text!r}, expected -11:00 to +14:00 in quarters of an hour"
        )
