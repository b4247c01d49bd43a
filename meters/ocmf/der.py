"""The little DER that keys and signatures need (X.690): one element at a time."""

SEQUENCE = 0x30
INTEGER = 0x02
BIT_STRING = 0x03

_LONG_LENGTH = 0x80


def take(data: bytes, tag: int) -> tuple[bytes, bytes] | None:
    """Content of the element at the front, and what follows it; None if it is another or cut.

    Lengths in the long form are accepted even where the short form would do.
    """
    if len(data) < 2 or data[0] != tag:  # noqa: PLR2004 - tag and length
        return None
    length, start = data[1], 2
    if length >= _LONG_LENGTH:
        start += length - _LONG_LENGTH
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        return None
    return data[start : start + length], data[start + length :]


def element(tag: int, content: bytes) -> bytes:
    """One element in canonical form."""
    length = len(content)
    if length < _LONG_LENGTH:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, _LONG_LENGTH | size)) + length.to_bytes(size, "big") + content


def integer(number: int) -> bytes:
    """A number from 0 in canonical form."""
    return element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))
