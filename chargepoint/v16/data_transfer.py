"""Vendor-specific data (section 5.6)."""

from typing import Any

from chargepoint.csms.adapter import handles


class DataTransfer:
    """No vendor extensions are known here."""

    @handles("DataTransfer")
    async def transfer(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.6: an unknown vendor."""
        return {"status": "UnknownVendorId"}
