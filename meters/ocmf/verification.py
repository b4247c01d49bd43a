"""Is this record authentic? An answer in one word and one sentence, never an exception.

*Authentic* is all that is decided here; whether the fields keep to the specification, and whether
begin and end make a bill, are other questions (``conformance``, ``session``). "Cannot be
verified" is kept apart from "invalid", because the second accuses a meter.

Why the bytes go to the library as they are first: nearly all signatures are canonical DER, and
the library refuses every other form, so a success needs no further look. Only a failure is taken
apart, which keeps checking a record close to the speed of the bare ECDSA.
"""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from meters.ocmf import curves, signature
from meters.ocmf.curves import DEFAULT_ALGORITHM, Curve
from meters.ocmf.errors import OcmfError, PublicKeyError, SignatureFormError
from meters.ocmf.keys import PublicKey, load_public_key
from meters.ocmf.record import HEADER, Record, Seal, parse
from meters.ocmf.syntax import Deviation


class Outcome(StrEnum):
    """What checking a record came to; only VALID means authentic."""

    VALID = "valid"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    BAD_KEY = "bad_key"
    MALFORMED_SIGNATURE = "malformed_signature"
    UNSIGNED = "unsigned"
    UNPARSABLE = "unparsable"


# Tuples, not sets: a hostile record may hold something that cannot be hashed.
_ENCODINGS = (None, "hex", "base64")
_FORMS = (None, "application/x-der")
_VALID = Outcome.VALID  # looking up a member of an enumeration takes its time
_WITHOUT_SIGNATURE = (Outcome.UNSIGNED, Outcome.MALFORMED_SIGNATURE)


class Verdict(msgspec.Struct, frozen=True):
    """The answer for one record.

    ``key`` is the public key that was used, None if none could be; ``record`` is None only if the
    text is no record; ``form`` tells what is odd about the signature's form.
    """

    outcome: Outcome
    reason: str
    record: Record | None = None
    key: PublicKey | None = None
    form: tuple[Deviation, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the record is authentic."""
        return self.outcome is Outcome.VALID

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """Everything unusual about record and signature; no reason to doubt a valid signature."""
        return (*(self.record.deviations if self.record else ()), *self.form)


def verify(record: Record, key: PublicKey | str | bytes, *, method: str = "") -> Verdict:
    """Check the signature of a record over the bytes it was read from.

    ``method`` is an algorithm name told beside the record (``signingMethod`` of OCPP); it counts
    only if the record has no field SA. Never raises, whatever record and key contain.
    """
    seal = record.seal
    if not seal.SD:
        return Verdict(Outcome.UNSIGNED, "The record carries no signature.", record)
    named = seal.SA
    if named is None or named == "":
        named = method or DEFAULT_ALGORITHM
    if seal.SE not in _ENCODINGS or seal.SM not in _FORMS or not isinstance(named, str):
        return Verdict(Outcome.UNSUPPORTED, _unsupported(seal, named), record)
    try:
        ready = _fit(key, named) if isinstance(key, PublicKey) else _ready(key, named)
        if ready is None:
            return Verdict(Outcome.UNSUPPORTED, _unsupported(seal, named), record)
        curve, public, sentence = ready
        if public.curve != curve:
            reason = f"The key is on curve {public.curve}, the record is signed on {curve}."
            return Verdict(Outcome.BAD_KEY, reason, record, public)
        blob = signature.decode(seal.SD, seal.SE)
        if public.holds(blob, record.signed):
            return Verdict(_VALID, sentence, record, public)
        return _second_look(Verdict(Outcome.VALID, sentence, record, public), blob)
    except PublicKeyError as error:
        return Verdict(Outcome.BAD_KEY, f"The public key cannot be used: {error}.", record)
    except SignatureFormError as error:
        return Verdict(Outcome.MALFORMED_SIGNATURE, f"T{str(error)[1:]}.", record)


def verify_document(
    document: bytes | str, key: PublicKey | str | bytes, *, method: str = ""
) -> Verdict:
    """Parse and check a record; a text that is no record gives the outcome UNPARSABLE.

    So does one in which nothing is what makes a record: no field RD, which no record can do
    without (OCMF 1.4 table 2), and no signature that says otherwise.
    """
    try:
        record = parse(document)
    except OcmfError as error:
        return Verdict(Outcome.UNPARSABLE, f"No OCMF record: {error}.")
    verdict = verify(record, key, method=method)
    if verdict.outcome in _WITHOUT_SIGNATURE and "RD" not in record.payload:
        return Verdict(Outcome.UNPARSABLE, "No OCMF record: neither readings (RD) nor a signature.")
    return verdict


def prepare(key: str, *, method: str = "") -> None:
    """Have ready what checking a record with this key needs, which takes longer than the check.

    Loads ``cryptography`` and reads the key; does nothing for a key that cannot be used, of which
    the verdict will tell.
    """
    with suppress(PublicKeyError):
        if (ready := _ready(key, method or DEFAULT_ALGORITHM)) is not None:
            _ = ready[1].holds


_Ready = tuple[Curve, PublicKey, str]
"""What an algorithm and a key come to: curve of the algorithm, key, sentence for success."""


@lru_cache(maxsize=256)
def _ready(key: str | bytes, named: str) -> _Ready | None:
    """Everything that records with one key have in common; None if the algorithm is not known.

    Raises:
        PublicKeyError: the text is no key, or one of another curve.
    """
    if _scheme(named) is None:
        return None
    return _fit(load_public_key(key, algorithm=named), named)


def _fit(key: PublicKey, named: str) -> _Ready | None:
    scheme = _scheme(named)
    return None if scheme is None else (scheme[0], key, scheme[1])


@lru_cache(maxsize=64)
def _scheme(named: str) -> tuple[Curve, str] | None:
    """Curve of an algorithm name and the sentence for success; None if the name is not known."""
    curve = curves.curve_of(named)
    if curve is None:
        return None
    return curve, f"The signature matches ({curves.algorithm_of(curve)})."


def _unsupported(seal: Seal, named: object) -> str:
    if not isinstance(named, str) or _scheme(named) is None:
        return f"Cannot verify: signature algorithm {named!s:.60} is not known."
    if seal.SE not in _ENCODINGS:
        return f"Cannot verify: signature encoding {seal.SE!s:.60}, known are hex and base64."
    return f"Cannot verify: signature form {seal.SM!s:.60}, known is application/x-der."


def _second_look(success: Verdict, blob: bytes) -> Verdict:
    """The signature is no canonical DER, or it is wrong: find out which, and how."""
    record, public = success.record, success.key
    if record is None or public is None:
        return success
    r, s, form = signature.numbers(blob, public.curve)
    canonical = signature.der(r, s)
    if form and public.holds(canonical, record.signed):
        return replace(success, form=form)
    reason = "The signature does not match: record, signature or key was changed or mixed up."
    for text, changed in _SUSPICIONS:
        other = changed(record.signed)
        if other != record.signed and public.holds(canonical, other):
            reason = f"The signature does not match the payload, but {text}."
            break
    return replace(success, outcome=Outcome.INVALID, reason=reason, form=form)


_SUSPICIONS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("header and payload together, which some early firmware signed", HEADER.__add__),
    (
        "one with CR LF line ends, which a container has changed",
        lambda signed: signed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    ),
    (
        "one in Latin-1, so the text was converted on its way",
        lambda signed: signed.decode("utf-8", "replace").encode("latin-1", "replace"),
    ),
)
