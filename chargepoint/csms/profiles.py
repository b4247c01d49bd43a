"""What a given CSMS needs different from the letter of the standard, as data.

No other place asks which CSMS it is. What of it was seen where stands beside each line: "run" on
the running system, "source" in its source text.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from chargepoint.csms.size_guard import STANDARD_MOST, Way


class SignedForm(StrEnum):
    """What stands in ``sampledValue.value`` of OCPP 1.6 beside format SignedData."""

    CONTAINER = "container"  # the JSON text of the OCA note, section 3.2.1
    RECORD = "record"  # the plain record, as EVerest sends it
    HEX = "hex"  # hex digits, as the 1.6 specification itself says
    NOTHING = "nothing"  # no signed value at all: the record stays in the station


class RawSample(StrEnum):
    """Where the plain value of the energy register is, beside the signed one (1.6)."""

    FIRST = "first"
    LAST = "last"
    NONE = "none"


class KeyForm(StrEnum):
    """How the public key is written."""

    OCA = "oca"  # Base64 of oca:base16:asn1: and the key (OCA note, section 3.2.2)
    PRINTED = "printed"  # as the meter gives it, usually bare hex
    SPKI = "spki"  # hex of SubjectPublicKeyInfo
    PEM_BODY = "pem body"  # the text between the lines of a PEM file, in Base64 once more


class NamedMethod(StrEnum):
    """When ``signingMethod`` is filled."""

    IF_MISSING = "if missing"  # only if the record does not name its algorithm (OCA note)
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class IdentityLengths:
    """Characters of what a BootNotification says; None is what the version allows."""

    vendor: int | None = None
    model: int | None = None
    serial_number: int | None = None
    firmware_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsmsProfile:
    """How to word what this CSMS understands, and how to treat it.

    ``base64_record`` false sends the record in 2.0.1 as its plain text. ``signed_standalone`` says
    whether readings outside of transactions may be signed. ``key_in_first`` sends the key with the
    first signed value of a transaction under OncePerTransaction instead of with the final one.
    ``record_most`` are the characters of a record that 2.0.1 has room for, ``record_most_16`` those
    of a whole value in 1.6 (None: no limit); ``ways`` is what is tried with a longer one.
    ``pause`` lies between two connections, ``spacing`` before an own call since the last answer
    in either direction. ``time_digits`` are those of the fraction of a second.
    ``patience`` is how long an answer is awaited unless the config says so (None: as ever).
    ``busy`` is what a CALLERROR says that only means "not now": the same message goes out again.
    ``unknown_16`` are codes of CALLERROR beside NotImplemented and NotSupported for a message of
    1.6 that it does not know.
    """

    signed_form: SignedForm = SignedForm.CONTAINER
    raw: RawSample = RawSample.LAST
    base64_record: bool = True
    signed_standalone: bool = True
    key: KeyForm = KeyForm.OCA
    key_in_first: bool = False
    method: NamedMethod = NamedMethod.IF_MISSING
    record_most: int = STANDARD_MOST
    record_most_16: int | None = None
    ways: tuple[Way, ...] = (Way.END_ONLY, Way.ANNOUNCED, Way.DATA_TRANSFER, Way.ARCHIVE)
    pause: timedelta = timedelta(seconds=1)
    spacing: timedelta = timedelta(0)
    time_digits: int = 3
    identity: IdentityLengths = field(default_factory=IdentityLengths)
    patience: timedelta | None = None
    busy: str = ""
    unknown_16: frozenset[str] = frozenset()


PROFILES: dict[str, CsmsProfile] = {
    # The OCA note "Signed Meter Values in OCPP" 1.0 and the specifications, to the letter. Three
    # digits of a second: OCPP 2.0.1 part 4 allows no more.
    "standard": CsmsProfile(),
    "citrineos": CsmsProfile(
        # 1.6 in 1.8.3 (run): no energy is computed if the first sample of a value is signed.
        raw=RawSample.FIRST,
        # 2.0.1 in 1.8.3 (run): MeterValues with a signed sample get CALLERROR SecurityError after
        # they were stored; sent again they are stored twice. In TransactionEvent all is well.
        signed_standalone=False,
        # The one form its own check can read (run); this too names the curve. The check compares
        # the method with the word its operator set, which an empty one never is (run).
        key=KeyForm.PEM_BODY,
        method=NamedMethod.ALWAYS,
        # FormatViolation for the whole message above 2500 characters (run; core issue 1008), and
        # DataTransfer is Rejected in 2.0.1 and NotSupported in 1.6 (run).
        ways=(Way.END_ONLY, Way.ARCHIVE),
        # Coming back within 20 ms of the close shut out all stations until it was restarted; 1 s
        # is safe (run), twice that on a slow machine.
        pause=timedelta(seconds=2),
        # About 30 ms after an answer it calls again (GetChargingProfiles), and parks a call that
        # crosses its own for 20 to 30 s (run).
        spacing=timedelta(milliseconds=100),
        # With more the station is not written into the database, although accepted (run).
        identity=IdentityLengths(vendor=20, model=20, serial_number=25, firmware_version=50),
        # A call that crosses one of its own is answered after 30 s (run): not later than that a
        # station would give up what is about to be answered.
        patience=timedelta(seconds=45),
        # It loses a call of the station that meets one of its own, and says so (run).
        busy="Call already in progress",
        # The security extension of 1.6 is answered as any action that it never heard of (run).
        unknown_16=frozenset({"InternalError"}),
    ),
    # A system used to stations that run EVerest (libocpp and meter drivers, source).
    "everest-like": CsmsProfile(
        # The driver's text unchanged in both versions, as a sample of its own.
        signed_form=SignedForm.RECORD,
        base64_record=False,
        raw=RawSample.NONE,
        # Hex without prefix; it goes with every record, so the first one has it already.
        key=KeyForm.SPKI,
        key_in_first=True,
        # Empty even where the record names no algorithm (Iskra).
        method=NamedMethod.NEVER,
        # The type in libocpp has the length of OCPP 2.1 in 2.0.1, too.
        record_most=32768,
    ),
    "steve": CsmsProfile(
        # Values are kept unchanged in a column of type text (source); bills are made from
        # meterStart and meterStop. Older ones cut at 255 characters (issue 212).
        record_most_16=65535,
        # DataTransfer is written to the log and answered Accepted (source): a record offered so
        # would be lost unnoticed.
        ways=(Way.END_ONLY, Way.ANNOUNCED, Way.ARCHIVE),
    ),
    # lbbrhzn/ocpp.
    "home-assistant": CsmsProfile(
        # The format is overlooked; a text that is no number becomes 0.0, and the meter jumps
        # (source).
        signed_form=SignedForm.NOTHING,
        # Any DataTransfer is Accepted, only the last one is kept, as an attribute (source).
        ways=(Way.END_ONLY, Way.ANNOUNCED, Way.ARCHIVE),
    ),
    "evcc": CsmsProfile(
        # The last sample of a measurand is taken for its number, whatever its format (source).
        raw=RawSample.LAST,
        # It has no use for records; what becomes of a DataTransfer was not seen.
        ways=(Way.END_ONLY, Way.ANNOUNCED, Way.ARCHIVE),
    ),
}
