"""Frames: the worked examples of the EM580 reference, and everything an answer can look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters import rtu
from meters.rtu import (
    CrcMismatch,
    Request,
    Trouble,
    crc16,
    find_mbap,
    find_rtu,
    mbap_frame,
    read_request,
    rtu_frame,
    trouble_mbap,
    trouble_rtu,
    words_of,
    write_request,
)

READS = [
    (0x000B, 1, "01 04 00 0B 00 01 40 08"),
    (0x0000, 52, "01 04 00 00 00 34 F1 DD"),
    (0x0500, 32, "01 04 05 00 00 20 F1 1E"),
    (0x0800, 109, "01 04 08 00 00 6D 33 87"),
    (0x24FF, 1, "01 04 24 FF 00 01 0B 0A"),
    (0x2500, 49, "01 04 25 00 00 31 3A D2"),
    (0x2600, 62, "01 04 26 00 00 3E 7A 92"),
    (0x7100, 1, "01 04 71 00 00 01 2A F6"),
    (0x7101, 1, "01 04 71 01 00 01 7B 36"),
    (0x7110, 125, "01 04 71 10 00 7D 2A D2"),
    (0x718D, 125, "01 04 71 8D 00 7D BB 3C"),
    (0x7304, 42, "01 04 73 04 00 2A 2A 90"),
]
WRITES = [
    (0x7040, [0x42], "01 10 70 40 00 01 02 00 42 59 66"),
    (0x7040, [0x45], "01 10 70 40 00 01 02 00 45 18 A4"),
    (0x7100, [0], "01 10 71 00 00 01 02 00 00 C7 57"),
    (0x7031, [60], "01 10 70 31 00 01 02 00 3C D3 A7"),
    (0x7007, [0x4142, 0x4300], "01 10 70 07 00 02 04 41 42 43 00 52 93"),
    (
        0x7032,
        [0x8F5C, 0x6942, 0, 0],
        "01 10 70 32 00 04 08 8F 5C 69 42 00 00 00 00 15 DE",
    ),
]
ONE_WORD = read_request(1, rtu.READ_INPUT, 0x7100, 1)
BEGIN = write_request(1, 0x7040, [0x42])


def frame(text: str) -> bytes:
    return bytes.fromhex(text)


def sealed(body: bytes) -> bytes:
    return body + crc16(body).to_bytes(2, "little")


def answer(request: Request, words: list[int]) -> bytes:
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return sealed(bytes((request.unit, request.function, len(data))) + data)


@pytest.mark.parametrize(("address", "count", "wire"), READS)
def test_read_requests_are_framed_as_in_the_reference(address: int, count: int, wire: str) -> None:
    assert rtu_frame(read_request(1, rtu.READ_INPUT, address, count)) == frame(wire)


@pytest.mark.parametrize(("address", "words", "wire"), WRITES)
def test_write_requests_are_framed_as_in_the_reference(
    address: int, words: list[int], wire: str
) -> None:
    assert rtu_frame(write_request(1, address, words)) == frame(wire)


@pytest.mark.parametrize(
    ("request_", "wire", "pdu"),
    [
        (read_request(1, 4, 0x000B, 1), "01 04 02 01 54 B9 5F", "04 02 01 54"),
        (ONE_WORD, "01 04 02 00 01 78 F0", "04 02 00 01"),
        (ONE_WORD, "01 04 02 00 02 38 F1", "04 02 00 02"),
        (read_request(1, 4, 0x7101, 1), "01 04 02 02 1E 38 58", "04 02 02 1E"),
        (ONE_WORD, "01 84 02 C2 C1", "84 02"),
        (ONE_WORD, "01 84 03 03 01", "84 03"),
        (BEGIN, "01 10 70 40 00 01 1A DD", "10 70 40 00 01"),
        (BEGIN, "01 90 02 CD C1", "90 02"),
        (BEGIN, "01 90 03 0C 01", "90 03"),
        (BEGIN, "01 90 04 4D C3", "90 04"),
        (write_request(1, 0x7100, [0]), "01 10 71 00 00 01 1A F5", "10 71 00 00 01"),
    ],
)
def test_answers_of_the_reference_are_found(request_: Request, wire: str, pdu: str) -> None:
    assert find_rtu(frame(wire), request_) == frame(pdu)


def test_a_checksum_over_a_frame_with_its_checksum_is_zero() -> None:
    assert crc16(frame("01 04 00 0B 00 01")) == 0x0840
    assert crc16(frame("01 04 00 0B 00 01 40 08")) == 0


@pytest.mark.parametrize("count", [0, 126])
def test_a_read_of_so_many_words_is_not_built(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 125"):
        read_request(1, rtu.READ_INPUT, 0, count)


@pytest.mark.parametrize("count", [0, 124])
def test_a_write_of_so_many_words_is_not_built(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 123"):
        write_request(1, 0, [0] * count)


def test_no_beginning_of_an_answer_is_taken_for_the_answer() -> None:
    whole = answer(ONE_WORD, [2])

    found = [find_rtu(whole[:size], ONE_WORD) for size in range(len(whole))]

    assert found == [None] * len(whole)


@given(st.binary(max_size=20), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125))
def test_noise_in_front_of_an_answer_is_skipped(noise: bytes, words: list[int]) -> None:
    request = read_request(17, rtu.READ_INPUT, 0x7110, len(words))

    pdu = find_rtu(noise + answer(request, words), request)

    assert pdu is not None
    assert words_of(pdu) == tuple(words)


@given(st.integers(0, 8 * 9 - 1))
def test_an_answer_with_one_wrong_bit_is_never_accepted(bit: int) -> None:
    request = read_request(1, rtu.READ_INPUT, 0x7101, 2)
    damaged = bytearray(answer(request, [542, 1]))
    damaged[bit // 8] ^= 1 << bit % 8

    try:
        pdu = find_rtu(damaged, request)
    except CrcMismatch:
        return
    assert pdu is None


def test_a_damaged_answer_is_told_from_none() -> None:
    with pytest.raises(CrcMismatch):
        find_rtu(frame("01 04 02 00 01 78 F1"), ONE_WORD)


def test_behind_a_damaged_answer_the_right_one_is_still_found() -> None:
    damaged, right = frame("01 04 02 00 01 78 F1"), frame("01 04 02 00 01 78 F0")

    assert find_rtu(damaged + right[:2], ONE_WORD) is None
    assert find_rtu(damaged + right, ONE_WORD) == frame("04 02 00 01")


def test_the_echo_of_a_write_is_not_its_answer() -> None:
    echo = rtu_frame(BEGIN)

    assert find_rtu(echo, BEGIN) is None
    assert find_rtu(echo + frame("01 10 70 40 00 01 1A DD"), BEGIN) == frame("10 70 40 00 01")


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(sealed(frame("02 04 02 00 01")), id="other unit"),
        pytest.param(sealed(frame("01 03 02 00 01")), id="other function"),
        pytest.param(sealed(frame("01 04 04 00 01 00 02")), id="more words"),
        pytest.param(sealed(frame("02 84 02")), id="exception of another unit"),
        pytest.param(sealed(frame("01 90 02")), id="exception to a write"),
    ],
)
def test_an_answer_to_something_else_is_not_taken(wire: bytes) -> None:
    assert find_rtu(wire, ONE_WORD) is None


@pytest.mark.parametrize("wire", ["01 10 70 41 00 01", "01 10 70 40 00 02"])
def test_a_write_is_answered_by_its_own_address_and_count_only(wire: str) -> None:
    assert find_rtu(sealed(frame(wire)), BEGIN) is None


@pytest.mark.parametrize(
    ("wire", "trouble"),
    [
        (b"", Trouble.SILENCE),
        (frame("01 04 02 00"), Trouble.SHORT),
        (frame("01"), Trouble.SHORT),
        (sealed(frame("07 04 02 00 01")), Trouble.OTHER_UNIT),
        (sealed(frame("01 04 04 00 01 00 02")), Trouble.OTHER_ANSWER),
        (sealed(frame("01 90 02")), Trouble.OTHER_ANSWER),
        (sealed(frame("01 10 70 40 00 01")), Trouble.OTHER_ANSWER),
        (frame("FF 00 FF"), Trouble.NOISE),
        (frame("01 04 03 00 01 78 F0"), Trouble.NOISE),
    ],
)
def test_what_stands_on_the_line_is_named(wire: bytes, trouble: Trouble) -> None:
    assert trouble_rtu(wire, ONE_WORD) is trouble


def test_a_request_says_what_it_is() -> None:
    assert str(ONE_WORD) == "read of 1 at 0x7100"
    assert str(BEGIN) == "write of 1 at 0x7040"


def test_modbus_tcp_has_a_number_and_no_checksum() -> None:
    assert mbap_frame(ONE_WORD, 0x1234) == frame("12 34 00 00 00 06 01 04 71 00 00 01")


@pytest.mark.parametrize(
    ("wire", "pdu"),
    [
        ("00 07 00 00 00 05 01 04 02 00 02", "04 02 00 02"),
        ("00 07 00 00 00 03 01 84 02", "84 02"),
        ("00 06 00 00 00 05 01 04 02 00 01 00 07 00 00 00 05 01 04 02 00 02", "04 02 00 02"),
        ("00 06 00 00 00 05 01 04 02 00 01", None),
        ("00 07 00 00 00 05 02 04 02 00 01", None),
        ("00 07 00 00 00 07 01 04 04 00 01 00 01", None),
        ("00 07 00 00 00 05 01 04 02 00", None),
        ("00 07 00 00", None),
    ],
)
def test_modbus_tcp_answers_are_found_by_their_number(wire: str, pdu: str | None) -> None:
    found = find_mbap(frame(wire), ONE_WORD, 7)

    assert found == (None if pdu is None else frame(pdu))


@pytest.mark.parametrize(
    ("wire", "trouble"),
    [
        ("", Trouble.SILENCE),
        ("00 07 00", Trouble.SHORT),
        ("00 07 00 00 00 05 01 04 02", Trouble.SHORT),
        ("00 06 00 00 00 05 01 04 02 00 01", Trouble.OTHER_ANSWER),
        ("00 07 00 00 00 05 09 04 02 00 01", Trouble.OTHER_UNIT),
    ],
)
def test_what_came_over_modbus_tcp_is_named(wire: str, trouble: Trouble) -> None:
    assert trouble_mbap(frame(wire), ONE_WORD) is trouble
