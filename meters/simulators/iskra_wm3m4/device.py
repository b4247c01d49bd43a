"""The simulated WM3M4C: registers, transactions, power cuts."""

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from meters.ocmf.curves import Curve
from meters.simulators.catalog import utc_now
from meters.simulators.faults import FaultKind
from meters.simulators.iskra_wm3m4 import layout, record
from meters.simulators.iskra_wm3m4.layout import State, Status
from meters.simulators.iskra_wm3m4.record import Taken
from meters.simulators.iskra_wm3m4.settings import Settings
from meters.simulators.keys import SigningKey, new_secret
from meters.simulators.refusal import Code, Refusal
from meters.simulators.register_meter import Kept, RegisterMeter, Words

READ_HOLDING, READ_INPUT, WRITE_SINGLE, WRITE_MULTIPLE = 0x03, 0x04, 0x06, 0x10
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENDS: Final = frozenset("ELRAPr")
_READINGS: Final = frozenset("CXTS")
_ECDSA: Final = 4
_MOST_BYTES: Final = 1024
_WRITABLE: Final = frozenset(
    {
        layout.COMMAND,
        layout.OFFSET,
        layout.TIME_HIGH,
        layout.TIME_LOW,
        layout.INPUT_LENGTH,
        layout.SIGNATURE_FORMAT,
        layout.ALGORITHM,
        *range(layout.LCD, layout.LCD + layout.LCD_WORDS),
        layout.CLOCK_STATUS,
        *range(layout.INPUT, layout.INPUT + layout.AREA_WORDS),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory(Kept):
    """The non-volatile part; ``data_set`` only where the firmware keeps it.

    ``begin`` is there while a transaction runs. ``executed`` counts commands by transaction id,
    ``received`` all that came.
    """

    page: int = 0
    state: State = State.IDLE
    begin: Taken | None = None
    data_set: bytes = b""
    executed: dict[str, dict[str, int]] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Signing:
    """A signature that is being made, and what it will be of."""

    ready_at: float
    shown_from: float
    readings: tuple[Taken, ...]
    old_status: Status


class IskraWm3m4(RegisterMeter[Memory]):
    """One meter, see ``RegisterMeter``."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Switch the meter on; ``clock`` only names the wall time in ``status``."""
        self.settings = settings = settings or Settings()
        self.name = f"{settings.model} {settings.serial_number}"
        self.functions = frozenset({READ_HOLDING, READ_INPUT, WRITE_SINGLE, WRITE_MULTIPLE})
        self._clock = clock
        secret = new_secret(Curve.SECP256R1, settings.key_seed, model="WM3M4C")
        new = Memory(
            key=secret,
            import_wh=Decimal(settings.begin_energy_wh),
            export_wh=Decimal(settings.begin_export_wh),
            page=settings.begin_page,
        )
        super().__init__(
            new,
            state_file=settings.state_file,
            time_lapse=settings.time_lapse,
            boot_delay_s=settings.boot_delay_s,
            monotonic=monotonic,
        )
        self._key = SigningKey.of(Curve.SECP256R1, self._memory.key)

    @property
    def public_key(self) -> str:
        """SubjectPublicKeyInfo in upper-case hex; empty for a meter without key."""
        return self._key.spki.hex().upper() if self.settings.signs else ""

    @property
    def state(self) -> State:
        """The charging state."""
        return self.memory.state

    def status(self) -> dict[str, object]:
        """What a person wants to know, ready for JSON."""
        shared = super().status()
        memory = self._memory
        return {
            "serial_number": self.settings.serial_number,
            "public_key": self.public_key,
            "time": self._clock().isoformat(),
            "meter_time": self._moment()[0].isoformat(),
            "synchronised": self._words[layout.CLOCK_STATUS] == 2,  # noqa: PLR2004 - manual
            "state": memory.state.name,
            "signature": self._shown_status().name,
            "page": memory.page,
            "record_bytes": len(self._output),
            "display": layout.raw(self._lcd()[1:]).decode(errors="replace"),
            "received": dict(memory.received),
            "transactions": {name: dict(counts) for name, counts in memory.executed.items()},
            **shared,
        }

    # What RegisterMeter asks.

    def _power_up(self) -> None:
        settings, memory = self.settings, self._memory
        self._words: dict[int, int] = dict.fromkeys(_WRITABLE, 0)
        self._words[layout.SIGNATURE_FORMAT] = int(settings.base64_at_power_up)
        self._words[layout.ALGORITHM] = 0 if settings.unsigned_at_power_up else _ECDSA
        self._status = Status.IDLE
        self._signing: _Signing | None = None
        self._output = self._signature = b""
        self._clock_base, self._clock_at = EPOCH, self._monotonic()
        for place, word in enumerate(layout.blob(memory.data_set, layout.AREA_WORDS)):
            self._words[layout.INPUT + place] = word
        self._words[layout.INPUT_LENGTH] = len(memory.data_set)
        if memory.state is not State.IDLE:
            state = State[settings.wakes_as.replace("-", "_").upper()]
            begin = memory.begin if state is not State.IDLE else None
            self._save(replace(memory, state=state, begin=begin))

    def _settle(self) -> None:
        signing = self._signing
        if signing is None or self._monotonic() < signing.ready_at:
            return
        self._signing = None
        if self.faults.take(FaultKind.CORRUPTED):
            self._status = Status.SIGNATURE_ERROR
            return
        memory = self._memory
        fields = record.fields_of(self._data_set()) or {}
        text = record.text(self.settings, fields, memory.page + 1, list(signing.readings))
        if len(text) > _MOST_BYTES:
            self._status = Status.INVALID_SIZE
            return
        self._save(replace(memory, page=memory.page + 1))
        self._output, self._signature = text, self._sign(text)
        self._status = Status.OK

    def _read(self, address: int, count: int) -> Sequence[int]:
        if count > layout.MOST_WORDS:
            raise Refusal(Code.ILLEGAL_VALUE)
        words = self._holding() if address >= layout.HOLDING_FIRST else self._inputs()
        places = range(address, address + count)
        if any(place not in words for place in places):
            raise Refusal(Code.ILLEGAL_ADDRESS)
        return [words[place] for place in places]

    def _write(self, address: int, words: Words) -> None:
        if len(words) > layout.MOST_WORDS:
            raise Refusal(Code.ILLEGAL_VALUE)
        places = range(address, address + len(words))
        if not self.settings.signs or any(place not in _WRITABLE for place in places):
            raise Refusal(Code.ILLEGAL_ADDRESS)
        if layout.TIME_HIGH in places or layout.TIME_LOW in places:
            base, *_ = self._moment()
            seconds = int(base.timestamp())
            self._words[layout.TIME_HIGH] = seconds >> 16 & 0xFFFF
            self._words[layout.TIME_LOW] = seconds & 0xFFFF
        self._words |= dict(zip(places, words, strict=True))
        if layout.TIME_HIGH in places or layout.TIME_LOW in places:
            unix = self._words[layout.TIME_HIGH] << 16 | self._words[layout.TIME_LOW]
            self._clock_base = EPOCH + timedelta(seconds=unix)
            self._clock_at = self._monotonic()
        if layout.INPUT_LENGTH in places and self.settings.keeps_data_set:
            self._save(replace(self._memory, data_set=self._data_set()))
        if layout.COMMAND in places:
            self._command(chr(self._words[layout.COMMAND] >> 8))

    # Transactions.

    def _command(self, letter: str) -> None:
        memory = self._memory
        received = memory.received | {letter: memory.received.get(letter, 0) + 1}
        self._save(replace(memory, received=received))
        trouble = self._trouble(letter)
        if trouble is not None:
            self._status = trouble
            return
        memory = self._counted()
        taken = self._taken("E" if letter == "r" else letter)
        readings: tuple[Taken, ...] = (taken,)
        if letter == "B":
            memory = replace(memory, state=State.ACTIVE, begin=taken)
        elif letter in _ENDS:
            if letter == "r" and memory.begin is not None:
                readings = (memory.begin, taken)
            memory = replace(memory, state=State.IDLE, begin=None)
        name = record.transaction_id(self._data_set())
        kind = "E" if letter in _ENDS else letter
        counts = dict(memory.executed.get(name, {}))
        counts[kind] = counts.get(kind, 0) + 1
        self._save(replace(memory, executed=memory.executed | {name: counts}))
        slow = self.faults.take(FaultKind.SLOW_READY)
        now = self._monotonic()
        self._signing = _Signing(
            ready_at=now + (slow.value_s if slow else self.settings.signing_delay_s),
            shown_from=now + self.settings.old_status_s,
            readings=readings,
            old_status=self._shown_status(),
        )

    def _trouble(self, letter: str) -> Status | None:
        if letter not in _ENDS | _READINGS | {"B", "f", "h"}:
            return Status.INVALID_COMMAND
        if self.settings.in_error:
            return Status.TEST_MODE
        idle = self._memory.state is State.IDLE
        if (letter == "B") is not idle and letter not in "fh":
            return Status.INVALID_STATE
        if self.settings.needs_clock and not self._words[layout.CLOCK_STATUS]:
            return Status.INVALID_TIME
        data = self._data_set()
        if not 0 < self._words[layout.INPUT_LENGTH] <= _MOST_BYTES:
            return Status.INVALID_SIZE
        return Status.INVALID_FORMAT if record.fields_of(data) is None else None

    def _sign(self, text: bytes) -> bytes:
        if self._words[layout.ALGORITHM] != _ECDSA:
            return b""
        signature = self._key.sign(text)
        if self.settings.padded_signature:
            signature = record.padded(signature)
        if self._words[layout.SIGNATURE_FORMAT]:
            signature = base64.b64encode(signature)
        return signature

    def _taken(self, cause: str) -> Taken:
        at, offset, synchronised = self._moment()
        return Taken(cause, self._energy.totals()[0], at, offset, synchronised)

    def _moment(self) -> tuple[datetime, int, bool]:
        running = timedelta(seconds=self._monotonic() - self._clock_at)
        offset = layout.signed(self._words[layout.OFFSET])
        return self._clock_base + running, offset, bool(self._words[layout.CLOCK_STATUS])

    def _data_set(self) -> bytes:
        words = [self._words[layout.INPUT + place] for place in range(layout.AREA_WORDS)]
        return layout.raw(words)[: self._words[layout.INPUT_LENGTH]]

    # Registers.

    def _shown_status(self) -> Status:
        signing = self._signing
        if signing is None:
            return self._status
        old = self._monotonic() < signing.shown_from
        return signing.old_status if old else Status.SIGNING

    def _lcd(self) -> list[int]:
        return [self._words[layout.LCD + place] for place in range(layout.LCD_WORDS)]

    def _inputs(self) -> dict[int, int]:
        settings = self.settings
        words = layout.input_image(
            settings.model,
            settings.serial_number,
            self._energy.load,
            self._energy.totals(),
            settings.counter_exponent,
        )
        if settings.gaps_readable:
            words = {at: words.get(at, 0) for at in layout.MEASURED}
        return words

    def _holding(self) -> dict[int, int]:
        if not self.settings.signs:
            return {}
        seconds = int(self._moment()[0].timestamp())
        words = dict(self._words)
        words |= {
            layout.STATE: self._memory.state,
            layout.COMMAND: 0,
            layout.STATUS: self._shown_status(),
            layout.TIME_HIGH: seconds >> 16 & 0xFFFF,
            layout.TIME_LOW: seconds & 0xFFFF,
            layout.OUTPUT_LENGTH: len(self._output),
            layout.SIGNATURE_LENGTH: len(self._signature),
        }
        for first, data, count in (
            (layout.OUTPUT, self._output, layout.AREA_WORDS),
            (layout.KEY, self._key.point[1:], layout.KEY_WORDS),
            (layout.SIGNATURE, self._signature, layout.SIGNATURE_WORDS),
        ):
            words |= {first + at: word for at, word in enumerate(layout.blob(data, count))}
        return words
