"""A signed record in the container of the Open Charge Alliance.

Source: note "Signed Meter Values in OCPP" 1.0, sections 3.2.1 and 3.2.2.
"""

import base64
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from chargepoint.core.model import Sampled
from chargepoint.core.sampling import ENERGY
from chargepoint.csms.profiles import CsmsProfile, KeyForm, NamedMethod, SignedForm
from meters.model import Quantity, Sample, SignedReading
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
        "signedMeterData": _data(signed, profile),
        "signingMethod": _method(signed, profile.method),
        "encodingMethod": signed.encoding,
        "publicKey": public_key(signed.public_key, signed.method, profile) if with_key else "",
    }


def unsigned(sampled: Sampled) -> Sampled:
    """The reading without its record, but with the total that only the record may have stated."""
    reading = sampled.reading
    if reading.signed is None:
        return sampled
    samples, measurands = reading.samples, sampled.measurands
    if reading.value(Quantity.ENERGY_IMPORT) is None:
        if (total := stated(reading.signed)) is None:
            return replace(sampled, reading=replace(reading, signed=None))
        samples = (Sample(Quantity.ENERGY_IMPORT, total), *samples)
    if not any(name.startswith(ENERGY) for name in measurands):
        measurands = (ENERGY, *measurands)
    bare = replace(reading, samples=samples, signed=None)
    return replace(sampled, reading=bare, measurands=measurands)


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
    """``sampledValue.value`` of OCPP 1.6 for format SignedData; empty if none is to be sent."""
    match profile.signed_form:
        case SignedForm.NOTHING:
            return ""
        case SignedForm.RECORD:
            return _plain(signed)
        case SignedForm.HEX:
            return signed.document.hex().upper()
        case _:
            whole = container(signed, with_key=with_key, profile=profile)
            return msgspec.json.encode(whole).decode("utf-8")


def length_16(signed: SignedReading, profile: CsmsProfile) -> int:
    """Characters of a record in OCPP 1.6, its key included."""
    return len(value_16(signed, with_key=True, profile=profile))


def length_201(signed: SignedReading, profile: CsmsProfile) -> int:
    """Characters of a record in OCPP 2.0.1; the key has a place of its own."""
    if profile.base64_record:
        return 4 * -(-len(signed.document) // 3)
    return len(_plain(signed))


def public_key(key: str, method: str, profile: CsmsProfile) -> str:
    """The public key as text for the CSMS, in the form of its profile.

    A key that cannot be read is sent as the meter gave it: evidence is not hidden.
    """
    if not key or profile.key is KeyForm.PRINTED:
        return key
    try:
        return _written(key, method, profile.key)
    except OcmfError as error:
        log.warning("public key of the meter cannot be read: %s", error)
        return key


def _data(signed: SignedReading, profile: CsmsProfile) -> str:
    if profile.base64_record:
        return base64.b64encode(signed.document).decode("ascii")
    return _plain(signed)


def _plain(signed: SignedReading) -> str:
    """The text of the record; what is no UTF-8 would lose bytes as text, and goes as Base64."""
    try:
        return signed.document.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(signed.document).decode("ascii")


def _method(signed: SignedReading, named: NamedMethod) -> str:
    match named:
        case NamedMethod.NEVER:
            return ""
        case NamedMethod.ALWAYS if not signed.method:
            return _algorithm(signed)
        case _:
            return signed.method


def _algorithm(signed: SignedReading) -> str:
    """What the record names, empty if it cannot be read."""
    if signed.encoding != "OCMF":
        return ""
    try:
        return parse(signed.document).algorithm
    except OcmfError:
        return ""


@lru_cache(maxsize=16)
def _written(key: str, method: str, form: KeyForm) -> str:
    """A station has few meters; to look at a key is two thirds of the work of a message."""
    known = load_public_key(key, algorithm=method)
    match form:
        case KeyForm.SPKI:
            return known.spki.hex().upper()
        case KeyForm.PEM_BODY:
            return base64.b64encode(base64.b64encode(known.spki)).decode("ascii")
        case _:
            return known.oca()
