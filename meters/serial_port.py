"""Opening a serial port: speed, parity, direction of an RS-485 line, for this program alone.

pyserial only opens and configures the port; see ``meters.line`` for the bytes.
"""

import contextlib
import errno
import fcntl
import logging
import os
from typing import TYPE_CHECKING, Final

from meters.bus_config import SerialBusConfig
from meters.errors import MeterUnreachable

if TYPE_CHECKING:
    import serial

log = logging.getLogger(__name__)

_PARITY: Final = {"none": "N", "even": "E", "odd": "O"}


def open_port(config: SerialBusConfig) -> "serial.Serial":
    """The port, open, so that no other program can open it too.

    Raises:
        MeterUnreachable: it cannot be opened, or cannot do what is asked of it; says what to do.
    """
    import termios

    import serial

    # Pseudo-terminals carry bytes without parity and refuse to be told otherwise.
    pseudo = os.path.realpath(config.port).startswith("/dev/pts/")
    port = serial.Serial()
    port.port, port.baudrate, port.exclusive = config.port, config.baudrate, True
    port.stopbits = config.stopbits
    port.inter_byte_timeout = 0  # VMIN 1: an empty buffer is then told apart from a hang-up
    port.parity = "N" if pseudo else _PARITY[config.parity]
    try:
        port.open()
    except (OSError, ValueError, termios.error) as error:
        raise MeterUnreachable(f"{config.port}: {_why_closed(error)}") from error
    try:
        if config.rs485:
            _switch_direction(port, config)
    except MeterUnreachable:
        port.close()
        raise
    if not pseudo:  # its other end would keep the lock when this program is killed
        _keep_others_out(port)
    _be_quick(port)
    return port


def leads_elsewhere(path: str, port: "serial.Serial") -> bool:
    """Whether the path no longer names the open port: renamed, replaced, or unplugged."""
    try:
        return os.stat(path).st_rdev != os.fstat(port.fileno()).st_rdev  # noqa: PTH116 - as open() does
    except OSError:
        return True


def words(error: Exception) -> str:
    """What the system says was wrong."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def _switch_direction(port: "serial.Serial", config: SerialBusConfig) -> None:
    from serial.rs485 import RS485Settings

    high = not config.rs485_active_low
    try:
        port.rs485_mode = RS485Settings(rts_level_for_tx=high, rts_level_for_rx=not high)
    except (OSError, ValueError, NotImplementedError) as error:
        raise MeterUnreachable(
            f"{config.port}: `rs485: true` is refused, this port cannot switch the direction of an"
            " RS485 line; leave the option out if the adapter does it by itself, as those with USB"
        ) from error


def _keep_others_out(port: "serial.Serial") -> None:
    """The lock of pyserial stops programs that ask for it; this one stops (almost) all."""
    import termios

    with contextlib.suppress(OSError):
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)


def _be_quick(port: "serial.Serial") -> None:
    """Without it a USB adapter keeps bytes for up to 16 ms; a plain UART needs none of it."""
    try:
        port.set_low_latency_mode(True)
    except (OSError, ValueError, NotImplementedError) as error:
        log.debug("%s: no low latency mode, %s", port.port, error)


def _why_closed(error: Exception) -> str:
    code = error.args[0] if error.args else None
    match code:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV:
            return "no such port; is the adapter plugged in?"
        case errno.EACCES | errno.EPERM:
            return "no permission; add the user to the group dialout"
        case errno.EBUSY | errno.EAGAIN:
            return "in use by another program"
        case errno.EIO:
            return "the adapter does not respond; unplug it and plug it in again"
        case _:
            return f"cannot be opened, {words(error)}"
