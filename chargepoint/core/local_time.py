"""Local time for people: the offset from UTC now, and when it changes next (2.0.1 ClockCtrlr)."""

from datetime import UTC, datetime, timedelta, tzinfo

_AHEAD = timedelta(days=370)  # a zone that changes at all does so within a year
_STEP = timedelta(days=1)
_EXACT = timedelta(seconds=1)


def offset(zone: tzinfo, at: datetime) -> str:
    """The offset of a zone from UTC, written as ``+01:00``."""
    seconds = int(_offset(zone, at).total_seconds())
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"


def next_transition(zone: tzinfo, now: datetime) -> datetime | None:
    """When the offset changes next, in UTC; None if it does not within a year."""
    before = now.astimezone(UTC).replace(microsecond=0)
    end = before + _AHEAD
    while _offset(zone, before + _STEP) == _offset(zone, before):
        before += _STEP
        if before >= end:
            return None
    after = before + _STEP
    while after - before > _EXACT:
        middle = before + (after - before) // _EXACT // 2 * _EXACT
        if _offset(zone, middle) == _offset(zone, before):
            before = middle
        else:
            after = middle
    return after


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
