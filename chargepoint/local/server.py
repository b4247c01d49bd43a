"""The station's own interface: what can be asked and done over HTTP, and where to find it.

Stimuli for simulated hardware, status, transactions, records, settings, events, metrics, health.
"""

import json
import os
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from http import HTTPStatus
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from chargepoint.errors import ConfigError
from chargepoint.local import metrics
from chargepoint.local.http import (
    Event,
    EventStream,
    HttpServer,
    Limits,
    Refusal,
    Request,
    Response,
    Route,
)
from chargepoint.local.logins import Logins
from chargepoint.local.metrics import Family
from chargepoint.local.ports import IdentityView, LinkView, SessionView
from chargepoint.local.process_metrics import of_process
from chargepoint.local.records import LARGEST_PAGE, PAGE, RecordQuestions, bad_query, moment_of
from chargepoint.local.stimuli import Stimuli
from chargepoint.local.views import Views
from chargepoint.station.station import Station


class LocalServer:
    """Serves the local interface while its ``async with`` is open.

    Args:
        station: what is asked and driven.
        station_id: its identity towards the CSMS.
        identity: who made it.
        session: whether the CSMS accepted it.
        link: the way to the CSMS.
        listen: address or name, and port; 0 for any free one.
        token: what clients must send; a random one if empty.
        ready_file: written once clients are served and removed at the end: url, token and pid.
        limits: how much clients may ask for.
        drive: whether real hardware may be driven, too.
        more: families of metrics that parts below or beside the station count.
        pending: the keys of the config that wait for the next start.

    Raises:
        ConfigError: on entering, if the address cannot be listened on or the ready file not be
            written.
    """

    def __init__(
        self,
        station: Station,
        *,
        station_id: str,
        identity: IdentityView,
        session: SessionView,
        link: LinkView,
        listen: tuple[str, int],
        token: str = "",
        ready_file: Path | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        drive: bool = False,
        more: Callable[[], Iterable[Family]] = tuple,
        pending: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._station = station
        self._views = Views(station, station_id, identity, session, link, pending)
        self._more = more
        self._listen = listen
        self._ready_file = ready_file
        archive = RecordQuestions(station.store.folder)
        stimuli = Stimuli(station, link, drive=drive)
        routes = [*stimuli.routes(), *self._questions(), *archive.routes()]
        host, port = listen
        self._http = HttpServer(
            routes,
            host=host,
            port=port,
            token=self.token,
            limits=limits,
            attempted=Logins(station.security.event, station.clock).attempted,
        )
        self._open = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._http.url

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            self._withdraw()  # what a killed process left would lead to nobody
            await self._listening(opening)
            opening.callback(self._withdraw)
            self._announce()
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.__aexit__(kind, error, trace)

    async def _listening(self, opening: AsyncExitStack) -> None:
        try:
            await opening.enter_async_context(self._http)
        except OSError as error:
            host, port = self._listen
            raise ConfigError(
                f"local.listen: {host}:{port} cannot be listened on ({error.strerror or error});"
                " allowed: an address of this machine with a free port, or port 0"
            ) from error

    def _announce(self) -> None:
        """Write the ready file in one go, readable by its owner only from the first byte on."""
        if self._ready_file is None:
            return
        path = self._ready_file
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        told = {"url": self.url, "token": self.token, "pid": os.getpid()}
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(told, file)
            draft.replace(path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise ConfigError(
                f"local.ready_file: {path} cannot be written ({error.strerror or error})"
            ) from error

    def _withdraw(self) -> None:
        if self._ready_file is not None:
            with suppress(OSError):
                self._ready_file.unlink(missing_ok=True)

    # --- what can be asked ------------------------------------------------------------------

    def _questions(self) -> list[Route]:
        return [
            Route("GET", "/v1/status", self._status),
            Route("GET", "/v1/transactions", self._transactions),
            Route("GET", "/v1/transactions/{id}", self._transaction),
            Route("GET", "/v1/transactions/{id}/records", self._records),
            Route("GET", "/v1/settings", self._settings),
            Route("GET", "/v1/untold", self._untold),
            Route("GET", "/v1/events", self._events),
            Route("GET", "/metrics", self._metrics),
            Route("GET", "/healthz", self._alive, public=True),
            Route("GET", "/readyz", self._ready, public=True),
        ]

    async def _status(self, _: Request) -> Response:
        return Response(self._views.status())

    async def _transactions(self, request: Request) -> Response:
        limit, before = _page(request)
        return Response(self._views.transactions(limit, before))

    async def _transaction(self, request: Request) -> Response:
        known = self._views.transaction(request.params["id"])
        return Response(_found(known, request.params["id"]))

    async def _records(self, request: Request) -> Response:
        known = self._views.records(request.params["id"])
        return Response(_found(known, request.params["id"]))

    async def _settings(self, _: Request) -> Response:
        return Response(self._views.settings())

    async def _untold(self, _: Request) -> Response:
        return Response(self._views.untold())

    async def _events(self, _: Request) -> EventStream:
        return EventStream(self._happenings())

    async def _happenings(self) -> AsyncGenerator[Event, None]:
        """What is told from now on. A client that listens too slowly loses the oldest."""
        async with self._station.told.listen() as told:
            yield self._views.hello()
            for number in count(1):
                happened = await told.get()
                yield Event(happened.kind, happened.about, id=str(number))

    async def _metrics(self, _: Request) -> Response:
        own = of_process(self._station.store.folder)
        families = [*metrics.of_station(self._views), *own, *self._more()]
        return Response(metrics.render(families), content_type=metrics.CONTENT_TYPE)

    async def _alive(self, _: Request) -> Response:
        reasons = self._views.stalled()
        if not reasons:
            return Response("ok")
        return Response({"alive": False, "reasons": reasons}, HTTPStatus.SERVICE_UNAVAILABLE)

    async def _ready(self, _: Request) -> Response:
        reasons = self._views.unready()
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return Response({"ready": not reasons, "reasons": reasons}, status)


def _found(known: object, transaction_id: str) -> object:
    if known is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"no transaction {transaction_id!r}")
    return known


def _page(request: Request) -> tuple[int, datetime | None]:
    """How many transactions, and those before which moment.

    Raises:
        Refusal: a field of the query is unknown or does not fit.
    """
    for name in request.query.keys() - {"limit", "before"}:
        raise bad_query(name, "an unknown field", "limit, before")
    limit, before = request.query.get("limit", str(PAGE)), request.query.get("before")
    if not (re.fullmatch("[0-9]{1,3}", limit) and 1 <= int(limit) <= LARGEST_PAGE):
        raise bad_query("limit", repr(limit), f"a whole number from 1 to {LARGEST_PAGE}")
    return int(limit), None if before is None else moment_of("before", before)
