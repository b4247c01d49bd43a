"""Password, certificate and root of a secured station are replaced through a real CitrineOS.

Well and badly, as far as it can: it has one certificate of its own for good, and does not know the
messages about certificates in OCPP 1.6. Whoever signs for it is told by ``CITRINEOS_CA_KEY_FILE``.
"""

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from citrine_office import TENANT, until
from citrine_site import Site
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pki import Authority, Key, root

from chargepoint.store.keystore import fingerprint

if TYPE_CHECKING:
    from conftest import Open

VERSIONS = ["2.0.1", "1.6"]
SIGN = {"SecurityCtrlr.OrganizationName": "Example"}
STRICT = {"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}
LIVING: dict[str, Any] = {"start": datetime.now(UTC) - timedelta(days=1)}


def living() -> dict[str, Any]:
    """For a root: CitrineOS reads its number up to the first letter, and takes none twice."""
    digits = str(10**11 + secrets.randbelow(9 * 10**11))
    return {**LIVING, "serial": int(digits, 16)}


@pytest.fixture
def authority() -> Authority:
    """Who signs for this CitrineOS and for its stations."""
    paths = [os.environ.get(f"CITRINEOS_{name}_FILE", "") for name in ("CA", "CA_KEY")]
    if not all(paths):
        pytest.skip("no CitrineOS whose authority signs: CITRINEOS_CA_KEY_FILE not set")
    certificate, key = (Path(path).read_bytes() for path in paths)
    private = cast("Key", load_pem_private_key(key, password=None))
    return Authority(x509.load_pem_x509_certificate(certificate), private)


async def link(site: Site) -> dict[str, Any]:
    return dict((await site.local.get("/v1/status"))["link"])


async def back(site: Site, since: str) -> None:
    """The station has left since then, and was let in again."""

    async def again() -> bool:
        now = await link(site)
        return bool(now["state"] == "connected" and now["since"] != since)

    await until(again, "a new connection")
    await site.accepted()


async def throw_out(site: Site) -> str:
    """An operator cuts the connection; since when it had been there."""
    since = str((await link(site))["since"])
    path = f"/data/ocpprouter/connection?stationId={site.id}&tenantId={TENANT}"
    await site.office.post(path, None, method="DELETE")
    return since


# --- the password ---------------------------------------------------------------------------


async def set_password(site: Site, password: str) -> str:
    if site.door.version == "1.6":
        answer = await site.ask("ChangeConfiguration", key="AuthorizationKey", value=password)
        return str(answer["status"])
    item = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": password,
    }
    answer = await site.ask("SetVariables", setVariableData=[item])
    return str(answer["setVariableResult"][0]["attributeStatus"])


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_new_password_is_the_one_from_then_on(open_site: "Open", version: str) -> None:
    async with open_site(version, profile=2) as site:
        new, since = f"Aq-{secrets.token_hex(8)}", (await link(site))["since"]
        stored = {"stationId": site.id, "password": new, "setOnCharger": True}
        await site.office.post(f"/data/configuration/password?tenantId={TENANT}", stored)

        assert await set_password(site, new) == "Accepted"
        await back(site, since)
        site.cut_power()
        await site.start()  # its config still says the old one
        await site.accepted()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_password_that_citrineos_does_not_keep_gives_way(
    open_site: "Open", version: str
) -> None:
    async with open_site(version, profile=2) as site:
        since = (await link(site))["since"]

        assert await set_password(site, f"Aq-{secrets.token_hex(8)}") == "Accepted"
        await back(site, since)
        site.cut_power()
        await site.start()
        await site.accepted()


# --- the certificate of the station ---------------------------------------------------------


async def request(site: Site) -> str:
    """CitrineOS has the station ask for a certificate; what it sends."""
    after = await site.office.last(site.id)
    asked = await site.ask("TriggerMessage", requestedMessage="SignChargingStationCertificate")
    assert asked["status"] == "Accepted"
    found = await site.office.wait_for(site.id, "SignCertificate", after=after)
    return str(found.payload["csr"])


async def sign(site: Site, chain: str) -> str:
    kind = "ChargingStationCertificate"
    answer = await site.ask("CertificateSigned", certificateChain=chain, certificateType=kind)
    return str(answer["status"])


def own(site: Site, suffix: str = "") -> Path:
    return site.folder / "state" / "keys" / "own" / f"ChargingStationCertificate{suffix}.pem"


async def test_a_renewed_certificate_opens_the_door(
    open_site: "Open", authority: Authority
) -> None:
    async with open_site("2.0.1", profile=3, settings=SIGN) as site:
        since = (await link(site))["since"]
        chain = authority.answer(await request(site), **LIVING)

        assert await sign(site, chain) == "Accepted"
        await back(site, since)
        proven = "the new certificate alone"
        await until(lambda: _later(not own(site, ".fresh").exists()), proven)
        assert chain.strip() in own(site).read_text()


async def test_a_certificate_that_citrineos_does_not_take_gives_way(open_site: "Open") -> None:
    async with open_site("2.0.1", profile=3, settings=SIGN) as site:
        before, since = own(site).read_text(), (await link(site))["since"]
        elsewhere = root("CA of another operator", **LIVING)

        assert await sign(site, elsewhere.answer(await request(site), **LIVING)) == "Accepted"
        await back(site, since)
        await site.office.wait_for(
            site.id,
            "SecurityEventNotification",
            lambda event: "DiscardedRenewedClientCertificate" in event.get("techInfo", ""),
        )
        assert own(site).read_text() == before


# --- the root of the CSMS -------------------------------------------------------------------


def roots(site: Site) -> set[str]:
    """The names of the roots that the station has of its CSMS.

    In its files: CitrineOS may lose a call that it makes right after a station came back.
    """
    return {path.name for path in (site.folder / "state/keys/CSMSRootCertificate").glob("*.pem")}


async def install(site: Site, new: Authority) -> str:
    kind = "CSMSRootCertificate"
    answer = await site.ask("InstallCertificate", certificateType=kind, certificate=new.pem)
    return str(answer["status"])


@pytest.mark.parametrize("profile", [2, 3])
async def test_a_root_that_was_renewed_replaces_the_old_one(
    open_site: "Open", authority: Authority, profile: int
) -> None:
    async with open_site("2.0.1", profile=profile, settings=STRICT) as site:
        before = roots(site)
        renewed = root("Citrine Test Root", key=authority.key, **living())

        assert await install(site, renewed) == "Accepted"
        assert len(roots(site)) == 2
        await back(site, await throw_out(site))
        await until(lambda: _later(roots(site) == {f"{fingerprint(renewed.pem)}.pem"}), "it alone")
        assert len(before) == 1


@pytest.mark.parametrize("profile", [2, 3])
async def test_a_root_that_citrineos_does_not_go_over_to_leaves_the_old_one(
    open_site: "Open", authority: Authority, profile: int
) -> None:
    async with open_site("2.0.1", profile=profile, settings=STRICT) as site:
        before = roots(site)
        key = ec.generate_private_key(ec.SECP256R1())
        other = authority.issue("Next root", key.public_key(), ca=True, **living())

        assert await install(site, root("Somebody", **living())) == "Rejected"
        assert await install(site, Authority(other, key)) == "Accepted"
        await back(site, await throw_out(site))
        assert before < roots(site)
        assert len(roots(site)) == 2


async def _later(value: bool) -> bool:  # noqa: FBT001 - of a condition
    return value
