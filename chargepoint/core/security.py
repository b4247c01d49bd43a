"""Security events: their words, which of them the CSMS must learn whatever it takes."""

from datetime import timedelta
from enum import StrEnum


class Event(StrEnum):
    """Words of the list of security events (OCPP 2.0.1 part 2 appendix 1, errata 2025-01).

    Two never happen: the only credential that a CSMS shows is its certificate, which has a word of
    its own, and the log cannot be cleared.
    """

    ATTEMPTED_REPLAY = "AttemptedReplayAttacks"
    CSMS_FAILED_TO_AUTHENTICATE = "CsmsFailedToAuthenticate"
    DISCARDED_CERTIFICATE = "DiscardedRenewedClientCertificate"
    FAILED_TO_AUTHENTICATE = "FailedToAuthenticateAtCsms"
    FIRMWARE_UPDATED = "FirmwareUpdated"
    INVALID_CERTIFICATE = "InvalidChargingStationCertificate"
    INVALID_CSMS_CERTIFICATE = "InvalidCsmsCertificate"
    INVALID_FIRMWARE_CERTIFICATE = "InvalidFirmwareSigningCertificate"
    INVALID_FIRMWARE_SIGNATURE = "InvalidFirmwareSignature"
    INVALID_MESSAGES = "InvalidMessages"
    INVALID_TLS_CIPHER = "InvalidTLSCipherSuite"
    INVALID_TLS_VERSION = "InvalidTLSVersion"
    LOG_CLEARED = "SecurityLogWasCleared"
    LOGIN_ACCEPTED = "MaintenanceLoginAccepted"
    LOGIN_FAILED = "MaintenanceLoginFailed"
    MEMORY_EXHAUSTION = "MemoryExhaustion"
    RECONFIGURED = "ReconfigurationOfSecurityParameters"
    RESET = "ResetOrReboot"
    STARTUP = "StartupOfTheDevice"
    TAMPERED = "TamperDetectionActivated"
    TIME_SET = "SettingSystemTime"
    RECORD_NOT_TOLD = "SignedRecordNotTold"  # of our own
    STORE_DAMAGED = "StateStoreDamaged"  # of our own: set aside at a start
    STORE_FAILED = "StateStoreFailed"  # of our own: told once it works again


NOT_CRITICAL = frozenset(
    {
        Event.ATTEMPTED_REPLAY,
        Event.CSMS_FAILED_TO_AUTHENTICATE,
        Event.FAILED_TO_AUTHENTICATE,
        Event.INVALID_MESSAGES,
        Event.RECONFIGURED,
        Event.RECORD_NOT_TOLD,
    }
)


OLDER_WORD: dict[str, Event] = {Event.DISCARDED_CERTIFICATE: Event.RECONFIGURED}
"""What came later than the list of 2020, in words of that one."""


def is_critical(event: str) -> bool:
    """Whether its delivery is guaranteed (2.0.1 A04.FR.02).

    An event of the maker's own is. OCPP 1.6 counts fewer as critical; telling more harms nobody.
    """
    return event not in NOT_CRITICAL


def clock_was_set(wall: timedelta, monotonic: timedelta, threshold: timedelta) -> bool:
    """Whether wall time passed differently enough from real time to be told (SettingSystemTime)."""
    return abs(wall - monotonic) > threshold
