"""Block P, data transfer."""

from typing import Any

from chargepoint.csms.adapter import handles


class DataTransfer:
    """No vendor extensions are known here."""

    @handles("DataTransfer")
    async def transfer(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """P01.FR.06: an unknown vendor."""
        return {"status": "UnknownVendorId"}
