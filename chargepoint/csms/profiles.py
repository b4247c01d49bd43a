"""What a given CSMS needs different from the letter of the standard, as data.

No other place asks which CSMS it is.
"""

from dataclasses import dataclass
from enum import StrEnum


class SignedForm(StrEnum):
    """What stands in ``sampledValue.value`` of OCPP 1.6 beside format SignedData."""

    CONTAINER = "container"  # the JSON text of the OCA note, section 3.2.1
    RECORD = "record"  # the plain record, as EVerest sends it
    HEX = "hex"  # hex digits, as the 1.6 specification itself says


@dataclass(frozen=True, slots=True, kw_only=True)
class CsmsProfile:
    """How to word what this CSMS understands.

    ``oca_key`` false sends the key as bare hex. ``raw_first`` puts the plain sample before the
    signed one (1.6). ``key_in_first`` sends the key with the first signed value of a transaction
    under OncePerTransaction instead of with the final one.
    """

    signed_form: SignedForm = SignedForm.CONTAINER
    oca_key: bool = True
    raw_first: bool = False
    key_in_first: bool = False


PROFILES: dict[str, CsmsProfile] = {
    # The OCA note "Signed Meter Values in OCPP" 1.0 and the specifications.
    "standard": CsmsProfile(),
    # CitrineOS 1.8: computes no energy if the first sample of a 1.6 meter value is signed.
    "citrineos": CsmsProfile(raw_first=True),
}
