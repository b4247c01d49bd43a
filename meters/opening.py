"""A meter of its own, without a station: name the driver, say where it is, read."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from meters.api import Meter

if TYPE_CHECKING:
    from meters.catalog import Driver, HttpDriver


def _utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_meter(
    driver: str,
    *,
    bus: Mapping[str, Any] | None = None,
    now: Callable[[], datetime] = _utc_now,
    **options: Any,  # noqa: ANN401 - each driver has its own
) -> AsyncIterator[Meter]:
    """One meter, alone on its bus; nothing is sent before it is first asked something.

    ``bus`` has the keys of an entry under ``buses`` in the config of a station: ``port``,
    ``baudrate`` and so on for a serial line, ``host``, ``tcp_port`` and ``framing`` for a gateway.
    ``options`` are those of the driver::

        bus = {"port": "/dev/ttyUSB0", "baudrate": 115200}
        async with open_meter("carlo_gavazzi_em580", bus=bus, powermeter_device_id=1) as meter:
            print(await meter.read())

        async with open_meter("isabellenhuette_iem_dcr", host="192.168.60.12") as meter:
            print(await meter.read())

    Raises:
        UnknownDriver: there is none of that name.
        msgspec.ValidationError: a key that is unknown or has a value that cannot be.
        ValueError: a bus is given and not needed, or the other way round.
    """
    import msgspec

    from meters.catalog import load_driver
    from meters.modbus import ModbusBus, bus_config

    found = load_driver(driver)
    config = msgspec.convert(options, found.Config, dec_hook=_plain)
    if (found.TRANSPORT == "modbus") != (bus is not None):
        raise ValueError(f"{driver} {'needs a' if bus is None else 'has no'} bus")
    if bus is None:
        async with http_meter(found, config, now=now) as meter:
            yield meter
        return
    async with ModbusBus(bus_config(dict(bus))) as line:
        yield found.create(config, line, now=now)


@asynccontextmanager
async def http_meter(
    driver: "Driver", config: object, *, now: Callable[[], datetime]
) -> AsyncIterator[Meter]:
    """A meter that speaks HTTP, with a connection of its own that ends with the context.

    ``config`` is a ``Config`` of the driver. Nothing is sent before the meter is first asked.
    """
    from meters.http import HttpDevice

    device = HttpDevice(cast("HttpDriver", driver).http_config(config))
    async with device:
        yield driver.create(config, device, now=now)


def _plain(kind: type, value: object) -> object:
    """Types that msgspec does not know, from what a program would give."""
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise NotImplementedError(f"{kind.__name__} from {type(value).__name__}")
