"""The requests that a LEM DCBM knows, one method each; commands are given exactly once."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from meters.drivers.lem_dcbm.answers import Legal, Live, SetAnswer, SettingsRead, Started, Status
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.http import HttpDevice, HttpRefusal

_NOT_FOUND: Final = 404
_CREATED: Final = 201


class Device:
    """One meter. ``second`` chooses the paths of the second version where they exist."""

    def __init__(self, http: HttpDevice, *, attempts: int) -> None:
        """``attempts`` is for questions that belong to a transaction."""
        self.name = http.name
        self.second = False
        self._http = http
        self._attempts = attempts

    async def status(self, *, attempts: int = 1) -> Status:
        """Identity, status and error bits; always asked in the first version."""
        return (await self._http.get("/v1/status", attempts=attempts)).decode(Status)

    async def live(self) -> Live:
        """Live values."""
        return (await self._http.get(self._path("livemeasure"))).decode(Live)

    async def look(self) -> Status:
        """``status``, as patiently as a transaction deserves."""
        return await self.status(attempts=self._attempts)

    async def last(self) -> Legal | None:
        """The running transaction, else the last one; None if there never was one."""
        return await self._legal(None)

    async def legal(self, transaction_id: str) -> Legal | None:
        """The transaction of this id, the latest of them; None if the meter does not know it."""
        return await self._legal({"transactionId": transaction_id})

    async def record(self, transaction_id: str) -> bytes | None:
        """The OCMF record: empty if there is none yet, None if the meter says there is none."""
        answer = await self._http.get(
            self._path("ocmf"),
            query={"transactionId": transaction_id},
            attempts=self._attempts,
            accept=(_NOT_FOUND,),
        )
        return None if answer.status == _NOT_FOUND else answer.body.strip()

    async def settings(self) -> SettingsRead:
        """What is set, as far as the meter tells it."""
        return (await self._http.get("/v1/settings", attempts=self._attempts)).decode(SettingsRead)

    async def write(self, name: str, fields: Callable[[], Mapping[str, Any]]) -> None:
        """Change a part of the settings, which may be done twice; ``fields`` are made anew then.

        Raises:
            MeterRefused: the meter does not take it, for instance because a transaction runs.
        """
        for left in range(self._attempts - 1, -1, -1):
            try:
                answer = await self._http.put("/v1/settings", json=fields())
                break
            except HttpRefusal as error:
                raise MeterRefused(f"the meter does not take its {name}: {error}") from error
            except MeterUnreachable:
                if not left:
                    raise
        if answer.decode(SetAnswer).result != 1:
            raise MeterRefused(f"the meter does not take its {name} now: found result 0")

    async def start(self, fields: Mapping[str, Any]) -> bool:
        """Give the command to start; False if the meter says that it does not run.

        Raises:
            HttpRefusal: it declines.
            MeterUnreachable: no answer; it may have done it.
            MeterDataError: an answer that says nothing; it may have done it.
        """
        answer = await self._http.post(self._path("legal"), json=fields)
        if answer.status != _CREATED:
            raise MeterDataError(f"{answer.where}: found status {answer.status}, expected 201")
        return answer.decode(Started).running

    async def stop(self, transaction_id: str) -> None:
        """Give the command to end.

        Raises:
            HttpRefusal: it declines.
            MeterUnreachable: no answer; it may have done it.
        """
        await self._http.put(
            self._path("legal"),
            query={"transactionId": transaction_id},
            json={"running": False},
        )

    async def _legal(self, query: Mapping[str, str] | None) -> Legal | None:
        answer = await self._http.get(
            self._path("legal"), query=query, attempts=self._attempts, accept=(_NOT_FOUND,)
        )
        if answer.status == _NOT_FOUND or not answer.body.strip():
            return None
        found = answer.decode(Legal)
        return found if found.transaction_id else None

    def _path(self, name: str) -> str:
        return f"/{'v2' if self.second else 'v1'}/{name}"
