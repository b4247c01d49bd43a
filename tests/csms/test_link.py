import asyncio
import logging
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chargepoint.csms import opening
from chargepoint.csms.link import (
    LONGEST,
    PAUSE,
    BackOff,
    Link,
    LinkConfig,
    LinkState,
)
from chargepoint.csms.opening import open_connection
from chargepoint.csms.outage import Cause, Outage, explain
from chargepoint.errors import ConfigError, CsmsUnavailable

PATIENCE_S = 5.0
SOON = timedelta(milliseconds=50)
CONFIG = LinkConfig("ws://127.0.0.1:1/ocpp", "CP001", ("ocpp2.0.1", "ocpp1.6"))


async def agreed(config: LinkConfig) -> str:
    """Connect once and hang up; the subprotocol that was agreed on."""
    connection = await open_connection(config)
    await connection.close()
    return str(connection.subprotocol)


class Clock:
    """Time that passes only in sleeps, which return at once, or never while ``held``."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[timedelta] = []
        self.held = False

    def now(self) -> datetime:
        return datetime(2025, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, duration: timedelta) -> None:
        self.slept.append(duration)
        await asyncio.sleep(0)
        if self.held:
            await asyncio.get_running_loop().create_future()
        self.seconds += duration.total_seconds()

    async def sleep_until(self, moment: datetime) -> None:
        await self.sleep(moment - self.now())


class HalfRandom(Random):
    def random(self) -> float:
        return 0.5


class Rig:
    """A link with everything that a test wants to see of it."""

    def __init__(self, config: LinkConfig, back_off: BackOff | None = None) -> None:
        self.clock = Clock()
        self.back_off = back_off or BackOff(timedelta(seconds=8), timedelta(seconds=4), 2)
        self.changes: asyncio.Queue[LinkState] = asyncio.Queue()
        self.link = Link(
            config,
            clock=self.clock,
            random=HalfRandom(),
            back_off=lambda: self.back_off,
            on_change=lambda: self.changes.put_nowait(self.link.state),
        )
        self.served: list[str] = []

    async def serve(self, connection: ClientConnection, subprotocol: str) -> None:
        self.served.append(subprotocol)
        self.link.good()
        try:
            await connection.recv()
        except ConnectionClosed:
            return

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self.changes.get()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.link.run(self.serve))
            yield self
            running.cancel()


@asynccontextmanager
async def csms(**options: Any) -> AsyncIterator[tuple[LinkConfig, list[ServerConnection]]]:
    connections: list[ServerConnection] = []

    async def keep(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.wait_closed()

    options = {"subprotocols": ["ocpp2.0.1"], "ping_interval": None, **options}
    async with serve(keep, "127.0.0.1", 0, **options) as server:
        yield replace(CONFIG, url=f"ws://127.0.0.1:{_port(server)}/ocpp"), connections


def _port(server: Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def answering(status: int) -> Callable[[ServerConnection, Request], Response]:
    def respond(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(HTTPStatus(status), "")

    return respond


async def test_the_identity_is_the_last_segment_and_percent_encoded() -> None:
    async with (
        csms() as (config, connections),
        Rig(replace(config, station_id="DE/CP 1*ä")).running() as rig,
    ):
        await rig.until(lambda: rig.served == ["ocpp2.0.1"])
        assert rig.link.state is LinkState.CONNECTED
        assert rig.link.subprotocol == "ocpp2.0.1"
        request = connections[0].request
        headers = request and request.headers

    assert request is not None
    assert request.path == "/ocpp/DE%2FCP%201*%C3%A4"
    assert headers is not None
    assert headers["Sec-WebSocket-Protocol"] == "ocpp2.0.1, ocpp1.6"
    assert "Sec-WebSocket-Extensions" not in headers
    assert "Authorization" not in headers


async def test_the_password_is_sent_as_bytes_and_shown_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with csms() as (open_config, connections):
        config = replace(open_config, password=b"\x01\xffhunter2")
        async with Rig(config).running() as rig:
            await rig.until(lambda: bool(rig.served))
            request = connections[0].request

    assert request is not None
    assert request.headers["Authorization"] == "Basic Q1AwMDE6Af9odW50ZXIy"
    own = [record for record in caplog.records if record.name != "websockets.server"]
    assert not [record for record in own if "Q1AwMDE6" in record.getMessage()]
    assert "hunter2" not in repr(config)


async def test_a_cancelled_link_closes_its_connection_in_an_orderly_way() -> None:
    async with csms() as (config, connections):
        async with Rig(config).running() as rig:
            await rig.until(lambda: bool(rig.served))
        await connections[0].wait_closed()

        assert connections[0].close_code == 1000


async def test_a_connection_without_subprotocol_is_hung_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with csms(subprotocols=None) as (config, connections):
        async with Rig(config).running() as rig:
            await rig.until(lambda: rig.link.failures >= 2)
            assert rig.link.outage is not None
            assert rig.link.outage.cause is Cause.SUBPROTOCOL
        assert rig.served == []
        await connections[0].wait_closed()

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "without OCPP subprotocol ocpp2.0.1, ocpp1.6" in warnings[0]


@pytest.mark.parametrize(
    ("status", "cause", "words"),
    [
        (401, Cause.CREDENTIALS, "password"),
        (403, Cause.CREDENTIALS, "password"),
        (404, Cause.UNKNOWN_STATION, "does not know CP001"),
        (400, Cause.HANDSHAKE, "HTTP 400"),
        (200, Cause.HANDSHAKE, "HTTP 200"),
        (503, Cause.SERVER, "tries again"),
    ],
)
async def test_an_http_refusal_is_said_once_and_tried_again(
    status: int, cause: Cause, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        csms(process_request=answering(status)) as (config, _),
        Rig(config).running() as rig,
    ):
        await rig.until(lambda: rig.link.failures >= 3)
        assert rig.link.outage is not None
        assert rig.link.outage.cause is cause

    warnings = [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "WARNING" and record.name == "chargepoint.csms.link"
    ]
    assert len(warnings) == 1
    assert words in warnings[0]


async def test_a_refused_connection_is_tried_again_with_growing_waits() -> None:
    async with Rig(replace(CONFIG, url=f"ws://127.0.0.1:{_unused_port()}")).running() as rig:
        await rig.until(lambda: rig.link.failures >= 6)

    waits = [duration.total_seconds() for duration in rig.clock.slept]
    assert waits[:5] == [10.0, 18.0, 34.0, 34.0, 34.0]


async def test_the_back_off_settings_are_read_before_each_wait() -> None:
    async with Rig(replace(CONFIG, url=f"ws://127.0.0.1:{_unused_port()}")).running() as rig:
        await rig.until(lambda: rig.link.failures >= 1)
        rig.back_off = BackOff(timedelta(seconds=100), timedelta(0), 0)
        await rig.until(lambda: rig.link.failures >= 3)

    assert rig.clock.slept[-1] == timedelta(seconds=100)


@pytest.mark.parametrize(
    ("back_off", "waits"),
    [
        (BackOff(timedelta(seconds=8), timedelta(seconds=4), 2), [10, 18, 34, 34]),
        (BackOff(timedelta(seconds=30), timedelta(0), 0), [30, 30, 30, 30]),
        (BackOff(timedelta(0), timedelta(0), 9), [1, 1, 1, 1]),
        (BackOff(timedelta(seconds=1800), timedelta(seconds=2), 9), [1801, 3601, 3601, 3601]),
        (BackOff(timedelta(seconds=10**9), timedelta(0), 5), [3600] * 4),
        (BackOff(timedelta(seconds=10**9), timedelta(seconds=10**9), 10**9), [5400] * 4),
        (BackOff(timedelta(seconds=1), timedelta(seconds=10**9), 0), [1801] * 4),
        (BackOff(timedelta.max, timedelta.max, 10**9), [5400] * 4),
    ],
)
def test_the_base_doubles_and_the_random_part_does_not(back_off: BackOff, waits: list[int]) -> None:
    found = [back_off.delay(number, HalfRandom()).total_seconds() for number in range(4)]

    assert found == waits


@pytest.mark.parametrize("number", [11, 12, 62, 10**9])
def test_a_wait_stays_the_same_however_often_it_doubled(number: int) -> None:
    often = BackOff(timedelta(seconds=1), timedelta(0), 10**9)

    assert often.delay(number, HalfRandom()) == (
        LONGEST if number > 11 else timedelta(seconds=2048)
    )


@pytest.mark.spec("2.0.1", "TC_B_57_CS")
async def test_the_back_off_starts_anew_after_a_good_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="chargepoint")
    status = [HTTPStatus.SERVICE_UNAVAILABLE] * 3

    def respond(connection: ServerConnection, _: Request) -> Response | None:
        return connection.respond(status.pop(), "") if status else None

    async with (
        csms(process_request=respond) as (config, connections),
        Rig(config).running() as rig,
    ):
        await rig.until(lambda: len(rig.served) == 1)
        assert (rig.link.failures, rig.link.last_error) == (0, None)
        rig.clock.slept.clear()
        connections[0].transport.abort()
        await rig.until(lambda: len(rig.served) == 2)

    assert rig.clock.slept[0] == timedelta(seconds=10)
    assert "back after 3 failed attempts" in caplog.text


async def test_a_connection_that_was_never_good_does_not_reset_the_back_off() -> None:
    async def refuse(_: ClientConnection, __: str) -> None:
        raise CsmsUnavailable("no answer to BootNotification within 30 s")

    async with csms() as (config, _):
        rig = Rig(config)
        rig.serve = refuse  # type: ignore[method-assign]
        async with rig.running():
            await rig.until(lambda: rig.link.failures >= 4)

    assert [d for d in rig.clock.slept if d > PAUSE][:3] == [
        timedelta(seconds=seconds) for seconds in (10, 18, 34)
    ]
    assert rig.link.last_error == "no answer to BootNotification within 30 s"


async def test_a_dead_connection_is_noticed_by_ping() -> None:
    async with csms() as (quiet, connections):
        config = replace(quiet, ping_interval=timedelta(seconds=60), pong_timeout=SOON)
        async with Rig(config).running() as rig:
            await rig.until(lambda: len(rig.served) == 1)
            connections[0].transport.pause_reading()
            await rig.until(lambda: len(rig.served) == 2)

            assert timedelta(seconds=60) in rig.clock.slept
            connections[0].transport.abort()


async def test_pings_are_off_until_an_interval_is_set() -> None:
    async with csms() as (quiet, connections):
        config = replace(quiet, pong_timeout=SOON)
        async with Rig(config).running() as rig:
            await rig.until(lambda: len(rig.served) == 1)
            connections[0].transport.pause_reading()
            await asyncio.sleep(2 * SOON.total_seconds())
            assert rig.clock.slept == []
            rig.link.ping_interval = timedelta(seconds=7)
            await rig.until(lambda: len(rig.served) == 2)
            connections[0].transport.abort()

    assert timedelta(seconds=7) in rig.clock.slept


async def test_disconnect_cuts_without_a_goodbye_and_stays_away_until_connect() -> None:
    async with csms() as (config, connections), Rig(config).running() as rig:
        await rig.until(lambda: len(rig.served) == 1)
        rig.link.disconnect()
        await connections[0].wait_closed()
        await asyncio.sleep(SOON.total_seconds())
        assert connections[0].close_code == 1006
        assert rig.link.state is LinkState.DISCONNECTED
        assert rig.clock.slept == []
        assert len(connections) == 1
        rig.link.connect()
        await rig.until(lambda: len(rig.served) == 2)

    assert rig.clock.slept == [PAUSE]


async def test_connect_right_after_disconnect_still_waits_the_pause() -> None:
    async with csms() as (config, connections), Rig(config).running() as rig:
        await rig.until(lambda: len(rig.served) == 1)
        rig.link.disconnect()
        rig.link.connect()
        await rig.until(lambda: len(rig.served) == 2)

    assert rig.clock.slept == [PAUSE]
    assert len(connections) == 2


async def test_connect_ends_a_long_wait() -> None:
    status = [HTTPStatus.SERVICE_UNAVAILABLE]

    def respond(connection: ServerConnection, _: Request) -> Response | None:
        return connection.respond(status.pop(), "") if status else None

    async with csms(process_request=respond) as (config, _):
        rig = Rig(config)
        rig.clock.held = True
        async with rig.running():
            await rig.until(lambda: rig.link.state is LinkState.WAITING)
            await asyncio.sleep(0)
            rig.clock.held = False
            rig.link.connect()
            await rig.until(lambda: len(rig.served) == 1)

    assert rig.clock.slept == [timedelta(seconds=10), PAUSE]


async def test_disconnect_ends_a_wait_and_an_attempt() -> None:
    listener = socket.create_server(("127.0.0.1", 0))  # accepts, and never answers
    with listener:
        port = listener.getsockname()[1]
        async with Rig(replace(CONFIG, url=f"ws://127.0.0.1:{port}")).running() as rig:
            await asyncio.sleep(SOON.total_seconds())
            assert rig.link.state is LinkState.CONNECTING
            rig.link.disconnect()
            await asyncio.sleep(SOON.total_seconds())

            assert rig.link.state is LinkState.DISCONNECTED
            assert rig.link.failures == 0


async def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Outage) as caught:
            await agreed(replace(CONFIG, url=url, open_timeout=SOON))

    assert caught.value.cause is Cause.SILENCE


async def test_a_new_config_holds_from_the_next_connection_on() -> None:
    async with csms() as (first, connections), csms() as (second, others):
        async with Rig(first).running() as rig:
            await rig.until(lambda: len(rig.served) == 1)
            rig.link.config = second
            await connections[0].close(1001)
            await rig.until(lambda: len(rig.served) == 2)

        assert (len(connections), len(others)) == (1, 1)


async def test_reconnect_says_goodbye_and_comes_back_after_the_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with csms() as (first, connections), csms() as (second, others):
        async with Rig(first).running() as rig:
            await rig.until(lambda: len(rig.served) == 1)
            rig.link.config = second
            await rig.link.reconnect()
            await rig.until(lambda: len(rig.served) == 2)
            assert rig.link.failures == 0

        assert connections[0].close_code == 1000
        assert len(others) == 1
    assert rig.clock.slept == [PAUSE]
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


async def test_reconnect_gives_up_an_attempt_with_the_config_of_before() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, and never answers
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        async with csms() as (second, others):
            async with Rig(replace(CONFIG, url=url)).running() as rig:
                await asyncio.sleep(SOON.total_seconds())
                rig.link.config = second
                await rig.link.reconnect()
                await rig.until(lambda: len(rig.served) == 1)
                await rig.link.reconnect()
                await rig.until(lambda: len(rig.served) == 2)

            assert len(others) == 2


async def test_reconnect_ends_a_wait_but_not_a_wanted_absence() -> None:
    async with Rig(replace(CONFIG, url=f"ws://127.0.0.1:{_unused_port()}")).running() as rig:
        rig.clock.held = True
        await rig.until(lambda: rig.link.state is LinkState.WAITING)
        await asyncio.sleep(0)
        rig.clock.held = False
        await rig.link.reconnect()
        await rig.until(lambda: rig.link.failures >= 2)
        rig.link.disconnect()
        await rig.link.reconnect()
        await asyncio.sleep(SOON.total_seconds())

        assert rig.link.state is LinkState.DISCONNECTED


async def test_how_the_csms_closed_is_told() -> None:
    async with csms() as (config, connections), Rig(config).running() as rig:
        await rig.until(lambda: len(rig.served) == 1)
        rig.clock.held = True
        await connections[0].close(1013, "Tenant connection limit exceeded")
        await rig.until(lambda: rig.link.state is LinkState.WAITING)

        assert rig.link.outage is not None
        assert rig.link.outage.cause is Cause.LOST
        assert "1013 Tenant connection limit exceeded" in str(rig.link.outage)


async def test_a_connection_names_the_subprotocol() -> None:
    async with csms(subprotocols=["ocpp1.6"]) as (config, _):
        assert await agreed(config) == "ocpp1.6"


async def test_a_message_beyond_the_limit_closes_the_connection() -> None:
    async with csms() as (config, connections):
        async with Rig(replace(config, max_message_size=1000)).running() as rig:
            await rig.until(lambda: len(rig.served) == 1)
            await connections[0].send("x" * 1001)
            await connections[0].wait_closed()

        assert connections[0].close_code == 1009


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
async def test_a_host_that_cannot_be_asked_for_is_an_outage(host: str) -> None:
    with pytest.raises(Outage) as outage:
        await open_connection(LinkConfig(f"ws://{host}/ocpp", "CP001", ("2.0.1",)))

    assert outage.value.cause is Cause.NAME


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name or service not known"), Cause.NAME),
        (ConnectionRefusedError(111, "Connect call failed"), Cause.REFUSED),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 111] b"), Cause.REFUSED),
        (OSError(113, "No route to host"), Cause.NETWORK),
        (TimeoutError("timed out"), Cause.SILENCE),
        (ConnectionResetError(104, "reset"), Cause.HANDSHAKE),
    ],
)
def test_every_failure_has_a_cause_and_a_sentence(error: Exception, cause: Cause) -> None:
    outage = explain(error, where="wss://csms.example/ocpp", station_id="CP001")

    assert outage.cause is cause
    assert "wss://csms.example/ocpp" in str(outage)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("UNSUPPORTED_PROTOCOL", Cause.TLS_VERSION),
        ("NO_SHARED_CIPHER", Cause.TLS_CIPHER),
        ("WRONG_VERSION_NUMBER", Cause.TLS),
    ],
)
def test_tls_failures_are_told_apart(reason: str, cause: Cause) -> None:
    error = ssl.SSLError()
    error.reason = reason

    assert explain(error, where="wss://x", station_id="CP001").cause is cause


async def test_a_port_that_speaks_no_tls_is_explained() -> None:
    async with csms() as (config, _):
        with pytest.raises(Outage) as caught:
            await agreed(replace(config, url=config.url.replace("ws:", "wss:")))

    assert caught.value.cause in {Cause.TLS, Cause.HANDSHAKE}
    assert "check" in str(caught.value)


async def test_a_certificate_must_be_trusted(tmp_path: Path) -> None:
    certificate = _self_signed(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with csms(ssl=server_side) as (config, _):
        secure = replace(config, url=config.url.replace("ws:", "wss:"))
        with pytest.raises(Outage) as caught:
            await agreed(secure)

        assert caught.value.cause is Cause.UNTRUSTED
        assert "csms.ca_file" in str(caught.value)
        assert await agreed(replace(secure, tls=trusting)) == "ocpp2.0.1"


async def test_a_port_that_speaks_no_http_is_explained() -> None:
    async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        writer.close()

    async with await asyncio.start_server(chatter, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Outage) as caught:
            await agreed(replace(CONFIG, url=f"ws://127.0.0.1:{port}"))

    assert caught.value.cause is Cause.HANDSHAKE


@pytest.mark.parametrize(
    "url",
    ["", "http://x", "ws://", "ws://user:pw@x", "ws://x/?a=1", "ws://x/#a", "csms.example"],
)
def test_a_url_that_is_none_of_a_csms_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match=r"csms\.url") as caught:
        replace(CONFIG, url=url)

    assert "pw" not in str(caught.value)


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "csms")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "csms.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    return file


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.spec("2.0.1", "TC_A_05_CS")
@pytest.mark.parametrize(
    ("names", "wildcard"),
    [
        (["*.example.com"], True),
        (["*.example.com", "csms.example.com"], False),
        (["CSMS.example.com"], False),
        ([], False),
    ],
)
async def test_a_wildcard_alone_is_noticed(names: list[str], *, wildcard: bool) -> None:
    class Wire:
        transport: Any

        def get_extra_info(self, _: str) -> dict[str, Any]:
            return {"subjectAltName": tuple(("DNS", name) for name in names)}

    wire = Wire()
    wire.transport = wire
    config = replace(CONFIG, url="wss://csms.example.com/ocpp")

    assert opening._is_wildcard(wire, config) is wildcard  # type: ignore[arg-type]


@pytest.mark.spec("2.0.1", "TC_A_06_CS")
async def test_a_server_that_speaks_only_old_tls_is_explained(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def refuse_one(listening: socket.socket) -> None:
        # A server of asyncio hangs up before its alert has left; a plain socket does not.
        accepted, _ = listening.accept()
        with accepted, pytest.raises(ssl.SSLError):
            context.wrap_socket(accepted, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(refuse_one, listening))
            with pytest.raises(Outage) as caught:
                await agreed(replace(CONFIG, url=f"wss://127.0.0.1:{port}/ocpp", tls=tls))

    assert caught.value.cause is Cause.TLS_VERSION
