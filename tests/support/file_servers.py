"""Servers on loopback for firmware and logs: HTTP(S) by aiohttp, a small FTP(S) server of our own.

Both keep files in a dict and can be told to fail; certificates are made here.
"""

import asyncio
import base64
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass
class Files:
    """What a server holds and how it behaves.

    ``failures`` are the next answers: an HTTP status, or an FTP reply to RETR and STOR. ``gate``
    holds up every transfer while it is closed. ``login`` is what it wants to hear. ``breaks`` are
    after how many bytes the next downloads over HTTP break off, ``tag`` is the version of every
    file, ``lie`` how the next request for a part is answered, ``ranges`` what parts were asked for.
    ``moves`` are redirects, ``logins`` what credentials came with each request over HTTP. A size is
    only told if ``declared``; ``data_host`` is where an FTP server says that its data is.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    failures: deque[int] = field(default_factory=deque)
    always: int | None = None
    login: tuple[str, str] | None = None
    folders: set[str] = field(default_factory=lambda: {"/"})
    methods: tuple[str, ...] = ("PUT", "POST")
    breaks: deque[int] = field(default_factory=deque)
    tag: str = '"1"'
    lie: str = ""
    ranges: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    moves: dict[str, str] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)
    declared: bool = True
    data_host: str = "127.0.0.1"
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self.gate.set()

    def failure(self) -> int | None:
        return self.failures.popleft() if self.failures else self.always

    async def pass_gate(self) -> None:
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1


@asynccontextmanager
async def http_server(
    tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Files]:
    """GET, PUT and POST of whole files."""
    files = Files()

    async def handle(request: web.Request) -> web.StreamResponse:
        files.seen.append(f"{request.method} {request.path_qs}")
        if request.method in {"PUT", "POST"} and request.method not in files.methods:
            return web.Response(status=405)
        body = await request.read()
        await files.pass_gate()
        files.logins.append(request.headers.get("Authorization", ""))
        if request.path in files.moves:
            return web.Response(status=302, headers={"Location": files.moves[request.path]})
        if (status := files.failure()) is not None:
            return web.Response(status=status)
        if files.login is not None:
            basic = base64.b64encode(":".join(files.login).encode()).decode()
            if request.headers.get("Authorization") != f"Basic {basic}":
                return web.Response(status=401)
        if request.method == "GET":
            if request.path not in files.files:
                return web.Response(status=404)
            return await _part(files, request)
        files.files[request.path] = body
        return web.Response(status=201)

    application = web.Application(client_max_size=2**24)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    files.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield files
    finally:
        files.gate.set()
        await runner.cleanup()


async def _part(files: Files, request: web.Request) -> web.StreamResponse:
    """The file, or the part of it that is asked for; breaks off if that is wanted."""
    asked, body = request.headers.get("Range", ""), files.files[request.path]
    files.ranges.append(asked)
    lie, files.lie = (files.lie, "") if asked else ("", files.lie)
    if lie == "416":
        return web.Response(status=416)
    same = files.tag and request.headers.get("If-Range") == files.tag
    begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and same else 0
    headers = {"ETag": files.tag} if files.tag else {}
    if begin:
        headers["Content-Range"] = lie or f"bytes {begin}-{len(body) - 1}/{len(body)}"
    answer = web.StreamResponse(status=206 if begin else 200, headers=headers)
    if files.declared:
        answer.content_length = len(body) - begin
    await answer.prepare(request)
    if not files.breaks:
        await answer.write(body[begin:])
        return answer
    await answer.write(body[begin : begin + files.breaks.popleft()])
    assert request.transport is not None
    request.transport.close()
    return answer


@asynccontextmanager
async def ftp_server(
    tls: ssl.SSLContext | None = None, *, implicit: bool = False
) -> AsyncIterator[Files]:
    """As much of FTP as a file needs; with ``tls`` AUTH TLS is asked for."""
    files = Files()
    sessions: set[asyncio.Task[None]] = set()
    opened: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        sessions.add(task)
        with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            opened.append(writer)
            await _FtpSession(files, reader, writer, tls, opened).run()
        sessions.discard(task)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls if implicit else None)
    port = server.sockets[0].getsockname()[1]
    files.url = f"{'ftps' if tls else 'ftp'}://127.0.0.1:{port}"
    try:
        yield files
    finally:
        files.gate.set()
        server.close()
        for session in list(sessions):
            session.cancel()
        if sessions:
            await asyncio.wait(sessions)
        for writer in opened:
            writer.transport.abort()
        await asyncio.sleep(0)


class _FtpSession:
    """One control connection."""

    def __init__(
        self,
        files: Files,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tls: ssl.SSLContext | None,
        opened: list[asyncio.StreamWriter],
    ) -> None:
        self._opened = opened
        self._files, self._reader, self._writer, self._tls = files, reader, writer, tls
        self._user = ""
        self._folder = "/"
        self._private = False
        self._secured = writer.get_extra_info("ssl_object") is not None
        self._data: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self._listener: asyncio.Server | None = None

    async def run(self) -> None:
        await self._say("220 ready")
        while line := await self._reader.readline():
            command, _, argument = line.decode().strip().partition(" ")
            self._files.seen.append(f"{command} {argument}".strip())
            if not await self._answer(command.upper(), argument):
                return

    async def _answer(self, command: str, argument: str) -> bool:  # noqa: C901 - one per command
        match command:
            case "AUTH" if self._tls:
                await self._say("234 go on")
                await self._writer.start_tls(self._tls)
                self._secured = True
            case "USER" if self._tls and not self._secured:
                await self._say("530 TLS first")
            case "USER":
                self._user = argument
                await self._say("331 password")
            case "PASS":
                wanted = self._files.login
                good = wanted is None or wanted == (self._user, argument)
                await self._say("230 in" if good else "530 no")
            case "PROT":
                self._private = argument == "P"
                await self._say("200 ok")
            case "PBSZ" | "TYPE":
                await self._say("200 ok")
            case "CWD":
                known = argument in self._files.folders
                self._folder = argument if known else self._folder
                await self._say("250 ok" if known else "550 no such folder")
            case "SIZE":
                known = argument in self._files.files and self._files.declared
                size = len(self._files.files.get(argument, b""))
                await self._say(f"213 {size}" if known else "550 no such file")
            case "EPSV" | "PASV":
                await self._listen(extended=command == "EPSV")
            case "RETR" | "STOR":
                await self._transfer(command, argument)
            case "QUIT":
                await self._say("221 bye")
                return False
            case _:
                await self._say("502 unknown")
        return True

    async def _listen(self, *, extended: bool) -> None:
        self._data = asyncio.Queue()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._opened.append(writer)
            await self._data.put((reader, writer))

        tls = self._tls if self._private else None
        self._listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        port = self._listener.sockets[0].getsockname()[1]
        if extended:
            await self._say(f"229 ok (|||{port}|)")
        else:
            host = self._files.data_host.replace(".", ",")
            await self._say(f"227 ok ({host},{port // 256},{port % 256})")

    async def _transfer(self, command: str, path: str) -> None:
        assert self._listener is not None
        full = path if path.startswith("/") else f"{self._folder.rstrip('/')}/{path}"
        failure = self._files.failure()
        if failure is None and command == "RETR" and full not in self._files.files:
            failure = 550
        if failure is not None:
            _, writer = await self._data.get()
            writer.close()
            self._listener.close()
            await self._say(f"{failure} no")
            return
        await self._say("150 coming")
        reader, writer = await self._data.get()
        self._listener.close()
        await self._files.pass_gate()
        if command == "STOR":
            self._files.files[full] = await reader.read()
        else:
            writer.write(self._files.files[full])
            await writer.drain()
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        await self._say("226 done")

    async def _say(self, line: str) -> None:
        self._writer.write(f"{line}\r\n".encode())
        await self._writer.drain()


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, as PEM."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    valid_from: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    valid_for: timedelta = timedelta(days=10_000),
    signs: bool = True,
) -> Issued:
    """A certificate for a name on loopback; without issuer a root."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_from + valid_for)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs,
                content_commitment=False,
                key_encipherment=not signs,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=issuer is None,
                crl_sign=issuer is None,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    signing = issuer.key if issuer else key
    return Issued(builder.sign(signing, hashes.SHA256()), key)


def server_tls(
    folder: Path, *, valid_from: datetime = datetime(2020, 1, 1, tzinfo=UTC)
) -> tuple[ssl.SSLContext, Path]:
    """A context for a server on loopback, and the file of the root to trust."""
    root = issue("Root of the test", valid_from=valid_from)
    server = issue("localhost", root, valid_from=valid_from)
    chain, ca_file = folder / "server.pem", folder / "ca.pem"
    chain.write_bytes(server.pem.encode() + server.key_pem)
    ca_file.write_text(root.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, ca_file


def signature(signer: Issued, file: bytes) -> str:
    """What the CSMS sends along, made over the whole file."""
    return base64.b64encode(signer.key.sign(file, ec.ECDSA(hashes.SHA256()))).decode()


def revocations(by: Issued, revoked: Issued) -> bytes:
    """A list of one revoked certificate."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.certificate.serial_number)
        .revocation_date(at)
        .build()
    )
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(at)
        .next_update(datetime(2027, 1, 1, tzinfo=UTC))
        .add_revoked_certificate(entry)
        .sign(by.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
