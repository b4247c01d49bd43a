"""Certificates that the CSMS or a vehicle gives: read, judged by the rules, stored, listed, named.

An input is the text of one, or behind the byte 1, 2 or 3 the DER of a root, of a certificate for
the station, of a contract.
"""

import atexit
import base64
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fuzz_meters import run as in_still_time

from chargepoint.clock import SystemClock
from chargepoint.core import certificates as rules
from chargepoint.core.certificates import HashAlgorithm, Use
from chargepoint.errors import Refused
from chargepoint.station.contracts import Contracts
from chargepoint.store import x509
from chargepoint.store.keystore import KeyStore, fingerprint

MODULES = (
    "chargepoint.store.x509",
    "chargepoint.store.keystore",
    "chargepoint.core.certificates",
    "chargepoint.core.contract",
    "chargepoint.station.contracts",
)
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-certificate-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
WORDS = (
    "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "\n", "\u0055\u0004\u0003",
    "\u0006\u0003\u0055\u001d\u0013", "\u0006\u0003\u0055\u001d\u000f", "220101000000Z",
)  # fmt: skip
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def seeds() -> Iterator[bytes]:
    """Made with keys that change from run to run: nothing depends on them."""
    import pki
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    top = pki.root("Root")
    yield top.pem.encode()
    yield (top.pem + top.pem).encode()
    yield b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"
    der = top.certificate.public_bytes(Encoding.DER)
    keys = (
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    )
    for key in keys:
        leaf = top.issue("CP1", key.public_key(), ocsp="http://a.example/")
        for kind in (1, 2, 3):
            yield bytes((kind,)) + leaf.public_bytes(Encoding.DER)
            yield bytes((kind,)) + der


def run(data: bytes) -> str:
    kind, text = _text(data)
    asyncio_run = in_still_time
    ends = []
    for step in (_as_root, _as_own):
        try:
            ends.append(step(text))
        except Refused as refused:
            ends.append(f"Refused {refused.reason}")
    contracts = Contracts(lambda _: _roots(text), SystemClock())
    try:
        asyncio_run(contracts.examine(text))
        ends.append("contract")
    except Refused as refused:
        ends.append(f"Refused {refused.reason}")
    assert kind in range(4)
    return ", ".join(ends)


def _text(data: bytes) -> tuple[int, str]:
    if data[:1] in {b"\x01", b"\x02", b"\x03"}:
        body = base64.encodebytes(data[1:]).decode()
        pem = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
        return data[0], pem
    return 0, data.decode(errors="replace")


def _roots(text: str) -> list[object]:
    try:
        return list(x509.read(text)[:1])
    except Refused:
        return []


def _as_root(text: str) -> str:
    """As Certificates.install does it, and what follows once it is there."""
    keys = KeyStore(FOLDER / "keys")
    root, *more = x509.read(text)
    if more:
        raise Refused("several", reason="InvalidCertificate")
    name = fingerprint(text)
    rules.check_root(x509.about(root), NOW, signed_by_old=x509.signed_by(root, root))
    keys.install(Use.CSMS_ROOT, text)
    (installed,) = keys.roots(Use.CSMS_ROOT)
    assert installed.fingerprint == name
    try:
        (again,) = x509.read(installed.pem)
        assert again == root
        for algorithm in HashAlgorithm:
            x509.identify(again, again, algorithm)
    finally:
        keys.remove(installed)
    return "installed"


def _as_own(text: str) -> str:
    """As Certificates.signed does it."""
    keys = KeyStore(FOLDER / "keys")
    found = x509.read(text)
    said = tuple(x509.about(one) for one in found)
    key = keys.pending(Use.STATION)
    if not key:
        keys.request(Use.STATION, "CP1", "Example")
        key = keys.pending(Use.STATION)
    signed = rules.Signed(
        said, len(text), fits=x509.fits(found[0], key), linked=x509.linked(found, [found[-1]])
    )
    for one in found:
        x509.responder(one)
        for algorithm in HashAlgorithm:
            x509.identify(one, None, algorithm)
    rules.check_signed(
        rules.Signed(signed.chain, signed.size, fits=True, linked=True),
        NOW,
        size_most=5600,
        common_name=said[0].common_name,
    )
    return "own"
