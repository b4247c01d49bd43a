"""Who opened the local interface with its token, and who tried: told to the security log.

A client that goes on asking, such as one that scrapes metrics, has logged in once.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias

from chargepoint.clock import Clock
from chargepoint.core.security import Event

LOGGED_IN: Final = timedelta(hours=1)  # without a request, before the next one is a login again
FAILED_AGAIN: Final = timedelta(minutes=1)
_ORIGINS_MOST: Final = 100

Report: TypeAlias = Callable[[Event, str], None]


class Logins:
    """Tells MaintenanceLoginAccepted and MaintenanceLoginFailed (OCPP 2.0.1 A04, 1.6 whitepaper).

    Of one address at most one failure a minute is told, so that who guesses cannot fill the log;
    of more than 100 addresses at once only those that were heard of last are known.
    """

    def __init__(self, event: Report, clock: Clock) -> None:
        self._event = event
        self._clock = clock
        self._seen: dict[tuple[str, bool], float] = {}  # monotonic, in order

    def attempted(self, origin: str, good: bool) -> None:  # noqa: FBT001 - told by a callback
        """Somebody at ``origin`` showed the token, or something else."""
        now, who = self._clock.monotonic(), (origin, good)
        before = self._seen.pop(who, None)
        wait = LOGGED_IN if good else FAILED_AGAIN
        if before is not None and timedelta(seconds=now - before) < wait:
            self._seen[who] = now if good else before
            return
        self._seen[who] = now
        if len(self._seen) > _ORIGINS_MOST:
            del self._seen[next(iter(self._seen))]
        event = Event.LOGIN_ACCEPTED if good else Event.LOGIN_FAILED
        self._event(event, json.dumps({"user": "token", "origin": origin}))
