"""A serial line on which a meter does not answer: listens, then asks at other settings and units.

Order, from what disturbs nobody to what takes time: the port; listening without a word (a second
master shows itself); the meters once more, with patience; other speeds and parities; other units;
both together. Ends with what explains the silence. Everything sent is one read per try, bounded
by ``LONGEST_S``.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from meters.diagnosis import port
from meters.diagnosis.finding import Finding
from meters.diagnosis.probe import Heard, Suspect, ask, frames_in, line_of, listen, to_unit
from meters.errors import MeterUnreachable
from meters.line import Line, SerialBusConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONGEST_S: Final = 60.0
"""After so long the search ends with what it has."""

SPEEDS: Final = (9600, 19_200, 38_400, 57_600, 115_200)
PARITIES: Final[tuple[Literal["none", "even"], ...]] = ("none", "even")
UNITS: Final = range(1, 248)

_LISTEN_S: Final = 1.5
_PATIENT_MS: Final = 1000
_QUICK_MS: Final = 250
_UNIT_MS: Final = 60
_FEW_UNITS: Final = (1, 2, 3, 4, 5, 10)  # addresses that meters leave the factory with
_MOST_SUSPECTS: Final = 3
_TAKE_TURNS_S: Final = 0.005

Tell = Callable[[str], None]


async def look_at_serial_line(
    config: SerialBusConfig,
    suspects: Sequence[Suspect],
    *,
    known: Iterable[int] = (),
    tell: Tell = lambda _: None,
) -> list[Finding]:
    """Why the suspects do not answer, the most likely reason first.

    ``known`` are units of meters on this line that do answer; ``tell`` is given what is being
    done, for somebody who waits.
    """
    search = _Search(config, suspects, frozenset(known), tell)
    try:
        async with asyncio.timeout(LONGEST_S):
            await search.run()
    except MeterUnreachable as error:
        if not search.found:
            search.found.append(port.closed_port(config.port, error))
    except TimeoutError:
        pass
    if not search.found:
        search.found.append(search.nothing())
    return search.found


def settings(config: SerialBusConfig) -> Iterator[SerialBusConfig]:
    """The other usual speeds and parities, those that differ least first."""
    pairs = [(speed, parity) for speed in SPEEDS for parity in PARITIES]
    here = (config.baudrate, config.parity)
    ordered = sorted(pairs, key=lambda pair: (pair[0] != here[0], pair[1] != here[1]))
    for speed, parity in ordered:
        if (speed, parity) != here:
            yield msgspec.structs.replace(config, baudrate=speed, parity=parity)


class _Search:
    """One search; ``found`` grows."""

    def __init__(
        self,
        config: SerialBusConfig,
        suspects: Sequence[Suspect],
        known: frozenset[int],
        tell: Tell,
    ) -> None:
        self.found: list[Finding] = []
        self._config = config
        self._suspects = list(suspects)
        self._known = known
        self._tell = tell
        self._noise = 0
        self._tried_units = 0

    async def run(self) -> None:
        """Look until something explains it.

        Raises:
            MeterUnreachable: the port cannot be opened, or went away.
        """
        self._tell(f"listening on {self._config.port}")
        data = await listen(self._config, _LISTEN_S)
        if shared := port.shared_port(self._config.port):
            self.found.append(shared)
            return
        if data:
            await self._others_talk(data)
            return
        await self._again()
        if not self._suspects:
            return
        if not self._known:
            await self._other_settings([suspect.request.unit for suspect in self._suspects])
        if not self.found:
            await self._other_units()
        if not self.found and not self._known:
            await self._other_settings(_FEW_UNITS)

    async def _others_talk(self, data: bytes) -> None:
        """Bytes without a question. Nothing is sent now: it would only add to the muddle."""
        frames, noise = frames_in(data)
        if frames:
            self.found.append(_second_master(self._config, frames))
            return
        for config in settings(self._config):
            self._tell(f"listening at {_words(config)}")
            frames, _ = frames_in(await listen(config, _LISTEN_S))
            if frames:
                self.found.append(_second_master(config, frames))
                return
        self.found.append(
            Finding(
                "noise",
                f"{noise} bytes in {_LISTEN_S:g} s that nobody asked for and that are no frames at "
                "any usual speed: noise.",
                "Check A and B (D+ and D-) are not swapped, that both ends share GND, and that the "
                "line has its 120 ohm termination and bias; keep it away from power cables.",
            )
        )

    async def _again(self) -> None:
        """The meters at the configured settings, with more patience than the driver had."""
        self._tell(f"asking again at {_words(self._config)}")
        echo, left = False, []
        async with _opened(self._config) as line:
            for suspect in self._suspects:
                heard = await self._ask(line, suspect, timeout_ms=_PATIENT_MS)
                echo = echo or heard.echo
                if suspect.request.unit in heard.units:
                    self.found.append(self._answers_now(suspect, heard))
                else:
                    left.append(suspect)
        self._suspects = left
        if echo and not self._config.echo and not any(one.code == "echo" for one in self.found):
            self.found.append(_echo(()))

    def _answers_now(self, suspect: Suspect, heard: Heard) -> Finding:
        unit, names = suspect.request.unit, (suspect.name,)
        if heard.echo and not self._config.echo:
            return _echo(names)
        return Finding(
            "answers-now",
            f"Unit {unit} answers when it is given {_PATIENT_MS} ms; it did not just before.",
            f"Raise `timeout_ms` of the bus (now {self._config.timeout_ms}); if that is not it, "
            "look for a loose wire, missing termination, or a meter that was just starting.",
            names,
        )

    async def _other_settings(self, units: Sequence[int]) -> None:
        suspects = self._suspects[:_MOST_SUSPECTS]
        wanted = dict.fromkeys(units[: max(_MOST_SUSPECTS, len(_FEW_UNITS))])
        for config in settings(self._config):
            self._tell(f"trying {_words(config)}")
            async with _opened(config) as line:
                for unit in wanted:
                    heard = await self._ask(line, suspects[0], unit, timeout_ms=_QUICK_MS)
                    if unit in heard.units:
                        self.found.append(self._wrong_settings(config, unit))
                        return

    def _wrong_settings(self, config: SerialBusConfig, unit: int) -> Finding:
        sentence = (
            f"Unit {unit} answers at {_words(config)}; the config says {_words(self._config)}"
        )
        step = f"Set `baudrate: {config.baudrate}` and `parity: {config.parity}` of the bus"
        names = tuple(one.name for one in self._suspects if one.request.unit == unit)
        if not names:
            asked = _list(one.request.unit for one in self._suspects)
            sentence += f" and unit {asked}"
            step += f", and unit {unit} (`powermeter_device_id`) of the meter"
        return Finding(
            "wrong-settings",
            f"{sentence}.",
            f"{step}; or set the meter to what the config says.",
            names,
        )

    async def _other_units(self) -> None:
        self._tell(f"asking units {UNITS[0]} to {UNITS[-1]} at {_words(self._config)}")
        wanted = {one.request.unit for one in self._suspects}
        asked: set[int] = set()
        answered: set[int] = set()
        async with _opened(self._config) as line:
            for unit in UNITS:
                if unit in wanted | self._known:
                    continue
                asked.add(unit)
                heard = await self._ask(line, self._suspects[0], unit, timeout_ms=_UNIT_MS)
                answered |= heard.units
                self._tried_units = unit
        strangers = sorted(answered & asked)
        if strangers:
            self.found.append(self._wrong_unit(strangers))
        elif self._known:
            self.found.append(self._missing())

    def _wrong_unit(self, strangers: Sequence[int]) -> Finding:
        missing = _list(one.request.unit for one in self._suspects)
        return Finding(
            "wrong-unit",
            f"Nobody answers as unit {missing}, but unit {_list(strangers)} does, at the "
            "settings of the config.",
            f"Set the meter's unit (`powermeter_device_id`) to {strangers[0]}, or set the address "
            "in the meter.",
            tuple(one.name for one in self._suspects),
        )

    def _missing(self) -> Finding:
        missing = _list(one.request.unit for one in self._suspects)
        return Finding(
            "missing-unit",
            f"Unit {_list(sorted(self._known))} answers, so port, speed and parity are right; unit "
            f"{missing} is not on this line, nor is any other up to {UNITS[-1]}.",
            "Has this meter power? Check its wires A and B, and in its menu address, speed and "
            "parity.",
            tuple(one.name for one in self._suspects),
        )

    def nothing(self) -> Finding:
        """What to say if no try explained anything."""
        if self._noise:
            return Finding(
                "noise",
                "Only noise comes back, at every usual speed and parity.",
                "Swap A and B (D+ and D-); if that is not it, check GND, termination (120 ohm at "
                "both ends) and bias.",
            )
        return Finding(
            "silence",
            f"Not a byte comes back: not at any usual speed and parity, and not from any unit up "
            f"to {self._tried_units or UNITS[-1]}.",
            "Has the meter power? Swap A and B (D+ and D-): makers name them differently. Then "
            "check GND, the terminals, and that the adapter is for RS-485.",
        )

    async def _ask(
        self, line: Line, suspect: Suspect, unit: int | None = None, *, timeout_ms: int
    ) -> Heard:
        request = suspect.request if unit is None else to_unit(suspect.request, unit)
        heard = await ask(line, request, timeout_ms=timeout_ms)
        self._noise += heard.noise
        await asyncio.sleep(max(self._config.gap_s, _TAKE_TURNS_S))
        return heard


@asynccontextmanager
async def _opened(config: SerialBusConfig) -> "AsyncIterator[Line]":
    line = line_of(config)
    await line.open()
    try:
        yield line
    finally:
        line.close()


def _second_master(config: SerialBusConfig, frames: Sequence[bytes]) -> Finding:
    units = _list(sorted({frame[0] for frame in frames}))
    return Finding(
        "second-master",
        f"Somebody else talks on this line: {len(frames)} frames in {_LISTEN_S:g} s at "
        f"{_words(config)} that we did not ask for, with unit {units}.",
        "A Modbus line has one master: take the other one off (another charger controller, a "
        "gateway, a display), or give it a line of its own.",
    )


def _echo(names: tuple[str, ...]) -> Finding:
    words = "and the meter's answer follows" if names else "and no answer follows"
    return Finding(
        "echo",
        f"The adapter sends back every byte that we send, {words}.",
        "Set `echo: true` of the bus, or switch the echo off at the adapter.",
        names,
    )


def _words(config: SerialBusConfig) -> str:
    return f"{config.baudrate} baud, parity {config.parity}"


def _list(units: Iterable[int]) -> str:
    return ", ".join(str(unit) for unit in units)
