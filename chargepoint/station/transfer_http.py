"""Files over HTTP and HTTPS: GET, and PUT or, where the server knows none, POST.

Redirects are followed for a download only: an upload goes where the CSMS said. A POST carries the
bare file with its name in Content-Disposition.
"""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp

from chargepoint.core.transfer import Location, Scheme, Trouble
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

_NO_SUCH_METHOD = frozenset({405, 501})
_OK_BELOW = 300
_PARTIAL, _NO_SUCH_PART = 206, 416
_DENIED = frozenset({401, 403, 407})
_UNFIT = frozenset({400, 411, 413, 415, 422})


async def download(place: Location, target: Path, most: int, trust: Trust, so_far: Partial) -> None:
    """GET the file, or what is missing of it, if it is the same still (RFC 9110 section 13.1.5).

    Raises:
        TransferFailed: it is not whole.
    """
    there = target.stat().st_size if so_far.validator and target.is_file() else 0  # noqa: ASYNC240 - no wait
    ask = {"Range": f"bytes={there}-", "If-Range": so_far.validator} if there else {}
    async with _session(place, trust) as session, session.get(_address(place), headers=ask) as said:
        part = said.headers.get("Content-Range", "")
        goes_on = said.status == _PARTIAL
        if said.status == _NO_SUCH_PART or (goes_on and not part.startswith(f"bytes {there}-")):
            so_far.validator = ""
            raise TransferFailed("the rest of the file is not to be had, only the whole")
        _check(said)
        so_far.validator = _validator(said)
        sink = Sink(target, most, goes_on=goes_on)
        try:
            sink.expect(said.content_length)
            async for block in said.content.iter_chunked(BLOCK):
                sink.write(block)
            sink.finish()
        finally:
            sink.close()


async def upload(place: Location, source: Path, trust: Trust) -> None:
    """PUT the file, or POST it.

    Raises:
        TransferFailed: the server did not take it.
    """
    address = _address(place, source.name if place.is_folder else "")
    headers = {
        "Content-Type": "application/gzip",
        "Content-Length": str(source.stat().st_size),  # noqa: ASYNC240 - one small file
    }
    async with _session(place, trust) as session:
        for method in ("PUT", "POST"):
            if method == "POST":
                headers["Content-Disposition"] = f'attachment; filename="{source.name}"'
            async with session.request(
                method, address, data=_blocks(source), headers=headers, allow_redirects=False
            ) as answer:
                if method == "PUT" and answer.status in _NO_SUCH_METHOD:
                    continue
                _check(answer)
                return


@asynccontextmanager
async def _session(place: Location, trust: Trust) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(
        total=TOTAL_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=IDLE_TIMEOUT_S
    )
    credentials = base64.b64encode(f"{place.user}:{place.password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"} if place.user else {}
    secure = place.scheme is Scheme.HTTPS
    connector = aiohttp.TCPConnector(ssl=trust.tls() if secure else True, force_close=True)
    try:
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=headers, auto_decompress=False
        ) as session:
            yield session
    except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
        raise TransferFailed(_reason(error)) from error


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


def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status < _OK_BELOW:
        return
    trouble = Trouble.FAILED
    if answer.status in _DENIED:
        trouble = Trouble.DENIED
    elif answer.status in _UNFIT:
        trouble = Trouble.UNFIT
    elif answer.status in _NO_SUCH_METHOD:
        trouble = Trouble.UNSUPPORTED
    raise TransferFailed(f"HTTP {answer.status} {answer.reason or ''}".strip(), trouble)


async def _blocks(source: Path) -> AsyncIterator[bytes]:
    with source.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
