"""Keys and certificates as files."""

import base64
import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fake_clock import START
from pki import key_pem, name, pem, root

from chargepoint.core.certificates import Use
from chargepoint.errors import Refused, StoreError
from chargepoint.store import x509 as reading
from chargepoint.store.keystore import INSTALLED_MOST, KeyStore, fingerprint

CA = root("CA")


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


def sign(keys: KeyStore, *, fresh: bool = False) -> str:
    """Let a request be signed; the chain."""
    chain = CA.answer(keys.request(Use.STATION, "0001", "Example"))
    keys.signed(Use.STATION, chain, fresh=fresh)
    return chain


def test_nobody_else_can_read_a_key(keys: KeyStore, tmp_path: Path) -> None:
    keys.request(Use.STATION, "0001", "Example")
    keys.install(Use.CSMS_ROOT, CA.pem)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").rglob("*.pem")}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").glob("*")}

    assert (modes, folders) == ({0o600}, {0o700})
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.spec("2.0.1", "A02.FR.03")
def test_a_request_is_pkcs_10_about_the_kept_key(keys: KeyStore) -> None:
    request = x509.load_pem_x509_csr(keys.request(Use.STATION, "0001", "Example").encode())

    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "O=Example,CN=0001"
    certificate = CA.issue("0001", request.public_key())
    assert reading.fits(certificate, keys.pending(Use.STATION))


def test_key_and_chain_are_one_file_that_tls_can_use(keys: KeyStore) -> None:
    chain = sign(keys)

    ssl.create_default_context().load_cert_chain(keys.own(Use.STATION))
    assert keys.chain(keys.own(Use.STATION)) == chain
    assert not keys.pending(Use.STATION)


def test_a_fresh_certificate_is_taken_or_dropped(keys: KeyStore) -> None:
    old = sign(keys)
    sign(keys, fresh=True)
    dropped = keys.discard(Use.STATION)
    kept = keys.chain(keys.own(Use.STATION))
    new = sign(keys, fresh=True)
    taken = keys.accept(Use.STATION)

    assert (dropped, kept, taken) == (True, old, True)
    assert keys.chain(keys.own(Use.STATION)) == new
    assert not keys.accept(Use.STATION)
    assert not keys.discard(Use.STATION)


def test_roots_are_counted_with_the_own_certificate_and_listed_by_use(keys: KeyStore) -> None:
    keys.install(Use.CSMS_ROOT, CA.pem)
    keys.install(Use.CSMS_ROOT, CA.pem)
    keys.install(Use.MO_ROOT, root("MO").pem)
    sign(keys)

    assert keys.count() == 3
    assert [found.pem for found in keys.roots(Use.CSMS_ROOT)] == [CA.pem]
    keys.remove(keys.roots()[0])
    assert keys.count() == 2
    keys.remove_own(Use.STATION)
    assert keys.count() == 1


def test_a_root_that_waits_can_become_proven(keys: KeyStore) -> None:
    keys.install(Use.CSMS_ROOT, CA.pem, proven=False)
    (waiting,) = keys.roots(Use.CSMS_ROOT)
    keys.install(Use.CSMS_ROOT, CA.pem)
    (proven,) = keys.roots(Use.CSMS_ROOT)
    keys.remove(proven)

    assert (waiting.proven, proven.proven) == (False, True)
    assert keys.roots() == []


def test_the_installers_roots_are_installed_once(keys: KeyStore, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(f"a comment\n{CA.pem}{root('b').pem}")
    keys.adopt(Use.CSMS_ROOT, file)
    for found in keys.roots():
        keys.remove(found)
    keys.adopt(Use.CSMS_ROOT, file)
    left = keys.roots()
    file.write_text(root("c").pem)
    keys.adopt(Use.CSMS_ROOT, file)

    assert left == []
    assert len(keys.roots()) == 1


def test_a_bundle_of_the_whole_world_is_left_alone(
    keys: KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(CA.pem)
    monkeypatch.setattr(KeyStore, "count", lambda _: INSTALLED_MOST)

    keys.adopt(Use.CSMS_ROOT, file)

    assert keys.roots() == []


def test_the_installers_certificate_is_used_until_it_is_renewed(
    keys: KeyStore, tmp_path: Path
) -> None:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_text(pem(CA.certificate))
    files[1].write_text(key_pem(CA.key))
    keys.adopt_own(*files)
    first = keys.chain(keys.own(Use.STATION))
    renewed = sign(keys)
    keys.adopt_own(*files)

    assert first == CA.pem
    assert keys.chain(keys.own(Use.STATION)) == renewed


def test_answers_of_ocsp_are_kept_by_number_and_bounded(
    keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargepoint.store.keystore.OCSP_MOST", 2)
    for number in ("1a", "1b", "../1c"):
        keys.save_ocsp(number, f"status {number}")

    assert keys.ocsp("1C") == "status ../1c"
    assert [keys.ocsp(number) for number in ("1a", "1b", "1c")].count("") == 1


def test_what_is_no_certificate_is_refused() -> None:
    for text in ("", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"):
        with pytest.raises(Refused, match="no certificate"):
            fingerprint(text)


def test_text_that_is_no_ascii_inside_a_certificate_is_refused() -> None:
    with pytest.raises(Refused, match="no certificate"):
        fingerprint(CA.pem.replace("M", "\u00c4", 1).replace("IBE", "I\u00dfE", 1))


def test_words_around_a_certificate_may_be_in_any_language(keys: KeyStore) -> None:
    text = f"Pr\u00fcfstelle M\u00fcnchen\n{CA.pem}"

    keys.install(Use.CSMS_ROOT, text)

    (kept,) = keys.roots(Use.CSMS_ROOT)
    assert kept.fingerprint == fingerprint(CA.pem)
    assert reading.read(kept.pem) == (CA.certificate,)


def test_an_answer_of_ocsp_that_is_no_ascii_is_no_defect(keys: KeyStore) -> None:
    keys.save_ocsp("1a", "g\u00fcltig")

    assert keys.ocsp("1a") == "g?ltig"


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b"\x0c\x040001", b"\x0c\x04\xff001"),  # a name that is not UTF-8
        (b"\x0c\x040001", b"\x03\x04\x00001"),  # one that is a bit string
        (b"\x0c\x02CA", b"\x0c\x02\xffA"),  # the same of the issuer
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),  # a version that there is not
        (b"\x06\x03\x2a\x03\x05", b"\x06\x03\x2a\x03\x04"),  # one extension twice
    ],
)
def test_a_certificate_of_which_a_part_cannot_be_read_is_refused(good: bytes, bad: bytes) -> None:
    der = _with_two_extensions().public_bytes(Encoding.DER)
    assert good in der
    body = base64.encodebytes(der.replace(good, bad, 1)).decode()
    text = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"

    with pytest.raises(Refused) as refused:
        _ = [reading.about(one) for one in reading.read(text)]

    assert refused.value.reason == "InvalidCertificate"


def _with_two_extensions() -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(name("0001"))
        .issuer_name(CA.certificate.subject)
        .public_key(CA.key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"a"), False)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), b"b"), False)
        .sign(CA.key, hashes.SHA256())
    )


def test_a_disk_that_refuses_is_a_store_error(keys: KeyStore, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("in the way")

    with pytest.raises(StoreError):
        keys.install(Use.CSMS_ROOT, CA.pem)


@pytest.mark.parametrize("kind", ["RSA", "DSA"])
def test_other_kinds_of_keys_are_read(kind: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa

    made = {
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "DSA": lambda: dsa.generate_private_key(2048),
    }[kind]()
    certificate = CA.issue("other", made.public_key())

    about = reading.about(certificate)

    assert (about.key, about.key_bits, about.is_ca) == (kind, 2048, False)
    assert len(reading.identify(certificate, None).issuer_key_hash) == 64


def test_a_certificate_without_constraints_is_no_authority() -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    bare = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(CA.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
        .sign(CA.key, hashes.SHA256())
    )

    about = reading.about(bare)

    assert (about.common_name, about.is_ca, about.key) == ("", False, "Ed25519PublicKey")
