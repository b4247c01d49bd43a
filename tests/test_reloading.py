"""Reading a config again: what is taken at once, what waits, what is not taken at all."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from site_rig import Site, site_of, until

from chargepoint.config import StationConfig, load_config
from chargepoint.errors import ConfigError, Refused
from chargepoint.reloading import Reload, differences, reload_config


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    async with site_of(tmp_path, monkeypatch) as site:
        yield site


def changed(folder: Path, **changes: str) -> StationConfig:
    text = (folder / "station.yaml").read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "changed.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return load_config(path)


async def reload(site: Site, fresh: StationConfig) -> None:
    await reload_config(site.life, Reload(asyncio.Event(), lambda: fresh))


async def test_keys_that_need_a_start_are_told_one_by_one_and_stay_told(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await reload(site, changed(tmp_path, **{"vendor: Example": "vendor: Other"}))
    assert site.life.pending == ("station.vendor",)

    await reload(
        site,
        changed(
            tmp_path,
            **{
                "vendor: Example": "vendor: Other",
                "tcp_port: 9": "tcp_port: 8",
                "Minimum: 1": "Minimum: 2",
            },
        ),
    )
    waits = (
        "buses.line.tcp_port",
        "settings.OCPPCommCtrlr.RetryBackOffWaitMinimum",
        "station.vendor",
    )
    assert site.life.pending == waits
    assert f"not in force before the next start: {', '.join(waits)}" in caplog.text
    assert "config reloaded; nothing changes now" in caplog.text


async def test_the_way_to_the_csms_is_taken_at_once(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    url = site.csms.url
    await reload(site, changed(tmp_path, **{url: f"{url}/other"}))

    assert site.life.pending == ()
    assert "connecting to the CSMS again for csms.url" in caplog.text
    await site.back()


async def test_what_a_life_is_made_with_waits_although_it_is_about_the_csms(
    site: Site, tmp_path: Path
) -> None:
    await reload(site, changed(tmp_path, **{'ocpp: "2.0.1"': 'ocpp: ["2.0.1", "1.6"]'}))

    assert site.life.pending == ("csms.ocpp",)


async def test_a_config_with_mistakes_changes_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    before = site.life.config

    def read() -> StationConfig:
        raise ConfigError("station.yaml:3: station.id: missing")

    await reload_config(site.life, Reload(asyncio.Event(), read))

    assert site.life.config is before
    assert site.life.pending == ()
    assert "config not reloaded, the old one stays:\nstation.yaml:3" in caplog.text


async def test_the_same_config_is_no_change(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await reload(site, changed(tmp_path))

    assert site.life.pending == ()
    assert "not in force" not in caplog.text
    assert site.life.session.online


class Inner(msgspec.Struct):
    number: int = 1
    names: dict[str, int] = {}


class Outer(msgspec.Struct):
    parts: tuple[Inner, ...] = ()
    one: Inner | None = None
    positions: int = 0


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        (Outer(), Outer(positions=7), []),
        (Outer((Inner(),)), Outer((Inner(2),)), ["parts[0].number"]),
        (Outer((Inner(),)), Outer((Inner(), Inner())), ["parts"]),
        (Outer(one=Inner()), Outer(), ["one"]),
        (
            Outer(one=Inner(names={"a": 1})),
            Outer(one=Inner(names={"b": 1})),
            ["one.names.a", "one.names.b"],
        ),
    ],
)
def test_a_difference_is_named_as_deep_as_it_is(old: object, new: object, keys: list[str]) -> None:
    assert list(differences(old, new)) == keys


async def test_a_local_interface_that_is_new_listens_where_the_config_says(
    site: Site, tmp_path: Path
) -> None:
    """It waits for a reset; then nothing of a config without one may be left."""
    local = "local: {listen: '127.0.0.1:0'}\nsettings:"
    await reload(site, changed(tmp_path, **{"settings:": local}))
    assert site.life.pending == ("local",)

    await site.call("Reset", type="Immediate")
    await until(lambda: len(site.lives) == 2)

    assert site.life.url.startswith("http://127.0.0.1:")
    await until(lambda: site.life.session.online)


async def test_files_may_come_from_where_the_csms_is_now(site: Site, tmp_path: Path) -> None:
    place, location = "http://10.9.8.7/update.bin", site.life.station.services.transfer.location
    with pytest.raises(Refused):
        location(place)

    await reload(site, changed(tmp_path, **{site.csms.url: "wss://10.9.8.7/ocpp"}))

    assert location(place).host == "10.9.8.7"
    assert site.life.station.evse(1).runner._policy().tls, "what a signed record says of the way"


async def test_a_config_that_no_life_can_begin_with_does_not_end_the_station(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Some mistakes show only when it comes into force: with a reset, of which nobody knows."""
    before = site.life.config
    await reload(site, changed(tmp_path, **{"settings: {": "settings: {NoSuchSetting: 1, "}))
    assert site.life.station.model.set_key("ResetRetries", "0").answer == "Accepted"

    await site.call("Reset", type="Immediate")
    await until(lambda: len(site.lives) == 2)

    assert site.life.config is before
    assert "going on with the config before" in caplog.text
    await until(lambda: site.life.session.online)
