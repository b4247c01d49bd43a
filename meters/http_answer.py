"""What a meter answered over HTTP: status, JSON or text, and how it can be wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from meters.errors import MeterDataError, MeterUnreachable

T = TypeVar("T")

_SHOWN: Final = 120
_NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError)
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


class HttpRefusal(MeterDataError):  # noqa: N818 - reads as a state
    """The device answered with a status outside 200 to 299 (and 500 to 599)."""

    def __init__(self, sentence: str, status: int, body: bytes) -> None:
        super().__init__(sentence)
        self.status = status
        self.body = body


class HttpTrouble(MeterUnreachable):
    """The device answered with a status from 500 on: it has a problem of its own, try later."""

    def __init__(self, sentence: str, status: int, body: bytes) -> None:
        super().__init__(sentence)
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device answered; ``where`` names device, method and path for sentences.

    The names of ``headers`` are in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    where: str = ""

    def json(self) -> Any:  # noqa: ANN401 - whatever the device says
        """The body as plain values; numbers with a point or exponent are exact ``Decimal``.

        Raises:
            MeterDataError: it is no JSON. A wrong content type alone does no harm.
        """
        try:
            return _DECODER.decode(self.body)
        except _NO_JSON as error:
            raise self._not_json(error) from error

    def decode(self, kind: type[T]) -> T:
        """The body as a ``kind``, strictly; keys that it does not know are passed over.

        Raises:
            MeterDataError: no JSON, or a key is missing or has another type; names its path.
        """
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.ValidationError as error:
            raise MeterDataError(f"{self.where}: {error}") from error
        except _NO_JSON as error:
            raise self._not_json(error) from error

    def text(self) -> str:
        """The body as text.

        Raises:
            MeterDataError: it is not UTF-8.
        """
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MeterDataError(f"{self.where}: found {error}, expected text") from error

    def _not_json(self, error: Exception) -> MeterDataError:
        found = self.headers.get("content-type", "no content type")
        return MeterDataError(
            f"{self.where}: found {found}, {excerpt(self.body)}, expected JSON ({error})"
        )


def excerpt(body: bytes) -> str:
    """The beginning of a body, on one line."""
    text = " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    if not text:
        return "an empty body"
    return f'"{text[:_SHOWN]}..."' if len(text) > _SHOWN else f'"{text}"'
