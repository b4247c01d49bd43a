"""Tokens: what somebody shows who wants to charge."""

from dataclasses import dataclass, field
from enum import StrEnum


class IdTokenType(StrEnum):
    """Where a token comes from (OCPP 2.0.1 IdTokenEnumType)."""

    CENTRAL = "Central"
    EMAID = "eMAID"
    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


@dataclass(frozen=True, slots=True)
class AdditionalInfo:
    """What the CSMS is to check beside a token; it knows what the types mean (2.0.1)."""

    value: str = field(repr=False)
    type: str


@dataclass(frozen=True, slots=True, eq=False)
class IdToken:
    """A token; its value never appears in its repr, so it cannot reach a log by accident.

    Two tokens are equal if their values are, ignoring case (OCPP 1.6 errata, 2.0.1 IdTokenType),
    whatever comes with them.
    """

    value: str
    type: IdTokenType = IdTokenType.ISO14443
    additional: tuple[AdditionalInfo, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdToken) and self.value.casefold() == other.value.casefold()

    def __hash__(self) -> int:
        return hash(self.value.casefold())

    def __repr__(self) -> str:
        return f"IdToken({self.masked}, {self.type})"

    @property
    def masked(self) -> str:
        """Enough to tell two tokens apart in a log, not enough to copy one."""
        long_enough = 8
        shows = len(self.value) >= long_enough and self.type is not IdTokenType.KEY_CODE
        return f"***{self.value[-2:]}" if shows else "***"

    def matches(self, other: "IdToken") -> bool:
        """Whether both are one token: a code that is typed is not the card of the same number.

        What the CSMS made up, and every token that 1.6 names, fits any type.
        """
        any_type = IdTokenType.CENTRAL in {self.type, other.type}
        return self == other and (any_type or self.type is other.type)
