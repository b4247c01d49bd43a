"""The local authorization list: which update may be applied.

OCPP 2.0.1 block D, 1.6 section 5.15. Both versions send a whole list or the changes to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chargepoint.core.authorization import Known
from chargepoint.core.model import IdToken
from chargepoint.errors import Refused

LIST_ENTRIES_MOST = 10_000
LIST_BYTES_MOST = 4_000_000
LIST_ITEMS_PER_MESSAGE = 1000
LIST_BYTES_PER_MESSAGE = 500_000  # well below what one frame may have


class Outdated(Refused):
    """The changes are not newer than the list they are for; the adapters say VersionMismatch."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of an update; without ``known`` the token is taken from the list."""

    token: IdToken
    known: Known | None


def check_update(version: int, entries: Sequence[Listed], *, full: bool, ours: int) -> None:
    """Accept an update of the list of version ``ours``, 0 if none was ever sent.

    A whole list is accepted whatever its version: it is how the CSMS comes to agree with a
    station that has another one.

    Raises:
        Outdated: the changes are not newer than the list.
        Refused: the version is not positive, a token is there twice, or one of a whole list
            comes without what it is worth (OCPP 2.0.1 D01.FR.18).
    """
    if version <= 0:
        raise Refused(f"version {version}, allowed 1 or more", reason="ValuePositiveOnly")
    if not full and version <= ours:
        raise Outdated(f"version {version}, the list has {ours}", reason="InvalidValue")
    if full and any(entry.known is None for entry in entries):
        raise Refused("a token of the whole list says nothing", reason="MissingParam")
    keys = {(entry.token.value.casefold(), entry.token.type) for entry in entries}
    if len(keys) < len(entries):
        raise Refused("a token is there twice", reason="InvalidValue")
