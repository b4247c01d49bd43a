"""Security events of the station itself."""

import asyncio
import ssl
import threading
from datetime import timedelta

import pytest
from pki import root
from station_bench import Bench

from chargepoint.core.certificates import Use
from chargepoint.core.facts import CertificateRequested, SecurityEvent
from chargepoint.core.security import Event
from chargepoint.core.variables import ALLOW_SECURITY_PROFILE_DOWNGRADE
from chargepoint.errors import Refused


def events(bench: Bench) -> list[tuple[str, str]]:
    return [(fact.type, fact.info) for fact in bench.facts(SecurityEvent)]


async def test_a_clock_that_somebody_sets_is_told_once(alive: Bench) -> None:
    await alive.clock.advance(15)
    alive.clock.set_wall(alive.clock.now() + timedelta(hours=1))
    await alive.clock.advance(60)

    assert events(alive) == [("SettingSystemTime", "by +3600 s")]


async def test_a_clock_that_is_corrected_a_little_is_not_told(alive: Bench) -> None:
    alive.clock.set_wall(alive.clock.now() - timedelta(seconds=15))
    await alive.clock.advance(60)

    assert events(alive) == []


@pytest.mark.parametrize("variable", ["CpoName"])
async def test_a_changed_security_setting_is_told_without_its_value(
    bench: Bench, variable: str
) -> None:
    bench.set(variable, "Somebody else")

    assert events(bench) == [(str(Event.RECONFIGURED), "SecurityCtrlr.OrganizationName")]


async def test_a_key_that_is_made_meanwhile_gets_no_certificate_of_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates, keys = bench.station.security.certificates, bench.store.keys
    certificates.serial_number = "SN1"
    await certificates.request(Use.STATION)
    (asked,) = bench.facts(CertificateRequested)
    looking, go, pending = threading.Event(), threading.Event(), keys.pending

    def slow(use: Use) -> str:
        text = pending(use)
        looking.set()
        go.wait(5)
        return text

    monkeypatch.setattr(keys, "pending", slow)
    signed = asyncio.create_task(certificates.signed(Use.STATION, root().answer(asked.csr)))
    await asyncio.to_thread(looking.wait, 5)
    again = asyncio.create_task(certificates.request(Use.STATION))
    await asyncio.wait({again}, timeout=0.5)
    go.set()
    await asyncio.gather(signed, again)

    ssl.create_default_context().load_cert_chain(keys.own(Use.STATION))
    assert pending(Use.STATION)  # the other one still waits for its own


async def test_a_profile_needs_the_certificates_that_are_installed(bench: Bench) -> None:
    security, keys = bench.station.security, bench.store.keys
    with pytest.raises(Refused, match="no root"):
        security.check_profile(1, 2)
    keys.install(Use.CSMS_ROOT, root().pem)
    security.check_profile(1, 2)
    with pytest.raises(Refused, match="no certificate"):
        security.check_profile(2, 3)


@pytest.mark.spec("2.0.1", "A05.FR.08")
@pytest.mark.parametrize("allowed", [False, True])
async def test_the_way_back_from_profile_3_is_a_setting(bench: Bench, *, allowed: bool) -> None:
    bench.store.keys.install(Use.CSMS_ROOT, root().pem)
    bench.station.model.assign(ALLOW_SECURITY_PROFILE_DOWNGRADE, allowed)

    try:
        bench.station.security.check_profile(3, 2)
        found = True
    except Refused:
        found = False

    assert found is allowed
