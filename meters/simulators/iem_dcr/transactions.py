"""The transaction rules of the meter: memory and command in, new memory out.

Pure; who calls saves the result before it answers.
"""

from dataclasses import replace

from meters.simulators.iem_dcr import record
from meters.simulators.iem_dcr.memory import (
    MOST_COMMANDS,
    Executed,
    Gateway,
    Memory,
    Session,
    Taken,
    User,
)
from meters.simulators.iem_dcr.requests import PRECONDITION
from meters.simulators.iem_dcr.settings import PowerCut, Settings
from meters.simulators.keys import SigningKey
from meters.simulators.refusal import Refusal

FOREIGN = User(IS=True, IL="CERTIFIED", IT="ISO15693", ID="9109543224")
"""Somebody else's customer, as in the vendor's sample."""


def begin(
    memory: Memory,
    taken: Taken,
    settings: Settings,
    *,
    gateway: Gateway,
    user: User | None,
    tariff: str,
) -> Memory:
    """Command ``B``: identification, tariff and reading are kept, a page is used up.

    Raises:
        Refusal: a transaction runs or is being signed, or nobody said whom it is for.
    """
    if memory.session is not None:
        if memory.running and settings.accepts_begin_while_running:
            return memory
        raise Refusal(PRECONDITION)
    if user is None:
        if not settings.accepts_begin_without_user:
            raise Refusal(PRECONDITION)
        user = User()
    page = memory.page + (not settings.page_stands_still)
    text = tariff if user.TT is None else user.TT
    session = Session(page, gateway, user, text, (taken,))
    begun = replace(memory, page=page, session=session)
    return _executed(begun, "B", session)


def intermediate(memory: Memory, taken: Taken) -> Memory:
    """Command ``C``: one more reading for the record."""
    session = memory.session
    if session is None or not memory.running:
        raise Refusal(PRECONDITION)
    return replace(memory, session=replace(session, readings=(*session.readings, taken)))


def end(memory: Memory, taken: Taken, settings: Settings) -> Memory:
    """Command ``E``: the end reading is kept; ``finish`` makes the record.

    Raises:
        Refusal: nothing runs.
    """
    session = memory.session
    if session is None or not memory.running:
        if settings.accepts_end_while_idle:
            return memory
        raise Refusal(PRECONDITION)
    return _executed(_closed(memory, session, taken), "E", session)


def finish(memory: Memory, settings: Settings, key: SigningKey) -> Memory:
    """Sign the record of the ended transaction and offer it in place of the last one."""
    if memory.session is None:
        return memory
    signed = record.signed(settings, memory.session, key)
    return replace(memory, session=None, record=signed)


def lose(memory: Memory) -> Memory:
    """The storage of the record failed: the meter has none."""
    return replace(memory, session=None, record=b"")


def power_up(memory: Memory, settings: Settings) -> Memory:
    """What a power cut made of it; one whose end was ordered before the cut keeps that end."""
    booted = replace(memory, boots=memory.boots + 1)
    session = booted.session
    if session is None or not booted.running or settings.power_cut is PowerCut.RESUMED:
        return booted
    if settings.power_cut is PowerCut.LOST:
        return replace(booted, session=None)
    last = Taken("P", int(memory.import_wh), int(memory.export_wh), memory.last)
    return _closed(booted, session, last)


def received(memory: Memory, command: str) -> Memory:
    """The command arrived, whatever becomes of it."""
    counts = memory.received | {command: memory.received.get(command, 0) + 1}
    return replace(memory, received=counts)


def _closed(memory: Memory, session: Session, taken: Taken) -> Memory:
    first = session.readings[0]
    return replace(
        memory,
        session=replace(session, readings=(*session.readings, taken)),
        session_import_wh=taken.import_wh - first.import_wh,
        session_export_wh=taken.export_wh - first.export_wh,
    )


def _executed(memory: Memory, command: str, session: Session) -> Memory:
    done = Executed(command, session.transaction_id)
    return replace(memory, commands=(*memory.commands, done)[-MOST_COMMANDS:])
