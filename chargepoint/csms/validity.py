"""Whether certificates are valid by the station's clock, where that of the machine is wrong.

OpenSSL looks at the dates of certificates by the machine's clock. One without a battery says 1970
at a start: every certificate would be one of the future, the station could not connect, and so
would never learn the time. Then the dates are looked at here, by the time that the station goes by.
As long as that is provisional, it is the earliest that it can be: a certificate that has expired by
it has expired, and one that seems not valid yet may well be.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chargepoint.clock import Clock, CorrectableClock

APART: Final = timedelta(minutes=1)
"""A machine whose clock is as near as that may look at dates itself."""

_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, without a name here
_NOT_YET, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


@dataclass(frozen=True, slots=True)
class OwnTime:
    """The time that the station goes by, where it is not the machine's."""

    now: datetime
    provisional: bool = False


def own_time(clock: Clock) -> OwnTime | None:
    """What dates of certificates are to be compared with; None: the machine sees to it."""
    if not isinstance(clock, CorrectableClock):
        return None
    now = clock.now()
    if not clock.provisional and abs(now - clock.machine()) <= APART:
        return None
    return OwnTime(now, clock.provisional)


def leave_dates(context: ssl.SSLContext, time: OwnTime | None) -> None:
    """Have OpenSSL look at dates only if nobody else does."""
    if time is None:
        context.verify_flags &= ~_NO_CHECK_TIME
    else:
        context.verify_flags |= _NO_CHECK_TIME


def check_dates(chain: Sequence[bytes], time: OwnTime) -> None:
    """Look at the dates of a chain of certificates, DER.

    Raises:
        ssl.SSLCertVerificationError: one of them is not valid, in the words of OpenSSL.
    """
    from cryptography import x509

    for data in chain:
        certificate = x509.load_der_x509_certificate(data)
        if certificate.not_valid_after_utc < time.now:
            raise _refused(_EXPIRED, "certificate has expired")
        if certificate.not_valid_before_utc > time.now and not time.provisional:
            raise _refused(_NOT_YET, "certificate is not yet valid")


def _refused(code: int, words: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, f"certificate verify failed: {words}")
    error.verify_code, error.verify_message = code, words
    error.reason = "CERTIFICATE_VERIFY_FAILED"
    return error
