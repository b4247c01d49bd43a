"""A signed record in the container of the Open Charge Alliance.

Source: note "Signed Meter Values in OCPP" 1.0, sections 3.2.1 and 3.2.2.
"""

import base64
import logging
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from chargepoint.core.model import Sampled
from chargepoint.csms.profiles import CsmsProfile, SignedForm
from meters.model import SignedReading
from meters.ocmf import OcmfError, load_public_key, parse
from meters.ocmf.registers import is_import_total

log = logging.getLogger(__name__)


def keyed(
    samples: Sequence[Sampled], *, with_key: bool, once: bool
) -> Iterator[tuple[Sampled, bool]]:
    """The samples of one message, each with whether its container carries the public key.

    With ``once`` only the last signed one does (OCA note, PublicKeyWithSignedMeterValue).
    """
    signed = [place for place, one in enumerate(samples) if one.reading.signed is not None]
    last = signed[-1] if signed else None
    for place, sampled in enumerate(samples):
        yield sampled, with_key and (not once or place == last)


def container(signed: SignedReading, *, with_key: bool, profile: CsmsProfile) -> dict[str, Any]:
    """SignedMeterValueType: four members, all there even if empty, in the note's order."""
    return {
        "signedMeterData": base64.b64encode(signed.document).decode("ascii"),
        "signingMethod": signed.method,
        "encodingMethod": signed.encoding,
        "publicKey": public_key(signed.public_key, signed.method, profile) if with_key else "",
    }


def stated(signed: SignedReading) -> Decimal | None:
    """The total of the import register in Wh that a record states last; None if it states none.

    Only a register as the meter counts it is meant, not one of this transaction alone nor one that
    is corrected for the cable.
    """
    if signed.encoding != "OCMF":
        return None
    try:
        readings = parse(signed.document).readings
    except OcmfError:
        return None
    for reading in reversed(readings):
        if is_import_total(reading.register) and "E" not in reading.errors:
            return reading.energy_wh
    return None


def value_16(signed: SignedReading, *, with_key: bool, profile: CsmsProfile) -> str:
    """``sampledValue.value`` of OCPP 1.6 for format SignedData."""
    match profile.signed_form:
        case SignedForm.RECORD:
            return signed.document.decode("utf-8", "replace")
        case SignedForm.HEX:
            return signed.document.hex().upper()
        case _:
            whole = container(signed, with_key=with_key, profile=profile)
            return msgspec.json.encode(whole).decode("utf-8")


def public_key(key: str, method: str, profile: CsmsProfile) -> str:
    """The public key as text for the CSMS: Base64 of ``oca:base16:asn1:`` and the key, or bare hex.

    A key that cannot be read is sent as the meter gave it: evidence is not hidden.
    """
    if not key or not profile.oca_key:
        return key
    try:
        return _oca(key, method)
    except OcmfError as error:
        log.warning("public key of the meter cannot be read: %s", error)
        return key


@lru_cache(maxsize=16)
def _oca(key: str, method: str) -> str:
    """A station has few meters; to look at a key is two thirds of the work of a message."""
    return load_public_key(key, algorithm=method).oca()
