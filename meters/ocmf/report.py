"""Records and verdicts for people (a table, plain words) and for programs (JSON).

Everything printed comes from strangers, so characters that would steer a terminal are shown as
escapes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from meters.ocmf.containers import Contained
from meters.ocmf.curves import DEFAULT_ALGORITHM
from meters.ocmf.errors import PublicKeyError
from meters.ocmf.keys import PublicKey, load_public_key
from meters.ocmf.readings import RegisterReading
from meters.ocmf.record import Record
from meters.ocmf.session import Session, Severity
from meters.ocmf.syntax import Deviation
from meters.ocmf.verification import Outcome, Verdict

CAUSES = {
    "B": "begin",
    "C": "charging",
    "S": "suspended",
    "T": "tariff change",
    "X": "error",
    "E": "end",
    "L": "ended locally",
    "R": "ended remotely",
    "A": "aborted",
    "P": "power failure",
    "": "fiscal",
}
CLOCKS = {
    "U": "clock unknown",
    "I": "clock informative",
    "S": "clock synchronised",
    "R": "duration exact",
}
STATES = {
    "G": "good",
    "N": "not present",
    "T": "timeout",
    "D": "disconnected",
    "R": "removed",
    "M": "manipulated",
    "X": "exchanged",
    "I": "incompatible",
    "O": "out of range",
    "S": "substitute value",
    "E": "error",
    "F": "not read",
}
WORDS = {
    Outcome.VALID: "valid",
    Outcome.INVALID: "INVALID",
    Outcome.UNSUPPORTED: "cannot verify",
    Outcome.BAD_KEY: "cannot verify",
    Outcome.MALFORMED_SIGNATURE: "unreadable",
    Outcome.UNSIGNED: "not signed",
    Outcome.UNPARSABLE: "no record",
}

_WIDTH = 14


def record_table(record: Record, contained: Contained | None = None) -> str:
    """All that a record says, line by line; the container's key and context if there are any."""
    return "\n".join(_lines(record, contained))


def verdict_line(number: int, verdict: Verdict) -> str:
    """One record in one line, and a second for what is unusual about it."""
    record = verdict.record
    parts = [f"{number:>3}", f"{WORDS[verdict.outcome]:<13}"]
    if record is not None:
        parts += [f"{printable(record.pagination):<7}", printable(record.meter_serial)]
        if record.energy_wh is not None:
            parts.append(_energy(record.energy_wh))
    line = "  ".join((*parts, printable(verdict.reason)))
    if verdict.deviations:
        line += "\n     unusual: " + ", ".join(
            dict.fromkeys(one.code for one in verdict.deviations)
        )
    return line


def session_lines(name: str, session: Session) -> list[str]:
    """One transaction: what it comes to, then what was found."""
    count = len(session.verdicts)
    nameless = f"{count} records that belong together" if count > 1 else "Record on its own"
    head = f"Transaction {printable(name)}" if name else nameless
    doubtful = any(one.severity is Severity.DOUBT for one in session.findings)
    word = "fine, with doubts" if doubtful else "fine"
    bad = "not complete" if session.incomplete else "NOT FINE"
    parts = [f"{head}: {word if session.sound else bad}"]
    if session.energy_wh is not None:
        parts.append(_energy(session.energy_wh))
    if session.duration is not None:
        parts.append(f"in {session.duration}")
    found = [
        f"     {one.severity}: {printable(one.sentence)} [{one.code}]" for one in session.findings
    ]
    return [", ".join(parts), *found]


def verdict_json(verdict: Verdict, contained: Contained | None = None) -> dict[str, Any]:
    """A verdict as JSON values; quantities are strings, because they are exact."""
    record = verdict.record
    result: dict[str, Any] = {
        "outcome": verdict.outcome.value,
        "valid": verdict.valid,
        "reason": verdict.reason,
        "deviations": [_deviation_json(one) for one in verdict.deviations],
        "public_key": _key_json(verdict.key) if verdict.key else None,
    }
    if contained is not None:
        result |= {"context": contained.context, "transaction": contained.transaction}
    return result | {"record": record_json(record) if record else None}


def record_json(record: Record) -> dict[str, Any]:
    """What a record says as JSON values, its text untouched beside it."""
    user = record.identification
    return {
        "text": record.text,
        "sha256": hashlib.sha256(record.signed).hexdigest(),
        "pagination": record.pagination,
        "meter_serial": record.meter_serial,
        "algorithm": record.algorithm or DEFAULT_ALGORITHM,
        "identification": {
            "assigned": user.assigned,
            "level": user.level,
            "flags": list(user.flags),
            "type": user.type,
            "data": user.data,
        },
        "tariff_text": record.tariff_text,
        "begin": _reading_json(record.begin),
        "end": _reading_json(record.end),
        "energy_wh": _decimal_json(record.energy_wh),
        "readings": [_reading_json(one) for one in record.readings],
        "deviations": [_deviation_json(one) for one in record.deviations],
    }


def session_json(name: str, session: Session) -> dict[str, Any]:
    """A transaction as JSON values; ``seconds`` is its duration."""
    duration = session.duration
    return {
        "transaction": name,
        "sound": session.sound,
        "complete": not session.incomplete,
        "energy_wh": _decimal_json(session.energy_wh),
        "seconds": None if duration is None else duration.total_seconds(),
        "findings": [
            {"code": one.code, "severity": one.severity.value, "sentence": one.sentence}
            for one in session.findings
        ],
    }


def printable(text: str) -> str:
    """The text with control characters as escapes."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _lines(record: Record, contained: Contained | None) -> Iterator[str]:
    payload = record.payload
    yield f"OCMF record {printable(record.pagination) or '(no page)'}"
    if contained is not None and (contained.context or contained.transaction):
        yield _row(
            "From", contained.context, contained.transaction and f"of {contained.transaction}"
        )
    yield _row("Meter", *(_field(payload.get(name)) for name in ("MV", "MM", "MS", "MF")))
    yield _row("Signed by", *(_field(payload.get(name)) for name in ("GI", "GS", "GV")))
    yield _row("Charge point", _field(payload.get("CI")))
    user = record.identification
    yield _row("User", "assigned" if user.assigned else "not assigned", user.type, user.data)
    yield _row("Trust", user.level, *user.flags)
    if record.tariff_text:
        yield _row("Tariff", record.tariff_text)
    if isinstance(cable := payload.get("LC"), dict):
        yield _row("Cable", *(_field(cable.get(name)) for name in ("LN", "LI", "LR", "LU")))
    yield _row("Readings", f"{len(record.readings)}")
    yield from (_reading_row(one) for one in record.readings)
    yield _row("Energy", "-" if record.energy_wh is None else _energy(record.energy_wh))
    yield _row("Algorithm", record.algorithm or f"{DEFAULT_ALGORITHM} (not told, so the default)")
    yield _row("Signature", _field(record.signature.get("SD")) or "none")
    if contained is not None and contained.key:
        yield _row("Public key", _key_words(contained.key, record.algorithm))
    yield from _unusual(record.deviations)


def _row(label: str, *parts: str) -> str:
    return f"  {label:<{_WIDTH}}" + (" ".join(printable(one) for one in parts if one) or "-")


def _field(value: object) -> str:
    return "" if value is None else str(value)


def _reading_row(reading: RegisterReading) -> str:
    why = CAUSES.get(reading.cause, reading.cause)
    when = _time(reading.time) if reading.time else reading.time_text
    state = STATES.get(reading.state, reading.state) or "state not told"
    clock = CLOCKS.get(reading.clock, reading.clock)
    cells = (f"{why:<14}", when, f"{reading.value_text:>14}", f"{reading.unit:<4}")
    text = " ".join((*cells, f"{reading.register:<18}", ", ".join(filter(None, (state, clock)))))
    errors = f", unusable: {reading.errors}" if reading.errors else ""
    return f"    {printable(text + errors)}"


def _time(time: datetime) -> str:
    return time.isoformat(sep=" ", timespec="seconds")


def _energy(energy_wh: Decimal) -> str:
    return f"{energy_wh:f} Wh"


def _key_words(text: str, algorithm: str) -> str:
    try:
        key = load_public_key(text, algorithm=algorithm or DEFAULT_ALGORITHM)
    except PublicKeyError as error:
        return f"cannot be read: {error}"
    return f"{key.point.hex().upper()} ({key.curve}, {key.shape})"


def _unusual(deviations: Sequence[Deviation]) -> Iterator[str]:
    if deviations:
        yield _row("Unusual", f"{len(deviations)}; none of it touches the signature")
    for one in deviations:
        yield f"    {printable(one.where or 'record')}: {printable(one.sentence)} [{one.code}]"


def _reading_json(reading: RegisterReading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    return {
        "time": reading.time.isoformat() if reading.time else None,
        "clock": reading.clock,
        "cause": reading.cause,
        "value": reading.value_text,
        "unit": reading.unit,
        "energy_wh": _decimal_json(reading.energy_wh),
        "register": reading.register,
        "current": reading.current,
        "errors": reading.errors,
        "state": reading.state,
        "loss": _decimal_json(reading.loss),
    }


def _decimal_json(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _deviation_json(deviation: Deviation) -> dict[str, str]:
    return {"code": deviation.code, "where": deviation.where, "sentence": deviation.sentence}


def _key_json(key: PublicKey) -> dict[str, str]:
    return {"curve": key.curve.value, "shape": key.shape, "spki": key.spki.hex().upper()}
