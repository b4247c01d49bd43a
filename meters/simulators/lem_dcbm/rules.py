"""The transaction rules of the meter: memory and request in, new memory out. Pure.

Who calls saves the result before it answers.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from meters.ocmf import OcmfError
from meters.simulators.keys import SigningKey
from meters.simulators.lem_dcbm import record
from meters.simulators.lem_dcbm.flags import RUNNING, startable
from meters.simulators.lem_dcbm.memory import Asked, Memory, Taken, Transaction
from meters.simulators.lem_dcbm.settings import Settings

_LIMITS: Final = {"evseId": 37, "transactionId": 37, "clientId": 37, "userData": 128, "TT": 250}
_SECOND: Final = frozenset({"TT", "UV", "UD", "SC"})
_TARIFFS, _CABLES = range(5), range(8)


class Declined(Exception):  # noqa: N818 - reads as a state
    """The meter does not do it; ``malformed`` if it does not even understand it."""

    def __init__(self, reason: str, *, malformed: bool = False) -> None:
        super().__init__(reason)
        self.malformed = malformed


def asked(body: object, *, second: bool) -> Asked:
    """The body of a start.

    Raises:
        Declined: a key is missing, unknown, or beyond its limit.
    """
    if not isinstance(body, Mapping):
        raise Declined("no JSON object", malformed=True)
    unknown = _SECOND & body.keys() if not second else frozenset()
    if unknown:
        raise Declined(f"unknown: {', '.join(sorted(unknown))}", malformed=True)
    for name, limit in _LIMITS.items():
        if len(str(body.get(name, "")).encode()) > limit:
            raise Declined(f"{name}: more than {limit} bytes", malformed=True)
    try:
        found = msgspec.convert(body, Asked)
    except msgspec.ValidationError as error:
        raise Declined(str(error), malformed=True) from error
    if not found.transaction_id:
        raise Declined("transactionId: empty", malformed=True)
    if found.tariff_id not in _TARIFFS or found.cable_id not in _CABLES:
        raise Declined("tariffId 0 to 4, cableId 0 to 7", malformed=True)
    return found


def begin(
    memory: Memory,
    wanted: Asked,
    taken: Taken,
    settings: Settings,
    key: SigningKey,
    *,
    status: int,
    identification: int,
) -> Memory:
    """A transaction starts: the page is used up, the reading is kept.

    Raises:
        Declined: the status forbids it, the logbook is full, or a text cannot stand in a record.
    """
    if not startable(status):
        raise Declined(f"status {status}")
    transaction = Transaction(
        asked=wanted,
        index=(memory.last.index + 1) if memory.last else 0,
        page=memory.page + 1,
        begin=taken,
        status=status,
        identification=identification,
    )
    try:
        record.ocmf_record(settings, transaction, key, taken)
    except OcmfError as error:
        raise Declined(str(error), malformed=True) from error
    return replace(
        memory,
        page=transaction.page,
        open=transaction,
        begun=_counted(memory.begun, transaction.id),
    )


def end(
    memory: Memory,
    taken: Taken,
    settings: Settings,
    key: SigningKey,
    *,
    ready_at: datetime | None = None,
    cause: str = "E",
) -> Memory:
    """The running transaction ends; its records are made and kept, the oldest may go."""
    running = memory.open
    if running is None:
        return memory
    over = replace(running, end=taken, cause=cause, status=running.status & ~RUNNING)
    over = replace(
        over,
        legal=record.legal_record(settings, over, key),
        record=record.ocmf_record(settings, over, key),
        ready_at=ready_at,
    )
    finished = (*memory.finished, over)[-settings.capacity :]
    ended = _counted(memory.ended, over.id) if cause == "E" else memory.ended
    return replace(memory, open=None, finished=finished, ended=ended)


def lose_record(memory: Memory) -> Memory:
    """The storage failed: the record that was written last is not there."""
    lost = replace(memory.finished[-1], record="")
    return replace(memory, finished=(*memory.finished[:-1], lost))


def too_early(memory: Memory, taken: Taken, settings: Settings) -> bool:
    """Whether the running transaction is younger than the least duration."""
    if memory.open is None or settings.early_stop == "accepted":
        return False
    least = timedelta(seconds=settings.least_duration_s)
    return taken.at - memory.open.begin.at < least


def find(memory: Memory, transaction_id: str) -> Transaction | None:
    """The latest with this id, among those that the meter searches."""
    recent = (memory.open, *reversed(memory.finished[-840:]))
    return next((one for one in recent if one is not None and one.id == transaction_id), None)


def at_index(memory: Memory, place: int) -> Transaction | None:
    """By storage index, or the n-th before the latest for a negative ``place``."""
    kept = [*memory.finished, *((memory.open,) if memory.open else ())]
    if place < 0:
        return kept[place - 1] if -place < len(kept) else None
    return next((one for one in kept if one.index == place), None)


def echo(transaction: Transaction, *, running: bool, second: bool) -> dict[str, Any]:
    """The answer to a start."""
    fields: dict[str, Any] = msgspec.to_builtins(transaction.asked)
    if not second:
        fields = {name: value for name, value in fields.items() if name not in _SECOND}
    return {"index": transaction.index, **fields, "running": running}


def _counted(counts: Mapping[str, int], name: str) -> dict[str, int]:
    return {**counts, name: counts.get(name, 0) + 1}
