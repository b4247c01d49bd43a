"""What an installer can say about an IEM-DCR."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from meters.drivers.isabellenhuette_iem_dcr.times import check_zone
from meters.drivers.isabellenhuette_iem_dcr.wire import error_words
from meters.errors import MeterDataError
from meters.http import HttpConfig

PLACEHOLDER_CI: Final = "1234"
NO_ERRORS: Final = "0x0000, 0x00000000, 0x00, 0x00"


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of a meter with ``driver: isabellenhuette_iem_dcr``.

    ip_address: address of the meter; ``host``, an address or a name, says the same and wins.
    port_http: TCP port.
    timezone: local normal time as the record shows it, sign, hours, minutes.
    timezone_handle_DST: one hour more from the last Sunday of March to the last of October, at
        01:00 UTC (the rule of the European Union).
    timezone_name: a zone such as ``Europe/Berlin``; wins over both.
    time_text: ``consistent`` names the offset that the digits have; ``everest`` names that of
        normal time all the year, for firmware that takes the digits and ignores the offset.
    datetime_resync_interval: hours after which the clock is set again; never in a transaction.
    resilience_initial_connection_retry_delay: ms between attempts to connect, as far as polls make
        them; begin, end and release always try at once.
    resilience_transaction_request_retries: how often a request of begin or end that the meter
        declined is repeated. One whose answer was lost is not: first comes a look.
    resilience_transaction_request_retry_delay: ms before that.
    CT, CI: kind and identification of the charge point. The meter takes them once, and keeps them
        until its power is cut. CI is the EVSE id; the default 1234, a placeholder, stands for "the
        EVSE id with which the first transaction begins".
    TT_initial: tariff text that the meter shows before there is a transaction; empty: none.
    US: the meter shows the identification of the user.
    request_timeout_ms: for one request, connecting included.
    signature_timeout_ms: how long the meter may take to sign.
    current_timeout_ms: how long an end waits for the current to decay: the meter ends nothing
        while one flows.
    transaction_id_in: where our id of the transaction stands in the record: ``tariff``, behind the
        tariff text, or ``identification``, for firmware without a tariff text per transaction.
        The record then does not name the user.
    ignored_errors: bits of the error code (field XC, written like it) that do not keep a
        transaction from beginning.
    """

    ip_address: Annotated[str, Meta(min_length=1)] = "192.168.60.12"
    host: str = ""
    port_http: Annotated[int, Meta(ge=0, le=65_535)] = 80
    timezone: Annotated[str, Meta(pattern=r"^[+-](0\d|1[0-4])[0-5]\d$")] = "+0100"
    timezone_handle_DST: bool = True  # noqa: N815 - the name that users know
    timezone_name: str = ""
    time_text: Literal["consistent", "everest"] = "consistent"
    datetime_resync_interval: Annotated[int, Meta(ge=1, le=24)] = 2
    resilience_initial_connection_retry_delay: Annotated[int, Meta(ge=1000, le=65_535)] = 10_000
    resilience_transaction_request_retries: Annotated[int, Meta(ge=0, le=5)] = 3
    resilience_transaction_request_retry_delay: Annotated[int, Meta(ge=200, le=1000)] = 250
    CT: Annotated[str, Meta(min_length=1, pattern=r"^[^|]+$")] = "EVSEID"
    CI: Annotated[str, Meta(min_length=1, pattern=r"^[^|]+$")] = PLACEHOLDER_CI
    TT_initial: Annotated[str, Meta(max_length=250, pattern=r"^[^|]*$")] = ""
    US: bool = False
    request_timeout_ms: Annotated[int, Meta(ge=100, le=60_000)] = 5000
    signature_timeout_ms: Annotated[int, Meta(ge=100, le=600_000)] = 30_000
    current_timeout_ms: Annotated[int, Meta(ge=0, le=60_000)] = 10_000
    transaction_id_in: Literal["tariff", "identification"] = "tariff"
    ignored_errors: str = NO_ERRORS

    def __post_init__(self) -> None:
        """Refuse what a type cannot.

        Raises:
            ValueError: a zone that nobody knows, or no error code.
        """
        check_zone(self.timezone_name)
        try:
            error_words(self.ignored_errors)
        except MeterDataError as error:
            raise ValueError(f"ignored_errors: {error}") from error

    @property
    def charge_point(self) -> str:
        """The identification that was chosen; empty while it is the placeholder."""
        return "" if self.CI == PLACEHOLDER_CI else self.CI


def http_config(config: Config) -> HttpConfig:
    """Where the meter is."""
    return HttpConfig(
        host=config.host or config.ip_address,
        port=config.port_http,
        timeout_ms=config.request_timeout_ms,
    )
