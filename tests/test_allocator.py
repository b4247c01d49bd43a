"""One arena for all threads, where the C library can do it."""

import platform

from chargepoint.allocator import one_arena


def test_the_library_takes_it_or_cannot() -> None:
    assert one_arena() is (platform.libc_ver()[0] == "glibc")
