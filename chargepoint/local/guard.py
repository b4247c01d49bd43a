"""Keeps a defect in serving one client from everybody else."""

import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


async def guarded(work: Coroutine[Any, Any, None]) -> None:
    """Serve one connection; a defect ends it alone, and not the server or the station."""
    try:
        await work
    except Exception:
        log.exception("a connection to the local interface failed")
