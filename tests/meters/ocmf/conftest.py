from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from meters.ocmf import Curve, PublicKey, algorithm_of, build, sign

LIBRARY = {
    Curve.SECP192R1: ec.SECP192R1,
    Curve.SECP256K1: ec.SECP256K1,
    Curve.SECP256R1: ec.SECP256R1,
    Curve.BRAINPOOL_P256R1: ec.BrainpoolP256R1,
    Curve.SECP384R1: ec.SECP384R1,
    Curve.BRAINPOOL_P384R1: ec.BrainpoolP384R1,
}

PAYLOAD: dict[str, Any] = {
    "FV": "1.0",
    "GI": "Test gateway",
    "GS": "GW-1",
    "GV": "1.0",
    "PG": "T41",
    "MV": "Maker",
    "MM": "Model",
    "MS": "9000123",
    "MF": "2.1",
    "IS": True,
    "IL": "VERIFIED",
    "IF": ["RFID_PLAIN", "OCPP_RS_TLS"],
    "IT": "ISO14443",
    "ID": "04A1B2C3D4E5F6",
    "TT": "0.42 EUR/kWh",
    "CT": "EVSEID",
    "CI": "DE*ABC*E000001*1",
    "RD": [
        {
            "TM": "2026-03-01T10:00:03,000+0000 S",
            "TX": "B",
            "RV": Decimal("1234.560"),
            "RI": "1-0:1.8.0*255",
            "RU": "kWh",
            "RT": "AC",
            "EF": "",
            "ST": "G",
        },
        {
            "TM": "2026-03-01T11:30:05,000+0000 S",
            "TX": "E",
            "RV": Decimal("1251.890"),
            "RI": "1-0:1.8.0*255",
            "RU": "kWh",
            "RT": "AC",
            "EF": "",
            "ST": "G",
        },
    ],
}


class Signer:
    """A meter's key pair with a fixed secret on one curve."""

    def __init__(self, name: str, secret: int = 0x1234567890ABCDEF) -> None:
        curve = Curve(name)
        self.algorithm = algorithm_of(curve)
        self.private = ec.derive_private_key(secret, LIBRARY[curve]())
        numbers = self.private.public_key().public_numbers()
        self.public = PublicKey(curve, numbers.x, numbers.y)

    def record(self, payload: dict[str, Any] | bytes | None = None, **options: str) -> bytes:
        section = payload if isinstance(payload, bytes) else build(payload or PAYLOAD)
        return sign(section, self.private, options.pop("algorithm", self.algorithm), **options)


@pytest.fixture(scope="session")
def signer() -> Callable[..., Signer]:
    return cache(Signer)


@pytest.fixture(scope="session")
def payload() -> dict[str, Any]:
    return PAYLOAD


@pytest.fixture(scope="session")
def library() -> dict[Curve, type[ec.EllipticCurve]]:
    return LIBRARY
