"""The border to the driver of a meter, which may be code of others: what comes over it is known.

A driver raises ``MeterError`` only and keeps its own deadlines (``meters.api``). One that does
not, by a defect, is told as a meter that does not answer: everything that must happen then is
there already, and the session keeps its record.
"""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final, TypeVar

from chargepoint.errors import ChargePointError
from meters.errors import MeterError, MeterUnreachable

log = logging.getLogger(__name__)

T = TypeVar("T")

READING_MOST: Final = timedelta(minutes=2)
TRANSACTION_MOST: Final = timedelta(minutes=5)
"""Far beyond the deadlines that any driver keeps by itself."""


class Driver:
    """What is asked of the driver of one meter."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said = ""  # the last defect, so that it is logged once

    async def asked(self, work: Awaitable[T], most: timedelta = READING_MOST) -> T:
        """The answer of the driver.

        Raises:
            MeterError: what the driver says, or that it has a defect or gives no answer.
            ChargePointError: what the station itself says on the way.
        """
        try:
            async with asyncio.timeout(most.total_seconds()):
                return await work
        except (MeterError, ChargePointError):
            raise
        except TimeoutError as error:
            raise MeterUnreachable(f"no answer of the driver within {most}") from error
        except Exception as error:
            defect = f"defect of the driver: {type(error).__name__}"
            if defect != self._said:
                log.exception("meter %s: defect of its driver", self._name)
            self._said = defect
            raise MeterUnreachable(defect) from error
