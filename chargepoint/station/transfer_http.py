"""Files over HTTP and HTTPS: GET, and PUT or, where the server knows none, POST.

Redirects are followed for a download only: an upload goes where the CSMS said. They lead neither
from HTTPS to HTTP nor to a local address, and who gets the request at the end gets no credentials
that were meant for another. A POST carries the bare file with its name in Content-Disposition.
"""

import base64
import re
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import aiohttp

from chargepoint.core.transfer import Location, Scheme, Trouble, parse_location
from chargepoint.errors import Refused
from chargepoint.station.transfer import (
    BLOCK,
    CONNECT_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    TOTAL_TIMEOUT_S,
    Partial,
    Sink,
    TransferFailed,
    Trust,
)
from chargepoint.station.transfer_reach import judged

_NO_SUCH_METHOD = frozenset({405, 501})
_OK, _PARTIAL, _NO_SUCH_PART = 200, 206, 416
_TAKEN = frozenset(range(200, 300)) - {_PARTIAL}  # an upload
_PART = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")  # RFC 9110 section 14.4
_MOVED = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_MOST = 5
_REDIRECT_LONGEST = 8190  # characters; signed addresses of cloud storage are long
_REASON_LONGEST = 80
_DENIED = frozenset({401, 403, 407})
_UNFIT = frozenset({400, 411, 413, 415, 422})


async def download(place: Location, target: Path, most: int, trust: Trust, so_far: Partial) -> None:
    """GET the file, or what is missing of it, if it is the same still (RFC 9110 section 13.1.5).

    Raises:
        TransferFailed: it is not whole.
    """
    there = target.stat().st_size if so_far.validator and target.is_file() else 0  # noqa: ASYNC240 - no wait
    ask = {"Range": f"bytes={there}-", "If-Range": so_far.validator} if there else {}
    async with _session(trust) as session, _following(session, place, trust, ask) as said:
        goes_on = said.status == _PARTIAL
        whole = _whole(said, there) if goes_on else None
        if said.status == _NO_SUCH_PART or (goes_on and whole is None):
            so_far.validator = ""
            raise TransferFailed("the rest of the file is not to be had, only the whole")
        _check(said, {_OK, _PARTIAL})
        if whole is None and not _has_end(said):
            raise TransferFailed("the server does not say where the file ends")
        so_far.validator = _validator(said)
        sink = Sink(target, most, goes_on=goes_on)
        try:
            sink.expect(said.content_length)
            async for block in said.content.iter_chunked(BLOCK):
                sink.write(block)
            if whole not in {None, sink.size}:
                so_far.validator = ""
                raise TransferFailed(f"{sink.size} bytes came, announced were {whole}")
            sink.finish()
        finally:
            sink.close()


async def upload(place: Location, source: Path, trust: Trust) -> None:
    """PUT the file, or POST it.

    Raises:
        TransferFailed: the server did not take it.
    """
    address = _address(place, source.name if place.is_folder else "")
    headers = _login(place) | {
        "Content-Type": "application/gzip",
        "Content-Length": str(source.stat().st_size),  # noqa: ASYNC240 - one small file
    }
    async with _session(trust) as session:
        for method in ("PUT", "POST"):
            if method == "POST":
                headers["Content-Disposition"] = f'attachment; filename="{source.name}"'
            async with session.request(
                method, address, data=_blocks(source), headers=headers, allow_redirects=False
            ) as answer:
                if method == "PUT" and answer.status in _NO_SUCH_METHOD:
                    continue
                _check(answer, _TAKEN)
                return


@asynccontextmanager
async def _following(
    session: aiohttp.ClientSession, place: Location, trust: Trust, headers: dict[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """What a GET brings in the end; each address on the way is judged like the first one."""
    login, place_now = _login(place), place
    for _ in range(_REDIRECTS_MOST + 1):
        sent = {**headers, **(login if _origin(place_now) == _origin(place) else {})}
        async with session.get(_address(place_now), headers=sent, allow_redirects=False) as said:
            if said.status not in _MOVED:
                yield said
                return
            place_now = _next(place_now, said.headers.get("Location", ""), trust)
    raise TransferFailed("redirected too often")


def _next(place: Location, where: str, trust: Trust) -> Location:
    """Where a redirect leads; a step back to plain HTTP is none.

    Raises:
        TransferFailed: nowhere this station may go.
    """
    over_http = {Scheme.HTTPS} if place.scheme is Scheme.HTTPS else {Scheme.HTTP, Scheme.HTTPS}
    try:
        return parse_location(
            urljoin(_address(place), where), trust.schemes & over_http, _REDIRECT_LONGEST
        )
    except (Refused, ValueError) as refused:
        raise TransferFailed("redirected to an address that is not allowed") from refused


def _origin(place: Location) -> tuple[Scheme, str, int]:
    return place.scheme, place.host, place.port


def _login(place: Location) -> dict[str, str]:
    credentials = base64.b64encode(f"{place.user}:{place.password}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"} if place.user else {}


@asynccontextmanager
async def _session(trust: Trust) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(
        total=TOTAL_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=IDLE_TIMEOUT_S
    )
    connector = aiohttp.TCPConnector(
        ssl=trust.tls(), force_close=True, socket_factory=partial(judged, reach=trust.reach)
    )
    # What is signed is the file, not what a server makes of it on the way.
    headers = {"Accept-Encoding": "identity"}
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers=headers,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            yield session
    except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
        raise TransferFailed(_reason(error)) from error
    except ValueError as error:  # a host that no name server knows how to be asked for, or a tag
        raise TransferFailed("an address or a header that HTTP cannot carry") from error


def _reason(error: Exception) -> str:
    """What went wrong, without the address."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "the server's certificate is not trusted"
    if isinstance(error, aiohttp.ClientOSError | OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__


def _address(place: Location, name: str = "") -> str:
    """The address without the credentials, which travel in a header; ``name`` is added to it."""
    parts = urlsplit(place.url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, (parts.path or "/") + quote(name), parts.query, ""))


def _validator(answer: aiohttp.ClientResponse) -> str:
    """What tells this version of the file from any other; a weak tag does not."""
    tag = answer.headers.get("ETag", "")
    return answer.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag


def _whole(answer: aiohttp.ClientResponse, there: int) -> int | None:
    """The size of a file of which all that is missing comes; None if something else does."""
    part = _PART.fullmatch(answer.headers.get("Content-Range", ""))
    if part is None or not there:
        return None
    first, last, size = map(int, part.groups())
    return size if first == there and last == size - 1 else None


def _has_end(answer: aiohttp.ClientResponse) -> bool:
    """Whether a connection that is lost in the middle can be told from the end of the file."""
    chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
    return chunked or answer.content_length is not None


def _check(answer: aiohttp.ClientResponse, good: Collection[int]) -> None:
    """Whatever is not expected is a failure: a 101, too, and what came by way of others (203)."""
    if answer.status in good:
        return
    trouble = Trouble.FAILED
    if answer.status in _DENIED:
        trouble = Trouble.DENIED
    elif answer.status in _UNFIT:
        trouble = Trouble.UNFIT
    elif answer.status in _NO_SUCH_METHOD:
        trouble = Trouble.UNSUPPORTED
    said = "".join(filter(str.isprintable, answer.reason or ""))[:_REASON_LONGEST]
    raise TransferFailed(f"HTTP {answer.status} {said}".strip(), trouble)


async def _blocks(source: Path) -> AsyncIterator[bytes]:
    with source.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
