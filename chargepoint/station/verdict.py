"""What a signed record is worth. Whatever becomes of finding out, its session must end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final, TypeAlias

from meters.model import Reading

log = logging.getLogger(__name__)

Verify: TypeAlias = Callable[[Reading], Coroutine[Any, Any, str]]

MOST: Final = timedelta(minutes=1)
UNKNOWN: Final = "unsupported"
"""The verdict on a record that this station cannot judge; it is stored and sent all the same."""


async def verdict_of(verify: Verify, reading: Reading) -> str:
    """The verdict on a signed reading; a defect in finding it, or no end of it, is told once."""
    try:
        async with asyncio.timeout(MOST.total_seconds()):
            return await verify(reading)
    except TimeoutError:
        log.error("a signed record could not be judged within %s", MOST)  # noqa: TRY400
    except Exception:  # whatever a record holds must not keep its session from ending
        log.exception("defect in judging a signed record")
    return UNKNOWN
