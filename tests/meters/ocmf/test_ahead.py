"""Verdicts that are there before anybody asks."""

from typing import Any

from meters.ocmf import Curve, Outcome, verified_ahead, verify_ahead


def test_a_verdict_belongs_to_exactly_these_bytes_and_this_key(signer: Any) -> None:
    meter, other = signer(Curve.SECP256R1), signer(Curve.SECP384R1)
    document = meter.record()
    key, wrong = meter.public.spki.hex(), other.public.spki.hex()
    verify_ahead(document, key)
    verify_ahead(document, wrong)

    good, bad = verified_ahead(document, key), verified_ahead(document, wrong)

    assert good is not None
    assert good.outcome is Outcome.VALID
    assert bad is not None
    assert bad.outcome is not Outcome.VALID
    assert verified_ahead(document + b" ", key) is None
    assert verified_ahead(document, key, method="ECDSA-secp256r1-SHA256") is None


def test_a_changed_record_is_not_made_good_by_the_one_before(signer: Any) -> None:
    meter = signer(Curve.SECP256R1)
    document, key = meter.record(), meter.public.spki.hex()
    changed = document.replace(b"1", b"2", 1)
    verify_ahead(document, key)
    verify_ahead(changed, key)

    found = verified_ahead(changed, key)

    assert found is not None
    assert not found.valid


def test_only_the_last_few_are_remembered(signer: Any) -> None:
    meter = signer(Curve.SECP256R1)
    key = meter.public.spki.hex()
    documents = [meter.record() + b" " * more for more in range(6)]
    for document in documents:
        verify_ahead(document, key)

    assert [verified_ahead(one, key) is not None for one in documents] == [False] * 2 + [True] * 4
