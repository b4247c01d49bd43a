"""Sessions with records that are really signed, put into a store as a station would."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fake_clock import START
from sample_facts import ended, started

from chargepoint.core.facts import TransactionEnded, TransactionStarted
from chargepoint.store.sqlite import Store
from meters.model import Quantity, Reading, Sample, SignedReading
from meters.ocmf.build import build, sign

ALGORITHM = "ECDSA-secp256r1-SHA256"


@cache
def private_key() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(0xC0FFEE, ec.SECP256R1())


@cache
def public_key() -> str:
    key = private_key().public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex().upper()


def signed(page: int, *readings: tuple[str, datetime, str]) -> SignedReading:
    """A record with these readings: cause, time, kWh."""
    payload = build(
        {
            "FV": "1.0",
            "GI": "Meter",
            "GS": "0815",
            "PG": f"T{page}",
            "MV": "Example",
            "MM": "M1",
            "MS": "0815",
            "IS": True,
            "IL": "VERIFIED",
            "IF": ["RFID_RELATED"],
            "IT": "ISO14443",
            "ID": "04A1B2C3D4",
            "TT": "<0.49 EUR/kWh & 5 min>",
            "RD": [
                {
                    "TM": f"{at.isoformat(timespec='milliseconds').replace('.', ',')[:23]}+0000 S",
                    "TX": cause,
                    "RV": Decimal(value),
                    "RI": "01-00:01.08.00*FF",
                    "RU": "kWh",
                    "RT": "AC",
                    "EF": "",
                    "ST": "G",
                }
                for cause, at, value in readings
            ],
        }
    )
    record = sign(payload, private_key(), ALGORITHM)
    return SignedReading(record, encoding="OCMF", method="", public_key=public_key())


def session(
    number: int, *, at: datetime = START, apart: bool = False, evse_id: int = 1, **more: str
) -> tuple[TransactionStarted, TransactionEnded]:
    """The facts of one session of half an hour; ``apart``: begin and end are signed each."""
    name, over = f"TX-{number:04d}", at + timedelta(minutes=30)
    first, last = ("B", at, f"{number}.000"), ("E", over, f"{number + 7}.125")
    begin_record = signed(2 * number, first) if apart else None
    end_record = signed(2 * number + 1, *((last,) if apart else (first, last)))
    begin = Reading(at, (Sample(Quantity.ENERGY_IMPORT, Decimal(number * 1000)),), begin_record)
    end = Reading(
        over, (Sample(Quantity.ENERGY_IMPORT, Decimal(number * 1000 + 7125)),), end_record
    )
    verdict = "valid" if apart else ""
    return (
        started(name, at=at, begin=begin, samples=(), evse_id=evse_id, verdict=verdict),
        ended(name, at=over, begin=begin, end=end, samples=(), evse_id=evse_id, **more),
    )


def keep(store: Store, *facts: TransactionStarted | TransactionEnded) -> None:
    """Store the facts as a station without a link does."""
    for fact in facts:
        store.record(fact, offline=True)


def tell(store: Store, *, at: datetime = START, lacks: Sequence[str] = ()) -> None:
    """The CSMS gets all that waits, and the meters forget; of ``lacks`` it learns only a part."""
    while (entry := store.next_entry()) is not None:
        name = getattr(entry.fact, "transaction_id", "")
        lack = "no words for it" if name in lacks else ""
        store.delivered(entry, at, version="1.6", lack=lack)
        store.records.mark_released(name, at)
