"""Opens one connection to the CSMS, and looks at its certificate before it is told a password."""

import base64
import logging
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from chargepoint.core.certificates import only_by_wildcard
from chargepoint.csms.outage import Cause, Outage, explain
from chargepoint.csms.straight import connect_straight
from chargepoint.csms.tls import client_context, verified_chain
from chargepoint.station.validity import OwnTime, check_dates, leave_dates

if TYPE_CHECKING:
    from chargepoint.csms.link import LinkConfig

# The library's own logger prints headers and frames, hence passwords and tokens, at debug.
_library_log = logging.getLogger("chargepoint.csms.websocket")
_library_log.setLevel(logging.WARNING)


async def open_connection(config: "LinkConfig", time: OwnTime | None = None) -> ClientConnection:
    """One connection that speaks a version of ours; whoever asked for it closes it.

    ``time`` is that of the station, if certificates are not to be valid by the machine's clock.

    Raises:
        Outage: none; its text says why and what to do.
    """
    try:
        connection = await _handshake(config, time)
    except (OSError, WebSocketException, ValueError) as error:  # a..b is no name: UnicodeError
        raise explain(error, where=config.url, station_id=config.station_id) from error
    if connection.subprotocol in config.subprotocols:
        return connection
    await connection.close()
    offered = ", ".join(config.subprotocols)
    raise Outage(
        Cause.SUBPROTOCOL,
        f"CSMS {config.url} accepted the connection without OCPP subprotocol {offered}: check "
        "that this port serves that version",
    )


class _Looked(ClientConnection):
    """A connection whose other end is looked at before anything is sent over it."""

    def __init__(
        self,
        config: "LinkConfig",
        time: OwnTime | None,
        protocol: ClientProtocol,
        **options: Any,
    ) -> None:
        super().__init__(protocol, **options)
        self._config, self._time = config, time
        self._lost: Exception | None = None

    async def handshake(self, *args: Any, **options: Any) -> None:
        """The opening handshake, after a look at the certificate.

        With TLS 1.3 a CSMS that does not take ours says so only now, which the library drops.
        """
        await _look(self, self._config, self._time)
        try:
            await super().handshake(*args, **options)
        except InvalidHandshake as error:
            if isinstance(self._lost, ssl.SSLError):
                raise self._lost from error
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep why, and go on as the library does."""
        self._lost = exc
        super().connection_lost(exc)


async def _look(connection: ClientConnection, config: "LinkConfig", time: OwnTime | None) -> None:
    if time is not None:
        check_dates(verified_chain(connection), time)
    if not config.wildcards and _is_wildcard(connection, config):
        raise Outage(Cause.UNTRUSTED, f"the certificate of CSMS {config.url} has only a wildcard")
    if config.revocation is not None and (chain := verified_chain(connection)):
        await config.revocation.check(chain, config.url, time)


def _is_wildcard(connection: ClientConnection, config: "LinkConfig") -> bool:
    certificate = connection.transport.get_extra_info("peercert") or {}
    names = [name for _, name in certificate.get("subjectAltName", ())]
    return only_by_wildcard(names, urlsplit(config.url).hostname or "")


async def _handshake(config: "LinkConfig", time: OwnTime | None) -> ClientConnection:
    tls = (config.tls or client_context()) if urlsplit(config.url).scheme == "wss" else None
    if tls is not None:
        leave_dates(tls, time)
    return await connect_straight(
        config.station_url,
        subprotocols=[Subprotocol(name) for name in config.subprotocols],
        additional_headers=_credentials(config),
        user_agent_header="chargepoint",
        proxy=None,
        compression="deflate" if config.compression else None,
        open_timeout=config.open_timeout.total_seconds(),
        close_timeout=config.close_timeout.total_seconds(),
        ping_interval=None,  # the link pings by itself, at an interval that may change
        max_size=config.max_message_size,
        logger=_library_log,
        create_connection=partial(_Looked, config, time),  # type: ignore[arg-type]
        ssl=tls,
    )


def _credentials(config: "LinkConfig") -> dict[str, str]:
    if config.password is None:
        return {}
    pair = config.station_id.encode() + b":" + config.password
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
