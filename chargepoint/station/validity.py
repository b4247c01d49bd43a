"""Whether certificates are valid by the station's clock, where that of the machine is wrong.

OpenSSL looks at the dates of certificates by the machine's clock. One without a battery says 1970
at a start: every certificate would be one of the future, the station could not connect, and so
would never learn the time. Then the dates are looked at here, by the time that the station goes by.
As long as that is provisional, it is the earliest that it can be: a certificate that has expired by
it has expired, and one that seems not valid yet may well be.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias, cast

from chargepoint.clock import Clock, CorrectableClock

APART: Final = timedelta(minutes=1)
"""A machine whose clock is as near as that may look at dates itself."""

Secured: TypeAlias = ssl.SSLObject | ssl.SSLSocket
"""TLS under way, over whatever carries it."""

_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, without a name here
_UNSPECIFIED, _NOT_YET, _EXPIRED = 1, 9, 10  # X509_V_ERR_... of OpenSSL


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


def verified(tls: Secured) -> list[bytes]:
    """The certificates of the other side as they were verified, DER, its own first, the root last.

    Empty where a session is resumed: they came with its first connection.
    """
    if hasattr(tls, "get_verified_chain"):  # from Python 3.13 on
        return cast("list[bytes] | None", tls.get_verified_chain()) or []
    chain: Any = tls._sslobj.get_verified_chain()  # type: ignore[union-attr]  # noqa: SLF001 - the same, not yet public
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain or ()]


def look_at_dates(context: ssl.SSLContext, time: OwnTime | None) -> None:
    """Have every handshake of a new ``context`` end with a look at the dates, by this time.

    For whoever has no other moment for it before something is sent.
    """
    leave_dates(context, time)
    if time is not None:
        check = partial(_check, time=time)
        context.sslobject_class = _looking(ssl.SSLObject, check)
        context.sslsocket_class = _looking(ssl.SSLSocket, check)


def _check(tls: Secured, time: OwnTime) -> None:
    chain = verified(tls)
    if not chain and not tls.session_reused:
        raise _refused(_UNSPECIFIED, "no chain")
    check_dates(chain, time)


def _looking(kind: Any, check: Callable[[Secured], None]) -> Any:  # noqa: ANN401 - a class of ssl
    class Looking(kind):  # type: ignore[misc]
        def do_handshake(self, *block: bool) -> None:
            super().do_handshake(*block)
            check(self)

    return Looking


def _refused(code: int, words: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, f"certificate verify failed: {words}")
    error.verify_code, error.verify_message = code, words
    error.reason = "CERTIFICATE_VERIFY_FAILED"
    return error
