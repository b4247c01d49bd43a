"""How a security event is told to a CSMS whose list of them may be older than ours.

The type is free text by the schemas. There are systems that know the words of one edition and call
the whole message malformed when another one comes (CitrineOS 1.8.3, run).
"""

from collections.abc import Callable
from typing import Any, Final

from chargepoint.core.facts import SecurityEvent
from chargepoint.core.security import OLDER_WORD
from chargepoint.csms.adapter import Delivery
from chargepoint.errors import CsmsRejected

MALFORMED: Final = frozenset(
    {
        "FormatViolation",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurrenceConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
    }
)
"""What a CALLERROR says of a message that will be no better the next time (both spellings)."""


async def tell_event(
    action: str,
    fact: SecurityEvent,
    delivery: Delivery,
    payload: Callable[[str, str], dict[str, Any]],
) -> None:
    """Tell an event; if the CSMS cannot make out its word, once more with an older one.

    ``payload`` makes the message of this ``action`` from a type and what else is known.

    Raises:
        CsmsRejected, CsmsUnavailable: as a call does.
    """
    try:
        await delivery.call(action, payload(fact.type, fact.info))
    except CsmsRejected as error:
        older = OLDER_WORD.get(fact.type)
        if older is None or error.code not in MALFORMED:
            raise
        words = f"{fact.type}: {fact.info}"
        await delivery.call(action, payload(older, words), part=1)
