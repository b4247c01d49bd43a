"""The config of a station that is tried under faults."""

import json
from pathlib import Path
from typing import Any, Final

STATION: Final = "CP1"
PING_S: Final = 10
CALL_S: Final = 5


def write_config(
    folder: Path, line: int, csms: dict[str, Any], settings: dict[str, str], **sections: Any
) -> Path:
    """Write it; the meter is behind the TCP port ``line``."""
    config = {
        "station": {
            "id": STATION,
            "vendor": "Example",
            "model": "Wallbox 22",
            "serial_number": "0001",
            "state": str(folder / "state"),
            **sections.pop("station", {}),
        },
        "csms": csms,
        "buses": {"line": {"host": "127.0.0.1", "tcp_port": line, "framing": "rtu"}},
        "meters": {
            "outlet1": {
                "driver": "carlo_gavazzi_em580",
                "bus": "line",
                "powermeter_device_id": 1,
            }
        },
        "evses": [
            {
                "id": 1,
                "evse_id": "DE*ABC*E1",
                "meter": "outlet1",
                "hardware": {"driver": "simulated", **sections.pop("hardware", {})},
            }
        ],
        "settings": {
            "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
            "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
            "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
            "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
            "OCPPCommCtrlr.WebSocketPingInterval": str(PING_S),
            "OCPPCommCtrlr.MessageTimeout#Default": str(CALL_S),
            # Enough for any run of refusals: what is given up is kept, but it is not told.
            "OCPPCommCtrlr.MessageAttempts#TransactionEvent": "1000",
            "OCPPCommCtrlr.MessageAttemptInterval#TransactionEvent": "1",
            "SampledDataCtrlr.TxUpdatedInterval": "2",
            "SampledDataCtrlr.TxEndedInterval": "2",
            **settings,
        },
        **sections,
    }
    path = folder / "station.yaml"
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return path
