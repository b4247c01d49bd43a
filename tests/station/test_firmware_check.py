"""Whose firmware it is: certificate against the maker's roots, signature against the file."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from file_servers import Issued, issue, signature

from chargepoint.errors import Refused
from chargepoint.station.firmware_check import check_certificate, signature_holds

NOW = datetime(2026, 3, 1, tzinfo=UTC)
IMAGE = b"firmware" * 100


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("Maker")


@pytest.fixture
def roots(root: Issued, tmp_path: Path) -> Path:
    (tmp_path / "a.pem").write_text("no certificate")
    (tmp_path / "b.pem").write_text(issue("Another").pem + root.pem)
    return tmp_path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "image").write_bytes(IMAGE)
    return tmp_path / "image"


def test_a_certificate_of_the_maker_is_taken(root: Issued, roots: Path) -> None:
    check_certificate(issue("Signer", root).pem, roots, NOW)


def test_without_roots_nothing_is_taken(root: Issued, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        check_certificate(issue("Signer", root).pem, tmp_path / "none", NOW)

    assert refused.value.reason == "InvalidCertificate"


def test_an_intermediate_certificate_is_not_taken(root: Issued, roots: Path) -> None:
    between = issue("Between", root)

    with pytest.raises(Refused):
        check_certificate(issue("Signer", between).pem, roots, NOW)


@pytest.mark.spec("2.0.1", "L01.FR.02")
def test_a_revoked_certificate_is_named_as_such(root: Issued, roots: Path) -> None:
    signer, other = issue("Signer", root), issue("Other", root)
    write_revocations(roots, root, signer)

    check_certificate(other.pem, roots, NOW)
    with pytest.raises(Refused) as refused:
        check_certificate(signer.pem, roots, NOW)

    assert refused.value.reason == "RevokedCertificate"


def test_a_revocation_by_somebody_else_does_not_count(root: Issued, roots: Path) -> None:
    signer = issue("Signer", root)
    write_revocations(roots, issue("Somebody"), signer)

    check_certificate(signer.pem, roots, NOW)


def test_an_ecdsa_signature_holds_for_its_file_only(
    root: Issued, image: Path, tmp_path: Path
) -> None:
    signer = issue("Signer", root)
    other = tmp_path / "other"
    other.write_bytes(IMAGE + b"!")
    signed = signature(signer, IMAGE)

    assert signature_holds(image, signer.pem, signed)
    assert not signature_holds(other, signer.pem, signed)
    assert not signature_holds(image, issue("Other", root).pem, signed)


@pytest.mark.parametrize("way", ["pss", "pkcs1"])
def test_an_rsa_signature_holds(way: str, image: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    ways = {
        "pss": padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH),
        "pkcs1": padding.PKCS1v15(),
    }
    signed = key.sign(IMAGE, ways[way], hashes.SHA256())

    assert signature_holds(image, pem_of(key), base64.b64encode(signed).decode())
    assert not signature_holds(image, pem_of(key), base64.b64encode(signed[:-1]).decode())


@pytest.mark.parametrize("text", ["", "%%%", "AAAA"])
def test_what_is_no_signature_does_not_hold(text: str, root: Issued, image: Path) -> None:
    assert not signature_holds(image, issue("Signer", root).pem, text)


def write_revocations(folder: Path, by: Issued, revoked: Issued) -> None:
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.certificate.serial_number)
        .revocation_date(NOW)
        .build()
    )
    revocations = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(NOW)
        .next_update(datetime(2027, 1, 1, tzinfo=UTC))
        .add_revoked_certificate(entry)
        .sign(by.key, hashes.SHA256())
    )
    (folder / "maker.crl").write_bytes(revocations.public_bytes(Encoding.PEM))


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Signer")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()
