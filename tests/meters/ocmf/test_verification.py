import hashlib
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.ocmf import (
    Contained,
    Curve,
    Outcome,
    PublicKey,
    build,
    parse,
    prepare,
    sign,
    verification,
    verify,
    verify_document,
)
from meters.ocmf import signature as form
from meters.ocmf.build import seal
from meters.ocmf.curves import DOMAIN, algorithm_of, decompress, signature_holds
from meters.ocmf.ecdsa import checker

ALL = [curve for curve in Curve if curve is not Curve.SECP192K1]


@pytest.mark.parametrize("curve", ALL)
@pytest.mark.parametrize("encoding", ["", "hex", "base64"])
@pytest.mark.parametrize("shape", ["der", "raw"])
def test_a_signed_record_is_valid_on_every_curve_and_in_every_form(
    signer: Any, curve: Any, encoding: Any, shape: str
) -> None:
    meter = signer(curve)
    record = parse(meter.record(encoding=encoding, form=shape))

    verdict = verify(record, meter.public)

    assert verdict.outcome is Outcome.VALID, verdict.reason
    assert verdict.key == meter.public
    assert ("sd-raw" in [one.code for one in verdict.deviations]) == (shape == "raw")


@pytest.mark.parametrize("curve", ALL)
def test_the_key_may_be_given_as_text_bytes_or_object(signer: Any, curve: Any) -> None:
    meter = signer(curve)
    record = parse(meter.record())

    for key in (meter.public, meter.public.oca(), meter.public.spki, meter.public.point.hex()):
        assert verify(record, key).valid


def with_seal(signer: Any, **fields: Any) -> bytes:
    meter = signer("secp256r1")
    payload, old = meter.record().split(b"|")[1:]
    members = {
        name: value for name, value in (json.loads(old) | fields).items() if value is not ...
    }
    return b"OCMF|" + payload + b"|" + json.dumps(members).encode()


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, Outcome.VALID),
        ({"SA": ...}, Outcome.VALID),
        ({"SA": ""}, Outcome.VALID),
        ({"SA": "ecdsa-SECP256R1-sha256"}, Outcome.VALID),
        ({"SM": "application/x-der", "SE": "hex", "X1": 7}, Outcome.VALID),
        ({"SA": "ECDSA-secp256r1-MD5"}, Outcome.UNSUPPORTED),
        ({"SA": "ECDSA-secp521r1-SHA256"}, Outcome.UNSUPPORTED),
        ({"SA": "RSA"}, Outcome.UNSUPPORTED),
        ({"SA": ["ECDSA-secp256r1-SHA256"]}, Outcome.UNSUPPORTED),
        ({"SE": "base58"}, Outcome.UNSUPPORTED),
        ({"SE": ["hex"]}, Outcome.UNSUPPORTED),
        ({"SM": "application/x-raw"}, Outcome.UNSUPPORTED),
        ({"SM": {}}, Outcome.UNSUPPORTED),
        ({"SA": "ECDSA-secp256k1-SHA256"}, Outcome.BAD_KEY),
        ({"SD": ...}, Outcome.UNSIGNED),
        ({"SD": ""}, Outcome.UNSIGNED),
        ({"SD": None}, Outcome.UNSIGNED),
        ({"SD": 7}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "xyz"}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "\u00e9"}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "3046022100abcd1234"}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "30060201000201" + "01"}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "00" * 64}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "FF" * 64}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "AAAA", "SE": "base64"}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "***", "SE": "base64"}, Outcome.MALFORMED_SIGNATURE),
        ({"SD": "3006020101020101"}, Outcome.INVALID),
        ({"SD": "11" * 64}, Outcome.INVALID),
    ],
)
def test_the_signature_section_decides_between_the_outcomes(
    signer: Any, fields: Any, outcome: Outcome
) -> None:
    verdict = verify_document(with_seal(signer, **fields), signer("secp256r1").public)

    assert verdict.outcome is outcome, verdict.reason
    assert verdict.reason.endswith(".")


@pytest.mark.parametrize("key", ["", "zz", b"\x00\xff", "04" + "F1" * 64, "A" * 9000])
def test_an_unusable_key_accuses_no_meter(signer: Any, key: Any) -> None:
    verdict = verify_document(signer("secp256r1").record(), key)

    assert verdict.outcome is Outcome.BAD_KEY
    assert not verdict.valid


def test_a_point_off_the_curve_is_a_bad_key(signer: Any) -> None:
    for x, y in ((1, 1), (-1, 5), (2**300, 7)):
        verdict = verify_document(signer("secp256r1").record(), PublicKey(Curve.SECP256R1, x, y))
        assert verdict.outcome is Outcome.BAD_KEY


def test_another_meters_key_makes_a_record_invalid(signer: Any) -> None:
    verdict = verify_document(signer("secp256r1").record(), signer("secp256r1", 99).public)

    assert verdict.outcome is Outcome.INVALID


def test_representations_name_no_user(signer: Any, payload: Any) -> None:
    verdict = verify_document(signer("secp256r1").record(), signer("secp256r1").public)

    assert payload["ID"] not in repr(verdict)
    assert payload["ID"] not in repr(Contained(signer("secp256r1").record()))


def test_what_is_no_record_is_unparsable(signer: Any) -> None:
    verdict = verify_document(b"OCMF|{", signer("secp256r1").public)

    assert verdict.outcome is Outcome.UNPARSABLE
    assert verdict.record is None
    assert verdict.deviations == ()


def test_an_algorithm_told_beside_the_record_counts_only_if_the_record_has_none(
    signer: Any,
) -> None:
    meter = signer("secp256k1")
    payload, seal_ = meter.record().split(b"|")[1:]
    bare = b"OCMF|" + payload + b"|" + json.dumps({"SD": json.loads(seal_)["SD"]}).encode()

    assert verify_document(bare, meter.public, method="ECDSA-secp256k1-SHA256").valid
    assert verify_document(bare, meter.public).outcome is Outcome.BAD_KEY
    assert verify_document(meter.record(), meter.public, method="ECDSA-secp256r1-SHA256").valid


def odd_der(r: bytes, s: bytes, *, long: bool = False) -> bytes:
    body = b"".join(b"\x02" + bytes([len(x)]) + x for x in (r, s))
    return b"\x30" + (b"\x81" if long else b"") + bytes([len(body)]) + body


def high_numbers(signer: Any, curve: Any) -> tuple[Any, bytes, int, int]:
    """A payload whose r has its top bit set, so that padding matters."""
    meter = signer(curve)
    for page in range(1, 100):
        payload = build({"PG": f"T{page}", "RD": [{"RV": 1}]})
        members = json.loads(sign(payload, meter.private, meter.algorithm).split(b"|")[2])
        r, s = utils.decode_dss_signature(bytes.fromhex(members["SD"]))
        if r.bit_length() % 8 == 0:
            return meter, payload, r, s
    raise AssertionError


@pytest.mark.parametrize("curve", [Curve.SECP192R1, Curve.SECP256R1, Curve.BRAINPOOL_P384R1])
def test_der_with_odd_padding_is_read_and_reported(signer: Any, curve: Any) -> None:
    meter, payload, r, s = high_numbers(signer, curve)
    size = DOMAIN[curve].size
    bare_r, bare_s = r.to_bytes(size, "big"), s.to_bytes(size, "big")
    blobs = [
        odd_der(bare_r, bare_s),
        odd_der(b"\x00" + bare_r, b"\x00\x00" + bare_s),
        odd_der(b"\x00" + bare_r, bare_s, long=True) if size < 48 else odd_der(bare_r, bare_s),
    ]

    for blob in blobs:
        verdict = verify_document(seal(payload, blob, meter.algorithm), meter.public)
        assert verdict.outcome is Outcome.VALID, blob.hex()
        assert "der-noncanonical" in [one.code for one in verdict.deviations]


@pytest.mark.parametrize(
    ("signed", "delivered", "hint"),
    [
        (b'OCMF|{"PG":"T1"}', b'{"PG":"T1"}', "header"),
        (b'{"PG":\r\n"T1"}', b'{"PG":\n"T1"}', "CR LF"),
        ('{"TT":"\u00e4"}'.encode("latin-1"), '{"TT":"\u00e4"}'.encode(), "Latin-1"),
        (b'{"PG":"T1"}', b'{"PG":"T2"}', "changed or mixed up"),
        (b'{"PG":"T1"}', b'{"PG": "T1"}', "changed or mixed up"),
    ],
)
def test_other_bytes_than_the_signed_ones_are_invalid_with_a_guess_why(
    signer: Any, signed: Any, delivered: Any, hint: str
) -> None:
    meter = signer("secp256r1")
    members = sign(signed, meter.private, meter.algorithm).rpartition(b"|")[2]

    verdict = verify_document(b"OCMF|" + delivered + b"|" + members, meter.public)

    assert verdict.outcome is Outcome.INVALID
    assert hint in verdict.reason


def test_bytes_that_are_not_utf8_can_be_verified(signer: Any) -> None:
    meter = signer("secp256r1")

    verdict = verify_document(meter.record('{"TT":"\u00e4"}'.encode("latin-1")), meter.public)

    assert verdict.outcome is Outcome.VALID
    assert "not-utf8" in [one.code for one in verdict.deviations]


def test_odd_fields_do_not_touch_the_verdict(signer: Any) -> None:
    meter = signer("secp256r1")
    sections = [
        b"{}",
        b'{"PG":"T1"}',
        b'{"RD":7,"IF":{},"IT":[],"PG":{}}',
        b'{"TT":"a|b","RD":[{"RV":01.5}]}',
        b'{"TT":"\x01\\q"}',
        b" \n{ } \t",
        b'{"PG":"T1","PG":"T2"}',
    ]

    for section in sections:
        verdict = verify_document(meter.record(section), meter.public)
        assert verdict.outcome is Outcome.VALID, section
        assert verdict.deviations


@settings(max_examples=300)
@given(st.data())
def test_one_changed_character_in_the_signed_part_is_never_valid(signer: Any, data: Any) -> None:
    meter = signer("secp256r1")
    raw = meter.record()
    start, end = raw.index(b"|") + 1, raw.rindex(b"|")
    place = data.draw(st.integers(start, end - 1))
    how = data.draw(st.sampled_from(["change", "drop", "insert"]))
    value = data.draw(st.integers(0, 255).filter(lambda one: one != raw[place]))
    middle = {"change": bytes([value]), "drop": b"", "insert": bytes([value, raw[place]])}[how]

    verdict = verify_document(raw[:place] + middle + raw[place + 1 :], meter.public)

    assert not verdict.valid


def test_every_character_of_a_payload_is_protected(signer: Any) -> None:
    meter = signer("secp256r1")
    raw = meter.record({"PG": "T1", "MS": "7", "RD": [{"RV": 1}]})

    for place in range(raw.index(b"|") + 1, raw.rindex(b"|")):
        damaged = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert not verify_document(damaged, meter.public).valid


@given(st.binary(max_size=200), st.binary(max_size=100), st.text(max_size=50))
def test_verifying_never_raises(section: Any, blob: Any, key: Any) -> None:
    for document in (
        section,
        b"OCMF|" + section,
        seal(b'{"PG":"T1"}', blob, "ECDSA-secp256r1-SHA256"),
    ):
        assert not verify_document(document, key).valid
        assert not verify_document(document, PublicKey(Curve.SECP256R1, *GENERATOR)).valid


GENERATOR = (DOMAIN[Curve.SECP256R1].gx, DOMAIN[Curve.SECP256R1].gy)


@pytest.mark.parametrize("curve", ALL)
def test_plain_integers_agree_with_the_library(signer: Any, curve: Any) -> None:
    meter = signer(curve)
    point = (meter.public.x, meter.public.y)
    payload, members = meter.record().split(b"|")[1:]
    r, s = utils.decode_dss_signature(bytes.fromhex(json.loads(members)["SD"]))
    digest = hashlib.sha256(payload).digest()
    n = DOMAIN[curve].n

    assert signature_holds(curve, point, digest, (r, s))
    assert signature_holds(curve, point, digest, (r, n - s))
    assert not signature_holds(curve, point, digest, (r, s ^ 1))
    assert not signature_holds(curve, point, digest, (s, r))
    assert not signature_holds(curve, point, hashlib.sha256(b"").digest(), (r, s))
    assert not signature_holds(curve, point, digest, (0, s))
    assert not signature_holds(curve, point, digest, (r, n))


def test_a_curve_the_library_lacks_is_verified_by_integers() -> None:
    curve, payload = Curve.SECP192K1, b'{"PG":"T1"}'
    domain = DOMAIN[curve]
    # With the generator as public key the secret is 1; nonce 1 makes r the generator's x.
    r = domain.gx % domain.n
    e = int.from_bytes(hashlib.sha256(payload).digest()[:24], "big")
    record = seal(payload, form.der(r, (e + r) % domain.n), algorithm_of(curve))
    key = PublicKey(curve, domain.gx, domain.gy)

    assert verify_document(record, key).outcome is Outcome.VALID
    assert verify_document(record.replace(b"T1", b"T2"), key).outcome is Outcome.INVALID
    other = decompress(curve, 3, odd=False) and PublicKey(curve, 3, decompress(curve, 3, odd=False))
    assert other is None or verify_document(record, other).outcome is Outcome.INVALID


def test_a_library_without_the_curve_falls_back_to_integers(
    signer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = signer("brainpoolP384r1")
    monkeypatch.setattr("meters.ocmf.ecdsa._by_library", lambda *_: None)
    payload, members = meter.record().split(b"|")[1:]
    blob = bytes.fromhex(json.loads(members)["SD"])

    holds = checker(meter.public.curve, (meter.public.x, meter.public.y))

    assert holds(blob, payload)
    assert not holds(blob, payload + b" ")


def test_the_curve_and_key_tables_do_not_grow_without_bound(signer: Any) -> None:
    from meters.ocmf import verification

    record = parse(signer("secp256r1").record())
    for number in range(300):
        verify(record, f"{number:04}")
        verify(record, signer("secp256r1").public.spki.hex() + " " * number)

    assert verification._ready.cache_info().currsize <= 256


@pytest.mark.slow
def test_verified_records_reach_nine_tenths_of_the_bare_equation(signer: Any) -> None:
    """Best of many short windows, taken in turn, so that a busy machine disturbs both alike."""
    meter = signer("brainpoolP384r1")
    raw = meter.record()
    record = parse(raw)
    holds, blob = meter.public.holds, form.decode(record.seal.SD, None)
    bare, whole = [], []
    for _ in range(150):
        bare.append(_seconds(lambda: holds(blob, record.signed)))
        whole.append(_seconds(lambda: verify(parse(raw), meter.public)))

    assert min(bare) / min(whole) > 0.9


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    for _ in range(4):
        call()
    return time.perf_counter() - start


def test_preparing_does_what_the_first_check_would_have_to_do() -> None:
    key = ec.generate_private_key(ec.BrainpoolP384R1())
    text = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()

    prepare(text, method="ECDSA-brainpoolP384r1-SHA256")

    assert "holds" in vars(verification._ready(text, "ECDSA-brainpoolP384r1-SHA256")[1])


def test_preparing_for_a_key_that_cannot_be_used_says_nothing() -> None:
    prepare("no key")
    prepare("00" * 97, method="ECDSA-brainpoolP384r1-SHA256")
