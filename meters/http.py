"""HTTP client of meters: one device, one request at a time, every failure a ``MeterError``.

aiohttp does the wire; it is imported when a device is opened, so a station without such a meter
never loads it. Two of its habits are taken away. It repeats PUT and DELETE by itself when the
connection breaks: a command must never be given twice, so nothing is repeated here but GET. It
sends on a connection that the device may just be closing: a command gets a connection of its own,
so that a failure of one never leaves a doubt that could have been avoided.
"""

import asyncio
import base64
import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from meters.errors import MeterDataError, MeterError, MeterUnreachable
from meters.http_answer import Answer, HttpRefusal, HttpTrouble, excerpt

if TYPE_CHECKING:
    import ssl

    import aiohttp
    from yarl import URL

__all__ = ["Answer", "HttpConfig", "HttpDevice", "HttpRefusal", "HttpTrouble", "Login"]

MOST_BODY: Final = 4 * 2**20
"""Bytes of an answer that are read at most; a long record has some 10 kB."""

_SHOWN: Final = 120
_GOOD: Final = range(200, 300)
_TROUBLE: Final = range(500, 600)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """User and password of a device that wants HTTP basic authentication."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, password=***)"


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device is and how to talk to it; a driver makes it of its own options.

    certificate: DER of the certificate that the device must show, name and dates do not matter
        then; with ``tls`` and None the chain and the name are checked, against ``ca_file`` (PEM) or
        what the system trusts.
    timeout_ms: for a whole request, connecting included.
    attempts: how often a GET is tried in all, ``retry_delay_s`` apart.
    """

    host: str
    port: int
    tls: bool = False
    certificate: bytes | None = None
    ca_file: Path | None = None
    timeout_ms: int = 5000
    attempts: int = 1
    retry_delay_s: float = 0.5
    auth: Login | None = None


class HttpDevice:
    """One device. ``async with`` owns the connection, which is made when it is first needed.

    May be used by several tasks: requests are sent one after the other, in order of arrival.
    """

    def __init__(self, config: HttpConfig) -> None:
        host = f"[{config.host}]" if ":" in config.host else config.host
        self.name = f"{host}:{config.port}"
        self._config = config
        self._turn = asyncio.Lock()  # protects the connection: devices cope with one request
        self._session: aiohttp.ClientSession | None = None
        self._reused = False
        self._open = False

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        await self._hang_up()

    async def get(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        timeout_ms: int | None = None,
        attempts: int | None = None,
        accept: Collection[int] = (),
    ) -> Answer:
        """Ask for something; repeated after a failure that may pass, see ``HttpConfig``.

        ``accept`` names statuses that are returned like good ones.

        Raises:
            MeterUnreachable: no whole answer after all attempts; ``HttpTrouble`` for a 5xx.
            HttpRefusal: the device said no.
            MeterDataError: what it said is not HTTP.
        """
        asked = _Asked("GET", path, query, self._limit_ms(timeout_ms), accept)
        left = self._config.attempts if attempts is None else attempts
        while True:
            left -= 1
            try:
                return await self._once(asked)
            except MeterUnreachable:
                if left <= 0:
                    raise
            await asyncio.sleep(self._config.retry_delay_s)

    async def post(self, path: str, **how: Any) -> Answer:  # noqa: ANN401 - as for request
        """``request`` with POST."""
        return await self.request("POST", path, **how)

    async def put(self, path: str, **how: Any) -> Answer:  # noqa: ANN401 - as for request
        """``request`` with PUT."""
        return await self.request("PUT", path, **how)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = msgspec.UNSET,
        body: bytes | None = None,
        content_type: str | None = None,
        query: Mapping[str, str] | None = None,
        timeout_ms: int | None = None,
        accept: Collection[int] = (),
    ) -> Answer:
        """Send a command, once and on a new connection; its body is ``json`` or ``body``.

        Raises:
            MeterUnreachable: no whole answer. The device may have carried it out all the same,
                unless no connection could be made.
            HttpRefusal: the device said no.
            MeterDataError: what it said is not HTTP.
        """
        if json is not msgspec.UNSET:
            body, content_type = _ENCODER.encode(json), content_type or "application/json"
        headers = {} if content_type is None else {"Content-Type": content_type}
        limit = self._limit_ms(timeout_ms)
        return await self._once(_Asked(method, path, query, limit, accept, body, headers))

    def _limit_ms(self, timeout_ms: int | None) -> int:
        return self._config.timeout_ms if timeout_ms is None else timeout_ms

    async def _once(self, asked: "_Asked") -> Answer:
        where = f"{self.name} {asked.method} {asked.path}"
        async with self._turn:
            if not self._open:
                raise MeterUnreachable(f"{where}: the device is closed")
            if asked.method != "GET":
                await self._hang_up()
            try:
                async with asyncio.timeout(asked.limit_ms / 1000):
                    answer = await self._exchange(where, asked)
            except TimeoutError as error:
                raise MeterUnreachable(f"{where}: no answer within {asked.limit_ms} ms") from error
        if answer.status in _GOOD or answer.status in asked.accept:
            return answer
        sentence = f"{where}: found status {answer.status}, {excerpt(answer.body)}"
        if answer.status in _TROUBLE:
            raise HttpTrouble(sentence, answer.status, answer.body)
        raise HttpRefusal(sentence, answer.status, answer.body)

    async def _exchange(self, where: str, asked: "_Asked") -> Answer:
        import aiohttp

        while True:
            session, self._reused = self._session or self._dialled(), False
            try:
                async with session.request(
                    asked.method,
                    self._url(asked),
                    data=asked.body,
                    headers=asked.headers,
                    allow_redirects=False,
                ) as response:
                    content = await _body(where, response)
                    names = {name.lower(): value for name, value in response.headers.items()}
                    return Answer(response.status, names, content, where)
            except _BrokenOff as error:
                if not (asked.method == "GET" and self._reused):
                    raise MeterUnreachable(f"{where}: {error}") from error
                # The device had closed a connection that was idle: that is no failure.
            except (aiohttp.ClientError, OSError) as error:
                raise _translated(where, error) from error
            except ValueError as error:  # a..b, for instance, cannot even be asked for
                raise MeterUnreachable(f"{where}: no connection, {error}") from error

    def _url(self, asked: "_Asked") -> "URL":
        from yarl import URL

        scheme, host = "https" if self._config.tls else "http", self._config.host
        url = URL.build(scheme=scheme, host=host, port=self._config.port, path=asked.path)
        return url.with_query(asked.query) if asked.query else url

    def _dialled(self) -> "aiohttp.ClientSession":
        """A session without connection yet."""
        import aiohttp

        async def reused(*_: object) -> None:
            self._reused = True

        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=_trust(self._config)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_authorization(self._config.auth),
            timeout=aiohttp.ClientTimeout(total=None),
            middlewares=(_never_again,),
            trace_configs=[trace],
        )
        return self._session

    async def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, as the caller wants it."""

    method: str
    path: str
    query: Mapping[str, str] | None
    limit_ms: int
    accept: Collection[int]
    body: bytes | None = None
    headers: Mapping[str, str] | None = None


class _BrokenOff(Exception):  # noqa: N818 - reads as a state
    """The connection broke. Not an error that aiohttp would answer by asking again."""


async def _never_again(
    request: "aiohttp.ClientRequest", send: "aiohttp.ClientHandlerType"
) -> "aiohttp.ClientResponse":
    import aiohttp

    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        found = "reset by the device" if isinstance(error, ConnectionResetError) else "closed"
        raise _BrokenOff(f"the connection was {found} before an answer came") from error


async def _body(where: str, response: "aiohttp.ClientResponse") -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > MOST_BODY:
            response.close()
            raise MeterDataError(f"{where}: found more than {MOST_BODY} bytes")
    return bytes(content)


def _translated(where: str, error: Exception) -> MeterError:
    import aiohttp

    match error:
        case aiohttp.ServerFingerprintMismatch():
            found = error.got.hex()[:16]
            return MeterUnreachable(
                f"{where}: TLS: the device shows another certificate (SHA-256 {found}...) "
                f"than the one that is expected ({error.expected.hex()[:16]}...)"
            )
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", error.certificate_error)
            return MeterUnreachable(f"{where}: TLS: the certificate is not trusted, {reason}")
        case aiohttp.ClientConnectorSSLError():
            return MeterUnreachable(f"{where}: TLS: no secure connection, {error.os_error}")
        case aiohttp.ClientConnectorError():
            return MeterUnreachable(f"{where}: no connection, {_reason(error.os_error)}")
        case aiohttp.ClientPayloadError():
            return MeterUnreachable(f"{where}: the answer broke off")
        case aiohttp.ClientResponseError():
            found = " ".join(error.message.split())[:_SHOWN]  # some quote all that was sent
            return MeterDataError(f"{where}: found {found}, expected an HTTP answer")
    return MeterUnreachable(f"{where}: {str(error) or type(error).__name__}")


def _reason(error: OSError) -> str:
    """The system's own words; asyncio puts others in their place."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)  # a name that was not found


def _trust(config: HttpConfig) -> "ssl.SSLContext | aiohttp.Fingerprint | bool":
    """How aiohttp checks whom it is talking to, before anything is sent."""
    import ssl

    import aiohttp

    if not config.tls:
        return True
    if config.certificate is not None:
        return aiohttp.Fingerprint(hashlib.sha256(config.certificate).digest())
    context = ssl.create_default_context(cafile=config.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _authorization(login: Login | None) -> dict[str, str]:
    if login is None:
        return {}
    words = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return {"Authorization": f"Basic {words}"}
