"""Which profiles are taken, and which of those installed give way.

Reasons are words of the OCPP 2.0.1 reasonCode list; 1.6 only says Rejected.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise

from chargepoint.core.profiles_model import (
    Bounds,
    Installed,
    Kind,
    Outlet,
    Profile,
    Purpose,
    Schedule,
    Session,
)
from chargepoint.errors import Refused

_LARGEST = 2**31 - 1
_YEARS = range(1970, 9000)  # recurrences can be counted from these
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


def check(
    new: Installed,
    outlets: Mapping[int, Outlet],
    sessions: Mapping[int, Session],
    bounds: Bounds,
    *,
    awaited: bool = False,
) -> None:
    """Accept a profile that the CSMS sets for an EVSE, 0 for the station.

    ``awaited`` is the TxProfile of a remote start, whose transaction does not exist yet.

    Raises:
        Refused: it cannot be in force here, ever (OCPP 2.0.1 K01, 1.6 section 5.16).
    """
    profile, evse_id = new.profile, new.evse_id
    if evse_id and evse_id not in outlets:
        raise Refused(f"no EVSE {evse_id}", reason="UnknownEvse")
    if abs(profile.id) > _LARGEST:
        raise Refused("an id of more than 32 bits", reason="InvalidProfile")
    if not 0 <= profile.stack_level <= bounds.highest_stack_level:
        found = f"stack level {profile.stack_level}, at most {bounds.highest_stack_level}"
        raise Refused(found, reason="InvalidStackLevel")
    _check_purpose(profile, evse_id)
    if awaited:
        _check_awaited(profile)
    elif profile.purpose is Purpose.TX:
        _check_transaction(profile, sessions.get(evse_id))
    if profile.kind is Kind.RECURRING and profile.recurrency is None:
        raise Refused("a recurring profile needs recurrencyKind", reason="InvalidProfile")
    if not _valid_ever(profile):
        raise Refused("validTo is not after validFrom", reason="InvalidProfile")
    concerned = [outlets[evse_id]] if evse_id else list(outlets.values())
    for schedule in profile.schedules:
        check_schedule(schedule, profile.kind, bounds)
        if not bounds.lenient:
            _check_phases(schedule, concerned)


def displaced(
    new: Installed, installed: Iterable[Installed], *, lenient: bool = False
) -> frozenset[int]:
    """The ids of installed profiles that give way to a new one that was checked.

    The one with its id does, wherever it is. So does one of the same purpose and stack level at
    the same EVSE, in 2.0.1 if they are ever valid together (K01.FR.05, .06).

    Raises:
        Refused: it contradicts one that must not give way (2.0.1 K01.FR.39, .52, .53).
    """
    gone: set[int] = set()
    for known in installed:
        if known.profile.purpose is Purpose.EXTERNAL:
            if known.profile.id == new.profile.id:
                raise Refused("the id of an external limit", reason="InvalidProfile")
        elif known.profile.id == new.profile.id:
            gone.add(known.profile.id)
        elif _same_place(new.profile, known.profile, lenient=lenient):
            if known.evse_id == new.evse_id:
                _allow_tx(new.profile, known.profile, lenient=lenient)
                gone.add(known.profile.id)
            elif new.profile.purpose is Purpose.TX_DEFAULT and not lenient:
                _refuse_default(new, known)
    return frozenset(gone)


def _check_purpose(profile: Profile, evse_id: int) -> None:
    match profile.purpose:
        case Purpose.EXTERNAL:
            raise Refused("external constraints are not the CSMS's to set", reason="InvalidProfile")
        case Purpose.STATION_MAX if evse_id:
            raise Refused("a maximum of the station is for EVSE 0", reason="InvalidProfile")
        case Purpose.STATION_MAX if profile.kind is Kind.RELATIVE:
            raise Refused("a maximum of the station cannot be relative", reason="InvalidProfile")
        case Purpose.TX if not evse_id:
            raise Refused("a TxProfile is for one EVSE", reason="InvalidProfile")


def _check_awaited(profile: Profile) -> None:
    """A remote start may bring a TxProfile without transaction only (2.0.1 K05, 1.6 5.16.2)."""
    if profile.purpose is not Purpose.TX or profile.transaction_id is not None:
        raise Refused("a start brings a TxProfile without transaction", reason="InvalidProfile")


def _check_transaction(profile: Profile, session: Session | None) -> None:
    if session is None:
        raise Refused("no transaction for a TxProfile", reason="TxNotFound")
    if profile.transaction_id != session.transaction_id:
        raise Refused("not the transaction of this EVSE", reason="TxNotFound")


def check_schedule(schedule: Schedule, kind: Kind, bounds: Bounds) -> None:
    """Accept a schedule, whoever sets it.

    Raises:
        Refused: it cannot be followed.
    """
    if schedule.unit not in bounds.units:
        raise Refused(f"limits in {schedule.unit} are not supported", reason="UnsupportedRateUnit")
    if kind is Kind.RELATIVE and schedule.start is not None:
        raise Refused("a relative schedule has no startSchedule", reason="InvalidSchedule")
    if kind is not Kind.RELATIVE and schedule.start is None:
        raise Refused(f"{kind} needs startSchedule", reason="InvalidSchedule")
    starts = [period.start for period in schedule.periods]
    if len(starts) > bounds.periods_most:
        found = f"{len(starts)} periods, at most {bounds.periods_most}"
        raise Refused(found, reason="TooManyElements")
    if starts[:1] != [0] or any(after <= before for before, after in pairwise(starts)):
        raise Refused("periods begin at 0 and ascend", reason="InvalidSchedule")
    if any(period.limit < 0 for period in schedule.periods):
        raise Refused("a limit is negative", reason="InvalidSchedule")
    if schedule.duration is not None and schedule.duration <= 0:
        raise Refused("a duration is not positive", reason="InvalidSchedule")
    numbers = (schedule.id, schedule.duration or 0, *starts[-1:])
    if schedule.start is not None and schedule.start.year not in _YEARS:
        raise Refused(f"startSchedule in {schedule.start.year}", reason="InvalidSchedule")
    if any(abs(number) > _LARGEST for number in numbers):
        raise Refused("a number of more than 32 bits", reason="InvalidSchedule")


def _check_phases(schedule: Schedule, outlets: Iterable[Outlet]) -> None:
    """Phases cannot be switched here, so that only those of the outlet can be held (K01.FR.43).

    At DC they have no meaning and are passed over.
    """
    for outlet in outlets:
        for period in schedule.periods:
            if outlet.phases and period.number_phases not in {None, outlet.phases}:
                found = f"{period.number_phases} phases, the outlet has {outlet.phases}"
                raise Refused(found, reason="InvalidSchedule")
            if outlet.phases and period.phase_to_use is not None:
                raise Refused("the phase cannot be chosen", reason="InvalidSchedule")


def _same_place(new: Profile, known: Profile, *, lenient: bool) -> bool:
    same = (new.purpose, new.stack_level) == (known.purpose, known.stack_level)
    if same and new.purpose is Purpose.TX:
        return None in {new.transaction_id, known.transaction_id} or (
            new.transaction_id == known.transaction_id
        )
    return same and (lenient or (_from(new) < _to(known) and _from(known) < _to(new)))


def _allow_tx(new: Profile, known: Profile, *, lenient: bool) -> None:
    if new.purpose is Purpose.TX and not lenient:
        found = f"profile {known.id} has stack level {new.stack_level} of this transaction"
        raise Refused(found, reason="DuplicateProfile")


def _refuse_default(new: Installed, known: Installed) -> None:
    if 0 in {new.evse_id, known.evse_id}:
        found = f"profile {known.profile.id} of EVSE {known.evse_id} has this stack level"
        raise Refused(found, reason="DuplicateProfile")


def _valid_ever(profile: Profile) -> bool:
    try:  # a year 1 or 9999 may be none in UTC
        return _from(profile).astimezone(UTC) < _to(profile).astimezone(UTC)
    except OverflowError:
        return False


def _from(profile: Profile) -> datetime:
    return profile.valid_from or _EARLIEST


def _to(profile: Profile) -> datetime:
    return profile.valid_to or _LATEST
