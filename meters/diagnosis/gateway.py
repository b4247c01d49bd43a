"""A gateway behind which a meter does not answer: host, port, framing, units, the line behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from meters.diagnosis.finding import Finding
from meters.diagnosis.network import unreachable
from meters.diagnosis.probe import Heard, Suspect, ask, line_of, to_unit
from meters.errors import MeterUnreachable
from meters.line import Line, TcpBusConfig

LONGEST_S: Final = 45.0
UNITS: Final = range(1, 33)
"""A gateway takes its own time-out for each unit that is not there, so only the usual ones."""

_PORTS: Final = (502, 503, 4001, 8899, 23)
_PATIENT_MS: Final = 2000
_UNIT_MS: Final = 1000


async def look_at_gateway(
    config: TcpBusConfig,
    suspects: Sequence[Suspect],
    *,
    known: Iterable[int] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Why the suspects do not answer; ``known`` are units that do."""
    tell(f"connecting to {config.host}:{config.tcp_port}")
    trouble = await unreachable(config.host, config.tcp_port, usual=_PORTS)
    if trouble is not None:
        return [trouble]
    found: list[Finding] = []
    try:
        async with asyncio.timeout(LONGEST_S):
            found = await _behind(config, suspects, frozenset(known), tell)
    except TimeoutError:
        pass
    except MeterUnreachable as error:
        found = [_hangs_up(config, error)]
    return found or [_silent(config)]


async def _behind(
    config: TcpBusConfig,
    suspects: Sequence[Suspect],
    known: frozenset[int],
    tell: Callable[[str], None],
) -> list[Finding]:
    first = suspects[0]
    other = "rtu" if config.framing == "tcp" else "tcp"
    heard = {}
    for framing in (config.framing, other):
        tell(f"asking in {framing} framing")
        async with _opened(config) as line:
            heard[framing] = await ask(line, first.request, timeout_ms=_PATIENT_MS, framing=framing)
        if heard[framing].units:
            break
    if heard.get(other, Heard()).units:
        return [_wrong_framing(config, other)]
    here = heard[config.framing]
    if first.request.unit in here.units and not here.gateway:
        return [_answers_now(config, first)]
    strangers = await _other_units(config, first, known, tell)
    if strangers:
        return [_wrong_unit(suspects, strangers)]
    return [_line_behind(config, suspects)] if here.gateway or known else []


async def _other_units(
    config: TcpBusConfig, suspect: Suspect, known: frozenset[int], tell: Callable[[str], None]
) -> list[int]:
    tell(f"asking units {UNITS[0]} to {UNITS[-1]}")
    found = []
    for unit in UNITS:
        if unit == suspect.request.unit or unit in known:
            continue
        async with _opened(config) as line:  # anew: a late answer is left behind
            question = to_unit(suspect.request, unit)
            heard = await ask(line, question, timeout_ms=_UNIT_MS, framing=config.framing)
        if unit in heard.units and not heard.gateway:
            found.append(unit)
    return found


@asynccontextmanager
async def _opened(config: TcpBusConfig) -> AsyncIterator[Line]:
    line = line_of(config)
    await line.open()
    try:
        yield line
    finally:
        line.close()
        await asyncio.sleep(0)


def _where(config: TcpBusConfig) -> str:
    return f"{config.host}:{config.tcp_port}"


def _wrong_framing(config: TcpBusConfig, framing: str) -> Finding:
    return Finding(
        "wrong-framing",
        f"The gateway {_where(config)} answers in {framing} framing, the config says "
        f"{config.framing}.",
        f"Set `framing: {framing}` of the bus.",
    )


def _answers_now(config: TcpBusConfig, suspect: Suspect) -> Finding:
    return Finding(
        "answers-now",
        f"Unit {suspect.request.unit} answers when it is given {_PATIENT_MS} ms; it did not "
        "just before.",
        f"Raise `timeout_ms` of the bus (now {config.timeout_ms}): it includes the time that the "
        "answer takes on the line behind the gateway.",
        (suspect.name,),
    )


def _wrong_unit(suspects: Sequence[Suspect], strangers: Sequence[int]) -> Finding:
    missing = ", ".join(str(one.request.unit) for one in suspects)
    there = ", ".join(map(str, strangers))
    return Finding(
        "wrong-unit",
        f"Nobody answers as unit {missing} behind the gateway, but unit {there} does.",
        f"Set the meter's unit (`powermeter_device_id`) to {strangers[0]}, or set the address in "
        "the meter.",
        tuple(one.name for one in suspects),
    )


def _line_behind(config: TcpBusConfig, suspects: Sequence[Suspect]) -> Finding:
    missing = ", ".join(str(one.request.unit) for one in suspects)
    return Finding(
        "line-behind-gateway",
        f"The gateway {_where(config)} answers and cannot reach unit {missing}.",
        "Check baud rate and parity in the gateway, A and B behind it, and the meter's address and "
        "power.",
        tuple(one.name for one in suspects),
    )


def _silent(config: TcpBusConfig) -> Finding:
    return Finding(
        "gateway-silent",
        f"{_where(config)} takes the connection and never answers, in rtu or tcp framing, for unit "
        f"{UNITS[0]} to {UNITS[-1]}.",
        "Is it a Modbus gateway, in server mode? Then check baud rate, parity, A and B on the line "
        "behind it, and the meter's power.",
    )


def _hangs_up(config: TcpBusConfig, error: MeterUnreachable) -> Finding:
    return Finding(
        "gateway-hangs-up",
        f"{_where(config)} takes the connection and ends it when it is asked ({error}).",
        "Are other masters connected already? Many gateways serve only one to four. If not: is it "
        "a Modbus gateway?",
    )
