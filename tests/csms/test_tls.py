"""TLS to servers that are right and wrong, over real sockets."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pki import Authority, key_pem, pem, root
from site_rig import LIVING
from tls_server import DAY, one_connection, rsa_key, server_certificate, server_side
from websockets.asyncio.server import ServerConnection, serve

from chargepoint.csms import tls
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.opening import open_connection
from chargepoint.csms.outage import Cause, Outage
from chargepoint.csms.tls import anchor, client_context, verified_chain
from chargepoint.store.keystore import fingerprint

CA = root("CSMS CA", **LIVING)
PASSWORD = b"the password of it"
CONFIG = LinkConfig("wss://localhost/ocpp", "CP1", ("ocpp2.0.1",), password=PASSWORD)


def trusting(*roots: Authority) -> LinkConfig:
    context = client_context(roots="".join(one.pem for one in roots))
    return replace(CONFIG, tls=context)


@asynccontextmanager
async def csms(context: ssl.SSLContext) -> AsyncIterator[tuple[int, list[str]]]:
    """A port, and the passwords that came in there."""
    told: list[str] = []

    async def keep(connection: ServerConnection) -> None:
        assert connection.request is not None
        told.append(connection.request.headers["Authorization"])
        await connection.wait_closed()

    async with serve(
        keep, "localhost", 0, ssl=context, subprotocols=["ocpp2.0.1"], ping_interval=None
    ) as server:
        yield server.sockets[0].getsockname()[1], told


async def cipher(config: LinkConfig, port: int) -> tuple[str, str, int]:
    connection = await open_connection(replace(config, url=f"wss://localhost:{port}/ocpp"))
    found: tuple[str, str, int] = connection.transport.get_extra_info("cipher")
    await connection.close()
    return found


def shown(folder: Path, *, rsa: bool = False) -> ssl.SSLContext:
    key = rsa_key() if rsa else ec.generate_private_key(ec.SECP256R1())
    return server_side(folder, server_certificate(CA, key), key)


@pytest.mark.spec("2.0.1", "A00.FR.319")
@pytest.mark.spec("1.6", "whitepaper A00.FR.318")
@pytest.mark.parametrize("suite", tls.SUITES)
async def test_each_cipher_suite_of_the_standard_opens_a_connection(
    tmp_path: Path, suite: str
) -> None:
    context = shown(tmp_path, rsa="ECDSA" not in suite)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)

    async with csms(context) as (port, _):
        assert (await cipher(trusting(CA), port))[:2] == (suite, "TLSv1.2")


@pytest.mark.spec("2.0.1", "A00.FR.313")
async def test_tls_1_3_is_spoken(tmp_path: Path) -> None:
    async with csms(shown(tmp_path)) as (port, _):
        assert (await cipher(trusting(CA), port))[1] == "TLSv1.3"


@pytest.mark.spec("2.0.1", "A00.FR.319")
@pytest.mark.spec("1.6", "whitepaper A00.FR.319")
@pytest.mark.parametrize(
    "suite",
    ["ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"],
)
async def test_a_server_with_none_but_weak_suites_is_refused(tmp_path: Path, suite: str) -> None:
    context = shown(tmp_path, rsa=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suite}:@SECLEVEL=0")

    outage = await refused(context, trusting(CA))

    assert outage.cause is Cause.TLS_CIPHER


@pytest.mark.spec("2.0.1", "A00.FR.314")
@pytest.mark.spec("1.6", "whitepaper A00.FR.315")
async def test_a_server_of_tls_1_1_is_refused(tmp_path: Path) -> None:
    context = shown(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that TLS is old is the point
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    outage = await refused(context, trusting(CA))

    assert outage.cause is Cause.TLS_VERSION


async def refused(context: ssl.SSLContext, config: LinkConfig) -> Outage:
    """Why a plain server, which says so before it hangs up, is not connected to."""

    def listen(stream: ssl.SSLSocket) -> None:
        assert stream.recv(1) == b""

    async with one_connection(context, listen) as port:
        with pytest.raises(Outage) as caught:
            await open_connection(replace(config, url=f"wss://localhost:{port}/ocpp"))
    return caught.value


@pytest.mark.spec("2.0.1", "A00.FR.321")
@pytest.mark.spec("1.6", "whitepaper A00.FR.320")
def test_nothing_is_compressed_and_nothing_agreed_again() -> None:
    options = client_context().options

    assert options & ssl.OP_NO_COMPRESSION
    assert options & ssl.OP_NO_RENEGOTIATION
    assert not options & 0x4  # servers that renegotiate insecurely


@pytest.mark.spec("2.0.1", "A00.FR.307")
@pytest.mark.spec("2.0.1", "A00.FR.308")
@pytest.mark.spec("2.0.1", "A00.FR.309")
@pytest.mark.spec("1.6", "whitepaper A00.FR.309")
@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ({"start": datetime.now(UTC) - 20 * DAY}, "expired"),
        ({"start": datetime.now(UTC) + DAY}, "not yet valid"),
        ({"host": "elsewhere.example"}, "not valid for 'localhost'"),
        ({"host": "", "common_name": "elsewhere.example"}, "not valid for 'localhost'"),
        ({"authority": root("CSMS CA", **LIVING)}, "signature"),
        ({"authority": root("Somebody", **LIVING)}, "unable to get local issuer"),
    ],
    ids=["expired", "not yet valid", "wrong name", "wrong common name", "false root", "unknown"],
)
async def test_a_server_that_cannot_be_trusted_never_sees_the_password(
    tmp_path: Path, certificate: dict[str, object], words: str
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = server_certificate(**{"authority": CA, "key": key, **certificate})  # type: ignore[arg-type]

    async with csms(server_side(tmp_path, made, key)) as (port, told):
        with pytest.raises(Outage, match=r"check csms\.ca_file") as caught:
            await cipher(trusting(CA), port)

    assert caught.value.cause is Cause.UNTRUSTED
    assert words in str(caught.value)
    assert told == []


async def test_a_server_that_vouches_for_itself_is_refused(tmp_path: Path) -> None:
    own = root("localhost", ca=False, **LIVING)

    async with csms(server_side(tmp_path, own.certificate, own.key)) as (port, _):
        with pytest.raises(Outage, match="self-signed") as caught:
            await cipher(trusting(CA), port)

    assert caught.value.cause is Cause.UNTRUSTED


@pytest.mark.spec("2.0.1", "A00.FR.308")
@pytest.mark.spec("1.6", "whitepaper A00.FR.510")
async def test_the_common_name_counts_where_there_is_no_other_name(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = server_certificate(CA, key, host="", common_name="localhost")

    async with csms(server_side(tmp_path, made, key)) as (port, _):
        assert await cipher(trusting(CA), port)


async def test_a_chain_with_an_authority_between_rests_on_the_root(tmp_path: Path) -> None:
    between = under(CA, "Between")
    key = ec.generate_private_key(ec.SECP256R1())
    made = server_certificate(between, key)

    async with csms(server_side(tmp_path, made, key, chain=[between])) as (port, _):
        config = replace(trusting(CA), url=f"wss://localhost:{port}/ocpp")
        connection = await open_connection(config)
        chain, resting = verified_chain(connection), anchor(connection)
        await connection.close()

    assert [ssl.DER_cert_to_PEM_cert(der) for der in chain] == [pem(made), between.pem, CA.pem]
    assert resting == fingerprint(CA.pem)


def under(authority: Authority, common_name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    made = authority.issue(common_name, key.public_key(), ca=True, **LIVING)
    return Authority(made, key)


@pytest.mark.spec("2.0.1", "TC_A_05_CS")
@pytest.mark.parametrize("wildcards", [True, False])
async def test_a_wildcard_that_is_not_allowed_never_sees_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, wildcards: bool
) -> None:
    found = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *more, **kw: found("localhost", *more, **kw)
    )
    key = ec.generate_private_key(ec.SECP256R1())
    made = server_certificate(CA, key, host="*.example.com")
    config = replace(trusting(CA), wildcards=wildcards)

    async with csms(server_side(tmp_path, made, key)) as (port, told):
        config = replace(config, url=f"wss://csms.example.com:{port}/ocpp")
        if wildcards:
            await (await open_connection(config)).close()
        else:
            with pytest.raises(Outage, match="only a wildcard"):
                await open_connection(config)

    assert bool(told) is wildcards


@pytest.mark.spec("2.0.1", "A00.FR.430")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("lives", [True, False], ids=["of somebody else", "expired"])
async def test_a_certificate_of_ours_that_is_refused_is_said_so(
    tmp_path: Path, version: ssl.TLSVersion, *, lives: bool
) -> None:
    context = shown(tmp_path)
    context.maximum_version = version
    context.load_verify_locations(cadata=CA.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = root("Somebody", **LIVING) if lives else CA
    start = datetime.now(UTC) - (DAY if lives else 900 * DAY)
    path = tmp_path / "own.pem"
    path.write_text(pem(issuer.issue("0001", key.public_key(), start=start)) + key_pem(key))
    config = trusting(CA)
    assert config.tls is not None
    config.tls.load_cert_chain(path)

    outage = await refused(context, config)

    assert outage.cause is Cause.CREDENTIALS
    assert "refused the station's certificate" in str(outage)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no program openssl")
async def test_a_server_that_wants_to_agree_anew_gets_no_second_handshake(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "server.pem"
    path.write_text(pem(server_certificate(CA, key)) + key_pem(key))

    said = await asyncio.to_thread(_renegotiate, path, client_context(roots=CA.pem))

    assert "no renegotiation" in said


def _renegotiate(server: Path, context: ssl.SSLContext) -> str:
    """Connect to a server that is told to renegotiate then; what it says of that."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-key", server, "-cert", server]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        listening = next(line for line in process.stdout if line.startswith("ACCEPT"))
        port = int(listening.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as stream,
        ):
            process.stdin.write("R\n")
            process.stdin.flush()
            with pytest.raises(ssl.SSLError):  # the server gives up
                stream.recv(1)
        said = next(line for line in process.stdout if "error:" in line)
        process.kill()
        return said
