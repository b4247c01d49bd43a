"""Why a meter could not do what it was asked.

::

    MeterError
      MeterUnreachable   no answer within the deadline; the next attempt may succeed
      MeterDataError     answered nonsense; logged once, counted
      MeterRefused       a signing meter declined (transaction open, clock not set)
        RecordLost       the meter itself says that its record is damaged; only release frees it
"""


class MeterError(Exception):
    """Base of everything a driver raises; the message is a sentence for a field technician."""


class MeterUnreachable(MeterError):  # noqa: N818 - reads as a state
    """No usable answer in time. The caller keeps its last reading, marks it old and tries again."""


class MeterDataError(MeterError):
    """An answer that cannot be right. The caller treats the value as missing and tells once."""


class MeterRefused(MeterError):  # noqa: N818 - reads as a state
    """The meter is there and says no. Repeating the same call does not help by itself."""


class RecordLost(MeterRefused):
    """The record of the transaction cannot be had any more. The caller tells, then releases it."""
