"""What a config opens up: transfers, the local interface, and the warnings about it."""

import json
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from chargepoint.cli import main
from chargepoint.config import load_config
from chargepoint.config_warnings import warnings
from chargepoint.core.transfer import Scheme
from chargepoint.errors import ConfigError
from chargepoint.wiring import upkeep_of

DEMO = (Path(__file__).parents[1] / "configs/demo.yaml").read_text()
LISTEN = "  listen: 127.0.0.1:8600"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "site.yaml"
        path.write_text(text)
        return path

    return written


def test_nothing_is_given_up_by_default(write: Write) -> None:
    assert LISTEN in DEMO
    assert warnings(load_config(write(DEMO), {})) == []


def test_without_an_address_the_local_interface_listens_on_loopback(write: Write) -> None:
    local = load_config(write(DEMO.replace(LISTEN, "")), {}).local

    assert local is not None
    assert local.host == "127.0.0.1"
    assert not local.exposed
    assert not local.drive_real_hardware


@pytest.mark.parametrize("listen", ["0.0.0.0:8600", "192.168.1.5:8600", "'[::]:8600'", "box:8600"])
def test_an_address_that_others_reach_is_warned_of(write: Write, listen: str) -> None:
    config = load_config(write(DEMO.replace(LISTEN, f"  listen: {listen}")), {})

    assert warnings(config)[0].startswith(f"local.listen: {listen.strip(chr(39))} can be reached")


@pytest.mark.parametrize("listen", ["localhost:1", "127.0.0.9:1", "'[::1]:1'"])
def test_loopback_has_several_names(write: Write, listen: str) -> None:
    assert warnings(load_config(write(DEMO.replace(LISTEN, f"  listen: {listen}")), {})) == []


OPEN = f"""{DEMO.replace(LISTEN, LISTEN + chr(10) + "  drive_real_hardware: true")}
transfers: {{schemes: https, local_addresses: [10.20.0.0/16, 192.168.1.7]}}
firmware: {{install_command: [sh], allow_unsigned: true}}
"""


def test_check_warns_of_all_that_is_given_up_and_goes_on(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write(OPEN))

    assert main(["check", path]) == 0
    text = capsys.readouterr().out
    assert main(["check", path, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["warnings"]

    assert [sentence.partition(":")[0] for sentence in told] == [
        "local.drive_real_hardware",
        "firmware.allow_unsigned",
        "transfers.local_addresses",
        "transfers.local_addresses",
    ]
    assert all(f"warning: {sentence}" in text for sentence in told)


def test_files_travel_as_the_config_says(write: Write) -> None:
    upkeep = upkeep_of(load_config(write(OPEN), {}))

    assert upkeep.schemes == {Scheme.HTTPS}
    assert upkeep.reach.permits("10.20.1.1")
    assert upkeep.reach.permits("192.168.1.7")
    assert not upkeep.reach.permits("192.168.1.8")


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("ws://127.0.0.1:9000/ocpp", (ip_network("127.0.0.1/32"),)),
        ("ws://10.1.2.3/ocpp", (ip_network("10.1.2.3/32"),)),
        ("ws://csms.example/ocpp", ()),
    ],
)
def test_an_address_of_the_csms_in_the_config_may_be_reached(
    write: Write, url: str, near: tuple[object, ...]
) -> None:
    config = load_config(write(DEMO.replace("ws://127.0.0.1:9000/ocpp", url)), {})

    assert upkeep_of(config).reach.near == near
    assert upkeep_of(config).schemes == frozenset(Scheme)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            "{local_addresses: 10.0.0.1/8}",
            "local_addresses[0]: found 10.0.0.1/8 has host bits",
        ),
        ("{local_addresses: [box]}", "an address, or a network like 10.20.0.0/16"),
        ("{schemes: []}", "transfers.schemes: found an empty list"),
        ("{schemes: gopher}", "allowed: ftp, ftps, http, https or sftp"),
    ],
)
def test_what_transfers_cannot_be_is_a_mistake(write: Write, section: str, expected: str) -> None:
    with pytest.raises(ConfigError) as found:
        load_config(write(f"{DEMO}\ntransfers: {section}\n"), {})

    assert expected in str(found.value)
