"""Who opened the local interface with its token, and who tried: told to the security log.

A client that goes on asking, such as one that scrapes metrics, has logged in once.
"""

import json
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias

from chargepoint.clock import Clock
from chargepoint.core.security import Event
from chargepoint.local.gate import household

LOGGED_IN: Final = timedelta(hours=1)  # without a request, before the next one is a login again
FAILED_AGAIN: Final = timedelta(minutes=1)
FAILED_MOST: Final = 20  # told in FAILED_AGAIN, of all addresses together
_ORIGINS_MOST: Final = 100

Report: TypeAlias = Callable[[Event, str], None]


class Logins:
    """Tells MaintenanceLoginAccepted and MaintenanceLoginFailed (OCPP 2.0.1 A04, 1.6 whitepaper).

    Of one household at most one failure a minute is told, of all together 20, so that who guesses
    cannot fill the log; of more than 100 addresses at once only those that were heard of last are
    known.
    """

    def __init__(self, event: Report, clock: Clock) -> None:
        self._event = event
        self._clock = clock
        self._seen: dict[tuple[str, bool], float] = {}  # monotonic, in order
        self._failures: deque[float] = deque()  # those told of lately

    def attempted(self, origin: str, good: bool) -> None:  # noqa: FBT001 - told by a callback
        """Somebody at ``origin`` showed the token, or something else."""
        now, who = self._clock.monotonic(), (origin if good else household(origin), good)
        before = self._seen.pop(who, None)
        wait = LOGGED_IN if good else FAILED_AGAIN
        if before is not None and timedelta(seconds=now - before) < wait:
            self._seen[who] = now if good else before
            return
        if not (good or self._one_more(now)):
            return
        self._seen[who] = now
        if len(self._seen) > _ORIGINS_MOST:
            del self._seen[next(iter(self._seen))]
        event = Event.LOGIN_ACCEPTED if good else Event.LOGIN_FAILED
        self._event(event, json.dumps({"user": "token", "origin": origin}))

    def _one_more(self, now: float) -> bool:
        """Whether one more failure may be told."""
        while self._failures and now - self._failures[0] >= FAILED_AGAIN.total_seconds():
            self._failures.popleft()
        if len(self._failures) >= FAILED_MOST:
            return False
        self._failures.append(now)
        return True
