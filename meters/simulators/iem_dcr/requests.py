"""Bodies of requests, checked as the meter checks them."""

from typing import Final, TypeVar

import msgspec

from meters.ocmf.conformance import MOST_FLAGS
from meters.simulators.iem_dcr.memory import Gateway, User
from meters.simulators.iem_dcr.moment import told
from meters.simulators.iem_dcr.settings import LONGEST_TARIFF, Settings
from meters.simulators.refusal import Refusal

PRECONDITION: Final = 428

_LEVELS: Final = frozenset({
    "NONE", "HEARSAY", "TRUSTED", "VERIFIED", "CERTIFIED",
    "SECURE", "MISMATCH", "INVALID", "OUTDATED", "UNKNOWN",
})  # fmt: skip
_FLAGS: Final = frozenset({
    "RFID_NONE", "RFID_PLAIN", "RFID_RELATED", "RFID_PSK",
    "OCPP_NONE", "OCPP_RS", "OCPP_AUTH", "OCPP_RS_TLS",
    "OCPP_AUTH_TLS", "OCPP_CACHE", "OCPP_WHITELIST", "OCPP_CERTIFIED",
    "ISO15118_NONE", "ISO15118_PNC",
    "PLMN_NONE", "PLMN_RING", "PLMN_SMS",
})  # fmt: skip
_TYPES: Final = frozenset({
    "NONE", "DENIED", "UNDEFINED", "ISO14443", "ISO15693", "EMAID", "EVCCID", "EVCOID", "ISO7812",
    "CARD_TXN_NR", "CENTRAL", "CENTRAL_1", "CENTRAL_2", "LOCAL", "LOCAL_1", "LOCAL_2",
    "PHONE_NUMBER", "KEY_CODE",
})  # fmt: skip


class _Clock(msgspec.Struct):
    TM: str


class _Gateway(msgspec.Struct):
    CT: str
    CI: str
    TM: str


class _Tariff(msgspec.Struct):
    TT: str


class _Receipt(msgspec.Struct):
    TX: str


class _User(msgspec.Struct):
    IS: bool
    IL: str
    IF: list[str]
    IT: str
    ID: str
    US: bool
    TT: str | None = None


_Body = TypeVar("_Body", bound=msgspec.Struct)


def clock(body: bytes, settings: Settings) -> str:
    """``POST /datetime``.

    Raises:
        Refusal: not this shape; by every function here.
    """
    return _time(_decoded(body, _Clock, settings).TM, settings)


def gateway(body: bytes, settings: Settings) -> tuple[Gateway, str]:
    """``POST /gw``: identification and time."""
    given = _decoded(body, _Gateway, settings)
    if not given.CT or not given.CI or "|" in given.CT + given.CI:
        raise Refusal(settings.bad_request_status)
    return Gateway(given.CT, given.CI), _time(given.TM, settings)


def tariff(body: bytes, settings: Settings) -> str:
    """``POST /tariff``."""
    return _tariff(_decoded(body, _Tariff, settings).TT, settings)


def user(body: bytes, settings: Settings) -> User:
    """``POST /user``."""
    given = _decoded(body, _User, settings)
    known = given.IL in _LEVELS and given.IT in _TYPES and _FLAGS.issuperset(given.IF)
    if not known or len(given.IF) > MOST_FLAGS or "|" in given.ID:
        raise Refusal(settings.bad_request_status)
    text = None if given.TT is None else _tariff(given.TT, settings)
    return User(given.IS, given.IL, tuple(given.IF), given.IT, given.ID, text)


def command(body: bytes, settings: Settings) -> str:
    """``POST /receipt``: B, C or E."""
    given = _decoded(body, _Receipt, settings).TX
    if given not in {"B", "C", "E"} or (given == "C" and not settings.accepts_intermediate):
        raise Refusal(settings.bad_request_status)
    return given


def _decoded(body: bytes, kind: type[_Body], settings: Settings) -> _Body:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise Refusal(settings.bad_request_status) from error


def _time(text: str, settings: Settings) -> str:
    try:
        told(text)
    except ValueError as error:
        raise Refusal(settings.bad_request_status) from error
    return text


def _tariff(text: str, settings: Settings) -> str:
    if "|" in text or (len(text) > LONGEST_TARIFF and not settings.cuts_long_tariff):
        raise Refusal(settings.bad_request_status)
    return text[:LONGEST_TARIFF]
