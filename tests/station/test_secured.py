"""What the CSMS changes about security reaches the link, and what the link finds comes back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from types import SimpleNamespace
from typing import Any

import pytest
from pki import root
from station_bench import Bench, station_bench

from chargepoint.core.certificates import Use
from chargepoint.core.facts import SecurityEvent
from chargepoint.core.variables import ALLOW_CSMS_TLS_WILDCARDS
from chargepoint.csms.credentials import Basis, Credentials
from chargepoint.csms.link import BackOff, Link, LinkConfig
from chargepoint.csms.outage import Cause, Outage
from chargepoint.errors import StoreError
from chargepoint.secured import Secured

NEW = "the new password"
HEX = "0123456789abcdef0123456789abcdef"


@dataclass
class Rig:
    bench: Bench
    link: Link
    secured: Secured
    session: Any

    def change(self, key: str, value: str) -> str:
        return str(self.bench.station.model.set_key(key, value).answer)

    def connected(self) -> None:
        """A connection was opened with the configuration of the moment."""
        self.link.opened_with = self.link.config

    @property
    def events(self) -> list[str]:
        return [fact.type for fact in self.bench.facts(SecurityEvent)]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with station_bench(tmp_path) as bench:
        config = LinkConfig("ws://csms.example/ocpp", "CP1", ("ocpp2.0.1",), password=b"old")
        link = Link(
            config,
            clock=bench.clock,
            random=SystemRandom(),
            back_off=lambda: BackOff(timedelta(seconds=1), timedelta(0), 1),
        )
        session = SimpleNamespace(on_invalid=None)
        kept, keys = bench.store.credentials, bench.store.keys
        credentials = Credentials(Basis(config, 1), keys, kept)
        secured = Secured(credentials, bench.station, link, session, bench.supervisor.spawn)
        yield Rig(bench, link, secured, session)


@pytest.mark.spec("2.0.1", "A01.FR.02")
async def test_a_changed_password_is_shown_by_the_next_connection(rig: Rig) -> None:
    rig.connected()

    answer = rig.change("AuthorizationKey", NEW)
    rig.secured.good()  # of the connection that is open

    assert answer == "Accepted"
    assert rig.link.config.password == NEW.encode()
    assert rig.bench.store.credentials.proven == b"old"
    assert rig.events == ["ReconfigurationOfSecurityParameters"]


async def test_the_next_connection_proves_it(rig: Rig) -> None:
    rig.change("AuthorizationKey", NEW)
    rig.connected()

    rig.secured.good()

    assert rig.bench.store.credentials.proven == NEW.encode()


@pytest.mark.parametrize(
    ("subprotocol", "sent"), [("ocpp1.6", bytes.fromhex(HEX)), ("ocpp2.0.1", HEX.encode())]
)
async def test_only_1_6_writes_passwords_in_hexadecimal(
    rig: Rig, subprotocol: str, sent: bytes
) -> None:
    rig.link.subprotocol = subprotocol

    rig.change("AuthorizationKey", HEX)

    assert rig.link.config.password == sent


async def test_an_outage_is_looked_at_once(rig: Rig) -> None:
    rig.link.outage = Outage(Cause.UNTRUSTED, "not trusted")
    rig.secured.link_changed()
    rig.secured.link_changed()

    assert rig.events == ["InvalidCsmsCertificate"]


async def test_a_broken_disk_leaves_the_link_as_it_is(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StoreError("disk")

    before = rig.link.config
    monkeypatch.setattr(type(rig.bench.store.keys), "roots", refuse)
    monkeypatch.setattr(type(rig.bench.store.keys), "fresh", refuse)
    rig.link.config = replace(before, url="wss://csms.example/ocpp")
    rig.secured._credentials.basis = Basis(rig.link.config, 2)
    kept = rig.link.config
    rig.connected()
    rig.link.outage = Outage(Cause.CREDENTIALS, "no")

    rig.secured.link_changed()
    rig.secured.good()

    assert rig.link.config is kept


async def test_illegal_messages_are_security_events(rig: Rig) -> None:
    rig.session.on_invalid("not legal")

    assert rig.events == ["InvalidMessages"]


@pytest.mark.spec("1.6", "whitepaper A05")
async def test_a_security_profile_needs_what_it_shows(rig: Rig) -> None:
    keys = rig.bench.store.keys
    answers = [rig.change("SecurityProfile", value) for value in ("0", "1", "2", "3")]
    keys.install(Use.CSMS_ROOT, root().pem)
    answers += [rig.change("SecurityProfile", value) for value in ("3", "2")]

    assert answers == ["Rejected"] * 5 + ["Accepted"]
    assert rig.link.config.url == "wss://csms.example/ocpp"
    assert rig.link.config.tls is not None


async def test_without_a_password_there_is_no_profile_1(rig: Rig) -> None:
    bare = replace(rig.link.config, password=None)
    rig.secured._credentials.basis = Basis(bare, 0)

    assert rig.change("SecurityProfile", "1") == "Rejected"


@pytest.mark.spec("2.0.1", "TC_A_05_CS")
async def test_wildcards_are_refused_when_the_csms_says_so(rig: Rig) -> None:
    model = rig.bench.station.model
    before = rig.link.config.wildcards

    model.assign(ALLOW_CSMS_TLS_WILDCARDS, value=False)

    assert (before, rig.link.config.wildcards) == (True, False)


async def test_a_new_root_is_trusted_by_the_next_connection(rig: Rig) -> None:
    config = replace(rig.link.config, url="wss://csms.example/ocpp")
    rig.secured._credentials.basis = Basis(config, 2)
    certificates = rig.bench.station.security.certificates

    await certificates.install(Use.CSMS_ROOT, root().pem)

    assert rig.link.config.tls is not None
    assert len(rig.link.config.tls.get_ca_certs()) == 1


async def test_another_way_to_the_csms_shows_what_was_changed(rig: Rig) -> None:
    rig.change("AuthorizationKey", NEW)
    other = replace(rig.link.config, url="ws://two.example", password=b"old")

    rig.secured.rebase(Basis(other, 1))

    assert (rig.link.config.url, rig.link.config.password) == ("ws://two.example", NEW.encode())
