"""Tries every meter of a config, then looks into why some did not answer. Never writes to one.

Meters of one bus take turns on it, buses are tried side by side. Only when all have been tried and
the buses are closed again is anything searched for, so a search never disturbs a meter's answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chargepoint.cli.trial import Trial
from chargepoint.clock import SystemClock
from meters.catalog import load_driver
from meters.diagnosis import (
    Finding,
    ReadOnlyBus,
    ReadOnlyDevice,
    Suspect,
    first_request,
    look_at_gateway,
    look_at_serial_line,
    look_at_web,
    would_write,
)
from meters.errors import MeterError, MeterUnreachable
from meters.line import SerialBusConfig
from meters.model import Quantity

if TYPE_CHECKING:
    from chargepoint.config import StationConfig
    from meters.api import Meter
    from meters.model import MeterInfo, Reading

METER_FAILED = 3
_READ_TIMEOUT_S = 30.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Tried:
    """A meter's name, what came of it, and whether it was silence that a search may explain."""

    name: str
    trial: Trial
    silent: bool


async def try_meters(station: "StationConfig", tell: Tell = lambda _: None) -> list[Trial]:
    """A trial per meter, in the order of the file; ``tell`` is given what takes long."""
    async with _opened(station) as meters:
        tried = await asyncio.gather(*(_try(name, meter) for name, meter in meters.items()))
    silent = {one.name for one in tried if one.silent}
    searches = [_search_bus(station, bus, silent, tell) for bus in station.buses]
    searches += [_search_web(station, name, tell) for name in silent]
    found = [finding for one in await asyncio.gather(*searches) for finding in one]
    return [replace(one.trial, findings=_about(found, one)) for one in tried]


async def try_meter(name: str, meter: "Meter") -> Trial:
    """Ask a meter who it is and read it once."""
    return (await _try(name, meter)).trial


async def _try(name: str, meter: "Meter") -> _Tried:
    what = f"meter {name}"
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            who = await meter.identify()
            reading = await meter.read()
    except TimeoutError:
        words = f"no answer in {_READ_TIMEOUT_S:g} s"
        return _Tried(name, Trial(what, good=False, words=words, code=METER_FAILED), silent=True)
    except MeterError as error:
        if would_write(error):
            words = "answers; the station has to write to it before it can read, a check does not"
            return _Tried(name, Trial(what, good=True, words=words), silent=False)
        trial = Trial(what, good=False, words=str(error), code=METER_FAILED)
        return _Tried(name, trial, isinstance(error, MeterUnreachable))
    return _Tried(name, Trial(what, good=True, words=_who(who, reading)), silent=False)


def _about(found: Iterable[tuple[tuple[str, ...], Finding]], tried: _Tried) -> tuple[Finding, ...]:
    if not tried.silent:
        return ()
    return tuple(
        finding for names, finding in found if tried.name in names and finding.concerns(tried.name)
    )


_Found = list[tuple[tuple[str, ...], Finding]]
"""Findings, each with the meters that were looked for when it was made."""


async def _search_bus(station: "StationConfig", bus: str, silent: set[str], tell: Tell) -> _Found:
    config = station.buses[bus]
    there = [name for name, meter in station.meters.items() if meter.bus == bus]
    wanted = [name for name in there if name in silent]
    if not wanted:
        return []
    requests = {}
    for name in there:
        meter = station.meters[name]
        requests[name] = await first_request(load_driver(meter.driver), meter.options, config)
    suspects = [Suspect(name, requests[name]) for name in wanted]
    known = [requests[name].unit for name in there if name not in silent]
    if isinstance(config, SerialBusConfig):
        found = await look_at_serial_line(config, suspects, known=known, tell=tell)
    else:
        found = await look_at_gateway(config, suspects, known=known, tell=tell)
    return [(tuple(wanted), finding) for finding in found]


async def _search_web(station: "StationConfig", name: str, tell: Tell) -> _Found:
    meter = station.meters[name]
    if meter.bus is not None:
        return []
    driver: Any = load_driver(meter.driver)
    found = await look_at_web(driver.http_config(meter.options), name, tell=tell)
    return [((name,), finding) for finding in found]


@asynccontextmanager
async def _opened(station: "StationConfig") -> AsyncIterator[Mapping[str, "Meter"]]:
    """All meters, on buses and connections that refuse to write."""
    now = SystemClock().now
    async with AsyncExitStack() as stack:
        buses = {
            name: await stack.enter_async_context(ReadOnlyBus(bus))
            for name, bus in station.buses.items()
        }
        meters: dict[str, Meter] = {}
        for name, meter in station.meters.items():
            driver: Any = load_driver(meter.driver)
            if meter.bus is not None:
                meters[name] = driver.create(meter.options, buses[meter.bus], now=now)
                continue
            device = ReadOnlyDevice(driver.http_config(meter.options))
            await stack.enter_async_context(device)
            meters[name] = driver.create(meter.options, device, now=now)
        yield meters


def _who(who: "MeterInfo", reading: "Reading") -> str:
    words = [f"{who.vendor} {who.model}"]
    words += [f"serial {who.serial_number}"] if who.serial_number else []
    words += [f"firmware {who.firmware}"] if who.firmware else []
    words.append(f"signs with {who.signing_method}" if who.signing_method else "does not sign")
    energy = reading.value(Quantity.ENERGY_IMPORT)
    words.append("no energy register" if energy is None else f"{energy / 1000:.3f} kWh")
    return ", ".join(words)
