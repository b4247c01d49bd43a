"""What an installer can say about a line or a gateway."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

_FIXED_GAP_S: Final = 0.00175  # Modbus over serial line 1.02, 2.5.1.1: above 19200 baud
_FIXED_GAP_ABOVE: Final = 19_200
_POLL_PATIENCE_MS: Final = 3000


class SerialBusConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An RS-485 adapter or a UART.

    ``timeout_ms`` is how long a meter may take before the first byte of its answer. ``pause_ms`` is
    added to the silence between two frames, for meters that need more than the standard asks.
    ``attempts`` and ``retry_delay_ms`` between them are for meters that have no such keys of their
    own. ``poll_patience_ms`` is how long a poll may wait for records of other meters.
    ``echo`` says that the adapter gives back every byte sent. ``rs485`` lets the kernel switch the
    direction of a UART through its RTS pin, ``rs485_active_low`` inverts that pin.
    """

    port: Annotated[str, Meta(min_length=1)]
    baudrate: Annotated[int, Meta(ge=300, le=1_000_000)] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1
    timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 500
    pause_ms: Annotated[int, Meta(ge=0, le=1000)] = 0
    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    retry_delay_ms: Annotated[int, Meta(ge=0, le=10_000)] = 500
    poll_patience_ms: Annotated[int, Meta(ge=0, le=60_000)] = _POLL_PATIENCE_MS
    echo: bool = False
    rs485: bool = False
    rs485_active_low: bool = False

    @property
    def character_s(self) -> float:
        """Seconds that one byte takes: start, eight data bits, parity if any, stop."""
        return (9 + (self.parity != "none") + self.stopbits) / self.baudrate

    @property
    def gap_s(self) -> float:
        """Silence between two frames: 3.5 characters, at high speeds a fixed time."""
        fast = self.baudrate > _FIXED_GAP_ABOVE
        gap = _FIXED_GAP_S if fast else 3.5 * self.character_s
        return gap + self.pause_ms / 1000


class TcpBusConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A gateway: RTU frames over TCP, or Modbus TCP.

    ``timeout_ms`` includes the time that the answer takes on the line behind the gateway. The other
    keys are those of a serial line.
    """

    host: Annotated[str, Meta(min_length=1)]
    tcp_port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    framing: Literal["rtu", "tcp"] = "tcp"
    timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1000
    pause_ms: Annotated[int, Meta(ge=0, le=1000)] = 0
    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    retry_delay_ms: Annotated[int, Meta(ge=0, le=10_000)] = 500
    poll_patience_ms: Annotated[int, Meta(ge=0, le=60_000)] = _POLL_PATIENCE_MS
    connect_timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 3000

    @property
    def character_s(self) -> float:
        """Zero: the time on the line behind the gateway is not known."""
        return 0.0

    @property
    def gap_s(self) -> float:
        """Only the pause that was asked for; the gateway keeps the silence on its line."""
        return self.pause_ms / 1000


BusConfig = SerialBusConfig | TcpBusConfig


def bus_config(fields: dict[str, Any]) -> BusConfig:
    """The config of a bus from its mapping: with ``host`` a gateway, else a serial line.

    Raises:
        msgspec.ValidationError: unknown key, wrong type or value out of range, with its path.
    """
    kind: type[BusConfig] = TcpBusConfig if "host" in fields else SerialBusConfig
    return msgspec.convert(fields, kind)
