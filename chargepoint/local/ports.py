"""What the local interface asks of parts it must not import: session, link, identity."""

from datetime import datetime
from typing import Protocol


class IdentityView(Protocol):
    """Who the station is."""

    @property
    def vendor(self) -> str:
        """Who made it."""
        ...

    @property
    def model(self) -> str:
        """What its maker calls it."""
        ...

    @property
    def serial_number(self) -> str:
        """Empty if it has none."""
        ...

    @property
    def firmware_version(self) -> str:
        """Of this program."""
        ...


class SessionView(Protocol):
    """What is asked of the session with the CSMS (``csms.session.Session``)."""

    @property
    def registration(self) -> str:
        """What the CSMS said to the last BootNotification: Unknown, Accepted, ..."""
        ...

    @property
    def online(self) -> bool:
        """Connected and accepted."""
        ...


class LinkConfigView(Protocol):
    """Where the link leads."""

    @property
    def station_url(self) -> str:
        """The URL that is opened, without credentials."""
        ...


class Network(Protocol):
    """The link to the CSMS as something that can be cut."""

    def disconnect(self) -> None:
        """The network is gone at once, until ``connect``."""
        ...

    def connect(self) -> None:
        """The network is back: connect now."""
        ...


class LinkView(Network, Protocol):
    """What is asked of the link to the CSMS (``csms.link.Link``)."""

    @property
    def config(self) -> LinkConfigView:
        """Where it leads."""
        ...

    @property
    def state(self) -> str:
        """Where it stands: connecting, connected, waiting or disconnected."""
        ...

    @property
    def since(self) -> datetime:
        """The moment it came to stand there."""
        ...

    @property
    def subprotocol(self) -> str | None:
        """What was agreed on for the open connection."""
        ...

    @property
    def last_error(self) -> str | None:
        """Why the last attempt or connection failed; None while a good one lasts."""
        ...

    @property
    def failures(self) -> int:
        """Attempts in a row that brought no good connection."""
        ...
