"""The rules of sending a log: intervals, names, statuses."""

from datetime import UTC, datetime, timedelta

import pytest

from chargepoint.core.logs import Interval, LogKind, LogStatus, failed, file_name
from chargepoint.core.transfer import Trouble
from chargepoint.errors import Refused

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("interval", "inside"),
    [
        (Interval(), True),
        (Interval(AT, AT), True),
        (Interval(AT - HOUR), True),
        (Interval(AT + HOUR), False),
        (Interval(None, AT - HOUR), False),
    ],
)
def test_an_interval_includes_its_bounds(interval: Interval, *, inside: bool) -> None:
    assert interval.holds(AT) is inside


def test_an_interval_that_ends_before_it_begins_is_refused() -> None:
    Interval(AT, AT + HOUR).check()
    Interval(None, AT).check()

    with pytest.raises(Refused) as refused:
        Interval(AT + HOUR, AT).check()

    assert refused.value.reason == "InvalidValue"


@pytest.mark.parametrize(
    ("station", "kind", "name"),
    [
        ("CP1", LogKind.DIAGNOSTICS, "CP1_diagnostics_20260301T100000Z.tar.gz"),
        ("CP1", LogKind.SECURITY, "CP1_security_20260301T100000Z.tar.gz"),
        ("../DE*ABC/ü", LogKind.SECURITY, "___DE_ABC___security_20260301T100000Z.tar.gz"),
        ("", LogKind.SECURITY, "station_security_20260301T100000Z.tar.gz"),
    ],
)
def test_a_file_name_has_only_plain_characters(station: str, kind: LogKind, name: str) -> None:
    assert file_name(station, kind, AT) == name


def test_every_trouble_has_a_status() -> None:
    assert {failed(trouble) for trouble in Trouble} == {
        LogStatus.UPLOAD_FAILURE,
        LogStatus.PERMISSION_DENIED,
        LogStatus.BAD_MESSAGE,
        LogStatus.NOT_SUPPORTED,
    }
