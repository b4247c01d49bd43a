"""python-ocpp doing the same as our codec, alone in a process; talks in lines with its parent.

First line in: a frame of TransactionEvent. Every further line is a number of repetitions, answered
with the microseconds per message as JSON. Validation runs in this thread: the library's default of
a thread pool would be slower still.

    python -m chargepoint.bench.measure_peer
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from ocpp import messages
from ocpp.charge_point import (
    camel_to_snake_case,
    remove_nones,
    serialize_as_dict,
    snake_to_camel_case,
)
from ocpp.v201 import call as calls

_VERSION: Final = "2.0.1"


def main() -> None:
    """Answer until the input ends."""
    text = sys.stdin.readline()
    message = messages.unpack(text)
    event = _received(text)
    steps: dict[str, Callable[[], object]] = {
        "send": lambda: _sent(event),
        "receive": lambda: _received(text),
        "validate": lambda: messages._validate_payload(message, _VERSION),  # noqa: SLF001 - its sync form
        "pack": message.to_json,
        "unpack": lambda: messages.unpack(text),
    }
    for line in sys.stdin:
        print(json.dumps({name: _microseconds(step, int(line)) for name, step in steps.items()}))
        sys.stdout.flush()


def _microseconds(step: Callable[[], object], count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        step()
    return 1e6 * (time.process_time() - started) / count


def _sent(event: Any) -> str:
    """What ``ChargePoint.call`` does up to the socket."""
    payload = remove_nones(snake_to_camel_case(serialize_as_dict(event)))
    message = messages.Call(unique_id="1", action="TransactionEvent", payload=payload)
    messages._validate_payload(message, _VERSION)  # noqa: SLF001 - likewise
    text: str = message.to_json()
    return text


def _received(text: str) -> Any:
    """What ``ChargePoint`` does with a call up to the handler."""
    message = messages.unpack(text)
    messages._validate_payload(message, _VERSION)  # noqa: SLF001 - likewise
    return calls.TransactionEvent(**camel_to_snake_case(message.payload))


if __name__ == "__main__":
    main()
