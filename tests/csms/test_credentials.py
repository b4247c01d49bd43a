"""What a connection shows and trusts, and the way back."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from pki import key_pem, pem, root

from chargepoint.core.certificates import Use
from chargepoint.core.security import Event
from chargepoint.csms.credentials import Basis, Credentials
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.outage import Cause
from chargepoint.errors import StoreError
from chargepoint.store.keystore import fingerprint
from chargepoint.store.sqlite import Store

OLD, NEW = b"the old password", "the new password!"
HEX = "00112233445566778899aabbccddeeff"
CA = root("CSMS CA")


@dataclass
class Rig:
    store: Store
    credentials: Credentials
    events: list[Event] = field(default_factory=list)

    def password(self) -> bytes | None:
        return self.credentials.config().password

    def fails(self, cause: Cause = Cause.CREDENTIALS) -> None:
        self.credentials.failed(cause, "why")

    def works(self) -> None:
        self.credentials.good()

    def own_certificate(self, name: str, *, fresh: bool) -> Path:
        """As if the CSMS had signed one."""
        keys, key = self.store.keys, ec.generate_private_key(ec.SECP256R1())
        keys._write(keys._pending(Use.STATION), key_pem(key))
        keys.signed(Use.STATION, pem(CA.issue(name, key.public_key())), fresh=fresh)
        return keys.fresh(Use.STATION) if fresh else keys.own(Use.STATION)

    def trusted(self) -> int:
        context = self.credentials.config().tls
        assert context is not None
        return len(context.get_ca_certs())


def rig_of(store: Store, url: str = "ws://csms.example/ocpp", profile: int = 1) -> Rig:
    tls = ssl.create_default_context(cadata=CA.pem) if url.startswith("wss") else None
    link = LinkConfig(url, "CP1", ("ocpp2.0.1",), password=OLD, tls=tls)
    rig = Rig(store, Credentials(Basis(link, profile), store.keys, store.credentials))
    rig.credentials.event = lambda event, _: rig.events.append(event)
    return rig


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state", "CP1") as store:
        yield store


@pytest.fixture
def rig(store: Store) -> Rig:
    return rig_of(store)


@pytest.mark.spec("2.0.1", "TC_A_01_CS")
def test_the_password_of_the_file_is_the_first_one(rig: Rig) -> None:
    assert rig.password() == OLD


@pytest.mark.spec("2.0.1", "A01.FR.02")
def test_a_changed_password_is_shown_next_and_stays_once_it_worked(rig: Rig) -> None:
    rig.credentials.change_password(NEW, hexadecimal=False)
    shown = rig.password()
    rig.works()

    assert shown == NEW.encode()
    assert rig_of(rig.store).password() == NEW.encode()
    assert not rig.credentials.trying


@pytest.mark.spec("2.0.1", "TC_A_10_CS")
def test_a_changed_password_that_is_refused_gives_way_to_the_old_one(rig: Rig) -> None:
    rig.credentials.change_password(NEW, hexadecimal=False)
    rig.fails()
    shown = rig.password()
    rig.works()

    assert shown == OLD
    assert rig_of(rig.store).password() == OLD
    assert rig.events == [Event.RECONFIGURED]


def test_old_and_new_are_shown_in_turn_until_one_works(rig: Rig) -> None:
    rig.credentials.change_password(NEW, hexadecimal=False)
    shown = []
    for _ in range(4):
        shown.append(rig.password())
        rig.fails()

    assert shown == [NEW.encode(), OLD] * 2


@pytest.mark.parametrize("cause", [Cause.NAME, Cause.REFUSED, Cause.SERVER, Cause.LOST])
def test_a_network_that_is_down_says_nothing_about_a_password(rig: Rig, cause: Cause) -> None:
    rig.credentials.change_password(NEW, hexadecimal=False)
    rig.fails(cause)

    assert rig.password() == NEW.encode()


@pytest.mark.parametrize("cause", [Cause.SILENCE, Cause.NETWORK, Cause.LOST])
@pytest.mark.parametrize("attempts", [1, 3])
def test_but_it_cannot_keep_the_station_from_what_worked(
    rig: Rig, cause: Cause, attempts: int
) -> None:
    rig.credentials.attempts = lambda: attempts
    rig.credentials.change_password(NEW, hexadecimal=False)
    shown = []
    for _ in range(3 * attempts):
        shown.append(rig.password())
        rig.fails(cause)

    assert shown == [NEW.encode()] * attempts + [OLD] * attempts + [NEW.encode()] * attempts


def test_every_address_is_shown_both_in_turn(rig: Rig) -> None:
    """With two slots of one attempt each, the old password would else meet one of them alone."""
    rig.credentials.change_password(NEW, hexadecimal=False)
    one = rig.credentials.basis
    two = replace(one, link=replace(one.link, url="ws://two.example"))
    shown = set()
    for _ in range(2):
        for rig.credentials.basis in (one, two):
            shown.add((rig.credentials.config().url, rig.password()))
            rig.fails()

    assert len(shown) == 4


def test_a_power_cut_before_the_new_password_worked_keeps_both(rig: Rig) -> None:
    rig.credentials.change_password(NEW, hexadecimal=False)
    after = rig_of(rig.store)

    first = after.password()
    after.fails()

    assert (first, after.password()) == (NEW.encode(), OLD)


@pytest.mark.parametrize(
    ("text", "hexadecimal", "sent"),
    [
        (HEX, True, bytes.fromhex(HEX)),
        (HEX.upper(), True, bytes.fromhex(HEX)),
        (HEX, False, HEX.encode()),
        ("not hexadecimal at all", True, b"not hexadecimal at all"),
        ("00112233445566", True, b"00112233445566"),
    ],
)
@pytest.mark.spec("1.6", "AuthorizationKey")
def test_1_6_writes_a_key_in_hexadecimal(
    rig: Rig, text: str, *, hexadecimal: bool, sent: bytes
) -> None:
    rig.credentials.change_password(text, hexadecimal=hexadecimal)

    assert rig.password() == sent


@pytest.mark.spec("2.0.1", "A02.FR.28")
def test_a_fresh_certificate_that_works_replaces_the_old_one(store: Store) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 3)
    rig.own_certificate("old", fresh=False)
    text = rig.own_certificate("new", fresh=True).read_text()
    rig.credentials.config()
    rig.works()

    assert store.keys.own(Use.STATION).read_text() == text
    assert not store.keys.fresh(Use.STATION).exists()


@pytest.mark.spec("2.0.1", "A02.FR.29")
def test_a_fresh_certificate_that_does_not_work_is_discarded(store: Store) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 3)
    text = rig.own_certificate("old", fresh=False).read_text()
    rig.own_certificate("new", fresh=True)
    rig.fails(Cause.TLS)
    rig.works()

    assert store.keys.own(Use.STATION).read_text() == text
    assert not store.keys.fresh(Use.STATION).exists()
    assert rig.events == [Event.DISCARDED_CERTIFICATE]


@pytest.mark.spec("2.0.1", "TC_M_30_CS")
def test_a_new_root_that_works_replaces_the_old_one(store: Store) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 2)
    new = CA.under("New CA")
    store.keys.install(Use.CSMS_ROOT, CA.pem)
    store.keys.install(Use.CSMS_ROOT, new.pem, proven=False)
    trusted = rig.trusted()
    rig.works()

    (left,) = store.keys.roots(Use.CSMS_ROOT)
    assert (trusted, left.pem, left.proven) == (1, new.pem, True)


def test_a_power_cut_while_a_root_takes_over_leaves_the_station_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 2)
    new = CA.under("New CA")
    store.keys.install(Use.CSMS_ROOT, CA.pem)
    store.keys.install(Use.CSMS_ROOT, new.pem, proven=False)
    unlink, steps = Path.unlink, [0]  # until the power goes

    def cut(path: Path, *, missing_ok: bool = False) -> None:
        if path.exists():
            steps[0] -= 1
            if steps[0] < 0:
                raise OSError("no power")
        unlink(path, missing_ok=missing_ok)

    for steps[0] in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", cut)
            with pytest.raises(StoreError):
                rig.works()
        assert new.pem in {one.pem for one in store.keys.roots(Use.CSMS_ROOT)}
    rig.works()

    (left,) = store.keys.roots(Use.CSMS_ROOT)
    assert (left.pem, left.proven, rig.trusted()) == (new.pem, True, 1)


@pytest.mark.spec("2.0.1", "TC_M_31_CS")
def test_the_old_root_stays_while_the_csms_uses_it(store: Store) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 2)
    store.keys.install(Use.CSMS_ROOT, CA.pem)
    store.keys.install(Use.CSMS_ROOT, CA.under("New CA").pem, proven=False)
    rig.fails(Cause.UNTRUSTED)
    trusted = rig.credentials.config().tls
    rig.works()

    assert trusted is not None
    assert CA.pem in {ssl.DER_cert_to_PEM_cert(der) for der in trusted.get_ca_certs(True)}
    assert [root.pem for root in store.keys.roots(Use.CSMS_ROOT) if root.proven] == [CA.pem]
    assert rig.events == []


@pytest.mark.spec("1.6", "whitepaper A05")
def test_a_higher_profile_that_works_stays(store: Store) -> None:
    rig = rig_of(store)
    store.keys.install(Use.CSMS_ROOT, CA.pem)
    rig.credentials.change_profile(2)
    url = rig.credentials.config().url
    rig.works()

    assert url == "wss://csms.example/ocpp"
    assert rig_of(store).credentials.profile == 2
    assert rig_of(store).credentials.config().tls is not None


def test_a_password_that_is_asked_for_does_not_take_tls_away(store: Store) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 0)
    rig.credentials.change_profile(1)
    config = rig.credentials.config()

    assert (config.url, config.password) == ("wss://csms.example/ocpp", OLD)
    assert config.tls is not None


def test_a_scheme_in_capitals_is_the_same(store: Store) -> None:
    config = rig_of(store, "WSS://csms.example/ocpp", 2).credentials.config()

    assert config.url == "wss://csms.example/ocpp"
    assert config.tls is not None


@pytest.mark.spec("1.6", "whitepaper A05")
@pytest.mark.parametrize("cause", [Cause.TLS, Cause.REFUSED, Cause.UNTRUSTED])
def test_a_higher_profile_that_does_not_work_gives_way(store: Store, cause: Cause) -> None:
    rig = rig_of(store)
    rig.credentials.change_profile(2)
    rig.fails(cause)
    url = rig.credentials.config().url
    rig.works()

    assert url == "ws://csms.example/ocpp"
    assert rig.credentials.profile == 1


@pytest.mark.parametrize(
    ("cause", "event"),
    [
        pytest.param(
            Cause.UNTRUSTED,
            Event.INVALID_CSMS_CERTIFICATE,
            marks=pytest.mark.spec("2.0.1", "TC_A_05_CS"),
        ),
        pytest.param(
            Cause.TLS_VERSION,
            Event.INVALID_TLS_VERSION,
            marks=pytest.mark.spec("2.0.1", "TC_A_06_CS"),
        ),
        (Cause.TLS_CIPHER, Event.INVALID_TLS_CIPHER),
        (Cause.CREDENTIALS, Event.FAILED_TO_AUTHENTICATE),
    ],
)
def test_an_outage_is_a_security_event_once(rig: Rig, cause: Cause, event: Event) -> None:
    rig.fails(cause)
    rig.fails(cause)
    once = list(rig.events)
    rig.works()
    rig.fails(cause)

    assert (once, rig.events) == ([event], [event, event])


@pytest.mark.spec("2.0.1", "TC_A_07_CS")
def test_profile_3_shows_a_certificate_and_no_password(store: Store) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 3)
    rig.own_certificate("0001", fresh=False)

    config = rig.credentials.config()

    assert config.password is None
    assert config.tls is not None
    assert config.tls.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.spec("2.0.1", "A00.FR.307")
@pytest.mark.parametrize("system", [False, True])
def test_the_roots_of_the_machine_count_only_if_the_file_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, system: bool
) -> None:
    other = root("A CA of the world")
    (tmp_path / "system.pem").write_text(other.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    rig = rig_of(store, "wss://csms.example/ocpp", 2)
    rig.credentials.basis = Basis(rig.credentials.basis.link, 2, system_roots=system)
    store.keys.install(Use.CSMS_ROOT, CA.pem)

    tls = rig.credentials.config().tls

    assert tls is not None
    trusted = {ssl.DER_cert_to_PEM_cert(der) for der in tls.get_ca_certs(True)}
    assert trusted == ({CA.pem, other.pem} if system else {CA.pem})


@pytest.mark.spec("2.0.1", "A05.FR.08")
@pytest.mark.parametrize(
    ("chosen", "allowed", "profile"), [(True, True, 2), (True, False, 3), (False, True, 3)]
)
def test_only_a_slot_that_the_csms_chose_leads_back_from_profile_3(
    store: Store, *, chosen: bool, allowed: bool, profile: int
) -> None:
    store.credentials.raise_profile(3)
    rig = rig_of(store, "wss://csms.example/ocpp", profile=2)
    rig.credentials.basis = replace(rig.credentials.basis, chosen=chosen)
    rig.credentials.downgrade = lambda: allowed

    assert rig.credentials.profile == profile
    assert (rig.password() == OLD) is (profile == 2)


@pytest.mark.parametrize("damage", [b"?", b"\xff"])
def test_a_root_that_the_disk_damaged_does_not_count(
    store: Store, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 2)
    good, bad = CA.under("Good CA"), CA.under("Bad CA")
    for one in (good, bad):
        store.keys.install(Use.CSMS_ROOT, one.pem)
    (file,) = Path(store.folder).glob(f"**/{fingerprint(bad.pem)}.pem")
    raw = file.read_bytes()
    file.write_bytes(raw[:200] + damage + raw[201:])

    assert rig.trusted() == rig.trusted() == 1
    assert caplog.text.count("a root is damaged") == 1


def test_a_certificate_that_cannot_be_shown_does_not_stop_the_station(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 3)
    file = rig.own_certificate("CP1", fresh=False)
    file.write_bytes(file.read_bytes()[:100] + b"\xff")

    assert rig.trusted() == rig.trusted() == 1
    assert caplog.text.count(file.name) == 1


def test_a_fresh_certificate_that_cannot_be_shown_replaces_none(store: Store) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 3)
    own = rig.own_certificate("CP1", fresh=False)
    good = own.read_text()
    rig.own_certificate("CP1", fresh=True).write_bytes(b"\xff")

    rig.trusted()
    rig.works()  # with a CSMS that wants no certificate

    assert own.read_text() == good


def test_an_encrypted_key_asks_nobody(store: Store) -> None:
    rig = rig_of(store, "wss://csms.example/ocpp", 3)
    file = rig.own_certificate("CP1", fresh=False)
    key = ec.generate_private_key(ec.SECP256R1())
    hidden = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    file.write_bytes(hidden + pem(CA.issue("CP1", key.public_key())).encode())

    assert rig.trusted() == 1
