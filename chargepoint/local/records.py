"""``GET /v1/records``: the archive of signed records, selected and paged, newest first."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any, Final

from chargepoint.errors import StoreError
from chargepoint.local.http import Refusal, Request, Response, Route
from chargepoint.local.record_views import record_view
from chargepoint.store.archive import RecordArchive, Selection

PAGE: Final = 50
LARGEST_PAGE: Final = 500
_FIELDS: Final = ("limit", "before", "since", "until", "transaction", "verdict", "undelivered")


class RecordQuestions:
    """Answers from the archive of one state folder, in a thread: the station goes on meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def routes(self) -> list[Route]:
        """What can be asked."""
        return [Route("GET", "/v1/records", self._records)]

    async def _records(self, request: Request) -> Response:
        for name in request.query.keys() - set(_FIELDS):
            raise bad_query(name, "an unknown field", ", ".join(_FIELDS))
        query = request.query
        limit = _number(query.get("limit", str(PAGE)), "limit", LARGEST_PAGE)
        before = query.get("before")
        place = None if before is None else _number(before, "before", 2**53)
        try:
            page = await asyncio.to_thread(self._page, _selection(query), limit, place)
        except StoreError as error:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        return Response(page)

    def _page(self, selection: Selection, limit: int, before: int | None) -> dict[str, Any]:
        """One page; ``next`` is the ``before`` of the page after it, if any."""
        with RecordArchive(self._folder) as archive:
            found = list(islice(archive.newest_first(selection, before=before), limit + 1))
        page = found[:limit]
        return {
            "records": [record_view(one) for one in page],
            "next": page[-1].number if len(found) > limit else None,
        }


def moment_of(name: str, text: str) -> datetime:
    """The moment that a field of the query names, in UTC.

    Raises:
        Refusal: it is none, or says not where on earth it is meant.
    """
    refusal = bad_query(name, repr(text), "a time like 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refusal from error
    raise refusal


def bad_query(name: str, found: str, allowed: str) -> Refusal:
    """The refusal of a field that does not fit."""
    sentence = f"{name}: found {found}, allowed: {allowed}"
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)


def _selection(query: Mapping[str, str]) -> Selection:
    undelivered = query.get("undelivered", "false")
    if undelivered not in {"true", "false"}:
        raise bad_query("undelivered", repr(undelivered), "true, false")
    since, until = query.get("since"), query.get("until")
    return Selection(
        since=None if since is None else moment_of("since", since),
        until=None if until is None else moment_of("until", until),
        transaction_id=query.get("transaction", ""),
        verdict=query.get("verdict", ""),
        undelivered=undelivered == "true",
    )


def _number(text: str, name: str, largest: int) -> int:
    if not (re.fullmatch("[0-9]{1,16}", text) and 1 <= int(text) <= largest):
        raise bad_query(name, repr(text), f"a whole number from 1 to {largest}")
    return int(text)
