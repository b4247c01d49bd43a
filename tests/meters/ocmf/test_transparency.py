"""What is written for the transparency software is read back to the byte, and verifies."""

from datetime import timedelta

import pytest
from archive_rig import START, public_key, signed
from hypothesis import given
from hypothesis import strategies as st

from meters.ocmf import from_xml
from meters.ocmf.session import check_session, verify_contained
from meters.ocmf.transparency import XML_FOOT, XML_HEAD, Evidence, xml_value

BEGIN, END = ("B", START, "1.000"), ("E", START + timedelta(hours=1), "8.125")


def file_of(*evidence: Evidence) -> str:
    return XML_HEAD + "".join(map(xml_value, evidence)) + XML_FOOT


def test_a_record_with_begin_and_end_stands_alone_and_verifies() -> None:
    record = signed(1, BEGIN, END).document

    (found,) = from_xml(file_of(Evidence(record, public_key(), 7)))

    assert (found.record, found.key) == (record, public_key())
    assert (found.transaction, found.context, found.encoding) == ("", "", "OCMF")
    assert verify_contained(found).valid


def test_begin_and_end_that_are_signed_apart_are_named_as_what_they_are() -> None:
    records = [signed(1, BEGIN).document, signed(2, END).document]

    found = from_xml(file_of(*(Evidence(record, public_key(), 7) for record in records)))

    assert [one.record for one in found] == records
    assert [(one.transaction, one.context) for one in found] == [
        ("7", "Transaction.Begin"),
        ("7", "Transaction.End"),
    ]
    verdicts = [verify_contained(one) for one in found]
    session = check_session(verdicts, [one.context for one in found])
    assert session.sound
    assert session.energy_wh == 7125


def test_the_key_is_written_as_every_verifier_reads_it() -> None:
    point = public_key()[52:]  # the bare point, without the header that names the curve

    text = file_of(
        Evidence(signed(1, BEGIN, END).document, point, 1, method="ECDSA-secp256r1-SHA256")
    )

    assert f'<publicKey encoding="hex">{public_key()}</publicKey>' in text


def test_a_key_that_nobody_can_read_is_written_as_the_meter_gave_it() -> None:
    (found,) = from_xml(file_of(Evidence(b"OCMF|{}|{}", "<no key & nothing>", 1)))

    assert found.key == "<no key & nothing>"


@pytest.mark.parametrize(
    "record",
    [b"OCMF|{}|{\xff}", b"OCMF|{}|{}\x00", b" OCMF|{}|{}", b"OCMF|{}|{}\n"],
    ids=["no text", "no character of XML", "white space before", "white space after"],
)
def test_what_xml_cannot_carry_to_the_byte_is_written_as_hex(record: bytes) -> None:
    text = file_of(Evidence(record, "", 1))

    assert 'encoding="hex"' in text
    (found,) = from_xml(text)
    assert bytes.fromhex(found.record.decode()) == record


@given(st.text(max_size=80).map(lambda inner: f"OCMF|{inner}|"))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    record = text.encode(errors="surrogatepass")

    (found,) = from_xml(file_of(Evidence(record, "", 1)))

    assert record in {
        found.record,
        bytes.fromhex(found.record.decode()) if plainly_hex(found.record) else b"",
    }


def plainly_hex(data: bytes) -> bool:
    return all(byte in b"0123456789ABCDEF" for byte in data)


def test_a_record_of_another_format_keeps_its_name_and_no_context() -> None:
    (found,) = from_xml(file_of(Evidence(b"a 'map' of \"words\"", "", 1, encoding='pl"ain')))

    assert (found.record, found.encoding) == (b"a 'map' of \"words\"", 'pl"ain')
    assert found.context == ""
