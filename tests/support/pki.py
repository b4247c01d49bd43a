"""Certificate authorities and certificates for tests: real ones, made on the spot."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from fake_clock import START

YEAR = timedelta(days=365)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def name(common_name: str, organization: str = "Example") -> x509.Name:
    pairs = [(NameOID.COMMON_NAME, common_name), (NameOID.ORGANIZATION_NAME, organization)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in pairs])


@dataclass(frozen=True)
class Authority:
    """Somebody who signs."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return pem(self.certificate)

    def issue(
        self,
        common_name: str,
        key: object,
        *,
        ca: bool = False,
        start: datetime = START - timedelta(days=1),
        life: timedelta = YEAR,
        ocsp: str = "",
        serial: int | None = None,
    ) -> x509.Certificate:
        """A certificate about a public key."""
        subject, issuer = name(common_name), self.certificate.subject
        return _certificate(subject, key, issuer, self.key, ca, start, life, ocsp, serial)

    def under(self, common_name: str, *, ocsp: str = "") -> "Authority":
        """An authority that this one vouches for."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Authority(self.issue(common_name, key.public_key(), ca=True, ocsp=ocsp), key)

    def answer(self, csr_pem: str, **more: object) -> str:
        """The certificate that a request asks for, PEM."""
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        assert csr.is_signature_valid
        (common_name,) = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return pem(self.issue(str(common_name.value), csr.public_key(), **more))  # type: ignore[arg-type]


def root(
    common_name: str = "Root",
    *,
    key: Key | None = None,
    ca: bool = True,
    start: datetime = START - timedelta(days=1),
    life: timedelta = 10 * YEAR,
    serial: int | None = None,
) -> Authority:
    """An authority that vouches for itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = name(common_name)
    made = _certificate(subject, key.public_key(), subject, key, ca, start, life, serial=serial)
    return Authority(made, key)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def key_pem(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _certificate(  # noqa: PLR0917 - one call of a builder
    subject: x509.Name,
    public: object,
    issuer: x509.Name,
    key: Key,
    ca: bool,  # noqa: FBT001
    start: datetime,
    life: timedelta,
    ocsp: str = "",
    serial: int | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if ocsp:
        place = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    return builder.sign(key, hashes.SHA256())
