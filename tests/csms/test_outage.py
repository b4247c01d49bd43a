"""What the end of a connection says of the call that was out."""

import ssl
from datetime import timedelta

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close

from chargepoint.csms.outage import ended
from chargepoint.errors import CsmsClosed

OUT = timedelta(seconds=1)
TOO_BIG = Close(1009, "")


def lost(cause: Exception | None = None) -> ConnectionClosed:
    closed = ConnectionClosedError(None, None)
    closed.__cause__ = cause
    return closed


def tls(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    error = kind(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("closed", "code"),
    [
        pytest.param(lost(), None, id="broken"),
        pytest.param(lost(ConnectionResetError()), None, id="reset"),
        pytest.param(lost(tls("UNEXPECTED_EOF", ssl.SSLEOFError)), None, id="TLS without an end"),
        pytest.param(ConnectionClosedError(TOO_BIG, TOO_BIG, rcvd_then_sent=True), 1009, id="1009"),
    ],
)
def test_the_csms_may_have_meant_the_call(closed: ConnectionClosed, code: int | None) -> None:
    error = ended(closed, OUT)

    assert isinstance(error, CsmsClosed)
    assert (error.code, error.after) == (code, OUT)


@pytest.mark.parametrize(
    ("closed", "words"),
    [
        pytest.param(None, "lost", id="ended here"),
        pytest.param(ConnectionClosedError(None, TOO_BIG), "lost", id="closed here"),
        pytest.param(lost(tls("SSLV3_ALERT_BAD_RECORD_MAC")), "BAD_RECORD_MAC", id="damaged there"),
        pytest.param(lost(tls("BAD_RECORD_TYPE")), "BAD_RECORD_TYPE", id="damaged here"),
    ],
)
def test_nobody_meant_the_call(closed: ConnectionClosed | None, words: str) -> None:
    error = ended(closed, OUT)

    assert not isinstance(error, CsmsClosed)
    assert words in str(error)
