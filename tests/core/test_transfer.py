"""Addresses: what is taken, what is refused, what a log may show."""

from datetime import timedelta

import pytest

from chargepoint.core.transfer import (
    INTERVAL_MOST,
    NAME_MOST,
    RETRIES_MOST,
    Attempts,
    Scheme,
    parse_location,
    safe_name,
)
from chargepoint.errors import Refused

ALL = frozenset(Scheme)


@pytest.mark.parametrize(
    ("text", "scheme", "port", "path"),
    [
        ("http://h/fw.bin", Scheme.HTTP, 80, "/fw.bin"),
        ("HTTPS://h", Scheme.HTTPS, 443, "/"),
        ("ftp://h/a%20b/", Scheme.FTP, 21, "/a b/"),
        ("ftps://h:990/x", Scheme.FTPS, 990, "/x"),
        ("sftp://h/x", Scheme.SFTP, 22, "/x"),
        ("http://[::1]:8080/x?y=1#z", Scheme.HTTP, 8080, "/x"),
    ],
)
def test_an_address_is_taken_apart(text: str, scheme: Scheme, port: int, path: str) -> None:
    place = parse_location(text, ALL)

    assert (place.scheme, place.port, place.path) == (scheme, port, path)


def test_credentials_are_decoded_and_never_shown() -> None:
    place = parse_location("ftp://me%40x:hush%2F1@h/x?key=hush", ALL)

    assert (place.user, place.password) == ("me@x", "hush/1")
    assert place.shown == "ftp://h:21/x"
    assert "hush" not in repr(place)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fw.bin",
        "gopher://h/x",
        "file:///etc/passwd",
        "http:///x",
        "http://h:port/x",
        "http://h:99999/x",
        "ftp://h/x%0d%0aDELE%20y",
        "ftp://me%0aDELE:x@h/x",
        "http://[::1/x",
        "http://h/" + "x" * 600,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_location(text, ALL)

    assert refused.value.reason == "InvalidURL"


def test_a_scheme_that_the_station_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(Refused, match="this station has FTP, HTTP") as refused:
        parse_location("sftp://me:hush@h/x", frozenset({Scheme.FTP, Scheme.HTTP}))

    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fw.bin", "fw.bin"),
        ("/a/b/fw.bin", "fw.bin"),
        ("..\\..\\fw.bin", "fw.bin"),
        ("../..", "default"),
        ("..hidden", "hidden"),
        ("a b;c", "a_b_c"),
        ("", "default"),
        ("x" * 500, "x" * NAME_MOST),
    ],
)
def test_a_name_cannot_leave_its_folder(text: str, name: str) -> None:
    assert safe_name(text, "default") == name


@pytest.mark.parametrize(
    ("retries", "interval", "asked"),
    [
        (None, None, Attempts(2, timedelta(seconds=60))),
        (0, 0, Attempts(0, timedelta(0))),
        (3, 10, Attempts(3, timedelta(seconds=10))),
        (-1, -5, Attempts(0, timedelta(0))),
        (10**9, 10**18, Attempts(RETRIES_MOST, INTERVAL_MOST)),
    ],
)
def test_attempts_stay_within_bounds(
    retries: int | None, interval: int | None, asked: Attempts
) -> None:
    default = Attempts(2, timedelta(seconds=60))

    assert Attempts.asked(retries, interval, default) == asked
