"""What can go wrong, as one tree.

::

    ChargePointError
      ConfigError            path and reason; ends the program with status 2
      StoreError             disk; the station stops taking new sessions
      HardwareFault          outlet or reader did not confirm; the EVSE goes to Faulted
      Refused                the domain says no; adapters turn it into a status, never a CALLERROR
      CsmsError
        CsmsUnavailable      no answer; the fact stays in the journal until after the reconnect
          CsmsClosed         the CSMS ended the connection instead of answering
        CsmsRejected         CALLERROR; counts as an attempt

Errors of meters are a tree of their own: ``meters.errors``.
"""

from datetime import timedelta


class ChargePointError(Exception):
    """Base of all errors of this package."""


class ConfigError(ChargePointError):
    """The config cannot be used. Caught by the command line: printed, exit code 2."""


class StoreError(ChargePointError):
    """The state folder cannot be read or written.

    Caught by the command line at start (exit code 5) and by the station, which then takes no new
    sessions.
    """


class HardwareFault(ChargePointError):  # noqa: N818 - reads as a state
    """An outlet or reader did not confirm. Caught by the EVSE's runner, which feeds it as input."""


class Refused(ChargePointError):  # noqa: N818 - reads as a state
    """The rules say no. Caught by the handler of the version in use, which picks the status.

    ``reason`` is a word of the 2.0.1 reasonCode list where one fits.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class CsmsError(ChargePointError):
    """The CSMS could not be told something."""


class CsmsUnavailable(CsmsError):  # noqa: N818 - reads as a state
    """Not connected, connection lost, or no answer in time.

    Caught by the outbox, which keeps the fact, and by the authorizer, which applies the offline
    rule.
    """


class CsmsClosed(CsmsUnavailable):
    """The CSMS ended the connection while a call of ours waited for its answer.

    ``code`` is that of its WebSocket close, None if the connection broke without one. ``after`` is
    how long the call had been out, None if it may never have left.

    Caught by the sender of signed records, which may have to word the message shorter.
    """

    def __init__(self, code: int | None, after: timedelta | None) -> None:
        words = "the connection was lost"
        super().__init__(words if code is None else f"{words}: the CSMS closed it with {code}")
        self.code = code
        self.after = after


class CsmsRejected(CsmsError):  # noqa: N818 - reads as a state
    """The CSMS answered CALLERROR. Caught by the outbox, which counts an attempt."""

    def __init__(self, code: str, description: str = "", details: object = None) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = details
