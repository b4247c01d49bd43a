"""What the charge point trusts: installed, listed, deleted (security whitepaper M03 to M05)."""

from datetime import timedelta
from typing import Any

import pytest
from fake_clock import START
from pki import Authority, root

from chargepoint.core.certificates import Use
from chargepoint.core.variables import SECURITY_PROFILE
from chargepoint.errors import StoreError

CSMS, MAKER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"


async def install(bench: Any, use: str, authority: Authority) -> Any:
    return await bench.ask("InstallCertificate", certificateType=use, certificate=authority.pem)


async def listed(bench: Any, use: str) -> Any:
    return await bench.ask("GetInstalledCertificateIds", certificateType=use)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(CSMS, marks=pytest.mark.spec("1.6", "TC_075_2")),
        pytest.param(MAKER, marks=pytest.mark.spec("1.6", "TC_075_1")),
    ],
)
async def test_a_root_is_installed_and_listed(bench: Any, use: str) -> None:
    authority = root()

    answer = await install(bench, use, authority)
    found = await listed(bench, use)

    assert answer == {"status": "Accepted"}
    assert found["status"] == "Accepted"
    (data,) = found["certificateHashData"]
    assert data["serialNumber"] == format(authority.certificate.serial_number, "x")


@pytest.mark.spec("1.6", "TC_075_2")
async def test_nothing_installed_is_not_found(bench: Any) -> None:
    await install(bench, CSMS, root())

    assert await listed(bench, MAKER) == {"status": "NotFound"}


async def test_an_expired_root_is_rejected(bench: Any) -> None:
    expired = root(start=START - timedelta(days=9), life=timedelta(days=8))

    assert await install(bench, CSMS, expired) == {"status": "Rejected"}


async def test_a_disk_that_refuses_makes_it_failed(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(type(bench.station.store.keys), "install", refuse)

    assert await install(bench, CSMS, root()) == {"status": "Failed"}


@pytest.mark.spec("1.6", "TC_076")
async def test_a_root_is_deleted_once(bench: Any) -> None:
    await install(bench, MAKER, root())
    (data,) = (await listed(bench, MAKER))["certificateHashData"]

    answers = [await bench.ask("DeleteCertificate", certificateHashData=data) for _ in range(2)]

    assert [answer["status"] for answer in answers] == ["Accepted", "NotFound"]


async def test_the_root_of_the_connection_cannot_be_deleted(bench: Any) -> None:
    bench.station.model.provide(SECURITY_PROFILE, lambda: 2)
    await install(bench, CSMS, root())
    (data,) = (await listed(bench, CSMS))["certificateHashData"]

    answer = await bench.ask("DeleteCertificate", certificateHashData=data)

    assert answer == {"status": "Failed"}
    assert len(bench.station.store.keys.roots(Use.CSMS_ROOT)) == 1
