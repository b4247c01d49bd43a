"""Drives a station through its local interface, as a person with curl would."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import h11

from chargepoint.errors import ChargePointError

TIMEOUT_S = 10.0
_CHUNK = 65536
_OK = range(200, 300)


class LocalRefused(ChargePointError):  # noqa: N818 - reads as a state
    """The interface answered with an error; ``status`` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class LocalClient:
    """One connection per request; nothing is kept open."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._token = token

    async def get(self, path: str) -> Any:
        """The JSON of a GET.

        Raises:
            LocalRefused: any answer but a good one.
            OSError: nobody listens.
        """
        return _decoded(await self._request("GET", path, None))

    async def text(self, path: str) -> str:
        """What a GET brings where it is no JSON, such as /metrics. Raises like ``get``."""
        return await self._request("GET", path, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON of a POST. Raises like ``get``."""
        return _decoded(await self._request("POST", path, body))

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> str:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(self._host, self._port)
            try:
                return await self._exchange(reader, writer, method, path, body)
            finally:
                writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        body: dict[str, Any] | None,
    ) -> str:
        wire = h11.Connection(h11.CLIENT)
        content = b"" if body is None else json.dumps(body).encode()
        headers = [
            ("Host", f"{self._host}:{self._port}"),
            ("Authorization", f"Bearer {self._token}"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(content))),
            ("Connection", "close"),
        ]
        request = h11.Request(method=method, target=path, headers=headers)
        for event in (request, h11.Data(data=content), h11.EndOfMessage()):
            writer.write(wire.send(event) or b"")
        await writer.drain()
        status, text = 0, b""
        while not isinstance(answer := wire.next_event(), h11.EndOfMessage):
            if answer is h11.NEED_DATA:
                wire.receive_data(await reader.read(_CHUNK))
            elif isinstance(answer, h11.Response):
                status = answer.status_code
            elif isinstance(answer, h11.Data):
                text += bytes(answer.data)
        if status not in _OK:
            raise LocalRefused(status, text.decode("utf-8", "replace"))
        return text.decode()


def _decoded(text: str) -> Any:
    return json.loads(text) if text else None
