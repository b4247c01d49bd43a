"""Small conversions between core values and the wire words of OCPP 1.6."""

import functools
import logging
from dataclasses import replace
from decimal import ROUND_HALF_UP
from typing import Any

from chargepoint.core.authorization import Known
from chargepoint.core.local_list import Listed
from chargepoint.core.model import IdToken, IdTokenType, Source
from chargepoint.csms.words import moment as moment  # noqa: PLC0414 - a word of the wire
from chargepoint.csms.words import timestamp as timestamp  # noqa: PLC0414 - so is this
from meters.model import Quantity, Reading

log = logging.getLogger(__name__)

ID_TAG_MOST = 20


def id_tag(token: IdToken) -> str:
    """idToken, 20 characters at most (section 7.28); a longer one is cut, never refused here."""
    return cut(token.value, ID_TAG_MOST, "idTag")


def token(tag: str) -> IdToken:
    """A token that the CSMS names; 1.6 does not say where it comes from."""
    return IdToken(tag, IdTokenType.CENTRAL)


def known(info: dict[str, Any]) -> Known:
    """What the CSMS said of a token, from IdTagInfo (section 7.27)."""
    parent, expires = info.get("parentIdTag"), info.get("expiryDate")
    return Known(
        status=info["status"],
        source=Source.CSMS,
        group=token(parent) if parent else None,
        expires=moment(expires) if expires else None,
    )


def listed(data: dict[str, Any]) -> Listed:
    """One entry of a local list, from AuthorizationData; without idTagInfo it is taken away."""
    info = data.get("idTagInfo")
    entry = replace(known(info), source=Source.LOCAL_LIST) if info else None
    return Listed(token(data["idTag"]), entry)


def energy_wh(reading: Reading) -> int | None:
    """The import register in whole Wh, halves rounded up; None if the meter does not tell it."""
    value = reading.value(Quantity.ENERGY_IMPORT)
    return None if value is None else int(value.to_integral_value(ROUND_HALF_UP))


def cut(text: str, most: int, field: str) -> str:
    """The text as far as OCPP 1.6 has room for it; a cut is logged once per field."""
    if len(text) > most:
        _warn_once(field, most)
    return text[:most]


@functools.cache
def _warn_once(field: str, most: int) -> None:
    log.warning("%s has more than the %d characters of OCPP 1.6 and is cut", field, most)
