"""Whose firmware it is: certificate against the maker's roots, signature against the file."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from file_servers import Issued, issue, revocations, signature

from chargepoint.errors import Refused
from chargepoint.station.firmware_check import check_certificate, check_file, signature_holds

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


def test_a_certificate_that_may_sign_no_other_vouches_for_none(root: Issued, roots: Path) -> None:
    signer = issue("Signer", root)
    (roots / "c.pem").write_text(signer.pem)

    with pytest.raises(Refused, match="no root"):
        check_certificate(issue("Next", signer).pem, roots, NOW)


def test_a_root_out_of_date_vouches_for_none(tmp_path: Path) -> None:
    old = issue("Old maker", valid_for=timedelta(days=1000))
    (tmp_path / "old.pem").write_text(old.pem)

    with pytest.raises(Refused, match="no root"):
        check_certificate(issue("Signer", old).pem, tmp_path, NOW)


@pytest.mark.spec("2.0.1", "A00.FR.501")
@pytest.mark.parametrize(
    ("make", "taken"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), False),  # noqa: S505 - on purpose
        (lambda: rsa.generate_private_key(65537, 2048), True),
        (lambda: ec.generate_private_key(ec.SECP192R1()), False),
        (lambda: ec.generate_private_key(ec.SECP224R1()), True),
        (ed25519.Ed25519PrivateKey.generate, False),
    ],
    ids=["RSA 1024", "RSA 2048", "P-192", "P-224", "Ed25519"],
)
def test_a_key_is_as_long_as_the_standard_asks(make: Any, taken: bool, tmp_path: Path) -> None:  # noqa: FBT001
    maker = rsa.generate_private_key(65537, 2048)
    (tmp_path / "maker.pem").write_text(pem_of(maker))
    pem = pem_of(make(), maker)

    if taken:
        check_certificate(pem, tmp_path, NOW)
        return
    with pytest.raises(Refused, match="too short") as refused:
        check_certificate(pem, tmp_path, NOW)
    assert refused.value.reason == "InvalidCertificate"


def test_a_file_is_judged_with_its_certificate_before_it_is_used(
    root: Issued, roots: Path, image: Path
) -> None:
    signer = issue("Signer", root, valid_for=timedelta(days=1))  # accepted on that day
    signed = signature(signer, IMAGE)
    stranger = issue("Stranger", issue("Somebody"))

    check_file(image, signer.pem, signed, roots)
    with pytest.raises(Refused) as unknown:
        check_file(image, stranger.pem, signature(stranger, IMAGE), roots)
    image.write_bytes(IMAGE + b"!")
    with pytest.raises(Refused) as changed:
        check_file(image, signer.pem, signed, roots)

    assert unknown.value.reason == "InvalidCertificate"
    assert changed.value.reason == "InvalidSignature"


def test_a_file_with_another_name_is_not_the_file(root: Issued, roots: Path, image: Path) -> None:
    signer, link = issue("Signer", root), image.with_name("link")
    signed = signature(signer, IMAGE)

    link.symlink_to(image)
    with pytest.raises(OSError, match="link"):
        check_file(link, signer.pem, signed, roots)
    link.unlink()
    link.hardlink_to(image)
    with pytest.raises(OSError, match="no file of its own"):
        check_file(image, signer.pem, signed, roots)


def test_a_certificate_that_the_library_cannot_read_is_refused(root: Issued, roots: Path) -> None:
    for text in unreadable(root):
        with pytest.raises(Refused) as refused:
            check_certificate(text, roots, NOW)

        assert refused.value.reason == "InvalidCertificate"


def test_a_root_that_cannot_be_read_spoils_no_other(root: Issued, roots: Path) -> None:
    for number, text in enumerate(unreadable(root)):
        (roots / f"c{number}.pem").write_text(text)

    check_certificate(issue("Signer", root).pem, roots, NOW)


def unreadable(root: Issued) -> list[str]:
    """Certificates of a version there is none of, with an extension twice, and with half of one."""
    der = issue("Signer", root).certificate.public_bytes(Encoding.DER)
    version, names, usage = b"\xa0\x03\x02\x01\x02", b"\x55\x1d\x11", b"\x55\x1d\x0f"
    basic = b"\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00"
    bad = [
        der.replace(version, b"\xa0\x03\x02\x01\x07"),
        der.replace(names, usage),
        der.replace(basic, basic[:-2] + b"\x30\x09"),
    ]
    assert der not in bad
    return [
        f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(one).decode()}"
        "-----END CERTIFICATE-----\n"
        for one in bad
    ]


def write_revocations(folder: Path, by: Issued, revoked: Issued) -> None:
    (folder / "maker.crl").write_bytes(revocations(by, revoked))


def pem_of(key: Any, maker: rsa.RSAPrivateKey | None = None) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Signer")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .sign(maker or key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()
