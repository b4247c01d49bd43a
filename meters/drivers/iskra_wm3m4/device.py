"""One meter's registers by name, each with what the driver must know about them."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from meters.drivers.iskra_wm3m4 import dataset, layout
from meters.drivers.iskra_wm3m4.dataset import Content
from meters.drivers.iskra_wm3m4.layout import Charging, Command
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.modbus import ModbusException, ModbusUnit, UnexpectedAnswer
from meters.registers import text
from meters.rtu import BUSY

_BUSY_DELAY_S: Final = 0.2
_TRIES: Final = 3


class Device:
    """Everything a command needs of the meter; goes before the polls of other meters."""

    def __init__(self, unit: ModbusUnit, *, attempts: int) -> None:
        self._unit = unit
        self._attempts = attempts

    async def read(self, address: int, count: int = 1) -> tuple[int, ...]:
        """Holding registers, as many as wanted."""
        words: list[int] = []
        for at in range(0, count, layout.MOST_WORDS):
            part = min(layout.MOST_WORDS, count - at)
            words += await self._unit.read_holding(address + at, part, urgent=True)
        return tuple(words)

    async def write(self, address: int, words: Sequence[int], what: str) -> None:
        """Write registers that may be written again if an answer is lost.

        Raises:
            MeterRefused: the meter said no.
        """
        try:
            for at in range(0, len(words), layout.MOST_WORDS):
                part = words[at : at + layout.MOST_WORDS]
                await self._unit.write(address + at, part, urgent=True)
        except ModbusException as error:
            raise MeterRefused(f"the meter does not take the {what}: {error}") from error

    async def identity(self) -> tuple[str, str]:
        """Model and serial number."""
        count = layout.MODEL_WORDS + layout.SERIAL_WORDS
        words = await self._unit.read_input(layout.IDENTITY, count, urgent=True)
        return text(words[: layout.MODEL_WORDS]), text(words[layout.MODEL_WORDS :])

    async def serial_number(self) -> str:
        """The serial number alone."""
        return text(await self._unit.read_input(layout.SERIAL, layout.SERIAL_WORDS, urgent=True))

    async def charging(self) -> Charging:
        """Whether a transaction runs, and what it went through."""
        (word,) = await self.read(layout.CHARGING)
        try:
            return Charging(word)
        except ValueError:
            raise MeterDataError(f"charging state {word}, 0 to 3 are known") from None

    async def signature_status(self) -> int:
        """What became of the last signature."""
        (word,) = await self.read(layout.SIGNATURE_STATUS)
        return word

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

    async def data_set(self) -> Content | None:
        """What the data set in the meter says; None if there is none."""
        data = b""
        for at in range(0, layout.DATA_SET_WORDS, layout.MOST_WORDS):
            part = min(layout.MOST_WORDS, layout.DATA_SET_WORDS - at)
            data += layout.raw(await self.read(layout.DATA_SET + at, part))
            found = dataset.read(data)
            if found is not None or not data.startswith(b"{"):
                return found
        return None

    async def write_data_set(self, data: bytes) -> None:
        """Put a data set into the meter and look whether it is there.

        Raises:
            MeterRefused: the meter does not take it.
            MeterDataError: something else stands there afterwards.
        """
        words = layout.padded_words(data)
        await self.write(layout.DATA_SET, words, "data set")
        await self.write(layout.DATA_SET_LENGTH, (len(data),), "length of the data set")
        if await self.read(layout.DATA_SET, len(words)) != words:
            raise MeterDataError(f"the data set of {len(data)} bytes does not read back")

    async def set_up_signature(self) -> None:
        """ASN.1 signatures by the one algorithm that the meter has."""
        found = await self.read(layout.SIGNATURE_FORMAT, 2)
        if found[0] != 0:
            await self.write(layout.SIGNATURE_FORMAT, (0,), "form of the signature")
        if found[1] != layout.ECDSA_P256:
            await self.write(layout.ALGORITHM, (layout.ECDSA_P256,), "signature algorithm")

    async def output(self) -> tuple[bytes, bytes]:
        """The text that was signed last, and its signature; both empty if there is none.

        Raises:
            MeterDataError: the sizes make no sense, or changed while it was read, several times.
        """
        for _ in range(_TRIES):
            sizes = await self._output_sizes()
            parts = [
                layout.raw(await self.read(address, -(-size // 2)))[:size]
                for address, size in zip((layout.OUTPUT, layout.SIGNATURE), sizes, strict=True)
            ]
            if await self._output_sizes() == sizes:
                return parts[0], parts[1]
        raise MeterDataError("the record changed while it was read")

    async def output_text(self) -> bytes:
        """The text that was signed last; the whole area if by its size it is none."""
        size, _ = await self.read(layout.OUTPUT_LENGTHS, 2)
        if size <= layout.MOST_OUTPUT_BYTES:
            found = layout.raw(await self.read(layout.OUTPUT, -(-size // 2)))[:size]
            if not found or dataset.read(found) is not None:
                return found
        return layout.raw(await self.read(layout.OUTPUT, layout.MOST_OUTPUT_BYTES // 2))

    async def whole_output(self) -> tuple[bytes, bytes]:
        """All that stands where the text and its signature should, whatever the sizes say."""
        text = await self.read(layout.OUTPUT, layout.MOST_OUTPUT_BYTES // 2)
        signature = await self.read(layout.SIGNATURE, layout.MOST_SIGNATURE_BYTES // 2)
        return layout.raw(text), layout.raw(signature)

    async def clock_status(self) -> int:
        """Whether the meter's clock can be believed."""
        (word,) = await self.read(layout.CLOCK_STATUS)
        return word

    async def set_clock(self, now: Callable[[], datetime], utc_offset_min: int) -> None:
        """Set time and time zone and call the clock synchronised.

        The time is taken anew for each attempt, so that a lost answer does not set the clock back.

        Raises:
            MeterRefused: the meter said no, or calls its clock lost even so.
        """
        zone = utc_offset_min & 0xFFFF
        if await self.read(layout.UTC_OFFSET) != (zone,):
            await self.write(layout.UTC_OFFSET, (zone,), "time zone")
        await self._write_clock(now)
        synchronised = (layout.CLOCK_SYNCHRONISED,)
        await self.write(layout.CLOCK_STATUS, synchronised, "state of the clock")
        if await self.clock_status() == layout.CLOCK_LOST:
            raise MeterRefused("the meter took the time and still calls its clock not set")

    async def _write_clock(self, now: Callable[[], datetime]) -> None:
        for left in range(self._attempts - 1, -1, -1):
            seconds = round(now().timestamp())
            words = (seconds >> 16 & 0xFFFF, seconds & 0xFFFF)
            try:
                await self._unit.write(layout.CLOCK, words, attempts=1, urgent=True)
            except ModbusException as error:
                raise MeterRefused(f"the meter does not take the time: {error}") from error
            except (MeterUnreachable, UnexpectedAnswer):
                if not left:
                    raise
            else:
                return

    async def show(self, main: str, label: str) -> None:
        """Show texts on the second line of the display."""
        (mode,) = await self.read(layout.LCD_MODE)
        words = (
            mode | layout.LCD_CUSTOM_TEXT,
            *layout.text_words(main, layout.LCD_MAIN_WORDS),
            *layout.text_words(label, layout.LCD_LABEL_WORDS),
        )
        await self.write(layout.LCD_MODE, words, "text for the display")

    async def _output_sizes(self) -> tuple[int, int]:
        text_size, signature_size = await self.read(layout.OUTPUT_LENGTHS, 2)
        if text_size > layout.MOST_OUTPUT_BYTES or signature_size > layout.MOST_SIGNATURE_BYTES:
            raise MeterDataError(
                f"record of {text_size} and {signature_size} bytes, at most "
                f"{layout.MOST_OUTPUT_BYTES} and {layout.MOST_SIGNATURE_BYTES} are possible"
            )
        return text_size, signature_size
