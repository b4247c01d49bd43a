"""Who may ask the local interface for what: decided from the request alone.

Whoever has the token may. It is compared in constant time, and an address that showed too many
wrong ones is not listened to for a while, not even with the right one. Browsers of strangers are
kept out: a foreign ``Origin`` or ``Sec-Fetch-Site`` is refused, and so is a ``Host`` that is
neither an address nor the name listened on, because a page can point its own name at 127.0.0.1
(DNS rebinding).
"""

import hmac
import ipaddress
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, TypeAlias

import h11

from chargepoint.local.http_messages import Limits, Refusal, Request, Route, query_fields

Attempted: TypeAlias = Callable[[str, bool], None]

_OWN_SITES: Final = frozenset({"none", "same-origin"})  # typed by a person, or a page from here
_ADDRESSES_MOST: Final = 1000
_NEIGHBOURS: Final = 64  # bits of an IPv6 address that one household shares


class Guesses:
    """How many wrong tokens each address has shown lately.

    One is forgotten after every ``forgotten_s``; who has shown ``most`` waits for that.
    """

    def __init__(self, most: int, forgotten_s: float) -> None:
        self._patience_s = most * forgotten_s
        self._forgotten_s = forgotten_s
        self._all_forgotten: dict[str, float] = {}  # when, monotonic; in order of the last failure

    def wait_s(self, address: str) -> float:
        """How long it has to wait until it may show another one; 0 if it need not."""
        ahead = self._all_forgotten.get(household(address), 0.0) - time.monotonic()
        return max(0.0, ahead + self._forgotten_s - self._patience_s)

    def failed(self, address: str) -> None:
        """It has shown a wrong one."""
        who = household(address)
        before = self._all_forgotten.pop(who, 0.0)
        self._all_forgotten[who] = max(before, time.monotonic()) + self._forgotten_s
        if len(self._all_forgotten) > _ADDRESSES_MOST:
            del self._all_forgotten[next(iter(self._all_forgotten))]


def household(address: str) -> str:
    """Who an address is: one household has as many of IPv6 as it likes."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or int(found) >> _NEIGHBOURS)


class Gate:
    """Decides who may ask for what, from the request alone."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        host: str,
        token: str,
        limits: Limits,
        attempted: Attempted,
    ) -> None:
        if not token:
            raise ValueError("a token is needed; allowed: any text but none")
        self._routes = routes
        self._names = {"localhost", host.lower()}
        self._token = token.encode()
        self._guesses = Guesses(limits.guesses, limits.forgotten.total_seconds())
        self._attempted = attempted

    def admit(self, head: h11.Request, body: bytes, origin: str) -> tuple[Route, Request]:
        """The route of a request that came from the address ``origin``.

        Raises:
            Refusal: 403 for strangers' browsers, 401 without the token, 429 after too many wrong
                ones, 404, 405, 400.
        """
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        method = head.method.decode()
        self._check_browser(headers)
        path, _, query = re.sub(r"^https?://[^/?]*", "", head.target.decode()).partition("?")
        matches = [
            (route, found) for route in self._routes if (found := route.match(path)) is not None
        ]
        served = "GET" if method == "HEAD" else method
        for route, params in matches:
            if route.method == served:
                if not route.public:
                    self._check_token(headers, origin)
                fields = query_fields(query)
                return route, Request(method, path, params, fields, headers, body)
        self._check_token(headers, origin)  # who has no token does not learn which paths there are
        if not matches:
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")
        allow = sorted({route.method for route, _ in matches})
        raise Refusal(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{method} is not possible at {path}; allowed: {', '.join(allow)}",
            {"Allow": ", ".join([*allow, "HEAD"] if "GET" in allow else allow)},
        )

    def _check_browser(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if host and not self._is_own(host):  # no browser leaves it out
            sentence = f"Host {host!r} is not this station; use its address instead of a name"
            raise Refusal(HTTPStatus.FORBIDDEN, sentence)
        if headers.get("sec-fetch-site", "none") not in _OWN_SITES:
            raise Refusal(HTTPStatus.FORBIDDEN, "other pages have no business here")
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            raise Refusal(HTTPStatus.FORBIDDEN, f"pages of {origin!r} have no business here")

    def _is_own(self, host: str) -> bool:
        name = re.sub(r":\d*$", "", host).lower()
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True

    def _check_token(self, headers: Mapping[str, str], origin: str) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode("latin-1")
        if given and (wait_s := self._guesses.wait_s(origin)):
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many wrong tokens came from your address; try again later",
                {"Retry-After": str(math.ceil(wait_s))},
            )
        good = scheme.lower() == "bearer" and hmac.compare_digest(given, self._token)
        if given:
            self._attempted(origin, good)
            if not good:
                self._guesses.failed(origin)
        if not good:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "the token is missing or wrong; send Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
