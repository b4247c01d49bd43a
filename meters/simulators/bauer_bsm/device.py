"""The simulated BSM-WS36A: registers, snapshots, clock, power cuts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from meters.ocmf.curves import Curve
from meters.simulators.bauer_bsm import layout, snapshot
from meters.simulators.bauer_bsm.clock import Clock
from meters.simulators.bauer_bsm.layout import Status, Type
from meters.simulators.bauer_bsm.settings import Settings
from meters.simulators.bauer_bsm.snapshot import Snapshot
from meters.simulators.catalog import utc_now
from meters.simulators.faults import FaultKind
from meters.simulators.keys import SigningKey, new_secret
from meters.simulators.refusal import Code, NoReply, Refusal
from meters.simulators.register_meter import Kept, RegisterMeter, Words

READ_HOLDING, WRITE_MULTIPLE = 0x03, 0x10
_MOST_WORDS: Final = 125
_NO_TEXTS: Final = (b"", b"", b"")
_SWITCHING: Final = frozenset({Type.TURN_ON, Type.TURN_OFF})
_COUNTED: Final = {Type.TURN_ON: "B", Type.START: "B", Type.TURN_OFF: "E", Type.END: "E"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory(Kept):
    """The non-volatile part; ``texts`` only where the firmware keeps them.

    ``reference_wh`` is the imported energy when the reference register was last set to zero.
    ``seconds`` are those of operation up to the last save. ``executed`` counts snapshots by
    transaction id.
    """

    count: int = 0
    seconds: float = 0.0
    set_count: int = 0
    set_seconds: int = 0
    reference_wh: Decimal = Decimal(0)
    texts: tuple[bytes, bytes, bytes] = _NO_TEXTS
    executed: dict[str, dict[str, int]] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Slot:
    """One of the five snapshots; nothing of it survives a power cut."""

    status: Status = Status.INVALID
    shot: Snapshot | None = None
    signature: bytes = b""
    record: bytes = b""
    ready_at: float = 0.0


class BauerBsm(RegisterMeter[Memory]):
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
        self.functions = frozenset({READ_HOLDING, WRITE_MULTIPLE})
        self._wall_clock = clock
        new = Memory(
            key=new_secret(Curve.SECP256R1, settings.key_seed, model="BSM-WS36A"),
            import_wh=Decimal(settings.begin_energy_wh),
            export_wh=Decimal(settings.begin_export_wh),
            count=settings.begin_page,
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
        """SubjectPublicKeyInfo in upper-case hex; empty for a meter that does not sign."""
        return self._key.spki.hex().upper() if self.settings.signing else ""

    def slot_status(self, kind: Type) -> Status:
        """The state of a snapshot."""
        self._settle()
        return self._slots[kind].status

    def status(self) -> dict[str, object]:
        """What a person wants to know, ready for JSON."""
        shared = super().status()
        memory = self._memory
        return {
            "serial_number": self.settings.serial_number,
            "public_key": self.public_key,
            "time": self._wall_clock().isoformat(),
            "meter_time": self._clock.epoch(),
            "synchronised": self._clock.epoch() is not None,
            "state": {kind.name.lower(): slot.status.name for kind, slot in self._slots.items()},
            "page": memory.count,
            "texts": [text.decode(errors="replace") for text in self._texts],
            "received": dict(memory.received),
            "transactions": {name: dict(counts) for name, counts in memory.executed.items()},
            **shared,
        }

    # What RegisterMeter asks.

    def _power_up(self) -> None:
        self._on_since = self._monotonic()
        self._slots = {kind: _Slot() for kind in Type}
        self._clock = Clock(self._monotonic)
        self._outputs = 0
        self._texts = self._memory.texts

    def _settle(self) -> None:
        for kind, slot in self._slots.items():
            if slot.status is Status.UPDATING and self._monotonic() >= slot.ready_at:
                self._finish(kind, slot)

    def _read(self, address: int, count: int) -> Sequence[int]:
        self._keep_silent()
        offset = address - self.settings.base_address
        if count > _MOST_WORDS:
            raise Refusal(Code.ILLEGAL_VALUE)
        words: list[int] = []
        for first, size, made in self._areas():
            at = offset + len(words)
            if first <= at < first + size and len(words) < count:
                part = made()
                words += part[at - first : at - first + count - len(words)]
        if len(words) < count:
            raise Refusal(Code.ILLEGAL_ADDRESS)
        return words

    def _write(self, address: int, words: Words) -> None:
        """What cannot be written is ignored, as the vendor says."""
        self._keep_silent()
        first = address - self.settings.base_address
        given = {first + place: word for place, word in enumerate(words)}
        if not self.settings.signing:
            return
        self._write_clock(given)
        self._write_texts(given)
        for kind, slot in self._slots.items():
            if given.get(kind.snapshot + layout.STATUS_AT) == Status.UPDATING:
                self._trigger(kind, slot)

    # Snapshots.

    def _trigger(self, kind: Type, slot: _Slot) -> None:
        memory = self._memory
        name = kind.name.lower()
        received = memory.received | {name: memory.received.get(name, 0) + 1}
        self._save(replace(memory, received=received))
        if slot.status is Status.UPDATING:
            return
        slow = self.faults.take(FaultKind.SLOW_READY)
        delay = slow.value_s if slow else self.settings.signing_delay_s
        slot.status, slot.ready_at = Status.UPDATING, self._monotonic() + delay
        slot.shot, slot.signature, slot.record = None, b"", b""

    def _finish(self, kind: Type, slot: _Slot) -> None:
        slot.status = self._obstacle(kind)
        if slot.status is not Status.VALID:
            return
        if kind is Type.TURN_ON or (kind is Type.START and self.settings.start_resets):
            self._save(replace(self._memory, reference_wh=self._energy.totals()[0]))
        shot = self._shot(kind)
        self._outputs = {Type.TURN_ON: 1, Type.TURN_OFF: 0}.get(kind, self._outputs)
        memory = replace(self._counted(), count=shot.count, seconds=self._seconds())
        self._on_since = self._monotonic()
        name = snapshot.transaction_id(self._texts[2])
        if kind in _COUNTED:
            counts = dict(memory.executed.get(name, {}))
            counts[_COUNTED[kind]] = counts.get(_COUNTED[kind], 0) + 1
            memory = replace(memory, executed=memory.executed | {name: counts})
        self._save(memory)
        slot.shot = shot
        slot.signature = self._key.sign(snapshot.signed_bytes(shot))

    def _obstacle(self, kind: Type) -> Status:
        if self.faults.take(FaultKind.CORRUPTED):
            return Status.FAILED
        if kind is Type.TURN_ON and not self.settings.enable_input:
            return Status.NOT_ENABLED
        if kind in _SWITCHING and not self.settings.contactor_feedback:
            return Status.WRONG_FEEDBACK
        return Status.VALID

    def _shot(self, kind: Type) -> Snapshot:
        settings, memory = self.settings, self._memory
        epoch = self._clock.epoch()
        return Snapshot(
            kind=kind,
            reference=self._reference(),
            total=self._steps()[0],
            scale=settings.energy_scale,
            watts=int(self._energy.load.watts),
            address=settings.serial_number,
            count=memory.count + 1,
            seconds=int(self._seconds()),
            epoch=epoch,
            zone=self._clock.zone if epoch is not None else 0,
            set_count=memory.set_count,
            set_seconds=memory.set_seconds,
            outputs=self._outputs,
            texts=self._texts,
            events=settings.events,
        )

    # Clock and texts.

    def _write_clock(self, given: dict[int, int]) -> None:
        places = (layout.EPOCH, layout.EPOCH + 1)
        epoch = given[places[0]] << 16 | given[places[1]] if set(places) <= given.keys() else None
        zone = layout.signed(given[layout.ZONE]) if layout.ZONE in given else None
        if self._clock.write(epoch, zone):
            memory = self._memory
            seconds = int(self._seconds())
            self._save(replace(memory, set_count=memory.set_count + 1, set_seconds=seconds))

    def _write_texts(self, given: dict[int, int]) -> None:
        changed = []
        for text, (first, count) in zip(self._texts, layout.META, strict=True):
            words = layout.blob(text, count)
            changed.append(
                layout.text_of([given.get(first + at, word) for at, word in enumerate(words)])
            )
        one, two, three = changed
        if (one, two, three) != self._texts:
            self._texts = (one, two, three)
            if self.settings.keeps_texts:
                self._save(replace(self._memory, texts=self._texts))

    # Registers.

    def _keep_silent(self) -> None:
        signing = any(slot.status is Status.UPDATING for slot in self._slots.values())
        if signing and self.settings.silent_while_signing:
            raise NoReply

    def _steps(self) -> tuple[int, int]:
        imported, exported = self._energy.totals()
        step = 10**self.settings.energy_scale
        return int(imported) // step, int(exported) // step

    def _reference(self) -> int:
        since = self._energy.totals()[0] - self._memory.reference_wh
        step: int = 10**self.settings.energy_scale
        return int(since) // step

    def _seconds(self) -> float:
        return self._memory.seconds + self._monotonic() - self._on_since

    def _areas(self) -> list[tuple[int, int, Callable[[], Words]]]:
        """Models in the order of the map: offset, words with the header, what makes them."""
        settings = self.settings
        head: list[tuple[int, int, Callable[[], Words]]] = [
            (0, 2, lambda: layout.blob(b"SunS", 2)),
            (layout.COMMON, layout.COMMON_LENGTH + 2, self._common),
            (layout.HEADER, layout.HEADER_LENGTH + 2, lambda: (10, 4, 1, 0, 2, 0)),
            (layout.SERIAL_LINE, layout.SERIAL_LINE_LENGTH + 2, _serial_line),
            (layout.METER, layout.METER_LENGTH + 2, self._meter),
        ]
        if not settings.signing:
            return [*head, (layout.SIGNER, 2, lambda: (layout.UNSET_16, 0))]
        return [
            *head,
            (layout.SIGNER, layout.SIGNER_LENGTH + 2, self._signer),
            (layout.HASH, layout.HASH_LENGTH + 2, lambda: (64902, 20, 16, 32, *[0xABCD] * 18)),
            *(
                (kind.snapshot, layout.SNAPSHOT_LENGTH + 2, lambda kind=kind: self._snapshot(kind))
                for kind in Type
            ),
            *(
                (kind.record, layout.RECORD_LENGTH + 2, lambda kind=kind: self._record(kind))
                for kind in Type
            ),
            (layout.END_OF_MAP, 2, lambda: (layout.UNSET_16, 0)),
        ]

    def _common(self) -> Words:
        settings = self.settings
        return (
            *(1, layout.COMMON_LENGTH),
            *layout.text(settings.vendor, 16),
            *layout.text(settings.model, 16),
            *layout.text("", 8),
            *layout.text(settings.meter_version, 8),
            *layout.text(settings.serial_number, 16),
            *(42, 0),
        )

    def _meter(self) -> Words:
        settings = self.settings
        payload = layout.meter(
            self._energy.load, self._steps(), settings.energy_scale, settings.events
        )
        return (203, layout.METER_LENGTH, *payload)

    def _signer(self) -> Words:
        settings, memory = self.settings, self._memory
        epoch = self._clock.epoch()
        return (
            *(64900, layout.SIGNER_LENGTH),
            *layout.text("0000000", 4),
            *layout.text(settings.serial_number, 8),
            *layout.text(settings.serial_number, 8),
            *layout.text(settings.meter_version, 8),
            *layout.text(settings.module_version, 8),
            *layout.text(settings.serial_number, 8),
            *layout.text("", 8),
            *layout.number(self._reference(), 2),
            settings.energy_scale,
            *layout.number(memory.boots, 2),
            *layout.number(memory.count, 2),
            *layout.number(int(self._seconds()), 2),
            *layout.number(layout.UNSET_32 if epoch is None else epoch, 2),
            layout.UNSET_S16 if epoch is None else self._clock.zone & 0xFFFF,
            *layout.number(memory.set_count, 2),
            *layout.number(memory.set_seconds, 2),
            *(1, self._outputs),
            *[0] * 10,
            *(
                word
                for text, (_, count) in zip(self._texts, layout.META, strict=True)
                for word in layout.blob(text, count)
            ),
            layout.KEY_WORDS,
            len(self._key.spki),
            *layout.blob(self._key.spki, layout.KEY_WORDS),
        )

    def _snapshot(self, kind: Type) -> Words:
        slot = self._slots[kind]
        head = (64901, layout.SNAPSHOT_LENGTH, kind, slot.status)
        if slot.shot is None:
            return (*head, *[0] * (layout.SNAPSHOT_LENGTH - 2))
        return (*head, *snapshot.registers(slot.shot, slot.signature))

    def _record(self, kind: Type) -> Words:
        """Made and signed when it is read."""
        slot = self._slots[kind]
        head = (64903, layout.RECORD_LENGTH, kind, slot.status)
        if slot.shot is not None and (not slot.record or self.settings.fresh_signatures):
            payload = snapshot.payload(self.settings, slot.shot)
            slot.record = snapshot.record(payload, self._key, fresh=self.settings.fresh_signatures)
        return (*head, *layout.blob(slot.record, layout.RECORD_LENGTH - 2))


def _serial_line() -> Words:
    return (17, layout.SERIAL_LINE_LENGTH, 0, 0, 0, 0, *layout.number(19_200, 2), 8, 2, 1, 0, 2, 1)
