"""The command that a container and a monitoring system ask with."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from served_station import Served, serve

from chargepoint.cli import main


async def asked(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["health", *arguments])


async def test_a_station_that_gets_on_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = tmp_path / "local.json"
    async with serve(tmp_path, ready_file=ready) as served:
        assert await asked("--ready-file", str(ready)) == 0
        assert capsys.readouterr().out == "ok\n"

        served.session.online, served.session.registration = False, "Rejected"
        assert await asked("--ready-file", str(ready)) == 0, "the CSMS does not matter"


async def test_a_station_that_hangs_is_not_well_and_it_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = tmp_path / "local.json"
    async with serve(tmp_path, ready_file=ready) as served:
        hang(served)
        assert await asked("--ready-file", str(ready)) == 1
        assert "EVSE 1: its supervision does not go round" in capsys.readouterr().err

        answer = await served.ask("GET", "/healthz", token=None)
        assert answer.status == 503
        status = await served.get("/v1/status")
        assert status["stalled"] == ["EVSE 1: its supervision does not go round"]
        assert "\nchargepoint_stalled 1\n" in (await served.ask("GET", "/metrics")).body


def hang(served: Served) -> None:
    """Long ago is when it last went round."""
    served.station.evses[1].runner.turned_at = -1000.0
    served.station.progress._since = -1000.0


async def test_a_config_says_where_to_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = Path(__file__).parent.parent / "configs" / "demo.yaml"
    config, ready = tmp_path / "station.yaml", tmp_path / "local.json"
    async with serve(tmp_path) as served:
        text = demo.read_text().replace("127.0.0.1:8600", served.server.url.removeprefix("http://"))
        config.write_text("".join(line for line in text.splitlines(True) if "ready_f" not in line))
        assert await asked(str(config)) == 0
        config.write_text(config.read_text().replace("local:\n", "local:\n  ready_file:\n"))
        assert await asked(str(config)) == 0, "nothing is no file"

    async with serve(tmp_path, ready_file=ready):
        config.write_text(demo.read_text().replace("./state/local.json", str(ready)))
        assert await asked(str(config)) == 0
        monkeypatch.setenv("HOME", str(tmp_path))
        config.write_text(demo.read_text().replace("./state/local.json", "~/local.json"))
        assert await asked(str(config)) == 0, "as the station itself reads it"
    assert await asked(str(config)) == 1, "the ready file is gone with the station"
    assert "the station does not answer" in capsys.readouterr().err


def test_a_station_that_is_not_there_or_hangs_altogether_is_not_well(tmp_path: Path) -> None:
    ready = tmp_path / "local.json"
    assert main(["health", "--ready-file", str(ready)]) == 1

    ready.write_text("[]")
    assert main(["health", "--ready-file", str(ready)]) == 1

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.MonkeyPatch.context() as patch:
        patch.setattr("chargepoint.cli.health._TIMEOUT_S", 0.2)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ready.write_text(json.dumps({"url": url, "token": "x", "pid": 1}))
        assert main(["health", "--ready-file", str(ready)]) == 1


@pytest.mark.parametrize("arguments", [[], ["station.yaml", "--ready-file", "local.json"]])
def test_it_needs_one_way_to_find_the_station(arguments: list[str]) -> None:
    assert main(["health", *arguments]) == 2


def test_a_config_without_a_way_to_ask_is_a_mistake(tmp_path: Path) -> None:
    demo = (Path(__file__).parent.parent / "configs" / "demo.yaml").read_text()
    config = tmp_path / "station.yaml"
    config.write_text(demo.split("local:")[0])
    assert main(["health", str(config)]) == 2


def test_the_default_is_that_of_the_config() -> None:
    from chargepoint.cli.health import _LISTEN
    from chargepoint.config_model import LocalSection

    assert LocalSection().listen == _LISTEN


def test_it_imports_nothing_of_the_station() -> None:
    script = """
import sys
from chargepoint.cli import main
main(["health", "--ready-file", "/nowhere"])
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=60
    )
    heavy = {"asyncio", "sqlite3", "websockets", "msgspec", "cryptography", "yaml"}
    assert not set(done.stdout.split()) & heavy
