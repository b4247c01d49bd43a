"""OCMF records (Open Charge Metering Format 1.4): read, verify, sign, and unpack from messages.

``from meters.ocmf import parse, verify`` is all that a program needs that wants to check records.
Importing this package loads no cryptography; the first verification does.
"""

from meters.ocmf.ahead import verified_ahead, verify_ahead
from meters.ocmf.build import EM580, STANDARD, Style, build, sign
from meters.ocmf.containers import Contained, extract, from_ocpp, from_xml
from meters.ocmf.curves import DEFAULT_ALGORITHM, Curve, algorithm_of, curve_of
from meters.ocmf.errors import ContainerError, OcmfError, PublicKeyError
from meters.ocmf.keys import PublicKey, load_public_key
from meters.ocmf.readings import RegisterReading
from meters.ocmf.record import Record, parse
from meters.ocmf.syntax import Deviation
from meters.ocmf.verification import Outcome, Verdict, prepare, verify, verify_document

__all__ = [
    "DEFAULT_ALGORITHM",
    "EM580",
    "STANDARD",
    "Contained",
    "ContainerError",
    "Curve",
    "Deviation",
    "OcmfError",
    "Outcome",
    "PublicKey",
    "PublicKeyError",
    "Record",
    "RegisterReading",
    "Style",
    "Verdict",
    "algorithm_of",
    "build",
    "curve_of",
    "extract",
    "from_ocpp",
    "from_xml",
    "load_public_key",
    "parse",
    "prepare",
    "sign",
    "verified_ahead",
    "verify",
    "verify_ahead",
    "verify_document",
]
