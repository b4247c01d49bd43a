"""The config of the station on the power-cut bench."""

from pathlib import Path
from typing import Final

from power_cut_case import Case

STATION: Final = "CUT1"
MORE_EVSES: Final = (2, 3)
"""Those that the sessions have where the CSMS asks for things; they are left in peace."""

_CONFIG: Final = """
station: {{id: {station}, vendor: Example, model: Wallbox 22, serial_number: "1", state: ./state}}
csms: {{url: "ws://127.0.0.1:{port}/ocpp", ocpp: "{version}"}}
buses: {{rs485: {{port: {folder}/tty, baudrate: 115200, timeout_ms: 100}}}}
meters:
{meters}evses:
{evses}settings:
  SampledDataCtrlr.TxUpdatedInterval: "1"
  SampledDataCtrlr.TxEndedInterval: "1"
  AuthCtrlr.OfflineTxForUnknownIdEnabled: "true"
  OCPPCommCtrlr.RetryBackOffWaitMinimum: "1"
  OCPPCommCtrlr.RetryBackOffRandomRange: "0"
  OCPPCommCtrlr.RetryBackOffRepeatTimes: "0"
{more}local: {{listen: "127.0.0.1:0", ready_file: {folder}/local.json}}
"""

_METER: Final = """\
  outlet{number}:
    driver: carlo_gavazzi_em580
    bus: rs485
    powermeter_device_id: {number}
    communication_retry_delay_ms: 50
    initial_connection_retry_delay_ms: 100
    initial_connection_retry_count: 0
"""

_EVSE: Final = """\
  - id: {number}
    evse_id: DE*ABC*E123*{number}
    meter: outlet{number}
    hardware: {{driver: simulated{control}}}
    connectors: [{connectors}]
"""


def write_config(case: Case, folder: Path, port: int, more: str = "") -> None:
    """Write ``config.yaml``; ``more`` are further sections."""
    numbers = (1, *(MORE_EVSES if case.asked else ()))
    text = _CONFIG.format(
        station=STATION,
        port=port,
        version=case.version,
        folder=folder,
        meters="".join(_METER.format(number=number) for number in numbers),
        evses="".join(_evse(number, folder) for number in numbers),
        more=more,
    )
    (folder / "config.yaml").write_text(text)


def _evse(number: int, folder: Path) -> str:
    """The second one has two connectors."""
    control = f", control: {folder}/control" if number == 1 else ""
    kinds = ("cType2", "cType2") if number == MORE_EVSES[0] else ("cType2",)
    connectors = ", ".join(f"{{id: {place}, type: {kind}}}" for place, kind in enumerate(kinds, 1))
    return _EVSE.format(number=number, control=control, connectors=connectors)
