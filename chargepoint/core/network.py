"""Rules of the network profiles: which may be stored, which may be used, which comes next.

OCPP 2.0.1 B09, B10 and A05.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from chargepoint.core.variables import Reason
from chargepoint.errors import Refused

SLOTS: Final = 4
INVALID_PROFILE: Final = "InvalidNetworkConf"
INVALID_SLOT: Final = "InvalidConfSlot"
DOWNGRADE: Final = "NoSecurityDowngrade"
_ENCRYPTED_FROM: Final = 2  # security profile


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """How to reach a CSMS; ``url`` lacks the identity of the station."""

    url: str
    security_profile: int
    message_timeout: timedelta
    interface: str = ""


def check_profile(slot: int, profile: NetworkProfile, *, security: int) -> None:
    """Return if the profile may be stored, while ``security`` is the security profile in use.

    Raises:
        Refused: with the word of the reasonCode list in ``reason`` (B09.FR.02, errata 2025-09).
    """
    if not 1 <= slot <= SLOTS:
        raise Refused(f"slot {slot}, allowed 1 to {SLOTS}", reason=INVALID_SLOT)
    if profile.security_profile < security:
        found = f"security profile {profile.security_profile}, in use is {security}"
        raise Refused(found, reason=DOWNGRADE)
    if profile.security_profile > _ENCRYPTED_FROM + 1:
        raise Refused(f"security profile {profile.security_profile}", reason=INVALID_PROFILE)
    if profile.message_timeout <= timedelta(0):
        raise Refused("the message timeout must be positive", reason=INVALID_PROFILE)
    scheme = "wss" if profile.security_profile >= _ENCRYPTED_FROM else "ws"
    if not _is_url(profile.url, scheme):
        raise Refused(f"expected a URL {scheme}://HOST[:PORT]/PATH", reason=INVALID_PROFILE)


def check_priority(slots: Sequence[str], securities: Mapping[int, int], *, security: int) -> None:
    """Return if these slots may be tried; ``securities`` is the security profile of each there is.

    Raises:
        Refused: one is empty, or less secure than what is in use (B10.FR.02, A05.FR.02).
    """
    for slot in slots:
        if int(slot) not in securities:
            raise Refused(f"slot {slot} is empty", reason=Reason.INVALID_VALUE)
        if securities[int(slot)] < security:
            raise Refused(f"slot {slot} is less secure than what is in use", reason=DOWNGRADE)


@dataclass(frozen=True, slots=True)
class Walk:
    """Which slot is tried: each of ``slots`` a number of times, round and round.

    ``tried`` counts the attempts in a row with the present one.
    """

    slots: tuple[int, ...]
    place: int = 0
    tried: int = 0

    @classmethod
    def of(
        cls, priority: Sequence[str], available: Collection[int], last_good: int | None
    ) -> "Walk":
        """Begin with the first slot of the list; what worked last is the way back (B10.FR.04, .07).

        ``available`` is never empty; slots that are not in it are left out.
        """
        listed = [int(slot) for slot in priority if int(slot) in available]
        if last_good in available and last_good is not None and last_good not in listed:
            listed.append(last_good)
        return cls(tuple(listed) or (min(available),))

    @property
    def slot(self) -> int:
        """The slot to try now."""
        return self.slots[self.place]

    def failed(self, attempts: int) -> "Walk":
        """One more attempt failed; after ``attempts`` of them the next slot has its turn."""
        if self.tried + 1 < attempts:
            return replace(self, tried=self.tried + 1)
        return replace(self, place=(self.place + 1) % len(self.slots), tried=0)


def _is_url(url: str, scheme: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises if it is none
    except ValueError:
        return False
    plain = not (parts.username or parts.query or parts.fragment)
    return parts.scheme == scheme and bool(parts.hostname) and plain
