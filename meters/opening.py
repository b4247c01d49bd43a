"""A meter of its own, without a station: name the driver, say where it is, read."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from meters.api import Meter


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

    Raises:
        UnknownDriver: there is none of that name.
        msgspec.ValidationError: a key that is unknown or has a value that cannot be.
        ValueError: a bus is given and not needed, or the other way round.
    """
    import msgspec

    from meters.catalog import load_driver
    from meters.modbus import ModbusBus, bus_config

    found = load_driver(driver)
    config = msgspec.convert(options, found.Config)
    if (found.TRANSPORT == "modbus") != (bus is not None):
        raise ValueError(f"{driver} {'needs a' if bus is None else 'has no'} bus")
    if bus is None:
        yield found.create(config, now=now)
        return
    async with ModbusBus(bus_config(dict(bus))) as line:
        yield found.create(config, line, now=now)
