"""The transaction rules of the meter: memory and command in, new memory out.

Pure; who calls saves the result before it answers. A command without effect gives back the very
memory it was given.
"""

from dataclasses import replace

from meters.ocmf import OcmfError
from meters.simulators.em580 import layout, record
from meters.simulators.em580.keys import SigningKey
from meters.simulators.em580.layout import Charging, Command, OcmfState
from meters.simulators.em580.memory import MOST_COMMANDS, Executed, Memory, Session, Taken
from meters.simulators.em580.settings import Behaviour, Em580Settings
from meters.simulators.refusal import Code, Refusal


def is_signing(memory: Memory) -> bool:
    """Whether the end was taken and the record is being made."""
    running = memory.state is OcmfState.RUNNING
    return running and memory.session is not None and memory.session.end is not None


def begin(memory: Memory, taken: Taken, settings: Em580Settings) -> Memory:
    """Command ``B``: the fields and the reading are kept, the page is used up.

    Raises:
        Refusal: a transaction runs or waits, the clock was never set, the meter has no key, or a
            field could not stand in a record: such a transaction must not begin.
    """
    behaviour = settings.behaviour
    match memory.state:
        case OcmfState.RUNNING:
            return _misplaced(memory, behaviour.repeated_begin)
        case OcmfState.READY | OcmfState.CORRUPTED:
            raise Refusal(behaviour.unread_begin)
        case OcmfState.NOT_READY:
            pass
    if behaviour.unset_clock_begin is not None and not taken.moment.synchronised:
        raise Refusal(behaviour.unset_clock_begin)
    session = Session(taken, _fields(memory))
    _writable(settings, memory, session)
    begun = replace(
        memory,
        state=OcmfState.RUNNING,
        charging=Charging.YES,
        page=memory.page + 1,
        session=session,
    )
    return _executed(begun, Command.BEGIN)


def end(memory: Memory, command: Command, taken: Taken, behaviour: Behaviour) -> Memory:
    """Command ``E`` or ``A``: the end reading is kept; ``finish`` makes the record.

    Raises:
        Refusal: nothing runs, or the end was already ordered.
    """
    if memory.state is not OcmfState.RUNNING or memory.session is None or is_signing(memory):
        return _misplaced(memory, behaviour.idle_end)
    charging = Charging.FAILED if command is Command.ABORT else Charging.ENDED
    ended = replace(memory, session=replace(memory.session, end=taken), charging=charging)
    return _executed(ended, command)


def finish(memory: Memory, settings: Em580Settings, key: SigningKey | None) -> Memory:
    """Sign the record of the ended transaction and offer it."""
    if memory.session is None or key is None:
        return memory
    finished = record.signed(settings, memory.session, memory.page, key)
    return replace(
        memory,
        state=OcmfState.READY,
        record=finished,
        last_id=f"T{memory.page}",
        last_number=memory.page,
    )


def corrupt(memory: Memory) -> Memory:
    """The storage of the record failed: it is lost."""
    return replace(memory, state=OcmfState.CORRUPTED, record=b"", charging=Charging.FAILED)


def confirm(memory: Memory) -> Memory:
    """Zero written to the state register: the record was read and may be forgotten."""
    if memory.state not in {OcmfState.READY, OcmfState.CORRUPTED}:
        return memory
    freed = _executed(memory, Command.CONFIRM)
    return replace(freed, state=OcmfState.NOT_READY, charging=Charging.NO, record=b"", session=None)


def power_up(memory: Memory, behaviour: Behaviour) -> Memory:
    """What a power cut made of it: a running transaction ends with reason P, at its last reading.

    A transaction whose end was ordered before the cut keeps that end.
    """
    booted = replace(memory, boots=memory.boots + 1)
    session = booted.session
    if booted.state is not OcmfState.RUNNING or session is None or session.end is not None:
        return booted
    if behaviour.resumes:
        return booted
    end_reading = Taken("P", int(memory.import_wh), int(memory.export_wh), memory.last)
    return replace(booted, session=replace(session, end=end_reading), charging=Charging.FAILED)


def received(memory: Memory, command: Command) -> Memory:
    """The command arrived, whatever becomes of it."""
    counts = memory.received | {command: memory.received.get(command, 0) + 1}
    return replace(memory, received=counts)


def _executed(memory: Memory, command: Command) -> Memory:
    words = memory.session.words if memory.session is not None else memory.words
    done = Executed(command, record.transaction_id(words))
    return replace(
        memory,
        executed=memory.executed | {command: memory.executed.get(command, 0) + 1},
        commands=(*memory.commands, done)[-MOST_COMMANDS:],
    )


def _misplaced(memory: Memory, code: int | None) -> Memory:
    if code is not None:
        raise Refusal(code)
    return memory


def _fields(memory: Memory) -> dict[int, int]:
    tariff = range(layout.TARIFF, layout.TARIFF + layout.TARIFF_WORDS)
    fields = range(layout.STATUS, layout.STATUS + layout.FIELDS_WORDS)
    return {at: word for at, word in memory.words.items() if at in tariff or at in fields}


def _writable(settings: Em580Settings, memory: Memory, session: Session) -> None:
    if not memory.key:
        raise Refusal(Code.DEVICE_FAILURE)
    try:
        record.payload(settings, session, memory.page + 1)
    except OcmfError as error:
        raise Refusal(Code.ILLEGAL_VALUE) from error
