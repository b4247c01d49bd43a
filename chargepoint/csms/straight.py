"""A WebSocket opened where the config says and nowhere else.

The library follows redirects, which OCPP does not know: who answers in the place of the CSMS could
send the station, in some releases with its password, into its own networks.
"""

from websockets.asyncio.client import connect

__all__ = ["connect_straight"]


class connect_straight(connect):  # noqa: N801 - used like the function of the library
    """``websockets.connect`` for which a redirect is a refusal like any other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Never another address."""
        return exc
