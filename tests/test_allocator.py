"""Little memory that nobody uses, where the C library can do it."""

import platform

from chargepoint.allocator import be_thrifty


def test_the_library_takes_it_or_cannot() -> None:
    assert be_thrifty() is (platform.libc_ver()[0] == "glibc")
