"""How a simulated device says no, or nothing at all."""

from enum import IntEnum


class Code(IntEnum):
    """Exception codes of Modbus (Application Protocol 1.1b3, section 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    BUSY = 6


class Refusal(Exception):  # noqa: N818 - reads as a state
    """The device answers with an exception code. Caught by the line, which sends it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code:02X}")
        self.code = code


class NoReply(Exception):  # noqa: N818 - reads as a state
    """The device does not answer this request. Caught by the line."""
