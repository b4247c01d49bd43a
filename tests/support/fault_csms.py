"""The small CSMS with a tongue of its own: what it says can be twisted on the way out."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from chargepoint.bench.csms import Direction, Frame, SmallCsms

Tongue = Callable[[str], list[str]]

_ANSWERS = {3: "calls answered", 4: "calls refused"}
_TIMED = ("BootNotification", "Heartbeat")


class FaultyCsms(SmallCsms):
    """Answers in the time that ``now`` tells.

    ``tongue`` makes of each frame what is really sent, none or more; its books
    hold what it meant to say. ``heard`` counts what stations answered.
    """

    def __init__(self, now: Callable[[], datetime], version: str, **more: Any) -> None:
        super().__init__(versions=[version], keep=4000, on_frame=self._heard, **more)
        self.heard: dict[str, int] = {}
        self.tongue: Tongue | None = None
        self.now = now
        self.answers.count_transactions = True
        for action in _TIMED:
            self.on(action, partial(self._timed, action))

    def _timed(self, action: str, _station: str, payload: Any) -> Any:
        found: Any = self.answers.answer(self._versions[0], action, payload)
        stamp = self.now().isoformat(timespec="milliseconds")
        return {**found, "currentTime": stamp.replace("+00:00", "Z")}

    async def _serve(self, connection: ServerConnection) -> None:
        plain: Any = connection
        send = connection.send

        async def saying(text: str) -> None:
            for said in [text] if self.tongue is None else self.tongue(text):
                await send(said)

        plain.send = saying
        await super()._serve(connection)

    def throw(self, station: str, data: bytes) -> bool:
        """Put these bytes between two frames of a connection; False if there is none."""
        talk = self._talks.get(station)
        if talk is None or talk.connection.transport.is_closing():
            return False
        try:
            talk.connection.transport.write(data)
        except RuntimeError:  # it has said that it closes
            return False
        return True

    def expect(self, station: str, message_id: str) -> None:
        """An answer with this id may come: it was thrown, not called."""
        talk = self._talks.get(station)
        if talk is not None:
            talk._raw_ids.add(message_id)

    def _heard(self, frame: Frame) -> None:
        word = _ANSWERS.get(frame.kind)
        if word is not None and frame.direction is Direction.FROM_STATION:
            self.heard[word] = self.heard.get(word, 0) + 1

    async def crash(self) -> None:
        """All connections are gone at once, and nobody listens."""
        for talk in tuple(self._talks.values()):
            talk.connection.transport.abort()
        with suppress(ConnectionClosed):
            await self.__aexit__()
