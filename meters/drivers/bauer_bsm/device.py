"""One meter's registers by name, each with what the driver must know about them."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from meters.drivers.bauer_bsm import layout
from meters.drivers.bauer_bsm.holding import Held, Note, Snapshot, judge, read_note
from meters.drivers.bauer_bsm.layout import Slot, Status
from meters.drivers.bauer_bsm.wording import note_words
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.modbus import ModbusException, ModbusUnit, UnexpectedAnswer
from meters.registers import text
from meters.rtu import BUSY

_BUSY_DELAY_S: Final = 0.2
_CLOCK_TOLERANCE_S: Final = 5


class Device:
    """Everything a command needs of the meter; goes before the polls of other meters."""

    def __init__(self, unit: ModbusUnit, base: int, *, attempts: int) -> None:
        self._unit = unit
        self._base = base
        self._attempts = attempts

    async def read(self, offset: int, count: int, *, urgent: bool = True) -> tuple[int, ...]:
        """Registers at an offset from the base address."""
        return await self._unit.read_holding(self._base + offset, count, urgent=urgent)

    async def write(self, offset: int, words: Sequence[int], what: str) -> None:
        """Write registers that may be written again if an answer is lost.

        Raises:
            MeterRefused: the meter said no.
        """
        try:
            await self._unit.write(self._base + offset, words, urgent=True)
        except ModbusException as error:
            raise MeterRefused(f"the meter does not take the {what}: {error}") from error

    async def common(self) -> tuple[int, ...]:
        """The beginning of the map, and who the meter is.

        Raises:
            MeterDataError: no map of SunSpec begins there.
        """
        words = await self.read(0, layout.COMMON_WORDS)
        found = layout.raw(words[:2])
        if found != layout.BEGINNING:
            raise MeterDataError(
                f"register {self._base}: {found!r}, expected {layout.BEGINNING!r}; "
                "is sunspec_base_address right?"
            )
        return words

    async def serial_number(self) -> str:
        """The serial number alone."""
        return text(await self.read(*layout.SERIAL))

    async def public_key(self) -> bytes:
        """The key as the meter holds it; empty for a meter that is no signing one."""
        try:
            (model,) = await self.read(layout.SIGNING_MODEL, 1)
            if model != layout.SIGNING_MODEL_ID:
                return b""
            words = await self.read(layout.KEY_SIZE, 1 + layout.KEY_WORDS)
        except ModbusException as error:
            if error.code == BUSY:
                raise  # a passing failure must not make the meter one that cannot sign
            return b""
        return layout.raw(words[1:])[: words[0]]

    async def events(self) -> int:
        """The event bits."""
        return layout.number(await self.read(layout.EVENTS, 2))

    async def response_count(self) -> int:
        """How many snapshots the meter has taken in its life."""
        return layout.number(await self.read(layout.RESPONSE_COUNT, 2))

    async def status(self, slot: Slot) -> Status:
        """State of a snapshot.

        Raises:
            MeterDataError: none that is known.
        """
        (word,) = await self.read(slot.snapshot + layout.STATUS_AT, 1)
        return _status(word)

    async def snapshot(self, slot: Slot) -> Snapshot:
        """State, number and note of a snapshot; an invalid one has neither number nor note."""
        first = layout.STATUS_AT
        words = await self.read(slot.snapshot + first, layout.COUNT_AT + 2 - first)
        status = _status(words[0])
        if status is not Status.VALID:
            return Snapshot(status, 0, None)
        note = read_note(text(await self.read(slot.snapshot + layout.META_3_AT, layout.NOTE_WORDS)))
        return Snapshot(status, layout.number(words[-2:]), note)

    async def note(self) -> Note | None:
        """The note in the meter."""
        return read_note(text(await self.read(layout.META_3, layout.NOTE_WORDS)))

    async def held(self) -> Held:
        """What the meter holds."""
        note = await self.note()
        start, end = [await self.snapshot(slot) for slot in Slot]
        return judge(note, await self.response_count(), start, end)

    async def write_texts(self, words: Sequence[int], note: Note) -> None:
        """Fill the text registers, the note last.

        Raises:
            MeterRefused: the meter does not take them.
            MeterDataError: another note stands there afterwards.
        """
        await self.write(layout.META_1, words, "texts of the transaction")
        await self.write_note(note)

    async def write_note(self, note: Note | None) -> None:
        """Leave a note, or none.

        Raises:
            MeterRefused: the meter does not take it.
            MeterDataError: another one stands there afterwards.
        """
        await self.write(layout.META_3, note_words(note), "note")
        if await self.note() != note:
            raise MeterDataError("the note about the transaction does not read back")

    async def take(self, slot: Slot) -> None:
        """Have a snapshot taken; commanded once. Only "busy" is asked again.

        Raises:
            MeterUnreachable: the answer was lost; whether it is taken is not known.
            ModbusException: the meter said no.
        """
        address = self._base + slot.snapshot + layout.STATUS_AT
        for left in range(self._attempts - 1, -1, -1):
            try:
                await self._unit.write(address, (layout.TAKE,), attempts=1, urgent=True)
            except UnexpectedAnswer as error:
                raise MeterUnreachable(str(error)) from error
            except ModbusException as error:
                if error.code != BUSY or not left:
                    raise
                await asyncio.sleep(_BUSY_DELAY_S)
            else:
                return

    async def record(self, slot: Slot) -> bytes:
        """The text of a record, without the padding behind it.

        Raises:
            MeterDataError: it is not valid.
        """
        (word,) = await self.read(slot.record + layout.STATUS_AT, 1)
        if _status(word) is not Status.VALID:
            raise MeterDataError(f"the record of the {slot.name.lower()} is {_status(word).name}")
        words = await self.read(slot.record + layout.TEXT_AT, layout.TEXT_WORDS)
        return layout.raw(words).partition(b"\0")[0]

    async def clock_is_right(self, now: Callable[[], datetime], utc_offset_min: int) -> bool | None:
        """Whether the clock shows the time and zone that it should; None if it is not set."""
        words = await self.read(layout.CLOCK, 3)
        epoch = layout.number(words[:2])
        if epoch == layout.NO_TIME:
            return None
        right = abs(epoch - now().timestamp()) <= _CLOCK_TOLERANCE_S
        return right and layout.signed(words[2]) == utc_offset_min

    async def set_clock(self, now: Callable[[], datetime], utc_offset_min: int) -> None:
        """Set time and time zone together.

        The time is taken anew for each attempt, so that a lost answer does not set the clock back.

        Raises:
            MeterRefused: the meter said no, or does not show the time afterwards.
        """
        for left in range(self._attempts - 1, -1, -1):
            seconds = round(now().timestamp())
            words = (seconds >> 16 & 0xFFFF, seconds & 0xFFFF, utc_offset_min & 0xFFFF)
            try:
                await self._unit.write(self._base + layout.CLOCK, words, attempts=1, urgent=True)
            except ModbusException as error:
                raise MeterRefused(f"the meter does not take the time: {error}") from error
            except (MeterUnreachable, UnexpectedAnswer):
                if not left:
                    raise
            else:
                break
        if not await self.clock_is_right(now, utc_offset_min):
            raise MeterRefused("the meter took the time and does not show it")


def _status(word: int) -> Status:
    try:
        return Status(word)
    except ValueError:
        raise MeterDataError(f"state {word} of a snapshot, 0 to 5 are known") from None
