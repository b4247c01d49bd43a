from typing import Any

import pytest


@pytest.mark.spec("1.6", "TC_062")
@pytest.mark.spec("1.6", "5.6")
@pytest.mark.parametrize("more", [{}, {"messageId": "m", "data": "d"}])
async def test_a_vendor_nobody_knows_is_refused(bench: Any, more: dict[str, str]) -> None:
    answer = await bench.ask("DataTransfer", vendorId="com.example", **more)

    assert answer == {"status": "UnknownVendorId"}
