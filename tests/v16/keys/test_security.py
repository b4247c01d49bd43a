"""Certificates: what the keys say of them is what counts (security whitepaper, edition 3)."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case
from cryptography import x509
from cryptography.x509.oid import NameOID
from key_talk import change, choose, value
from pki import root

Open = Callable[..., AbstractAsyncContextManager[Case]]

TRIGGER = {"requestedMessage": "SignChargePointCertificate"}


async def install(run: Case, pem: str, kind: str = "ManufacturerRootCertificate") -> str:
    answer = await run.ask("InstallCertificate", certificateType=kind, certificate=pem)
    return str(answer["status"])


def answered(run: Case, message_id: str) -> list[Any]:
    """The frame in which the station answers a call."""
    frames = [json.loads(frame.text) for frame in run.csms.frames]
    return next(frame for frame in frames if frame[0] in {3, 4} and frame[1] == message_id)


@pytest.mark.spec("1.6", "CpoName")
async def test_the_request_for_a_certificate_names_the_operator(open_case: Open) -> None:
    async with open_case() as run:
        for name in ("Example Charging", "Another CPO"):
            await choose(run, CpoName=name)
            run.take()
            assert (await run.ask("ExtendedTriggerMessage", **TRIGGER))["status"] == "Accepted"

            (asked,) = run.take("SignCertificate")
            subject = x509.load_pem_x509_csr(asked["csr"].encode()).subject
            (organization,) = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
            assert organization.value == name
        assert await change(run, "CpoName", "C" * 65) == "Rejected"


@pytest.mark.spec("1.6", "CertificateSignedMaxChainSize")
async def test_a_chain_may_have_so_many_characters(open_case: Open) -> None:
    async with open_case() as run:
        most = int(await value(run, "CertificateSignedMaxChainSize"))

        for length, kind in ((most, 3), (most + 1, 4)):
            call = [2, f"chain-{length}", "CertificateSigned", {"certificateChain": "x" * length}]
            await run.send_raw(json.dumps(call))
            told = answered(run, f"chain-{length}")
            assert told[0] == kind

        assert told[2] in {"PropertyConstraintViolation", "FormationViolation"}
        assert await change(run, "CertificateSignedMaxChainSize", "10") == "Rejected"


@pytest.mark.spec("1.6", "CertificateStoreMaxLength")
async def test_so_many_certificates_can_be_installed(open_case: Open) -> None:
    async with open_case() as run:
        most = int(await value(run, "CertificateStoreMaxLength"))

        for number in range(most):
            assert await install(run, root(f"Maker {number}").pem) == "Accepted"
        assert await install(run, root("One more").pem) == "Rejected"

        listed = await run.ask(
            "GetInstalledCertificateIds", certificateType="ManufacturerRootCertificate"
        )
        assert len(listed["certificateHashData"]) == most
        assert await change(run, "CertificateStoreMaxLength", "1") == "Rejected"


@pytest.mark.spec("1.6", "AdditionalRootCertificateCheck")
@pytest.mark.parametrize(("switch", "stranger"), [("true", "Rejected"), ("false", "Accepted")])
async def test_a_new_root_of_the_csms_must_be_signed_by_the_old_one_if_it_is_to(
    open_case: Open, switch: str, stranger: str
) -> None:
    kind, old = "CentralSystemRootCertificate", root("Old root")
    async with open_case(settings={"AdditionalRootCertificateCheck": switch}) as run:
        assert await value(run, "AdditionalRootCertificateCheck") == switch
        assert await change(run, "AdditionalRootCertificateCheck", "true") == "Rejected"
        assert await install(run, old.pem, kind) == "Accepted"

        assert await install(run, root("Stranger").pem, kind) == stranger
        assert await install(run, old.under("New root").pem, kind) == "Accepted"
