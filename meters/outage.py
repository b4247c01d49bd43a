"""The books of one meter's outages: a dead meter must not slow down the others on its bus."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

from meters.errors import MeterError, MeterUnreachable

log = logging.getLogger(__name__)


class NotYet(MeterUnreachable):
    """The meter answers, but what was commanded is not done in time; to be asked again later."""


class Outages:
    """Knows whether a meter is lost, and when it is worth another try.

    The first ``tries`` attempts after a loss are ``soon`` apart, the later ones ``later``; 0 tries
    keeps the short interval for ever. ``believed`` is whether what is known of the meter comes from
    the one now on the line: an outage ends that, because it may be another one that comes back.
    """

    def __init__(self, name: str, *, tries: int, soon: timedelta, later: timedelta) -> None:
        self.believed = False
        self._name = name
        self._most, self._soon, self._later = tries, soon, later
        self._sentence = ""
        self._tries = 0
        self._next_try = 0.0

    def spare_the_bus(self) -> None:
        """To be called before a poll.

        Raises:
            MeterUnreachable: the meter is lost and the next try is not due; the old sentence.
        """
        if self._sentence and asyncio.get_running_loop().time() < self._next_try:
            raise MeterUnreachable(self._sentence)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Keep the books around one call of the driver."""
        try:
            yield
        except MeterError as error:
            if isinstance(error, MeterUnreachable) and not isinstance(error, NotYet):
                self._lost(str(error))
            else:
                self._heard()
            raise
        self._heard()

    def _heard(self) -> None:
        if self._sentence:
            log.debug("%s answers again", self._name)
        self._sentence, self._tries = "", 0

    def _lost(self, sentence: str) -> None:
        if not self._sentence:
            log.debug("%s is lost: %s", self._name, sentence)  # the caller is told by the exception
        self._sentence, self.believed = sentence, False
        self._tries += 1
        late = self._most and self._tries > self._most
        pause = self._later if late else self._soon
        self._next_try = asyncio.get_running_loop().time() + pause.total_seconds()
