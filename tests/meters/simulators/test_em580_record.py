"""Records: the one of a real meter reproduced byte for byte, and the size they can be given."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from meters.simulators.em580 import Em580, KeyCurve

Make = Callable[..., Em580]

REAL = (
    'OCMF|{"FV":"1.2","GI":"Carlo Gavazzi Controls-EM580DINAV23XS3DET","GS":"KZ1660104001D",'
    '"GV":"M_1.6.3-C_1.6.3","PG":"T23","MV":"Carlo Gavazzi Controls","MM":"EM580DINAV23XS3DET",'
    '"MS":"KZ1660104001D","MF":"M_1.6.3-C_1.6.3","IS":true,"IL":"NONE","IF":[],"IT":"ISO14443",'
    '"ID":"A1z */-+.()[]{}$%^&*_+-=[];\',","TT":"This-is-just-a-long-string-to-test-the-tariff-'
    "text-functionality.No-spaces-are-allowed.The-kWh-price-is-0.30-EUR/kWh-just-joking-it-is-"
    '2.30-EUR/kWh<=>12345678-1234-5678-1234-567812345678","CT":"EVSEID","CI":"DE*ENBW*BER001*'
    'EVSE01","LC":{"LN":"CABLE_LOSS","LI": 99,"LR": 0,"LU": "mOhm"},"RD":[{"TM":"2025-12-17T12:'
    '09:16,000+0100 S","TX":"B","RV":1.637,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC","RM":"","ST":'
    '"G"},{"TM":"2025-12-17T12:30:30,000+0100 S","TX":"E","RV":1.643,"RI":"1-b:1.8.0","RU":"kWh",'
    '"RT":"AC","RM":"","ST":"G"}]}|{"SD":"306402306ECEF6E68BF22926278DF470DEA50E12DACA2DCBC54F6EE'
    "D7B73276EC22795F9D48795608D03EE4639EE11EC7013BC980230633380379E601677F1C1DC0958FE421722ABA83"
    '61E30019B34463B9A038229E5063EB54DBDBC9EA63E3F069384FDB72C","SA":"ECDSA-brainpoolP384r1-SHA2'
    '56"}'
)
REAL_KEY = (
    "04521C09090AB6A2826A613D36483A71F789F6C0D900F9A9106415EA8BE3F6AFEB5926B39E264CB3727647DA49B15"
    "3370221F18048B343AC0318203F7043F840CD8BB5C9C6734C0DB46B19711AD94A0DB8F1FA854E2D60D25B33D7DDE1"
    "45F61E6C"
)
TARIFF = (
    "This-is-just-a-long-string-to-test-the-tariff-text-functionality.No-spaces-are-allowed."
    "The-kWh-price-is-0.30-EUR/kWh-just-joking-it-is-2.30-EUR/kWh"
    "<=>12345678-1234-5678-1234-567812345678"
)


def words(content: str) -> list[int]:
    data = content.encode() + b"\0"
    data += b"\0" * (len(data) % 2)
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def seconds(moment: int) -> list[int]:
    return [moment & 0xFFFF, moment >> 16, 0, 0]


def record_of(device: Em580) -> bytes:
    """As a master reads it: size, then the file in chunks, without the byte of padding."""
    (size,) = device.read(0x7101, 1)
    found: tuple[int, ...] = ()
    while len(found) < size:
        found += device.read(0x7110 + len(found), min(125, size - len(found)))
    return b"".join(word.to_bytes(2, "big") for word in found).removesuffix(b"\0")


def charge(device: Em580, clock: Any, *, identification: str = "A1") -> bytes:
    device.write(0x7000, [1, 0, 0, 0, 0, 0, 10, *words(identification)])
    device.write(0x6900, words(TARIFF))
    device.write(0x7040, [ord("B")])
    clock.pass_by(1274)
    device.write(0x7040, [ord("E")])
    assert device.read(0x7100, 1) == (2,)
    return record_of(device)


def payload_of(record: bytes) -> bytes:
    return record.removeprefix(b"OCMF|").rpartition(b"|{")[0]


def verify(record: bytes, device: Em580) -> None:
    der = b"".join(word.to_bytes(2, "big") for word in device.read(0x2600, 62))
    public = load_der_public_key(der)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    signature = json.loads(record[len(b"OCMF|") + len(payload_of(record)) + 1 :])
    public.verify(bytes.fromhex(signature["SD"]), payload_of(record), ec.ECDSA(SHA256()))


def test_the_record_of_a_real_meter_is_reproduced_byte_for_byte(meter: Make, clock: Any) -> None:
    device = meter(begin_energy_wh=1637, begin_page=22)
    device.write(0x7031, [60])
    device.write(0x7032, seconds(1765969756))
    device.write(0x701B, [0])
    device.write(0x701C, words("DE*ENBW*BER001*EVSE01"))
    device.set_load(Decimal(6 * 3600) / 1274)

    record = charge(device, clock, identification="A1z */-+.()[]{}$%^&*_+-=[];',")

    assert payload_of(record) == payload_of(REAL.encode())
    verify(record, device)
    public = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.BrainpoolP384R1(), bytes.fromhex(REAL_KEY)
    )
    signed = bytes.fromhex(json.loads(REAL[REAL.rindex("|{") + 1 :])["SD"])
    public.verify(signed, payload_of(record), ec.ECDSA(SHA256()))
    assert record.endswith(b'","SA":"ECDSA-brainpoolP384r1-SHA256"}')


def test_size_counts_words_and_an_odd_record_is_padded(meter: Make, clock: Any) -> None:
    device = meter(record_size=1083)

    record = charge(device, clock)

    assert device.read(0x7101, 1) == (542,)
    assert len(record) == 1083
    assert device.read(0x7110 + 541, 2) == (record[-1] << 8, 0)


@pytest.mark.parametrize("size", [1083, 1500, 4061, 4062])
def test_records_are_filled_up_to_a_size_and_still_verify(
    meter: Make, clock: Any, size: int
) -> None:
    device = meter(record_size=size)

    record = charge(device, clock)

    assert len(record) == size
    verify(record, device)


def test_a_256_bit_meter_names_its_algorithm(meter: Make, clock: Any) -> None:
    record = charge(meter(curve=KeyCurve.P256), clock)

    assert record.endswith(b'"SA":"ECDSA-brainpoolP256r1-SHA256"}')


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        ([1, 1, 1, 4, 0, 0], {"IS": True, "IL": "HEARSAY", "IF": ["RFID_PLAIN", "OCPP_AUTH_TLS"]}),
        ([0, 9, 0, 0, 1, 2], {"IS": False, "IL": "UNKNOWN", "IF": ["ISO15118_PNC", "PLMN_SMS"]}),
        ([0, 0, 2, 0, 0, 0], {"IF": ["RFID_RELATED"]}),
    ],
)
def test_flags_are_read_family_by_family(
    meter: Make, registers: list[int], expected: dict[str, object]
) -> None:
    device = meter()
    device.write(0x7000, registers)
    device.write(0x7040, [ord("B")])
    device.write(0x7040, [ord("E")])

    payload = json.loads(payload_of(record_of(device)))

    assert {name: payload[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (-300, "2025-12-17T06:09:16,000-0500 S"),
        (345, "2025-12-17T16:54:16,000+0545 S"),
        (1440, "2025-12-18T11:09:16,000+2400 S"),
    ],
)
def test_times_are_local(meter: Make, offset: int, expected: str) -> None:
    device = meter()
    device.write(0x7031, [offset & 0xFFFF])
    device.write(0x7032, seconds(1765969756))
    device.write(0x7040, [ord("B")])
    device.write(0x7040, [ord("E")])

    assert json.loads(payload_of(record_of(device)))["RD"][0]["TM"] == expected


def test_a_clock_that_was_never_set_is_marked(meter: Make, clock: Any) -> None:
    device = meter()
    clock.pass_by(5)

    record = charge(device, clock)

    begin = json.loads(payload_of(record))["RD"][0]
    assert begin["TM"] == "1970-01-01T00:00:05,000+0000 U"


def test_a_text_that_cannot_stand_in_a_record_stops_the_begin(meter: Make) -> None:
    device = meter()
    device.write(0x6900, words("0.30 EUR | kWh"))

    with pytest.raises(Exception, match="exception 03"):
        device.write(0x7040, [ord("B")])

    assert device.read(0x7100, 1) == (0,)
