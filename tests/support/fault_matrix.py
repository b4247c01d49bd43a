"""What each driver makes of each fault: the table, and what is expected in each cell.

A cell is one operation during which the fault lasts, and the same operation after it is gone. The
first may fail, in the way that is expected; the second must succeed, with no command given twice
and a record that verifies. Expectations belong to the kind of fault, not to a driver, so that a new
driver is judged by the same ones.
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from meter_bench import OTHER, UUID, Bench, bench, cleared, pairs, patiently, transaction
from record_check import assert_authentic
from virtual_time import run

from meters.api import Meter, SigningMeter
from meters.errors import MeterDataError, MeterError, MeterRefused, MeterUnreachable
from meters.simulators.catalog import keeps_records, load_simulator

OPERATIONS: Final = ("read", "begin", "end", "release")
SIGNING_DELAY_S: Final = 5.0
BOOT_DELAY_S: Final = 4.0
DEADLINE_S: Final = 180.0
"""Of any call; the slowest waits for a meter to sign that answers nothing any more."""

OK, UNREACHABLE, NONSENSE, REFUSED = "ok", "unreachable", "data error", "refused"
KEPT, LOST = "record kept", "record lost, told"
_SILENT: Final = frozenset({UNREACHABLE})
_WRONG: Final = frozenset({NONSENSE})


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, what it is in the simulator, and what an operation may come to while it lasts.

    ``also`` is what begin and end may come to besides. A release may always be "ok": a meter that
    need not be told is not asked. Of several ``faults`` each is tried alone.
    """

    name: str
    transport: str
    faults: tuple[dict[str, Any], ...]
    allowed: frozenset[str]
    also: frozenset[str] = frozenset()

    def expected(self, operation: str) -> frozenset[str]:
        match operation:
            case "read":
                return self.allowed
            case "release":
                return self.allowed | {OK}
        return self.allowed | self.also


def _modbus(
    name: str, kind: str, allowed: Iterable[str] = _SILENT, also: Iterable[str] = (), **how: int
) -> Row:
    return Row(name, "modbus", ({"kind": kind, **how},), frozenset(allowed), frozenset(also))


def _http(
    name: str, kind: str, allowed: Iterable[str] = _SILENT, also: Iterable[str] = (), **how: int
) -> Row:
    return Row(name, "http", ({"kind": kind, **how},), frozenset(allowed), frozenset(also))


ROWS: Final = (
    _modbus("silence", "silence"),
    _modbus("reply lost", "lost-reply"),
    _modbus("CRC", "bad-crc"),
    _modbus("short frame", "truncated"),
    _modbus("fewer registers", "fewer-words", _WRONG),
    _modbus("wrong unit", "wrong-unit"),
    _modbus("late answer", "late"),
    _modbus("exception", "exception", _WRONG, {REFUSED}),
    _modbus("busy", "exception", _WRONG, value=6),
    _http("silence", "silence"),
    _http("reply lost", "lost-reply"),
    _http("connection reset", "reset"),
    _http("answer broken off", "truncated"),
    _http("late answer", "delay", value=60_000),
    _http("HTTP 500", "status"),
    _http("HTTP 403", "status", _WRONG, {REFUSED}, value=403),
    _http("malformed JSON", "malformed", _WRONG),
    _http("wrong content type", "content-type", {OK}),  # and JSON all the same
    _http("HTML page", "content-type", _WRONG, value=1),
    Row(
        "missing key",
        "http",
        tuple({"kind": "missing-key", "value": place} for place in range(12)),
        frozenset({OK, NONSENSE}),  # not every key is needed
    ),
)
REBOOTS: Final = ("free", "running", "signing", "ended")


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one operation under one fault; ``allowed`` is what was expected."""

    driver: str
    simulator: str
    fault: str
    operation: str
    found: str
    allowed: frozenset[str]

    @property
    def fine(self) -> bool:
        return set(self.found.split(" or ")) <= self.allowed


def cells_of(driver: str, simulator: str) -> Iterator[Callable[[], Cell]]:
    """All cells of a driver, each to be worked out by calling it."""
    found = load_simulator(simulator)
    signing = run(_has_key(driver, simulator))
    operations = OPERATIONS if signing else OPERATIONS[:1]
    for row in ROWS:
        if row.transport == found.TRANSPORT:
            for operation in operations:
                yield lambda row=row, operation=operation: run(
                    _under_fault(driver, simulator, row, operation)
                )
    for state in REBOOTS if signing else REBOOTS[:1]:
        yield lambda state=state: run(_rebooted(driver, simulator, state))
    if signing:
        for case in ("begin", "end"):
            yield lambda case=case: run(_refused(driver, simulator, case))


async def _has_key(driver: str, simulator: str) -> bool:
    async with bench(driver, simulator) as found:
        return bool(found.device.public_key)


async def _under_fault(driver: str, simulator: str, row: Row, operation: str) -> Cell:
    found = [await _under_one(driver, simulator, fault, operation) for fault in row.faults]
    words = " or ".join(dict.fromkeys(sorted(found)))
    return Cell(driver, simulator, row.name, operation, words, row.expected(operation))


async def _under_one(driver: str, simulator: str, fault: dict[str, Any], operation: str) -> str:
    async with bench(driver, simulator) as found:
        meter = await found.meter()
        await _bring_to(meter, operation)
        call = _call(meter, operation)
        found.fault(**fault)
        outcome = await outcome_of(call)
        found.device.faults.clear()
        await asyncio.sleep(1)
        try:
            await patiently(call)
            await _check_books(found, meter, operation)
        except Exception as error:  # noqa: BLE001 - shown in the cell, whatever it is
            return f"{outcome}, then DEFECT {type(error).__name__}: {error}"
        return outcome


async def _rebooted(driver: str, simulator: str, state: str) -> Cell:
    settings = {"boot_delay_s": BOOT_DELAY_S, "signing_delay_s": SIGNING_DELAY_S}
    async with bench(driver, simulator, **settings) as found:
        meter = await found.meter()
        await patiently(meter.read)
        try:
            if state != "free" and isinstance(meter, SigningMeter):
                await patiently(lambda: meter.begin(transaction()))
            if state == "signing" and isinstance(meter, SigningMeter):
                await _begin_to_sign(found, meter)
            if state == "ended" and isinstance(meter, SigningMeter):
                await patiently(lambda: meter.end(UUID))
            found.device.reboot()
            restarted = await found.meter()
            await patiently(restarted.read)
            outcome = OK
            if state != "free" and isinstance(restarted, SigningMeter):
                outcome = await _recovered(found, restarted)
        except Exception as error:  # noqa: BLE001 - shown in the cell, whatever it is
            outcome = f"DEFECT {type(error).__name__}: {error}"
        return Cell(driver, simulator, "reboot", state, outcome, _after_reboot(found, state))


async def _begin_to_sign(found: Bench, meter: SigningMeter) -> None:
    """Order the end and be gone before the record is there."""
    ending = asyncio.ensure_future(meter.end(UUID))
    while not ending.done() and not found.executed("end"):  # noqa: ASYNC110 - no event for it
        await asyncio.sleep(0.05)
    ending.cancel()
    with contextlib.suppress(asyncio.CancelledError, MeterError):
        await ending


def _after_reboot(found: Bench, state: str) -> frozenset[str]:
    if state == "free":
        return frozenset({OK})
    return frozenset({KEPT} if keeps_records(found.simulator) else {KEPT, LOST})


async def _recovered(found: Bench, meter: SigningMeter) -> str:
    """What is left of the transaction; the meter must be free for the next one in the end."""
    left = await patiently(meter.open_transaction)
    outcome = f"DEFECT: the meter shows {left}"
    # What has lost its memory may still run and be ended, with nothing to say whose it is.
    ids = {UUID} if keeps_records(found.simulator) else {UUID, ""}
    try:
        end = await patiently(lambda: meter.end(UUID))
        if end.signed is not None and left is not None and left.transaction_id in ids:
            assert_authentic(end.signed, found.device)
            outcome = KEPT
    except MeterRefused:
        outcome = LOST
    await cleared(meter)
    await patiently(lambda: meter.begin(transaction(OTHER)))
    return outcome


async def _refused(driver: str, simulator: str, case: str) -> Cell:
    async with bench(driver, simulator) as found:
        meter = await found.signing()
        await meter.begin(transaction(OTHER))
        call = _call(meter, case)  # of a transaction that is not the one that runs
        outcome = await outcome_of(call)
        if found.executed(case):
            outcome += ", DEFECT: carried out"
        return Cell(driver, simulator, "refusal", case, outcome, frozenset({REFUSED}))


async def _bring_to(meter: Meter, operation: str) -> None:
    """The state before the operation."""
    if operation == "read":
        await meter.read()
    elif isinstance(meter, SigningMeter) and operation != "begin":
        await meter.begin(transaction())
        if operation == "release":
            await meter.end(UUID)


def _call(meter: Any, operation: str) -> Callable[[], Awaitable[Any]]:
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "read": meter.read,
        "begin": lambda: meter.begin(transaction()),
        "end": lambda: meter.end(UUID),
        "release": lambda: meter.release(UUID),
    }
    return calls[operation]


async def outcome_of(call: Callable[[], Awaitable[Any]]) -> str:
    """One word for what a call came to."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            await call()
    except MeterUnreachable:
        return UNREACHABLE
    except MeterRefused:
        return REFUSED
    except MeterDataError:
        return NONSENSE
    except Exception as error:  # noqa: BLE001 - a driver may raise nothing else
        return f"DEFECT {type(error).__name__}: {error}"
    return OK


async def _check_books(found: Bench, meter: Meter, operation: str) -> None:
    """Bring the transaction to its end; every command was carried out once."""
    if operation == "read" or not isinstance(meter, SigningMeter):
        return
    if operation != "release":
        end = await patiently(lambda: meter.end(UUID))
        if end.signed is None:
            raise ValueError("no record")
        assert_authentic(end.signed, found.device)
        await patiently(lambda: meter.release(UUID))
    counts = found.executed("begin"), found.executed("end")
    if counts != (1, 1):
        raise ValueError(f"begin and end were carried out {counts} times")


def main(arguments: list[str] | None = None) -> int:
    """Print the whole table; 1 if a cell is not as expected."""
    parser = argparse.ArgumentParser(prog="fault_matrix", description=main.__doc__)
    parser.add_argument("driver", nargs="*", help="only these drivers")
    wanted = parser.parse_args(arguments).driver
    bad: list[Cell] = []
    for driver, simulator in pairs():
        if wanted and driver not in wanted:
            continue
        if not simulator:
            sys.stdout.write(f"{driver}: no simulator, so no table\n\n")
            continue
        cells = [cell() for cell in cells_of(driver, simulator)]
        sys.stdout.write(_table(driver, simulator, cells) + "\n")
        bad += [cell for cell in cells if not cell.fine]
    for cell in bad:
        allowed = " or ".join(sorted(cell.allowed))
        where = f"{cell.driver} ({cell.simulator}), {cell.fault}, {cell.operation}"
        sys.stdout.write(f"not as expected: {where}: {cell.found}; expected: {allowed}\n")
    return 1 if bad else 0


def _table(driver: str, simulator: str, cells: list[Cell]) -> str:
    """One line for each fault, one column for each operation or state."""
    lines = [f"{driver} on simulated {simulator}"]
    for columns, faults in ((OPERATIONS, None), (REBOOTS, "reboot"), (("begin", "end"), "refusal")):
        chosen = [cell for cell in cells if _belongs(cell, faults)]
        if not chosen:
            continue
        lines.append("  " + "".join(f"{word:<19}" for word in ("", *columns)).rstrip())
        for fault in dict.fromkeys(cell.fault for cell in chosen):
            found = {cell.operation: cell for cell in chosen if cell.fault == fault}
            words = [_word(found.get(column)) for column in columns]
            lines.append("  " + "".join(f"{word:<19}" for word in (fault, *words)).rstrip())
    return "\n".join(lines) + "\n"


def _belongs(cell: Cell, faults: str | None) -> bool:
    special = {"reboot", "refusal"}
    return cell.fault not in special if faults is None else cell.fault == faults


def _word(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return cell.found if cell.fine else "NOT AS EXPECTED"


if __name__ == "__main__":
    sys.exit(main())
