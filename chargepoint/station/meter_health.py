"""How a meter is: one word and one sentence, from what it answered and what it did not."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chargepoint.core.model import Fault
from meters.model import MeterInfo

METER_FAILURE = "PowerMeterFailure"  # OCPP 1.6 section 7.6, ChargePointErrorCode
_INFO_MOST = 50  # characters of StatusNotification.info in OCPP 1.6

UNSIGNED = "the meter answers but has no key to sign with"
UNREAD = "no session over an unread record: "
STUCK_AFTER = timedelta(minutes=1)


class Health(StrEnum):
    """How a meter is."""

    UNKNOWN = "unknown"  # never answered yet
    OK = "ok"
    STALE = "stale"  # answered, but not lately
    UNREACHABLE = "unreachable"
    REFUSING = "refusing"  # answers, but declined the last transaction or keeps an unread record
    UNSIGNED = "unsigned"  # answers, should sign, and cannot


@dataclass(slots=True)
class MeterBooks:
    """What is known of one meter's conduct; ``now`` is monotonic seconds everywhere.

    ``complaints`` is what the meter itself reports (phase sequence, overvoltage); it serves on.
    ``failures`` counts failed reads in a row. A refusal holds until a transaction begins, however
    well the meter can be read meanwhile: a driver who comes now would be refused again. ``stuck``
    is a meter that holds a record and has not given it for long: no session can begin over it.
    """

    should_sign: bool
    failures: int = 0
    complaints: tuple[str, ...] = ()
    stuck: bool = False
    _heard: bool = False
    _outage: str = ""
    _since: float = 0.0
    _refusal: str = ""
    _unsigned: bool = False
    _held: str = ""
    _held_since: float = 0.0

    def answered(self, info: MeterInfo, complaints: tuple[str, ...] = ()) -> None:
        """It was read."""
        self.complaints = complaints
        self.failures, self._outage, self._heard = 0, "", True
        self._unsigned = self.should_sign and not info.signing_method

    def failed(self, sentence: str, now: float) -> None:
        """A read failed."""
        self.failures += 1
        if not self._outage:
            self._since = now
        self._outage = sentence

    def refused(self, sentence: str) -> None:
        """It declined to begin."""
        self._refusal = sentence

    def began(self) -> None:
        """It took a transaction."""
        self._refusal, self._held, self.stuck = "", "", False

    def holds(self, sentence: str, now: float) -> None:
        """What it holds of earlier could not be had, and why; a try or two that fail are nothing.

        Empty: it holds nothing any more.
        """
        if not sentence:
            self._held, self.stuck = "", False
            return
        if not self._held:
            self._held_since = now
        self._held = sentence
        self.stuck = now - self._held_since >= STUCK_AFTER.total_seconds()

    @property
    def health(self) -> Health:
        """The worst that is true now; staleness is for whoever knows the time."""
        if self._outage:
            return Health.UNREACHABLE
        if not self._heard:
            return Health.UNKNOWN
        if self._unsigned:
            return Health.UNSIGNED
        return Health.REFUSING if self._refusal or self.stuck else Health.OK

    @property
    def error(self) -> str:
        """The sentence that belongs to it; empty when all is well."""
        if self._outage or not self._heard:
            return self._outage
        if self._unsigned:
            return UNSIGNED
        return UNREAD + self._held if self.stuck else self._refusal

    def outage_s(self, now: float) -> float:
        """How long it has not been readable, in seconds."""
        return now - self._since if self._outage else 0.0

    def fault(self, *, blocks: bool) -> Fault | None:
        """What the CSMS is told of it; with ``blocks`` no session can begin."""
        words = self.error or ", ".join(self.complaints)
        return Fault(METER_FAILURE, words[:_INFO_MOST], blocks=blocks) if words else None
