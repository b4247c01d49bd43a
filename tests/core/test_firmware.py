"""The rules of an update: what may be replaced, what a restart finds, what a trigger is told."""

from dataclasses import replace

import pytest
from fake_clock import START

from chargepoint.core.firmware import (
    RESULTS,
    FirmwareJob,
    FirmwareStatus,
    InstallResult,
    after_start,
    on_trigger,
)

S = FirmwareStatus
JOB = FirmwareJob(7, "http://h/fw", START, certificate="PEM", signature="AAAA")
UNDER_WAY = (None, S.DOWNLOAD_SCHEDULED, S.DOWNLOADING, S.DOWNLOADED, S.SIGNATURE_VERIFIED)
FAILURES = (
    S.DOWNLOAD_FAILED,
    S.INVALID_SIGNATURE,
    S.INSTALL_VERIFICATION_FAILED,
    S.INSTALLATION_FAILED,
)


@pytest.mark.spec("2.0.1", "L01.FR.24")
@pytest.mark.parametrize("status", [None, *(status for status in S if status is not S.IDLE)])
def test_only_an_installation_cannot_be_replaced(status: FirmwareStatus | None) -> None:
    touchable = replace(JOB, status=status).touchable

    assert touchable is (status not in {S.INSTALLING, S.INSTALL_REBOOTING})


@pytest.mark.parametrize(
    ("status", "has_file"),
    [
        (None, False),
        (S.DOWNLOAD_SCHEDULED, False),
        (S.DOWNLOADING, False),
        (S.DOWNLOADED, True),
        (S.SIGNATURE_VERIFIED, True),
        (S.INSTALL_SCHEDULED, True),
        (S.INSTALLED, False),
        *((status, False) for status in FAILURES),
    ],
)
def test_the_file_is_there_between_download_and_end(
    status: FirmwareStatus | None, *, has_file: bool
) -> None:
    assert replace(JOB, status=status).has_file is has_file


@pytest.mark.spec("2.0.1", "L01.FR.28")
@pytest.mark.parametrize(
    ("status", "confirmed", "found"),
    [
        (S.INSTALL_REBOOTING, None, S.INSTALLED),
        (S.INSTALL_REBOOTING, True, S.INSTALLED),
        (S.INSTALL_REBOOTING, False, S.INSTALLATION_FAILED),
        (S.INSTALLING, None, S.INSTALLATION_FAILED),
        (S.INSTALLING, True, S.INSTALLED),
        (S.INSTALLING, False, S.INSTALLATION_FAILED),
        *((status, None, None) for status in (*UNDER_WAY, S.INSTALLED, *FAILURES)),
    ],
)
def test_what_a_restart_finds(
    status: FirmwareStatus | None, *, confirmed: bool | None, found: FirmwareStatus | None
) -> None:
    assert after_start(status, confirmed=confirmed) is found


@pytest.mark.spec("2.0.1", "L01.FR.25")
@pytest.mark.spec("2.0.1", "L01.FR.26")
@pytest.mark.parametrize(
    ("status", "told"),
    [(None, S.IDLE), (S.INSTALLED, S.IDLE), (S.DOWNLOADING, S.DOWNLOADING)]
    + [(status, status) for status in FAILURES],
)
def test_a_trigger_is_told_idle_or_the_last_word(
    status: FirmwareStatus | None, told: FirmwareStatus
) -> None:
    assert on_trigger(status) is told


def test_every_result_of_an_installation_has_a_status() -> None:
    assert set(RESULTS) == set(InstallResult)


def test_an_update_is_signed_only_with_both_parts() -> None:
    assert JOB.signed
    assert not replace(JOB, certificate="").signed
    assert not replace(JOB, signature="").signed


def test_an_address_with_a_password_is_not_in_the_repr() -> None:
    assert "hush" not in repr(replace(JOB, location="ftp://me:hush@h/fw"))
