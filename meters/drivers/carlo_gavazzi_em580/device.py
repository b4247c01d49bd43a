"""One meter's registers by name, each with what the driver must know about reading them."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from meters.drivers.carlo_gavazzi_em580 import layout, record
from meters.drivers.carlo_gavazzi_em580.layout import Charging, Command, State
from meters.drivers.carlo_gavazzi_em580.record import NoRecord
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.modbus import ModbusException, ModbusUnit, UnexpectedAnswer
from meters.registers import text
from meters.rtu import BUSY

_NO_SUCH_ADDRESS: Final = 0x02
_BUSY_DELAY_S: Final = 0.2
_CLOCK_TOLERANCE_S: Final = 2
_SIZE_CHECKS: Final = 3
_ALL: Final = layout.MAX_RECORD_WORDS


class Device:
    """Everything a command needs of the meter; goes before the polls of other meters."""

    def __init__(
        self,
        unit: ModbusUnit,
        *,
        attempts: int,
        look: Callable[[bytes], None] = record.look_into,
    ) -> None:
        self._unit = unit
        self._attempts = attempts
        self._look = look
        self._absent: set[int] = set()
        self._joint = True  # state and size of the record may be read in one request

    async def read(
        self, address: int, count: int = 1, *, attempts: int | None = None
    ) -> tuple[int, ...]:
        """Registers that every meter of the kind has."""
        return await self._unit.read_input(address, count, attempts=attempts, urgent=True)

    async def optional(
        self, address: int, count: int = 1, *, attempts: int | None = None
    ) -> tuple[int, ...] | None:
        """Registers that can be done without: None if the meter gives none.

        Not asked again once the meter said that there is no such address.
        """
        if address in self._absent:
            return None
        try:
            return await self.read(address, count, attempts=attempts)
        except ModbusException as error:
            if error.code == BUSY:
                raise
            if error.code == _NO_SUCH_ADDRESS:
                self._absent.add(address)
            return None

    async def identification(self) -> int:
        """The code of the model; asked once only, so that a missing meter costs one time-out."""
        (code,) = await self.read(layout.IDENTIFICATION, attempts=1)
        return code

    async def state(self) -> State:
        """The OCMF state."""
        (word,) = await self.read(layout.STATE)
        return _state(word)

    async def charging(self) -> Charging | None:
        """The charging status; None if the meter does not tell, or tells something unknown."""
        words = await self.optional(layout.CHARGING)
        return None if words is None or words[0] > max(Charging) else Charging(words[0])

    async def tariff_text(self) -> str:
        """The tariff text of the running or last transaction."""
        return text(await self.read(layout.TARIFF, layout.TARIFF_WORDS))

    async def write_field(self, name: str, address: int, words: Sequence[int]) -> None:
        """Write one field of the coming transaction.

        Raises:
            MeterRefused: the meter said no.
        """
        try:
            await self._unit.write(address, words, urgent=True)
        except ModbusException as error:
            raise MeterRefused(f"the meter does not take the {name}: {error}") from error

    async def command(self, command: Command) -> None:
        """Give a command once. Only "busy", which says that nothing was done, is asked again.

        Raises:
            MeterUnreachable: the answer was lost; whether it was done is not known.
            ModbusException: the meter said no.
        """
        for left in range(self._attempts - 1, -1, -1):
            try:
                await self._unit.write(layout.COMMAND, (command,), attempts=1, urgent=True)
            except UnexpectedAnswer as error:
                raise MeterUnreachable(str(error)) from error
            except ModbusException as error:
                if error.code != BUSY or not left:
                    raise
                await asyncio.sleep(_BUSY_DELAY_S)
            else:
                return

    async def confirm(self) -> None:
        """Let the meter forget the record. May be repeated: a free meter ignores it."""
        await self._unit.write(layout.STATE, (State.NOT_READY,), urgent=True)

    async def record(self) -> bytes:
        """The record as it stands in the meter, without the padding behind it.

        Raises:
            NoRecord: its size makes no sense, or changed while it was read, several times.
        """
        for _ in range(_SIZE_CHECKS):
            before = await self._file()
            if not 1 <= before.size <= layout.MAX_RECORD_WORDS:
                raise NoRecord(
                    f"record of {before.size} words, 1 to {layout.MAX_RECORD_WORDS} are possible"
                )
            document = await self._document(before.size)
            # Here the line must be silent for a while anyway, so the look costs no time.
            self._look(document)
            if await self._file() == _File(State.READY, before.size):
                return document
        raise NoRecord("the record changed while it was read")

    async def salvage(self) -> bytes:
        """Whatever stands where records stand, if need be all there is room for."""
        size = (await self._file()).size
        return await self._document(size if 1 <= size <= _ALL else _ALL)

    async def clock(self) -> int:
        """The meter's time in Unix seconds."""
        return layout.whole(await self.read(layout.CLOCK, 4))

    async def clock_is_set(self) -> bool | None:
        """Whether the meter calls its clock synchronised; None if it does not tell."""
        words = await self.optional(layout.CLOCK_STATUS)
        return None if words is None else words[0] == 1

    async def set_clock(self, now: Callable[[], datetime], utc_offset_min: int) -> None:
        """Set time and time zone and look whether the meter took them.

        The time is taken anew for each attempt, so that a lost answer does not set the clock back.

        Raises:
            MeterRefused: the meter said no, as it does for some seconds after power-up.
        """
        zone = utc_offset_min & 0xFFFF
        try:
            if await self.read(layout.UTC_OFFSET) != (zone,):
                await self._unit.write(layout.UTC_OFFSET, (zone,), urgent=True)
            await self._write_clock(now)
        except ModbusException as error:
            raise MeterRefused(f"the meter does not take the time: {error}") from error
        taken = await self.clock_is_set()
        if taken is None:
            taken = abs(await self.clock() - now().timestamp()) <= _CLOCK_TOLERANCE_S
        if not taken:
            raise MeterRefused("the meter took the time and still calls its clock not set")

    async def _write_clock(self, now: Callable[[], datetime]) -> None:
        for left in range(self._attempts - 1, -1, -1):
            words = layout.clock_words(round(now().timestamp()))
            try:
                await self._unit.write(layout.CLOCK, words, attempts=1, urgent=True)
            except (MeterUnreachable, UnexpectedAnswer):
                if not left:
                    raise
            else:
                return

    async def _document(self, size: int) -> bytes:
        words = await self.read(layout.RECORD, size)
        return layout.raw(words).partition(b"\0")[0].rstrip()

    async def _file(self) -> "_File":
        """State and size, in one request where the meter lets both be read at once.

        No source says that it does; 11 ms at 115200 baud are worth the question. A meter that
        answers something strange instead of refusing is asked for each alone.
        """
        if self._joint:
            with contextlib.suppress(MeterDataError):
                state, size = await self.read(layout.STATE, 2)
                found = _File(_state(state), size)
                if found.plausible:
                    return found
        apart = _File(await self.state(), (await self.read(layout.RECORD_SIZE))[0])
        # What is as strange when asked for alone is the file, and not the way of asking.
        self._joint = self._joint and not apart.plausible
        return apart


@dataclass(frozen=True, slots=True)
class _File:
    """What the meter says of the record it offers; ``size`` in words."""

    state: State
    size: int

    @property
    def plausible(self) -> bool:
        possible = 1 <= self.size <= layout.MAX_RECORD_WORDS
        return possible or self.state is not State.READY


def _state(word: int) -> State:
    try:
        return State(word)
    except ValueError:
        raise MeterDataError(f"OCMF state {word}, 0 to 3 are known") from None
