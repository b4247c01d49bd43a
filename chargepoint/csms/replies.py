"""What a handler gives back for a call of the CSMS."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

Payload: TypeAlias = dict[str, Any]
After: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with work to do once it has left: ``after`` is called and given to ``spawn``.

    If the answer cannot be sent, ``after`` is not called: the CSMS was not told, so nothing is
    done.
    """

    payload: Payload
    after: After | None = None


Handler: TypeAlias = Callable[[Payload], Awaitable[Payload | Reply]]


class CallError(Exception):
    """Raised by a handler to answer CALLERROR instead of a result."""

    def __init__(
        self, code: str, description: str = "", details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = details or {}


class OutgoingInvalid(ValueError):  # noqa: N818 - reads as a state
    """Our own request breaks the schema: a defect of the adapter, sending it again is no use."""
