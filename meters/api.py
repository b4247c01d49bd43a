"""What every meter driver offers, and what a caller may rely on."""

from typing import Protocol, runtime_checkable

from meters.model import BillingTransaction, MeterInfo, OpenTransaction, Reading


class Meter(Protocol):
    """A meter that can be read.

    A driver may also have ``faults``, what the meter complains about in words (empty when it is
    content), and ``poll_interval``, how often it is to be read.

    Every method keeps its own deadline, raises only ``MeterError`` (and lets cancellation through
    at any await, leaving nothing behind), and may be called from several tasks: the driver orders
    the calls. A driver connects by itself when it is first used and again after a failure.
    """

    async def identify(self) -> MeterInfo:
        """Who the meter is. Read once per connection and remembered.

        Raises:
            MeterUnreachable: no answer within the deadline.
            MeterDataError: the answer cannot be understood.
        """
        ...

    async def read(self) -> Reading:
        """Take one consistent snapshot now.

        Raises:
            MeterUnreachable: no answer within the deadline; the next call may succeed.
            MeterDataError: the meter answered nonsense.
        """
        ...


@runtime_checkable
class SigningMeter(Meter, Protocol):
    """A meter that signs the begin and end of a transaction and keeps the record until released.

    The contract that makes billing safe against power cuts: ``begin`` never discards a record that
    was not released; ``end`` and ``release`` may be repeated with the same transaction id, also by
    another process after a restart, and give the same result; a begin or end command whose answer
    was lost is never given twice.

    A driver whose ``begin`` gives a record of its own says so with ``signs_begin``, one whose
    ``read`` does with ``signs_readings``.
    """

    async def begin(self, transaction: BillingTransaction) -> Reading:
        """Start a transaction and return the reading it begins with.

        Returns the running transaction's begin if the same id is already running.

        Raises:
            MeterRefused: another transaction is open or unread, or the meter declined.
            MeterUnreachable: no answer; whether the transaction runs is told by
                ``open_transaction``.
        """
        ...

    async def end(self, transaction_id: str) -> Reading:
        """End the transaction and return its end reading; ``signed`` is the complete record.

        Raises:
            MeterRefused: the meter holds no such transaction, or lost its record.
            MeterUnreachable: no answer, or the record was not ready in time; repeat later.
        """
        ...

    async def release(self, transaction_id: str) -> None:
        """Let the meter forget the record. To be called once the record is stored.

        Does nothing if the meter no longer holds the record of this transaction.
        """
        ...

    async def open_transaction(self) -> OpenTransaction | None:
        """What a power cut left running or unread; None if the meter is free."""
        ...
