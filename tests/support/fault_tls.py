"""Servers that a station must not trust, and a server that does not trust the station.

While a fault lasts a stranger answers in the place of the CSMS. Whatever the station says to him
once he has his TLS is counted as leaked: nothing may be, except to a server that turns a station
away whose certificate it does not take.
"""

import asyncio
import ssl
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from fault_gateway import Way, Wire
from fault_network import struck
from fault_rig import Site
from fault_rows import LEAKED, Row
from pki import Authority, key_pem, pem, root
from site_rig import LIVING, server

PASSWORD: Final = "the password of it"
PLAIN_ANSWERS: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",  # an alert: no such version of TLS
    b"\x16\x03\x01\x00\x05hello",
    b"",
)

Context = Callable[[Path], ssl.SSLContext]


@dataclass(slots=True)
class Pki:
    """Who is trusted by whom at one site."""

    trusted: Authority = field(default_factory=lambda: root("CSMS CA", **LIVING))
    stranger: Authority = field(default_factory=lambda: root("Stranger", **LIVING))
    station: x509.Certificate | None = None


_PKI: Final = Pki()


def context(folder: Path, authority: Authority, **certificate: Any) -> ssl.SSLContext:
    """How a server listens that shows a certificate of this authority."""
    shown, key = server(authority, **certificate)
    path = folder / f"server{shown.serial_number}.pem"
    path.write_text(pem(shown) + key_pem(key))
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=_PKI.trusted.pem)
    made.load_cert_chain(path)
    return made


def expired(folder: Path) -> ssl.SSLContext:
    """A certificate of the right authority that ended yesterday."""
    return context(folder, _PKI.trusted, start=datetime.now(UTC) - timedelta(days=10))


def wrong_name(folder: Path) -> ssl.SSLContext:
    """A good certificate of another machine."""
    return context(folder, _PKI.trusted, host="127.0.0.2")


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for."""
    return context(folder, _PKI.stranger)


def old_tls(folder: Path) -> ssl.SSLContext:
    """The right certificate, and nothing newer than TLS 1.1."""
    made = context(folder, _PKI.trusted)
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.maximum_version = ssl.TLSVersion.TLSv1_1
    return made


def weak_cipher(folder: Path) -> ssl.SSLContext:
    """The right certificate and TLS 1.2, with a cipher that no station may use."""
    made = context(folder, _PKI.trusted)
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    return made


def revoked(folder: Path) -> ssl.SSLContext:
    """The right server, with a revocation list on which the station's certificate stands."""
    assert _PKI.station is not None
    now = datetime.now(UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(_PKI.station.serial_number)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_PKI.trusted.certificate.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=1))
        .add_revoked_certificate(entry.revocation_date(now - timedelta(hours=1)).build())
        .sign(_PKI.trusted.key, hashes.SHA256())
    )
    path = folder / "revoked.crl"
    path.write_bytes(crl.public_bytes(Encoding.PEM))
    made = context(folder, _PKI.trusted)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(path)
    made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return made


class Stranger:
    """Listens with one of these contexts while it is entered; hears what it is told.

    Its TLS is its own: a server of asyncio hangs up before its alert has left.
    """

    def __init__(self, it: Site, made: ssl.SSLContext) -> None:
        self.port = 0
        self._it, self._context = it, made
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if await self._heard(reader, writer):
                self._it.note(LEAKED)
        with suppress(OSError):
            writer.write_eof()
            while await reader.read(4096):  # or the alert would be lost with the connection
                pass
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _heard(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The first word after the handshake; raises ``ssl.SSLError`` if there is none of those."""
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        stream = self._context.wrap_bio(coming, going, server_side=True)
        shaken = False
        while True:
            try:
                if shaken:
                    return stream.read(1)
                stream.do_handshake()
                shaken = True
            except ssl.SSLWantReadError:
                writer.write(going.read())
                data = await reader.read(65536)
                if not data:
                    return b""
                coming.write(data)
            finally:
                writer.write(going.read())


async def instead(it: Site, make: Context) -> None:
    """A stranger answers until the station has turned away from him at least once."""
    it.gateway.port_of, csms = (lambda: stranger.port), it.gateway.port_of
    async with Stranger(it, make(it.folder)) as stranger:
        await refused(it)
        it.gateway.port_of = csms
    await it.until(lambda: it.online, "way back", 120)
    await asyncio.sleep(it.numbers.uniform(0, 2))


async def refused(it: Site) -> None:
    """Cut the line; returns when the next attempt has failed."""
    assert it.life is not None
    link, before = it.life.link, it.gateway.connections
    it.gateway.reset()
    await it.until(
        lambda: it.gateway.connections > before and link.failures > 1 and not it.gateway.wires,
        "refusal",
        120,
    )
    it.note("handshakes failed", it.gateway.connections - before)


async def downgrade(it: Site) -> None:
    """Old TLS, a weak cipher, or no TLS at all where there was a good one."""
    kind = it.numbers.randrange(4)
    if kind < 2:
        await instead(it, (old_tls, weak_cipher)[kind])
        return
    it.gateway.greeting = it.numbers.choice(PLAIN_ANSWERS)
    await refused(it)
    it.gateway.greeting = None
    await it.until(lambda: it.online, "way back", 120)
    await asyncio.sleep(it.numbers.uniform(0, 2))


async def damaged(it: Site) -> None:
    """One bit of what is on its way turns over: of a handshake, or of a record."""
    await struck(it, lambda wire: _damage(it, wire))
    await asyncio.sleep(it.numbers.uniform(0, 1))


def _damage(it: Site, _wire: Wire) -> None:
    def pace(_way: Way, data: bytes) -> list[tuple[float, bytes]]:
        if data:
            it.gateway.pace = None
            data = bytes([data[0] ^ (1 << it.numbers.randrange(8))]) + data[1:]
        return [(0.0, data)]

    it.gateway.pace = pace


def options(folder: Path, _numbers: Random, *, profile: int = 2) -> Mapping[str, Any]:
    """A site with TLS; ``profile`` 3 asks for the station's certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    _PKI.station = _PKI.trusted.issue("0001", key.public_key(), **LIVING)
    texts = {"ca": _PKI.trusted.pem, "cert": pem(_PKI.station), "key": key_pem(key)}
    for stem, text in texts.items():
        (folder / f"{stem}.pem").write_text(text)
        (folder / f"{stem}.pem").chmod(0o600)
    stems = ("ca",) if profile == 2 else ("ca", "cert", "key")
    section: dict[str, Any] = {f"{stem}_file": str(folder / f"{stem}.pem") for stem in stems}
    section["security_profile"] = profile
    made = context(folder, _PKI.trusted)
    served: dict[str, Any] = {"tls": made}
    if profile == 2:
        section["password"] = PASSWORD
        served["password"] = PASSWORD.encode()
    else:
        made.verify_mode = ssl.CERT_REQUIRED
    return {"csms_section": section, "url_scheme": "wss", **served}


def _calm(it: Site) -> None:
    it.gateway.greeting = it.gateway.pace = None


ROWS: Final = (
    Row("tls-downgrade", "TLS 1.1, a weak cipher or no TLS", downgrade, _calm, options),
    Row("tls-damaged", "a bit turns over at a random byte of the TLS", damaged, _calm, options),
    Row("expired-server", "an expired certificate", partial(instead, make=expired), _calm, options),
    Row(
        "wrong-name-server",
        "a certificate of another name",
        partial(instead, make=wrong_name),
        _calm,
        options,
    ),
    Row(
        "self-signed-server",
        "a certificate that nobody vouches for",
        partial(instead, make=self_signed),
        _calm,
        options,
    ),
    Row(
        "revoked-client",
        "the server's CRL has the station's certificate (profile 3)",
        partial(instead, make=revoked),
        _calm,
        partial(options, profile=3),
    ),
)
