"""Rules of the network profiles: which may be stored, which may be used, which comes next.

OCPP 2.0.1 B09, B10 and A05.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from chargepoint.core.certificates import lowest_profile
from chargepoint.core.variables import Reason
from chargepoint.errors import Refused

SLOTS: Final = 4
TIMEOUT_MOST: Final = 2**31 - 1  # seconds: what MessageTimeout can say
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


def message_timeout(seconds: int) -> timedelta:
    """The message timeout of a profile.

    Raises:
        Refused: it is none that MessageTimeout can say.
    """
    if not 0 < seconds <= TIMEOUT_MOST:
        found = f"a message timeout of {seconds} s, allowed 1 to {TIMEOUT_MOST}"
        raise Refused(found, reason=INVALID_PROFILE)
    return timedelta(seconds=seconds)


def check_profile(slot: int, profile: NetworkProfile, *, security: int, downgrade: bool) -> None:
    """Return if the profile may be stored, while ``security`` is the security profile in use.

    What a higher security profile needs may still come: that is looked at when the slot is to be
    used. ``downgrade`` is AllowSecurityProfileDowngrade.

    Raises:
        Refused: with the word of the reasonCode list in ``reason`` (B09.FR.02, .04, .31, .32,
            errata 2025-09).
    """
    if not 1 <= slot <= SLOTS:
        raise Refused(f"slot {slot}, allowed 1 to {SLOTS}", reason=INVALID_SLOT)
    if profile.security_profile < lowest_profile(security, downgrade=downgrade):
        found = f"security profile {profile.security_profile}, in use is {security}"
        raise Refused(found, reason=DOWNGRADE)
    if profile.security_profile > _ENCRYPTED_FROM + 1:
        raise Refused(f"security profile {profile.security_profile}", reason=INVALID_PROFILE)
    scheme = "wss" if profile.security_profile >= _ENCRYPTED_FROM else "ws"
    if not _is_url(profile.url, scheme):
        raise Refused(f"expected a URL {scheme}://HOST[:PORT]/PATH", reason=INVALID_PROFILE)


def check_priority(
    slots: Sequence[str], securities: Mapping[int, int], may_use: Callable[[int], None]
) -> None:
    """Return if these slots may be tried; ``securities`` is the security profile of each there is.

    ``may_use`` raises for a security profile that the station cannot go to.

    Raises:
        Refused: one is empty (B10.FR.02), less secure than may be, or needs a certificate that is
            missing (A05.FR.02, .03, .09, .10).
    """
    for slot in slots:
        if int(slot) not in securities:
            raise Refused(f"slot {slot} is empty", reason=Reason.INVALID_VALUE)
        may_use(securities[int(slot)])


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

    def only(self, usable: Collection[int]) -> "Walk":
        """Go on from the present slot, without those that may not be used any more."""
        slots = tuple(slot for slot in self.slots if slot == self.slot or slot in usable)
        return replace(self, slots=slots, place=slots.index(self.slot))

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
    plain = parts.username is None and not (parts.query or parts.fragment)
    return parts.scheme == scheme and bool(parts.hostname) and plain
