"""Why the CSMS cannot be reached, in words that tell an installer what to do."""

import errno
import socket
import ssl
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    NegotiationError,
)

from chargepoint.errors import CsmsClosed, CsmsUnavailable


class Cause(StrEnum):
    """What kind of outage; the TLS and credential kinds are security events in OCPP."""

    NAME = "name"  # host name not resolved
    REFUSED = "refused"
    NETWORK = "network"
    SILENCE = "silence"  # no answer in time
    UNTRUSTED = "untrusted"  # the CSMS's certificate
    TLS_VERSION = "tls version"
    TLS_CIPHER = "tls cipher"
    TLS = "tls"
    CREDENTIALS = "credentials"
    UNKNOWN_STATION = "unknown station"
    SERVER = "server"  # HTTP 5xx
    HANDSHAKE = "handshake"  # reachable, but no WebSocket
    SUBPROTOCOL = "subprotocol"
    LOST = "lost"  # a connection that had been open


class Outage(CsmsUnavailable):
    """No connection.

    Caught by the link, which says it once and tries again, and by ``check --connect``, which
    prints it.
    """

    def __init__(self, cause: Cause, sentence: str) -> None:
        super().__init__(sentence)
        self.cause = cause


_TLS_REASONS: Final[Mapping[str, Cause]] = {
    "UNSUPPORTED_PROTOCOL": Cause.TLS_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": Cause.TLS_VERSION,
    "NO_PROTOCOLS_AVAILABLE": Cause.TLS_VERSION,
    "NO_SHARED_CIPHER": Cause.TLS_CIPHER,
    "NO_CIPHERS_AVAILABLE": Cause.TLS_CIPHER,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": Cause.TLS_CIPHER,
    "SSL/TLS_ALERT_HANDSHAKE_FAILURE": Cause.TLS_CIPHER,
}
_CERTIFICATE_REFUSED: Final = (
    "ALERT_UNKNOWN_CA",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_ACCESS_DENIED",
)
"""Ends of OpenSSL's words for the alerts with which a server refuses who connects (RFC 8446 6)."""


def ended(closed: ConnectionClosed | None, after: timedelta | None) -> CsmsUnavailable:
    """What an end of the connection means to a call that was out so long.

    An end that this station began says nothing about the call, nor does one that TLS began because
    what came over the line was damaged (an alert such as bad_record_mac, RFC 8446 section 6.2).
    """
    if closed is None or (closed.sent is not None and not closed.rcvd_then_sent):
        return CsmsUnavailable("the connection was lost")
    why = closed.__cause__
    if isinstance(why, ssl.SSLError) and not isinstance(why, ssl.SSLEOFError):
        return CsmsUnavailable(f"the connection was lost: TLS failed ({why.reason or why})")
    return CsmsClosed(None if closed.rcvd is None else closed.rcvd.code, after)


def explain(error: Exception, *, where: str, station_id: str) -> Outage:
    """The outage behind whatever opening a connection to ``where`` raised."""
    match error:
        case InvalidStatus():
            return _status(error.response.status_code, where, station_id)
        case NegotiationError():
            return Outage(
                Cause.SUBPROTOCOL, f"CSMS {where} chose an OCPP version that was not offered"
            )
        case InvalidHandshake():
            return _hung_up(f"did not open a WebSocket ({error})", where)
        case ssl.SSLError():
            return _tls(error, where)
        case TimeoutError():
            return Outage(
                Cause.SILENCE,
                f"CSMS {where} did not answer in time: check firewall, route and address",
            )
        case socket.gaierror() | ValueError():
            return Outage(
                Cause.NAME,
                f"the host name of CSMS {where} cannot be resolved: check csms.url and the DNS "
                "settings of this machine",
            )
        case _:
            return _network(error, where)


def _status(status: int, where: str, station_id: str) -> Outage:
    match status:
        case 401 | 403:
            return Outage(
                Cause.CREDENTIALS,
                f"CSMS {where} refused the credentials of {station_id} (HTTP {status}): set the "
                "same password on both sides",
            )
        case 404:
            return Outage(
                Cause.UNKNOWN_STATION,
                f"CSMS {where} does not know {station_id} (HTTP 404): register the station there, "
                "or correct station.id or the path of csms.url",
            )
        case _ if status >= 500:  # noqa: PLR2004 - the class of server errors
            return Outage(
                Cause.SERVER,
                f"CSMS {where} cannot serve at the moment (HTTP {status}): nothing to do here, "
                "the station tries again",
            )
        case _:
            return Outage(
                Cause.HANDSHAKE,
                f"{where} answered HTTP {status} instead of opening a WebSocket: check the path "
                "of csms.url",
            )


def _tls(error: ssl.SSLError, where: str) -> Outage:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outage(
            Cause.UNTRUSTED,
            f"the certificate of CSMS {where} is not trusted ({error.verify_message}): check "
            "csms.ca_file (or, for a public root, csms.system_roots), the host name in csms.url "
            "and the clock of this machine",
        )
    if (error.reason or "").endswith(_CERTIFICATE_REFUSED):
        return Outage(
            Cause.CREDENTIALS,
            f"CSMS {where} refused the station's certificate ({error.reason}): check that it was "
            "issued by who the CSMS trusts, has not expired and was not revoked",
        )
    cause = _TLS_REASONS.get(error.reason or "", Cause.TLS)
    return Outage(
        cause,
        f"TLS with CSMS {where} failed ({error.reason or error}): check that the port speaks TLS "
        "1.2 or newer and, if it asks for one, the station's own certificate",
    )


def _hung_up(what: str, where: str) -> Outage:
    return Outage(
        Cause.HANDSHAKE,
        f"{where} {what}: check scheme and port of csms.url; over TLS some systems drop a station "
        "with an unknown id, a wrong password or a certificate that they refuse like this",
    )


def _network(error: Exception, where: str) -> Outage:
    # Where a name has several addresses, asyncio joins the errors into one without a number.
    refused = isinstance(error, ConnectionRefusedError) or (
        f"[Errno {errno.ECONNREFUSED}]" in str(error)
    )
    if refused:
        return Outage(
            Cause.REFUSED,
            f"CSMS {where} refused the connection: check host and port, and that it is running",
        )
    if isinstance(error, ConnectionError):
        return _hung_up("hung up during the handshake", where)
    return Outage(
        Cause.NETWORK, f"CSMS {where} cannot be reached ({error}): check cable, modem and route"
    )
