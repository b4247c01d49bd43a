"""Which kind of CSMS this seems to be, and so which profile is to be recommended.

Looking asks one harmless question: a DataTransfer that no system has an agreement about. It changes
nothing there, whatever the answer is.
"""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from chargepoint.csms import frames
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.opening import open_connection

_PATIENCE: Final = timedelta(seconds=2)
_VENDOR, _MESSAGE = "chargepoint", "Hello"


@dataclass(frozen=True, slots=True)
class Signs:
    """What a CSMS shows of itself on a first visit.

    ``server`` is its HTTP header, ``answer`` the status of a DataTransfer with the reason code of
    2.0.1, or the code of a CALLERROR; empty if it said nothing.
    """

    url: str
    subprotocol: str
    server: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """A CSMS profile, and why it."""

    profile: str
    why: str


async def look(config: LinkConfig) -> Signs:
    """Connect once, ask, hang up.

    Raises:
        Outage: no connection; its text says why and what to do.
    """
    connection = await open_connection(config)
    try:
        answer = await _ask(connection)
    finally:
        await connection.close()
    headers = {} if connection.response is None else connection.response.headers
    return Signs(config.url, str(connection.subprotocol), headers.get("Server", ""), answer)


def recommend(signs: Signs) -> Advice | None:
    """The profile of the first kind whose signs are there; None if it looks like no known one."""
    for profile, shows in _KINDS:
        if why := shows(signs):
            return Advice(profile, why)
    return None


# --- the kinds: the words say what was seen -----------------------------------------------------


def _citrineos(signs: Signs) -> str:
    """Its answers, 1.8 (run); DataTransfer is all that stations may send and it does not do."""
    if signs.answer == "Rejected NotImplemented":
        return "it rejects DataTransfer as NotImplemented, as CitrineOS does"
    if signs.answer == "NotSupported" and signs.subprotocol == "ocpp1.6" and not signs.server:
        return "it does not support DataTransfer and names no server, as CitrineOS does"
    return ""


def _steve(signs: Signs) -> str:
    """Its path (source: WebSocketConfiguration)."""
    if "/websocket/CentralSystemService" in urlsplit(signs.url).path:
        return "the path of csms.url is that of SteVe"
    return ""


def _home_assistant(signs: Signs) -> str:
    """It listens with the Python library ``websockets``, on port 9000 unless told otherwise."""
    if "websockets/" in signs.server and urlsplit(signs.url).port == 9000:  # noqa: PLR2004 - its default
        return f"port 9000 and the server ({signs.server}) are those of Home Assistant"
    return ""


def _evcc(signs: Signs) -> str:
    """It listens on port 8887 and speaks 1.6 alone."""
    if urlsplit(signs.url).port == 8887 and signs.subprotocol == "ocpp1.6":  # noqa: PLR2004 - its default
        return "port 8887 is that of evcc"
    return ""


_KINDS: Final[tuple[tuple[str, Callable[[Signs], str]], ...]] = (
    ("steve", _steve),
    ("citrineos", _citrineos),
    ("evcc", _evcc),
    ("home-assistant", _home_assistant),
)


async def _ask(connection: ClientConnection) -> str:
    message_id = str(uuid.uuid4())
    payload = {"vendorId": _VENDOR, "messageId": _MESSAGE}
    with suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            await connection.send(frames.call(message_id, "DataTransfer", payload))
            while True:
                if (answer := _answer(await connection.recv(), message_id)) is not None:
                    return answer
    return ""


def _answer(text: str | bytes, message_id: str) -> str | None:
    """What a frame says to our question; None if it is another one."""
    try:
        message = frames.parse(text)
    except frames.Malformed:
        return None
    if message.message_id != message_id:
        return None
    if isinstance(message, frames.Error):
        return message.code
    if not isinstance(message, frames.Result) or not isinstance(message.payload, dict):
        return None
    info = message.payload.get("statusInfo")
    reason = info.get("reasonCode", "") if isinstance(info, dict) else ""
    return f"{message.payload.get('status', '')} {reason}".strip()
