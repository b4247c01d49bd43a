"""What survives a power cut in the simulated meter."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from meters.simulators.iem_dcr.moment import Moment

MOST_COMMANDS: Final = 200
MARKER: Final = "<=>"


@dataclass(frozen=True, slots=True)
class Taken:
    """A reading for a record; ``reason`` is OCMF field TX, energies are whole Wh."""

    reason: str
    import_wh: int
    export_wh: int
    moment: Moment
    errors: str = ""
    state: str = "G"


@dataclass(frozen=True, slots=True)
class User:
    """Whom the next transaction is for: the fields of the record, by their names there."""

    IS: bool = False
    IL: str = "NONE"
    IF: tuple[str, ...] = ()
    IT: str = "NONE"
    ID: str = ""
    TT: str | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """Identification of the charge point; frozen from the first set until the power is cut."""

    CT: str
    CI: str


@dataclass(frozen=True, slots=True)
class Session:
    """A transaction: what it began with, what was read since, the end once it was ordered."""

    page: int
    gateway: Gateway
    user: User
    tariff: str
    readings: tuple[Taken, ...]

    @property
    def ended(self) -> bool:
        """Whether the end was taken."""
        return self.readings[-1].reason not in {"B", "C"}

    @property
    def transaction_id(self) -> str:
        """What stands behind the last marker in the tariff text, else the identification."""
        _, marker, tail = self.tariff.rpartition(MARKER)
        return tail.strip() if marker else self.user.ID


@dataclass(frozen=True, slots=True)
class Executed:
    """A command that had its effect."""

    command: str
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Memory:
    """The non-volatile part.

    ``session`` runs, or is being signed if its end was taken. ``record`` is the last one that was
    signed, ``last`` the clock when the counters were last saved; ``session_import_wh`` and
    ``session_export_wh`` are the energy of the last transaction that ended.
    """

    key: str
    import_wh: Decimal
    export_wh: Decimal
    last: Moment
    page: int = 0
    session: Session | None = None
    record: bytes = b""
    session_import_wh: int = 0
    session_export_wh: int = 0
    boots: int = 0
    received: dict[str, int] = field(default_factory=dict)
    commands: tuple[Executed, ...] = ()

    @property
    def running(self) -> bool:
        """Field XT: a transaction runs and was not ended."""
        return self.session is not None and not self.session.ended

    @property
    def signing(self) -> bool:
        """The end was taken and the record is being made."""
        return self.session is not None and self.session.ended
