"""A long job that the CSMS asks for: stored before the answer, begun after it, one at a time.

What is stored outlives a power cut; a newer request takes the place of one under way. A disk that
refuses the next step holds a job up; once it takes something again the job goes on from what is
stored.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Final, Generic, TypeVar

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.facts import Fact
from chargepoint.errors import Refused, StoreError
from chargepoint.station.evse_ports import Spawn
from chargepoint.store.patience import pauses
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

Job = TypeVar("Job")

Tell = Callable[[str, object | None, tuple[Fact, ...]], None]
"""Stores a job of a name and records what is told of it, in one commit."""

ANSWERED_WITHIN: Final = timedelta(seconds=5)  # else the work begins without an answer


class LongJob(Generic[Job]):
    """The one job of a name that there may be; whoever inherits says how it is carried out."""

    def __init__(
        self, name: str, kind: type[Job], *, store: Store, clock: Clock, tell: Tell, spawn: Spawn
    ) -> None:
        self._name = name
        self._store = store
        self._clock = clock
        self._tell = tell
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()  # what the CSMS asked for last
        self._job = store.jobs.get(name, kind)

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None

    async def accept(self, job: Job) -> bool:
        """Store a job before it is answered; ``begin`` is for afterwards.

        One under way is given up; True if there was one.

        Raises:
            Refused: one under way cannot be given up any more.
            StoreError: it cannot be stored; what was under way is given up all the same.
        """
        replaced = await asyncio.shield(self._spawn(self._replace(job)))
        if isinstance(replaced, Exception):
            raise replaced
        return bool(replaced)

    async def begin(self) -> None:
        """The answer has left."""
        self._answered.set()

    def _keep(self, job: Job | None, *told: Fact) -> None:
        """Store how far it is, and what is told of it; None: it is over and forgotten."""
        self._tell(self._name, job, told)
        self._job = job

    def _go_on(self, job: Job) -> None:
        """Carry out what was under way, unless that is being done."""
        if self._task is None or self._task.done():
            self._task = self._spawn(self._to_its_end(partial(self._carry_out, job)))

    # --- what a job is ----------------------------------------------------------------------

    async def _carry_out(self, job: Job) -> None:
        """From wherever it is to its last status; every way out tells one."""
        raise NotImplementedError

    async def _take_up(self) -> None:
        """Go on with what is stored, as after a start."""
        raise NotImplementedError

    def _check_replaceable(self) -> None:
        """Refused: what is under way cannot be given up any more."""

    async def _given_up(self) -> None:
        """Undo what the job under way has done to the station."""

    def _replaced(self, old: Job, job: Job) -> None:
        """Tell that one had to make way for the other, whose request is answered now."""

    async def _replace(self, job: Job) -> bool | Refused | StoreError:
        """An error is a result: the task must not fail."""
        try:
            self._check_replaceable()
            old, there_was, task = self._job, self.busy, self._task
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
            self._task = None
            await self._given_up()
            self._keep(job)
        except (Refused, StoreError) as error:
            return error
        self._answered = asyncio.Event()
        work = partial(self._carry_out_after, self._answered, job, old)
        self._task = self._spawn(self._to_its_end(work))
        return there_was

    async def _to_its_end(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever the disk says meanwhile."""
        for pause in pauses():
            try:
                await work()
            except StoreError as error:
                log.error("%s waits for the disk: %s", self._name, error)  # noqa: TRY400 - the disk
            else:
                return
            await self._clock.sleep(pause)
            while self._store.trouble:
                await self._clock.sleep(pause)
            work = self._take_up

    async def _carry_out_after(self, answered: asyncio.Event, job: Job, old: Job | None) -> None:
        """What is told comes after the answer, if that can be given at all."""
        await sleep_unless(self._clock, ANSWERED_WITHIN, answered)
        if old is not None:
            self._replaced(old, job)
        await self._carry_out(job)
