"""What goes in and out of the local HTTP server: requests, answers, routes, limits. No I/O."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

T = TypeVar("T")

JSON: Final = "application/json"

_MOST_QUERY_FIELDS: Final = 50


@dataclass(frozen=True, slots=True)
class Limits:
    """How much clients may ask for.

    ``connections`` are of all, ``each`` of one household; those that showed no token and got no
    answer for ``patience`` make room for others. ``requests_per_s`` are of all together,
    ``requests_at_once`` how many may come in one moment. After ``guesses`` wrong tokens an address
    has to wait until one is ``forgotten``.

    ``request`` is the time for a whole request to arrive, ``idle`` the time between two on one
    connection, ``write`` the time a client may take to make room for what it is sent: then it is
    cut off. ``beat`` is the pause after which an event stream says that it is still there.
    """

    connections: int = 32
    each: int = 16
    streams: int = 8
    patience: timedelta = timedelta(seconds=2)
    requests_per_s: float = 200
    requests_at_once: int = 400
    guesses: int = 30
    forgotten: timedelta = timedelta(seconds=2)
    header_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    request: timedelta = timedelta(seconds=10)
    idle: timedelta = timedelta(seconds=60)
    write: timedelta = timedelta(seconds=10)
    beat: timedelta = timedelta(seconds=15)


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """The answer is no. Handlers raise it; the sentence goes to the client as JSON ``error``."""

    def __init__(
        self, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> "Response":
        """The refusal as the client sees it."""
        return Response({"error": str(self)}, self.status, headers=self.headers)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks. ``params`` are the parts of the path that the route names."""

    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty body is an empty one.

        Raises:
            Refusal: it is no JSON object.
        """
        return self.read(dict[str, Any])

    def read(self, kind: type[T]) -> T:
        """The body as ``kind``, strictly; an empty body counts as ``{}``.

        What the body is declared as does not matter: ``curl -d`` declares a form, and a browser
        page cannot send the token without being asked about its origin first.

        Raises:
            Refusal: 422 if it is no JSON or does not fit.
        """
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"bad body: {error}") from error


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. A ``body`` that is neither text nor bytes is sent as JSON; None is no body."""

    body: object = None
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> tuple[bytes, str]:
        """The bytes to send and their type."""
        match self.body:
            case None:
                return b"", self.content_type
            case bytes():
                return self.body, self.content_type or "application/octet-stream"
            case str():
                return self.body.encode(), self.content_type or "text/plain; charset=utf-8"
        return msgspec.json.encode(self.body), self.content_type or JSON


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; ``data`` is sent as JSON."""

    name: str
    data: object
    id: str = ""

    def encode(self) -> bytes:
        """The event on the wire. JSON has no line breaks, so one data line is enough."""
        lines = [f"id: {self.id}".encode()] if self.id else []
        lines += [f"event: {self.name}".encode(), b"data: " + msgspec.json.encode(self.data)]
        return b"\n".join(lines) + b"\n\n"


@dataclass(frozen=True, slots=True)
class EventStream:
    """Server-sent events until ``events`` ends or the client leaves.

    An event is taken from ``events`` once the one before it was written, so nothing piles up here;
    a client that makes no room within ``Limits.write`` is cut off. The generator is closed when
    the stream ends.
    """

    events: AsyncGenerator[Event, None]


Answer = Response | EventStream
Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` may name parts: /v1/transactions/{id}. ``public`` needs no token.

    A GET route answers HEAD too.
    """

    method: str
    path: str
    handler: Handler
    public: bool = False

    def match(self, path: str) -> dict[str, str] | None:
        """The named parts of ``path``, decoded; None if it is another path."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return {name: unquote(part) for name, part in found.groupdict().items()} if found else None


def query_fields(text: str) -> dict[str, str]:
    """The fields of a query; of two with one name the last counts.

    Raises:
        Refusal: there are too many.
    """
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_QUERY_FIELDS))
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"bad query: {error}") from error
