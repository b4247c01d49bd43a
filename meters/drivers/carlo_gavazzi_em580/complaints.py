"""What a meter complains about now; each complaint is logged when it comes and when it goes."""

import logging
from collections.abc import Iterable
from enum import Enum
from typing import Final

log = logging.getLogger(__name__)


class Noticed(Enum):
    """Where a complaint was noticed; those of one place replace each other."""

    ROTATION = "phase sequence"
    STATE = "device state"
    TRANSACTION = "transaction"
    RECORD = "record"


class Complaints:
    """The complaints in force, in the order of ``Noticed``; ``name`` is how the log calls it."""

    def __init__(self, name: str) -> None:
        self._name: Final = name
        self._found: dict[Noticed, tuple[str, ...]] = {}

    @property
    def now(self) -> tuple[str, ...]:
        """In words, for people; empty when the meter is content."""
        return tuple(words for place in Noticed for words in self._found.get(place, ()))

    def replace(self, place: Noticed, found: Iterable[str]) -> None:
        """From now on ``found`` is all there is of this place."""
        before, after = self._found.get(place, ()), tuple(found)
        self._found[place] = after
        for words in after:
            if words not in before:
                log.warning("%s reports: %s", self._name, words)
        for words in before:
            if words not in after:
                log.info("%s no longer reports: %s", self._name, words)

    def clear(self, place: Noticed) -> None:
        """Nothing of this place any more."""
        self.replace(place, ())

    def forget(self) -> None:
        """Another meter is there now; what the old one had is over without a word."""
        self._found.clear()
