"""The two numbers of an ECDSA signature, out of every form that meters write.

The specification foresees hex or base64 of DER. Met besides: DER without the zero that keeps an
INTEGER positive (Isabellenhuette 2025, eBZ), with superfluous zeros (eBZ), and the two numbers
alone (Isabellenhuette 2023). All of them say the same numbers, so all are read; what is odd is
reported.
"""

import base64
import binascii
import re

from meters.ocmf.curves import DOMAIN, Curve
from meters.ocmf.der import INTEGER, SEQUENCE, element, integer, take
from meters.ocmf.errors import SignatureFormError
from meters.ocmf.syntax import Deviation

_BLANK = re.compile(r"\s+")


def decode(text: object, encoding: object) -> bytes:
    """The signature's bytes out of fields SD and SE.

    Raises:
        SignatureFormError: SD is no text, or not in the encoding that SE names.
    """
    if not isinstance(text, str) or not text:
        raise SignatureFormError("the signature (SD) is no text")
    try:
        if encoding is None or encoding == "hex":
            return bytes.fromhex(text)
        return base64.b64decode(_BLANK.sub("", text), validate=True)
    except (ValueError, binascii.Error) as error:
        name = "hex" if encoding is None else encoding
        raise SignatureFormError(f"the signature (SD) is not in encoding {name}") from error


def numbers(blob: bytes, curve: Curve) -> tuple[int, int, tuple[Deviation, ...]]:
    """The numbers r and s, each from 1 to the curve's order less one, and what is odd about them.

    DER is tried first: a pair of bare numbers looks like DER by chance once in 65,536 and then
    hardly ever holds two integers that fit.

    Raises:
        SignatureFormError: neither DER nor a pair of numbers, or out of range.
    """
    domain = DOMAIN[curve]
    pair = _from_der(blob)
    notes: tuple[Deviation, ...] = ()
    if pair is not None:
        if der(*pair) != blob:
            notes = (
                Deviation("der-noncanonical", "The signature is DER with other padding.", "SD"),
            )
    elif len(blob) == 2 * domain.size:
        half = domain.size
        pair = int.from_bytes(blob[:half], "big"), int.from_bytes(blob[half:], "big")
        notes = (Deviation("sd-raw", "The signature is two bare numbers, not DER.", "SD"),)
    else:
        raise SignatureFormError(
            f"the signature has {len(blob)} bytes, neither DER nor {2 * domain.size} bytes"
        )
    if not all(0 < number < domain.n for number in pair):
        raise SignatureFormError(f"the signature's numbers are out of range of curve {curve}")
    return *pair, notes


def der(r: int, s: int) -> bytes:
    """Canonical DER: SEQUENCE of two INTEGERs (X.690)."""
    return element(SEQUENCE, integer(r) + integer(s))


def _from_der(blob: bytes) -> tuple[int, int] | None:
    """Two INTEGERs that fill a SEQUENCE that fills the bytes; each read as unsigned."""
    outer = take(blob, SEQUENCE)
    if outer is None or outer[1]:
        return None
    first = take(outer[0], INTEGER)
    second = take(first[1], INTEGER) if first else None
    if first is None or second is None or second[1] or not first[0] or not second[0]:
        return None
    return int.from_bytes(first[0], "big"), int.from_bytes(second[0], "big")
