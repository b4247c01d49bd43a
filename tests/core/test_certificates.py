"""The rules about certificates and security profiles, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chargepoint.core.certificates import (
    Certificate,
    CertificateId,
    HashAlgorithm,
    Signed,
    check_profile,
    check_room,
    check_root,
    check_signed,
    lower_profiles,
    next_wait,
    only_by_wildcard,
    renewal_at,
)
from chargepoint.errors import Refused

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LEAF = Certificate(
    "0001", "Example", NOW - DAY, NOW + 90 * DAY, is_ca=False, key="EC", key_bits=256
)
ROOT = replace(LEAF, common_name="Root", is_ca=True)
GOOD = Signed((LEAF, ROOT), 2000, fits=True, linked=True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"not_before": NOW + DAY}, "not valid yet"),
        ({"not_after": NOW - DAY}, "expired"),
        ({"is_ca": False}, "may not sign"),
        ({"key_bits": 192}, "192 bits"),
        ({"key": "RSA", "key_bits": 1024}, "1024 bits"),
        ({"key": "Ed25519"}, "kind Ed25519"),
    ],
)
@pytest.mark.spec("2.0.1", "M05.FR.06")
def test_a_root_that_cannot_be_one(change: dict[str, object], why: str) -> None:
    check_root(ROOT, NOW)

    with pytest.raises(Refused, match=why):
        check_root(replace(ROOT, **change), NOW)  # type: ignore[arg-type]


@pytest.mark.spec("2.0.1", "M05.FR.09")
def test_a_root_that_the_old_one_did_not_sign() -> None:
    with pytest.raises(Refused, match="not signed by the root"):
        check_root(ROOT, NOW, signed_by_old=False)


@pytest.mark.parametrize(
    ("signed", "why"),
    [
        (replace(GOOD, size=10_001), "10001 characters"),
        (replace(GOOD, chain=()), "0 certificates"),
        (replace(GOOD, chain=(LEAF, *[ROOT] * 10)), "11 certificates"),
        (replace(GOOD, fits=False), "not about the key"),
        (replace(GOOD, linked=False), "chain is not one"),
        (replace(GOOD, chain=(replace(LEAF, is_ca=True),)), "signs others"),
        (replace(GOOD, chain=(replace(LEAF, common_name="0002"),)), "'0002', expected '0001'"),
        (replace(GOOD, chain=(LEAF, replace(ROOT, not_after=NOW - DAY))), "'Root' has expired"),
        (replace(GOOD, chain=(replace(LEAF, key_bits=160),)), "160 bits"),
    ],
)
@pytest.mark.spec("2.0.1", "A02.FR.06")
def test_a_certificate_of_the_station_that_cannot_be_used(signed: Signed, why: str) -> None:
    check_signed(GOOD, NOW, size_most=10_000, common_name="0001")
    check_signed(GOOD, NOW, size_most=10_000, common_name="")

    with pytest.raises(Refused, match=why):
        check_signed(signed, NOW, size_most=10_000, common_name="0001")


def test_a_full_store_says_so() -> None:
    check_room(49, 50)

    with pytest.raises(Refused) as refused:
        check_room(50, 50)
    assert refused.value.reason == "OutOfStorage"


@pytest.mark.parametrize(
    ("life", "ahead", "left"),
    [(365, 30, 30), (365, 60, 60), (90, 30, 30), (9, 30, 3), (1, 30, 1 / 3)],
)
@pytest.mark.spec("2.0.1", "A02.FR.02")
def test_renewal_begins_some_days_before_and_not_in_the_first_two_thirds(
    life: int, ahead: int, left: float
) -> None:
    end = NOW + life * DAY

    assert end - renewal_at(NOW, end, ahead * DAY) == left * DAY


@pytest.mark.spec("2.0.1", "A02.FR.18")
def test_the_wait_for_a_certificate_doubles_and_ends() -> None:
    ten = timedelta(seconds=10)

    waits = [next_wait(sent, ten, 2) for sent in (1, 2, 3, 4)]

    assert waits == [ten, 2 * ten, 4 * ten, None]
    assert next_wait(1, timedelta(0), 2) is None


@pytest.mark.parametrize(
    ("current", "wanted", "root", "certificate", "downgrade", "reason"),
    [
        (0, 1, False, False, False, ""),
        (1, 2, True, False, False, ""),
        (1, 2, False, False, False, "InvalidCertificate"),
        (2, 3, True, True, False, ""),
        (2, 3, True, False, False, "InvalidCertificate"),
        (1, 3, False, True, False, "InvalidCertificate"),
        (2, 1, True, True, False, "NoSecurityDowngrade"),
        (2, 1, True, True, True, "NoSecurityDowngrade"),
        (3, 2, True, True, False, "NoSecurityDowngrade"),
        (3, 2, False, False, True, ""),
        (2, 2, False, False, False, ""),
        (3, 1, True, True, True, "NoSecurityDowngrade"),
    ],
)
@pytest.mark.spec("2.0.1", "A05.FR.02")
@pytest.mark.spec("2.0.1", "A05.FR.09")
def test_where_a_security_profile_may_go(  # noqa: PLR0917 - a table
    current: int,
    wanted: int,
    root: bool,  # noqa: FBT001
    certificate: bool,  # noqa: FBT001
    downgrade: bool,  # noqa: FBT001
    reason: str,
) -> None:
    found = ""
    try:
        check_profile(current, wanted, root=root, certificate=certificate, downgrade=downgrade)
    except Refused as refused:
        found = refused.reason

    assert found == reason


@pytest.mark.spec("2.0.1", "A05.FR.06")
def test_slots_of_a_lower_profile_go() -> None:
    assert lower_profiles({1: 1, 2: 2, 3: 3}, 2) == (1,)


@pytest.mark.parametrize(
    ("names", "only"),
    [(["*.example.com"], True), (["*.example.com", "a.example.com"], False), ([], False)],
)
def test_a_wildcard_may_be_all_there_is(names: list[str], *, only: bool) -> None:
    assert only_by_wildcard(names, "A.example.com") is only


def test_names_are_equal_in_any_spelling() -> None:
    one = CertificateId(HashAlgorithm.SHA256, "AB", "CD", "0F")
    other = CertificateId(HashAlgorithm.SHA256, "ab", "cd", "f")

    assert one == other
    assert hash(one) == hash(other)
    assert one != replace(other, algorithm=HashAlgorithm.SHA384)
    assert one != "AB"
