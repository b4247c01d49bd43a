"""Verified records per second, beside the bare signature check of ``cryptography``.

Short rounds in turn, in seconds on a core, and the best of each: what else the machine does only
ever slows them down.

Bare means: key, signed bytes and signature are at hand. Ours begins with the text of a record as
a meter or a CSMS gives it, and the key as hex. Every record is another one, about 1.1 kB.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chargepoint.bench.measure_figures import Bound, Extent, Figure, spread
from chargepoint.bench.measure_rig import MeasurementFailed
from meters.ocmf import EM580, Curve, algorithm_of, build, parse, sign, verify_document

GOAL_PERCENT: Final = 90.0
_CURVES: Final[dict[Curve, type[ec.EllipticCurve]]] = {
    Curve.BRAINPOOL_P384R1: ec.BrainpoolP384R1,
    Curve.SECP256R1: ec.SECP256R1,
}
_RECORDS: Final = {Curve.BRAINPOOL_P384R1: 25, Curve.SECP256R1: 150}  # some 15 ms
_ELSEWHERE: Final = "bare ECDSA verify: P-256 69 us, brainpoolP384 541 us"
_TARIFF: Final = "T" * 240


async def measure(extent: Extent) -> list[Figure]:
    """Rounds in turn: bare, ours."""
    figures: list[Figure] = []
    for curve, domain in _CURVES.items():
        key = ec.derive_private_key(0xC0FFEE, domain())
        algorithm = algorithm_of(curve)
        count = _RECORDS[curve]
        records = [sign(_payload(number), key, algorithm) for number in range(count)]
        public = key.public_key()
        text = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
        bare, ours = _bare(public, records), _ours(text, records)
        ours()  # prepares the key
        pairs = [(_rate(bare, count), _rate(ours, count)) for _ in range(10 * extent.rounds)]
        figures.append(_figure(curve, len(records[0]), pairs))
    return figures


def _figure(curve: Curve, size: int, pairs: Sequence[tuple[float, float]]) -> Figure:
    shares = [100 * ours / alone for alone, ours in pairs]
    bare, own = (max(column) for column in zip(*pairs, strict=True))
    return Figure(
        what=f"verified records of {size} bytes on {curve}, share of bare cryptography",
        value=100 * own / bare,
        unit="%",
        goal=GOAL_PERCENT,
        bound=Bound.AT_LEAST,
        beside=f"{own:.0f}/s of {bare:.0f}/s; rounds {spread(shares)}",
        elsewhere=_ELSEWHERE,
    )


def _bare(public: ec.EllipticCurvePublicKey, records: Sequence[bytes]) -> Callable[[], None]:
    parsed = [parse(record) for record in records]
    parts = [(bytes.fromhex(str(one.seal.SD)), one.signed) for one in parsed]
    algorithm = ec.ECDSA(SHA256())

    def work() -> None:
        for signature, signed in parts:
            public.verify(signature, signed, algorithm)

    return work


def _ours(key: str, records: Sequence[bytes]) -> Callable[[], None]:
    def work() -> None:
        for record in records:
            if not verify_document(record, key).valid:
                raise MeasurementFailed("a good record does not verify")

    return work


def _rate(work: Callable[[], None], count: int) -> float:
    started = time.process_time()
    work()
    return count / (time.process_time() - started)


def _payload(number: int) -> bytes:
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    energy = Decimal(1_000_000 + 20_000 * number)
    readings = [
        _reading(begin, "B", energy),
        _reading(begin + timedelta(minutes=50), "E", energy + 18_000),
    ]
    return build(
        {
            "FV": "1.2",
            "GI": "Example Meter",
            "GS": "KZ1660104001D",
            "GV": "1.6.3",
            "PG": f"T{number + 1}",
            "MV": "Example",
            "MM": "Meter 1",
            "MS": "KZ1660104001D",
            "MF": "1.6.3",
            "IS": True,
            "IL": "VERIFIED",
            "IF": ["RFID_PLAIN", "OCPP_RS_TLS"],
            "IT": "ISO14443",
            "ID": "04A1B2C3D4E5F6",
            "TT": _TARIFF,
            "CT": "EVSEID",
            "CI": "DE*ABC*E123*1",
            "RD": readings,
        },
        style=EM580,
    )


def _reading(at: datetime, kind: str, energy_wh: Decimal) -> dict[str, str | Decimal]:
    return {
        "TM": f"{at:%Y-%m-%dT%H:%M:%S},000+0000 S",
        "TX": kind,
        "RV": energy_wh.scaleb(-3),
        "RI": "1-b:1.8.0",
        "RU": "kWh",
        "RT": "AC",
        "ST": "G",
    }
