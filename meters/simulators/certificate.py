"""The self-signed certificate that a simulated meter shows, as meters without a maker's CA do."""

import contextlib
import datetime as dt
import ipaddress
import os
import ssl
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

if TYPE_CHECKING:
    from cryptography import x509

KeyKind = Literal["ec", "rsa-1024", "rsa-2048"]
_DAYS: Final = 3650


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, both PEM."""

    pem: str
    key_pem: str

    @cached_property
    def der(self) -> bytes:
        """The certificate as bytes; what a driver pins."""
        return ssl.PEM_cert_to_DER_cert(self.pem)

    @classmethod
    def load(cls, path: Path) -> Self:
        """From a PEM file with both.

        Raises:
            OSError: it cannot be read.
            ValueError: it does not hold a certificate and a key.
        """
        text = path.read_text()
        start, end = text.find("-----BEGIN CERT"), text.find("-----END CERTIFICATE-----")
        if start < 0 or end < 0 or "PRIVATE KEY-----" not in text:
            raise ValueError(f"{path}: expected a certificate and its key, both PEM")
        end += len("-----END CERTIFICATE-----\n")
        return cls(text[start:end], text[:start] + text[end:])

    def save(self, path: Path) -> None:
        """Both into one PEM file that only its owner may read.

        Raises:
            OSError: it cannot be written.
        """
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with contextlib.closing(os.fdopen(handle, "w")) as file:
            file.write(self.pem + self.key_pem)

    def server_context(self) -> ssl.SSLContext:
        """What a server shows it with; small keys are allowed, meters in the field have them.

        Raises:
            ValueError: certificate and key do not fit.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "both.pem"  # OpenSSL takes them from files only
            self.save(path)
            try:
                context.load_cert_chain(path)
            except ssl.SSLError as error:
                raise ValueError(f"no certificate and key that fit together: {error}") from error
        return context


def self_signed(*names: str, key: KeyKind = "ec") -> Certificate:
    """A new certificate for these host names and addresses, valid for ten years."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if key == "ec":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = rsa.generate_private_key(65537, int(key.removeprefix("rsa-")))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0] if names else "meter")])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(one) for one in names]), critical=False
        )
    made = builder.sign(private, hashes.SHA256())
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(made.public_bytes(Encoding.PEM).decode(), secret.decode())


def _general(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
