"""TLS servers of a test: right ones, and those that refuse, are revoked or speak old TLS.

A server of asyncio hangs up before its alert has left; a plain socket in a thread does not.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pki import Authority, Key, key_pem, name, pem

DAY = timedelta(days=1)
Talk = Callable[[ssl.SSLSocket], None]


def names(host: str) -> x509.SubjectAlternativeName:
    here = [x509.IPAddress(ip_address("127.0.0.1"))] if host == "localhost" else []
    return x509.SubjectAlternativeName([x509.DNSName(host), *here])


def server_certificate(
    authority: Authority,
    key: Key,
    *,
    host: str = "localhost",
    common_name: str = "csms",
    start: datetime | None = None,
    ocsp_url: str = "",
) -> x509.Certificate:
    """A certificate for a server; without ``host`` it has its common name alone."""
    begin = start or datetime.now(UTC) - DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + 9 * DAY)
    )
    if host:
        builder = builder.add_extension(names(host), critical=False)
    if ocsp_url:
        place = x509.AccessDescription(
            x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def server_side(
    folder: Path, certificate: x509.Certificate, key: Key, *, chain: Sequence[Authority] = ()
) -> ssl.SSLContext:
    """How a server listens that shows this certificate and what is between it and the root."""
    path = folder / f"server{certificate.serial_number}.pem"
    path.write_text(pem(certificate) + "".join(one.pem for one in chain) + key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def crl(
    authority: Authority,
    *revoked: x509.Certificate,
    begin: datetime | None = None,
    life: timedelta = DAY,
    signer: Authority | None = None,
) -> bytes:
    """The list of an authority, PEM; ``signer`` may be somebody else of its name."""
    begin = begin or datetime.now(UTC) - timedelta(hours=1)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(begin)
        .next_update(begin + life)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder(one.serial_number, begin)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign((signer or authority).key, hashes.SHA256()).public_bytes(Encoding.PEM)


class Responder:
    """Answers OCSP over HTTP for an authority; ``signer`` signs, by default the authority."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.signer = authority
        self.status = ocsp.OCSPCertStatus.GOOD
        self.begin = datetime.now(UTC) - timedelta(hours=1)
        self.asked = 0
        self.broken = False
        self.about: x509.Certificate | None = None  # instead of what was asked for
        self.certificates: dict[int, x509.Certificate] = {}

    def knows(self, certificate: x509.Certificate) -> None:
        self.certificates[certificate.serial_number] = certificate

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.broken:
            return web.Response(status=503)
        return web.Response(body=self.said(await request.read()))

    def said(self, question: bytes) -> bytes:
        asked = ocsp.load_der_ocsp_request(question)
        revoked = self.status is ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=self.about or self.certificates[asked.serial_number],
            issuer=self.authority.certificate,
            algorithm=hashes.SHA1(),  # noqa: S303 - it names the issuer
            cert_status=self.status,
            this_update=self.begin,
            next_update=self.begin + DAY,
            revocation_time=self.begin if revoked else None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.signer.certificate)
        if self.signer is not self.authority:
            builder = builder.certificates([self.signer.certificate])
        made = builder.sign(self.signer.key, hashes.SHA256())
        return made.public_bytes(Encoding.DER)


@asynccontextmanager
async def answering_http(handler: Callable[[web.Request], object]) -> AsyncIterator[str]:
    """A small HTTP server; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def one_connection(context: ssl.SSLContext, talk: Talk) -> AsyncIterator[int]:
    """Take one connection; the port. ``talk`` has it once TLS stands."""

    def serve(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        accepted.settimeout(10)
        with context.wrap_socket(
            accepted, server_side=True, do_handshake_on_connect=False
        ) as stream:
            try:
                stream.do_handshake()
            except OSError:
                _hang_up_politely(stream)
            else:
                talk(stream)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        serving = asyncio.create_task(asyncio.to_thread(serve, listening))
        try:
            yield port
        finally:
            await serving


def _hang_up_politely(stream: ssl.SSLSocket) -> None:
    """Read what was sent meanwhile, or the alert would be lost with the connection."""
    with suppress(OSError):
        stream.shutdown(socket.SHUT_WR)
        while socket.socket.recv(stream, 4096):
            pass
