"""Roots at a whole station, whose settings come from its database."""

from pathlib import Path
from typing import Any

import pytest
from pki import root
from site_rig import LIVING, Site, site_of

CSMS_ROOT = "CSMSRootCertificate"


async def listed(site: Site) -> list[dict[str, Any]]:
    answer = await site.call("GetInstalledCertificateIds", certificateType=[CSMS_ROOT])
    chains = answer.get("certificateHashDataChain", [])
    return [chain["certificateHashData"] for chain in chains]


@pytest.mark.spec("2.0.1", "M04.FR.01")
async def test_a_root_is_installed_listed_and_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site_of(tmp_path, monkeypatch) as site:
        pem = root("CSMS CA", **LIVING).pem
        installed = await site.call(
            "InstallCertificate", certificateType=CSMS_ROOT, certificate=pem
        )
        [known] = await listed(site)

        deleted = await site.call("DeleteCertificate", certificateHashData=known)

        assert (installed["status"], deleted["status"]) == ("Accepted", "Accepted")
        assert await listed(site) == []
