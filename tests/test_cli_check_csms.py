"""``chargepoint check --connect`` tries the CSMS as the station would: with what a CSMS changed."""

import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from pki import root

from chargepoint.bench.csms import SmallCsms
from chargepoint.cli.check import try_csms
from chargepoint.config import StationConfig, load_config
from chargepoint.core.certificates import Use
from chargepoint.core.network import NetworkProfile
from chargepoint.store.sqlite import Store
from chargepoint.stored_link import stored_link

OLD, NEW = b"the old password", b"the new password"


@dataclass
class Given:
    """A config file whose state folder a station has used before."""

    path: Path

    def config(self, url: str) -> StationConfig:
        self.path.write_text(f"""
station: {{id: CP1, vendor: Example, model: Wallbox, state: {self.path.parent}/state}}
csms: {{url: "{url}", ocpp: "2.0.1", security_profile: 1, password: "{OLD.decode()}"}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses: [{{id: 1, meter: outlet1, hardware: {{driver: simulated}}}}]
""")
        self.path.chmod(0o600)
        return load_config(self.path)

    @property
    def store(self) -> Store:
        return Store(self.path.parent / "state", "CP1")


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(tmp_path / "station.yaml")


async def test_the_password_of_the_file_counts_until_a_csms_sets_another(given: Given) -> None:
    async with SmallCsms(password=OLD) as csms:
        unused = await try_csms(given.config(csms.url))
        with given.store:
            pass
        used = await try_csms(given.config(csms.url))

    assert [trial.words for trial in (unused, used)] == [
        "lets the station in, speaks ocpp2.0.1"
    ] * 2


async def test_the_password_that_a_csms_set_is_tried_and_never_told(given: Given) -> None:
    with given.store as store:
        store.credentials.change(NEW, OLD)
        store.credentials.accept()
        async with SmallCsms(password=NEW) as csms:
            good = await try_csms(given.config(csms.url))
        async with SmallCsms(password=OLD) as csms:
            bad = await try_csms(given.config(csms.url))

    assert (good.good, bad.good, bad.code) == (True, False, 4)
    assert "(set by a CSMS: another password)" in good.words
    assert "(set by a CSMS: another password)" in bad.words
    assert NEW.decode() not in good.words + bad.words


async def test_the_slot_that_is_first_now_is_tried(given: Given) -> None:
    async with SmallCsms(password=OLD) as csms:
        with given.store as store:
            store.network.save(2, NetworkProfile(csms.url, 1, timedelta(seconds=30)))
            store.settings.save_setting("OCPPCommCtrlr.NetworkConfigurationPriority", "2,1")
        trial = await try_csms(given.config("ws://127.0.0.1:1/ocpp"))

    assert trial.good
    assert f"network profile 2, {csms.url}" in trial.words


async def test_a_security_profile_that_a_csms_raised_is_tried(given: Given) -> None:
    async with SmallCsms(password=OLD) as csms:
        with given.store as store:
            store.keys.install(Use.CSMS_ROOT, root().pem)
            store.credentials.raise_profile(2)
        trial = await try_csms(given.config(csms.url))

    assert not trial.good
    assert "security profile 2" in trial.words
    assert "wss://" in trial.words


async def test_what_the_csms_allowed_and_forbade_counts(given: Given) -> None:
    config = given.config("ws://127.0.0.1:1/ocpp")
    with given.store as store:
        store.network.save(2, NetworkProfile("wss://127.0.0.1:1/o", 2, timedelta(seconds=30)))
        store.credentials.raise_profile(3)
        for name, value in (
            ("OCPPCommCtrlr.NetworkConfigurationPriority", "2"),
            ("SecurityCtrlr.AllowCSMSTLSWildcards", "false"),
            ("SecurityCtrlr.AllowSecurityProfileDowngrade", "true"),
        ):
            store.settings.save_setting(name, value)
    found = await stored_link(config)

    assert (found.config.wildcards, found.config.password) == (False, OLD)
    assert "security profile 2" in found.changes


async def test_a_state_folder_that_is_none_is_said_and_left_out(given: Given) -> None:
    async with SmallCsms(password=OLD) as csms:
        (given.path.parent / "state").mkdir()
        with sqlite3.connect(given.path.parent / "state" / "station.db") as db:
            db.execute("CREATE TABLE other (x)")
        trial = await try_csms(given.config(csms.url))

    assert trial.good
    assert "unknown, " in trial.words
