"""What goes wrong on request: a list of faults, and what each does to an answer.

A fault holds for a number of matching requests, for a time, or until it is cleared.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta


class FaultKind(StrEnum):
    """What goes wrong. ``value`` in brackets."""

    SILENCE = "silence"  # the request is not seen
    LOST_REPLY = "lost-reply"  # executed, not answered
    EXCEPTION = "exception"  # not executed, answered with exception [code]
    BAD_CRC = "bad-crc"
    TRUNCATED = "truncated"  # the last [3] bytes are missing
    NOISE = "noise"  # [1] bytes behind the answer
    NOISE_BEFORE = "noise-before"  # [1] bytes in front of it
    SPLIT = "split"  # a pause of [50] ms in the middle
    DELAY = "delay"  # the answer comes [100] ms late
    LATE = "late"  # the answer comes in front of the answer to the next request
    WRONG_UNIT = "wrong-unit"  # the answer names unit [next one]
    FEWER_WORDS = "fewer-words"  # [1] registers are missing, checksum right
    ECHO = "echo"  # the request comes back first
    VALUE = "value"  # register shows [0]
    SIZE = "size"  # record size register shows [0]
    SLOW_READY = "slow-ready"  # the next record takes [5000] ms
    CORRUPTED = "corrupted"  # the next record is lost in storage
    RESET = "reset"  # not executed, the connection is cut
    STATUS = "status"  # not executed, answered with HTTP status [500]
    MALFORMED = "malformed"  # half of the JSON
    CONTENT_TYPE = "content-type"  # says text/html: [0] nothing else, [1] and is an HTML page
    MISSING_KEY = "missing-key"  # key number [0] of the JSON object is not there


INSIDE: Final = frozenset(
    {FaultKind.VALUE, FaultKind.SIZE, FaultKind.SLOW_READY, FaultKind.CORRUPTED}
)
"""Those that happen in the device; all others happen to its frames or answers."""

_ON_HTTP_ONLY: Final = frozenset(
    {
        FaultKind.RESET,
        FaultKind.STATUS,
        FaultKind.MALFORMED,
        FaultKind.CONTENT_TYPE,
        FaultKind.MISSING_KEY,
    }
)
ON_MODBUS: Final = frozenset(FaultKind) - _ON_HTTP_ONLY
"""What can happen on a Modbus line."""

ON_HTTP: Final = _ON_HTTP_ONLY | {
    FaultKind.SILENCE,
    FaultKind.LOST_REPLY,
    FaultKind.DELAY,
    FaultKind.TRUNCATED,
    FaultKind.SLOW_READY,
    FaultKind.CORRUPTED,
}
"""What can happen to a device that speaks HTTP."""

_DEFAULTS: Final = {
    FaultKind.EXCEPTION: 4,
    FaultKind.TRUNCATED: 3,
    FaultKind.NOISE: 1,
    FaultKind.NOISE_BEFORE: 1,
    FaultKind.SPLIT: 50,
    FaultKind.DELAY: 100,
    FaultKind.FEWER_WORDS: 1,
    FaultKind.SLOW_READY: 5000,
    FaultKind.STATUS: 500,
}
_SIZE_REGISTER: Final = 0x7101
_COMMANDS: Final = {
    "B": (0x7040, ord("B")),
    "E": (0x7040, ord("E")),
    "A": (0x7040, ord("A")),
    "confirm": (0x7100, 0),
}
_NOISE: Final = b"\xf7"


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong.

    ``value`` means what the kind says, None is its default. ``skip`` matching requests are spared
    first; then it holds for ``count`` requests, or ``seconds``, whichever is over first; without
    both until cleared. ``function``, ``register`` and ``command`` (B, E, A, confirm) limit it to
    requests with that function, touching that register, giving that command; ``method`` and
    ``path`` (``*`` stands for any text) to HTTP requests of that kind.
    """

    kind: FaultKind
    value: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    seconds: Annotated[float, Meta(gt=0)] | None = None
    skip: Annotated[int, Meta(ge=0)] = 0
    function: Annotated[int, Meta(ge=1, le=127)] | None = None
    register: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    command: str | None = None
    method: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would never match.

        Raises:
            ValueError: says what is allowed.
        """
        if self.command is not None and self.command not in _COMMANDS:
            raise ValueError(f"command {self.command!r}, expected one of {', '.join(_COMMANDS)}")

    def __str__(self) -> str:
        """As it can be given on the command line."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "kind"}
        unset = {"skip": 0}
        given = [f"{name}={value}" for name, value in fields.items() if value != unset.get(name)]
        return ":".join((self.kind, ",".join(given))) if given else str(self.kind)

    @property
    def amount(self) -> int:
        """``value``, or what the kind takes if there is none."""
        return _DEFAULTS.get(self.kind, 0) if self.value is None else self.value

    @property
    def value_s(self) -> float:
        """``amount`` of a kind that is counted in milliseconds, in seconds."""
        return self.amount / 1000


def fault(fields: dict[str, Any]) -> Fault:
    """A fault from its mapping; numbers may be texts, also hexadecimal ones.

    Raises:
        ValueError: says which field is wrong and what is allowed.
    """
    plain = {name: _number(value) for name, value in fields.items()}
    return msgspec.convert(plain, Fault, strict=False)


def parse(spec: str) -> Fault:
    """A fault from the command line: ``kind`` or ``kind:name=value,name=value``.

    Raises:
        ValueError: as for ``fault``.
    """
    kind, _, rest = spec.partition(":")
    fields: dict[str, Any] = {"kind": kind}
    for item in filter(None, rest.split(",")):
        name, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"{item!r}, expected name=value")
        fields[name] = value
    return fault(fields)


def _number(value: object) -> object:
    if isinstance(value, str) and value.lower().startswith("0x"):
        return int(value, 16)
    return value


@dataclass(frozen=True, slots=True)
class Given:
    """What a fault looks at in a request."""

    function: int
    address: int
    count: int
    values: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class GivenHttp:
    """What a fault looks at in a request over HTTP."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Value:
    """A register that shows something else."""

    register: int
    word: int


@dataclass(slots=True)
class _Armed:
    fault: Fault
    skip: int
    left: int | None
    until: float | None


class Faults:
    """Those that are in force."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._armed: list[_Armed] = []

    def add(self, added: Fault) -> None:
        """From now on."""
        until = None if added.seconds is None else self._monotonic() + added.seconds
        self._armed.append(_Armed(added, added.skip, added.count, until))

    def clear(self) -> None:
        """Everything works again."""
        self._armed.clear()

    def active(self) -> tuple[Fault, ...]:
        """What is still in force."""
        self._forget()
        return tuple(armed.fault for armed in self._armed)

    def on_the_wire(self, given: Given | GivenHttp) -> dict[FaultKind, Fault]:
        """What happens to this request and its answer; counts it as a hit."""
        return self._hit(lambda one: one.kind not in INSIDE and _matches(one, given))

    def take(self, kind: FaultKind) -> Fault | None:
        """Whether this fault inside the device strikes now; counts it as a hit."""
        return self._hit(lambda one: one.kind is kind).get(kind)

    def value_for(self, address: int, count: int) -> Value | None:
        """The register of a read that shows something else."""
        span = range(address, address + count)
        for one in self._hit(lambda one: _shown_by(one) in span).values():
            register = _shown_by(one)
            if register is not None:
                return Value(register, one.amount)
        return None

    def _hit(self, wanted: Callable[[Fault], bool]) -> dict[FaultKind, Fault]:
        self._forget()
        hits: dict[FaultKind, Fault] = {}
        for armed in self._armed:
            if armed.fault.kind in hits or not wanted(armed.fault):
                continue
            if armed.skip > 0:
                armed.skip -= 1
                continue
            if armed.left is not None:
                armed.left -= 1
            hits[armed.fault.kind] = armed.fault
        return hits

    def _forget(self) -> None:
        now = self._monotonic()
        self._armed = [
            armed
            for armed in self._armed
            if armed.left != 0 and (armed.until is None or now < armed.until)
        ]


def _matches(one: Fault, given: Given | GivenHttp) -> bool:
    if isinstance(given, GivenHttp):
        return _matches_http(one, given)
    if one.method is not None or one.path is not None:
        return False
    if one.function is not None and one.function != given.function:
        return False
    if one.register is not None and not 0 <= one.register - given.address < given.count:
        return False
    if one.command is None:
        return True
    address, word = _COMMANDS[one.command]
    return (given.address, tuple(given.values)) == (address, (word,))


def _matches_http(one: Fault, given: GivenHttp) -> bool:
    if (one.function, one.register, one.command) != (None, None, None):
        return False
    if one.method is not None and one.method.upper() != given.method:
        return False
    return one.path is None or fnmatchcase(given.path, one.path)


def _shown_by(one: Fault) -> int | None:
    """The register that a fault of this kind changes."""
    if one.kind is FaultKind.SIZE:
        return _SIZE_REGISTER
    return one.register if one.kind is FaultKind.VALUE else None


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of an answer, and the pause before them in seconds."""

    pause_s: float
    data: bytes


def distort(frame: bytes, hits: dict[FaultKind, Fault]) -> list[Piece]:
    """What of a good answer comes out on the line, and with which pauses."""
    if FaultKind.BAD_CRC in hits:
        frame = frame[:-1] + bytes((frame[-1] ^ 0xFF,))
    if cut := hits.get(FaultKind.TRUNCATED):
        frame = frame[: max(len(frame) - cut.amount, 1)]
    if noise := hits.get(FaultKind.NOISE_BEFORE):
        frame = _NOISE * noise.amount + frame
    if noise := hits.get(FaultKind.NOISE):
        frame += _NOISE * noise.amount
    first_pause = hits[FaultKind.DELAY].value_s if FaultKind.DELAY in hits else 0.0
    if split := hits.get(FaultKind.SPLIT):
        half = len(frame) // 2
        return [Piece(first_pause, frame[:half]), Piece(split.value_s, frame[half:])]
    return [Piece(first_pause, frame)]
