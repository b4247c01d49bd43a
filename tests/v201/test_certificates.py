"""Block M: roots installed, listed, deleted; what is asked for vehicles."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from fake_clock import START
from pki import Authority, root

from chargepoint.core.certificates import CertificateId, HashAlgorithm, Use
from chargepoint.core.facts import CertificateStatusDue, SecurityEvent
from chargepoint.errors import StoreError
from chargepoint.v201.certificates import Certificates, VehicleAnswer, VehicleRequest

CSMS, MAKER = "CSMSRootCertificate", "ManufacturerRootCertificate"


async def install(talk: Any, use: str, authority: Authority) -> Any:
    return await talk.ask(
        "InstallCertificate", {"certificateType": use, "certificate": authority.pem}
    )


async def listed(talk: Any, *uses: str) -> Any:
    return await talk.ask(
        "GetInstalledCertificateIds", {"certificateType": list(uses)} if uses else {}
    )


async def delete(talk: Any, data: dict[str, Any]) -> Any:
    return await talk.ask("DeleteCertificate", {"certificateHashData": data})


def hashes_of(authority: Authority, algorithm: str = "SHA256") -> dict[str, Any]:
    """The hash data as OCSP tools make them, without the code under test."""
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
    from cryptography.x509.ocsp import OCSPRequestBuilder

    known = {"SHA256": SHA256(), "SHA384": SHA384(), "SHA512": SHA512()}
    certificate = authority.certificate
    builder = OCSPRequestBuilder().add_certificate(certificate, certificate, known[algorithm])
    request = builder.build()
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": request.issuer_name_hash.hex(),
        "issuerKeyHash": request.issuer_key_hash.hex(),
        "serialNumber": format(request.serial_number, "x"),
    }


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(CSMS, marks=pytest.mark.spec("2.0.1", "TC_M_01_CS")),
        pytest.param(MAKER, marks=pytest.mark.spec("2.0.1", "TC_M_02_CS")),
        pytest.param("V2GRootCertificate", marks=pytest.mark.spec("2.0.1", "TC_M_03_CS")),
        pytest.param("MORootCertificate", marks=pytest.mark.spec("2.0.1", "TC_M_04_CS")),
    ],
)
@pytest.mark.spec("2.0.1", "M05.FR.01")
async def test_a_root_is_installed_and_listed(talk: Any, use: str) -> None:
    authority = root()

    answer = await install(talk, use, authority)

    assert answer == {"status": "Accepted"}
    assert await listed(talk, use) == {
        "status": "Accepted",
        "certificateHashDataChain": [
            {"certificateType": use, "certificateHashData": hashes_of(authority)}
        ],
    }
    assert talk.bench.facts(SecurityEvent)[-1].type == "ReconfigurationOfSecurityParameters"


@pytest.mark.spec("2.0.1", "TC_M_12_CS")
@pytest.mark.spec("2.0.1", "TC_M_13_CS")
@pytest.mark.spec("2.0.1", "TC_M_14_CS")
@pytest.mark.spec("2.0.1", "TC_M_16_CS")
@pytest.mark.parametrize("use", [CSMS, MAKER, "V2GRootCertificate", "MORootCertificate"])
async def test_only_the_wanted_type_is_listed(talk: Any, use: str) -> None:
    for other in (CSMS, MAKER, "V2GRootCertificate", "MORootCertificate"):
        await install(talk, other, root(other))

    answer = await listed(talk, use)

    assert [row["certificateType"] for row in answer["certificateHashDataChain"]] == [use]


@pytest.mark.spec("2.0.1", "TC_M_17_CS")
async def test_two_types_are_listed_in_one_answer(talk: Any) -> None:
    for use in (CSMS, MAKER, "MORootCertificate"):
        await install(talk, use, root(use))

    answer = await listed(talk, CSMS, MAKER)

    found = {row["certificateType"] for row in answer["certificateHashDataChain"]}
    assert found == {CSMS, MAKER}


@pytest.mark.spec("2.0.1", "TC_M_18_CS")
async def test_without_a_type_everything_is_listed(talk: Any) -> None:
    await install(talk, CSMS, root("a"))
    await install(talk, MAKER, root("b"))

    answer = await listed(talk)

    assert len(answer["certificateHashDataChain"]) == 2


@pytest.mark.spec("2.0.1", "TC_M_19_CS")
async def test_nothing_installed_is_not_found(talk: Any) -> None:
    assert await listed(talk, MAKER) == {"status": "NotFound"}


@pytest.mark.spec("2.0.1", "TC_M_07_CS")
@pytest.mark.parametrize(
    "bad",
    [
        root(start=START - timedelta(days=400), life=timedelta(days=365)),
        root(start=START + timedelta(days=1)),
        root(ca=False),
    ],
    ids=["expired", "not yet", "no authority"],
)
async def test_a_root_that_cannot_be_one_is_rejected(talk: Any, bad: Authority) -> None:
    answer = await install(talk, CSMS, bad)

    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidCertificate"
    assert await listed(talk, CSMS) == {"status": "NotFound"}


async def test_text_that_is_no_certificate_is_rejected(talk: Any) -> None:
    answer = await talk.ask(
        "InstallCertificate", {"certificateType": CSMS, "certificate": "-----BEGIN"}
    )

    assert answer["status"] == "Rejected"


@pytest.mark.spec("2.0.1", "M05.FR.17")
async def test_a_full_store_takes_no_more_but_knows_what_it_has(
    talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = root("known")
    await install(talk, CSMS, known)
    monkeypatch.setattr(type(talk.bench.store.keys), "count", lambda _: 50)

    refused = await install(talk, CSMS, root("more"))
    again = await install(talk, CSMS, known)

    assert (refused["status"], again["status"]) == ("Rejected", "Accepted")
    assert refused["statusInfo"]["reasonCode"] == "OutOfStorage"


async def test_a_disk_that_refuses_makes_it_failed(
    talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(type(talk.bench.store.keys), "install", refuse)

    assert (await install(talk, CSMS, root()))["status"] == "Failed"


@pytest.mark.spec("2.0.1", "M05.FR.01")
async def test_the_entries_are_counted_in_the_device_model(talk: Any) -> None:
    await install(talk, CSMS, root("a"))
    await install(talk, MAKER, root("b"))

    answer = await talk.ask(
        "GetVariables",
        {
            "getVariableData": [
                {
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "CertificateEntries"},
                }
            ]
        },
    )

    assert answer["getVariableResult"][0]["attributeValue"] == "2"


@pytest.mark.spec("2.0.1", "TC_M_20_CS")
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
async def test_a_root_is_deleted_by_any_of_its_names(talk: Any, algorithm: str) -> None:
    authority = root()
    await install(talk, MAKER, authority)

    answer = await delete(talk, hashes_of(authority, algorithm))

    assert answer == {"status": "Accepted"}
    assert await listed(talk) == {"status": "NotFound"}


@pytest.mark.spec("2.0.1", "TC_M_22_CS")
async def test_an_unknown_certificate_is_not_found(talk: Any) -> None:
    await install(talk, MAKER, root())

    assert await delete(talk, hashes_of(root("other"))) == {"status": "NotFound"}


async def test_a_name_in_other_spelling_is_the_same(talk: Any) -> None:
    authority = root()
    await install(talk, MAKER, authority)
    data = hashes_of(authority)
    data["issuerNameHash"] = data["issuerNameHash"].upper()
    data["serialNumber"] = data["serialNumber"].upper()

    assert await delete(talk, data) == {"status": "Accepted"}


class TestAdditionalRootCertificateCheck:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}

    @pytest.mark.spec("2.0.1", "TC_M_09_CS")
    async def test_a_root_that_the_old_one_did_not_sign_is_rejected(self, talk: Any) -> None:
        old = root("old")
        await install(talk, CSMS, old)

        answer = await install(talk, CSMS, root("new"))

        assert answer["status"] == "Rejected"
        rows = (await listed(talk, CSMS))["certificateHashDataChain"]
        assert [row["certificateHashData"] for row in rows] == [hashes_of(old)]

    @pytest.mark.spec("2.0.1", "M05.FR.10")
    async def test_a_successor_waits_beside_the_old_one(self, talk: Any) -> None:
        old = root("old")
        await install(talk, CSMS, old)

        answers = [await install(talk, CSMS, old.under(name)) for name in ("new", "newer")]

        assert [answer["status"] for answer in answers] == ["Accepted", "Accepted"]
        roots = talk.bench.store.keys.roots(Use.CSMS_ROOT)
        assert sorted(root.proven for root in roots) == [False, True]


@pytest.mark.spec("2.0.1", "TC_M_24_CS")
async def test_the_status_of_a_certificate_is_asked_and_kept(talk: Any) -> None:
    name = CertificateId(HashAlgorithm.SHA256, "0a", "0b", "1f")
    talk.bench.store.record(CertificateStatusDue(name, "http://ocsp.example", START))
    talk.csms.answers("GetCertificateStatus", {"status": "Accepted", "ocspResult": "MAoK"})

    (sent,) = await talk.tell()

    assert sent.payload == {
        "ocspRequestData": {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "0a",
            "issuerKeyHash": "0b",
            "serialNumber": "1f",
            "responderURL": "http://ocsp.example",
        }
    }
    assert talk.bench.store.keys.ocsp("1F") == "MAoK"


@pytest.mark.spec("2.0.1", "TC_M_25_CS")
async def test_a_status_that_the_csms_cannot_get_leaves_the_old_one(talk: Any) -> None:
    name = CertificateId(HashAlgorithm.SHA256, "0a", "0b", "1f")
    talk.bench.store.keys.save_ocsp("1f", "old")
    talk.bench.store.record(CertificateStatusDue(name, "http://ocsp.example", START))
    talk.csms.answers("GetCertificateStatus", {"status": "Failed"})

    await talk.tell()

    assert talk.bench.store.keys.ocsp("1f") == "old"


@pytest.mark.spec("2.0.1", "M01.FR.01")
@pytest.mark.parametrize(("status", "accepted"), [("Accepted", True), ("Failed", False)])
async def test_what_a_vehicle_asks_for_is_passed_on(
    talk: Any, status: str, *, accepted: bool
) -> None:
    talk.csms.answers("Get15118EVCertificate", {"status": status, "exiResponse": "gA=="})
    block = Certificates(talk.bench.station)

    answer = await block.for_vehicle(
        talk.csms, VehicleRequest("urn:iso:15118:2:2013:MsgDef", "Install", "AAEC")
    )

    assert answer == VehicleAnswer(accepted, "gA==")
    assert talk.csms.sent[-1].payload["exiRequest"] == "AAEC"


def test_hashes_of_the_helper_are_of_the_name_of_the_issuer() -> None:
    authority = root()
    name = authority.certificate.issuer.public_bytes()

    assert hashes_of(authority)["issuerNameHash"] == hashlib.sha256(name).hexdigest()
