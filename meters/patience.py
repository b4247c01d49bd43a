"""With what a meter gives as a record and is none: perhaps it is still writing it.

If it stays as it is, it is handed on as it stands, as evidence, and the meter can be released; kept
in the meter it would block the outlet for ever and help nobody.
"""

import asyncio
from typing import Final

_TRIES: Final = 3
_LONGEST_S: Final = 10.0


class Patience:
    """Counts the failures to read one record; ``least_s`` is how long a meter may take to sign."""

    def __init__(self, least_s: float = 0.0) -> None:
        self._least_s = least_s
        self._since: float | None = None
        self._tries = 0

    def renew(self) -> None:
        """What comes next is another record."""
        self._since, self._tries = None, 0

    def ends(self) -> bool:
        """Note one more failure; whether it was the last that is worth another try."""
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        self._tries += 1
        return self._tries >= _TRIES and now - self._since >= max(_LONGEST_S, self._least_s)
