"""From the meter's line to the metrics of a running station: every part of the way is real."""

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from chargepoint import app
from chargepoint.bench.measure_rig import write_config
from chargepoint.clock import SystemClock
from chargepoint.config import load_config
from meters.simulators.em580.device import Em580
from meters.simulators.em580.settings import Em580Settings
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.line import PtyLine

COUNT = re.compile(r"chargepoint_bus_(unit_)?(\w+)_total\{bus=\"rs485\"(?:,unit=\"1\")?\} (\S+)")


async def scraped(life: app.Life, folder: Path) -> dict[str, float]:
    token = json.loads((folder / "local.json").read_text())["token"]
    host, _, port = urlsplit(life.url).netloc.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    text = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert text.startswith("HTTP/1.1 200"), text[:500]
    return {f"{unit}{name}": float(value) for unit, name, value in COUNT.findall(text)}


async def test_what_the_bus_counts_stands_in_the_metrics_of_the_station(tmp_path: Path) -> None:
    settings = Em580Settings()
    device = Em580(settings, monotonic=lambda: 1e6)  # booted long ago
    device._awake_at = 0.0
    async with PtyLine({1: device}, tmp_path / "tty") as line:
        device.faults.add(Fault(kind=FaultKind.BAD_CRC, count=1))
        path = write_config(tmp_path, url="ws://127.0.0.1:9", port=line.link or tmp_path)

        async with app.live(load_config(path), clock=SystemClock()) as life:
            async with asyncio.timeout(20):
                while life.station.evses[1].meter.reading is None:  # noqa: ASYNC110 - bounded
                    await asyncio.sleep(0.05)
            told = await scraped(life, tmp_path)

    assert told["requests"] == told["unit_requests"] > 5
    assert told["crc_errors"] == told["unit_crc_errors"] == 1
    assert 0 < told["busy_seconds"] < 20
    assert told["reopened"] == told["bytes_unasked"] == 0
    assert "unit_reopened" not in told
    assert line.counters.requests >= told["requests"]
