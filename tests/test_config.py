"""What an installer is told about a config, and what a right one becomes."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chargepoint.config import check_settings, json_schema, load_config
from chargepoint.config_decode import Decoder
from chargepoint.config_open import link_config
from chargepoint.config_yaml import read
from chargepoint.errors import ConfigError
from chargepoint.store.leaving import Bounds
from chargepoint.wiring import bounds_of
from meters.http import HttpConfig

CONFIGS = Path(__file__).parents[1] / "configs"

GOOD = """\
station:
  id: CP001
  vendor: Example
  model: Wallbox
csms:
  url: ws://127.0.0.1:9000/ocpp
  ocpp: "2.0.1"
buses:
  rs485:
    port: /dev/ttyUSB0
    parity: none
meters:
  outlet1:
    driver: wired
    bus: rs485
    powermeter_device_id: 1
evses:
  - id: 1
    meter: outlet1
    hardware: {driver: simulated}
    connectors: [{id: 1, type: cType2}]
settings:
  HeartbeatInterval: 30
local:
  listen: 127.0.0.1:0
"""


class WiredConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a meter on a bus."""

    powermeter_device_id: int = 1
    public_key_format: Literal["binary", "der"] = "binary"


class NetworkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a meter on the network."""

    host: str
    port: int = 80


def where_it_is(options: NetworkConfig) -> HttpConfig:
    if "/" in options.host:
        raise ValueError(f"host {options.host!r}, expected a name or an address")
    return HttpConfig(host=options.host, port=options.port)


DRIVERS = {
    "wired": SimpleNamespace(TRANSPORT="modbus", Config=WiredConfig, create=print),
    "networked": SimpleNamespace(
        TRANSPORT="http", Config=NetworkConfig, create=print, http_config=where_it_is
    ),
}


@pytest.fixture(autouse=True)
def _drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(*, group: str, name: str = "") -> list[Any]:
        assert group == "meters.drivers"
        return [
            SimpleNamespace(name=key, load=lambda driver=driver: driver)
            for key, driver in DRIVERS.items()
            if name in {"", key}
        ]

    monkeypatch.setattr("meters.catalog.entry_points", points)


@pytest.fixture
def site(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "site.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def complaint(path: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ or {})
    return str(caught.value).replace(str(path), "site.yaml")


TWO_ON_THE_NETWORK = """    powermeter_device_id: 1
  left: {driver: networked, host: meter.lan, port: 8080}
  right: {driver: networked, host: Meter.LAN, port: 8080}
"""
SECOND_METER = "    powermeter_device_id: 1\n  outlet2: {driver: wired, bus: rs485}\n"
SECOND_EVSE = "settings:\n"

# what is replaced, by what, the complaint
WRONG_VALUES = [
    ("  id: CP001\n", "", "site.yaml:1: station.id: missing; allowed: text of 1 to 48 characters"),
    (
        "  vendor: Example",
        "  vender: Example",
        (
            "site.yaml:3: station.vender: found an unknown key; allowed: id, vendor, model, "
            "serial_number, state, records; did you mean `vendor`?"
        ),
    ),
    (
        "station:\n",
        "stations: {}\nstation:\n",
        (
            "site.yaml:1: stations: found an unknown key; allowed: station, csms, buses, meters, "
            "evses, settings, custom_settings, local, firmware, transfers; did you mean `station`?"
        ),
    ),
    (
        "  id: CP001",
        "  id: 0001",
        (
            "site.yaml:2: station.id: found 0001, which YAML reads as a "
            "number; allowed: text of 1 to "
            '48 characters; write it in quotes: id: "0001"'
        ),
    ),
    (
        "  id: CP001",
        f"  id: {'C' * 49}",
        f'site.yaml:2: station.id: found "{"C" * 49}"; allowed: text of 1 to 48 characters',
    ),
    (
        "  id: CP001",
        '  id: "CP:001"',
        "site.yaml:2: station.id: found \"CP:001\"; allowed: characters without ':' and blanks",
    ),
    ("  id: CP001", "  id:", "site.yaml:2: station.id: found nothing; allowed: text"),
    ("  id: CP001", "  id: [a]", "site.yaml:2: station.id: found a list; allowed: text"),
    (
        '"2.0.1"',
        "1.6",
        (
            "site.yaml:7: csms.ocpp: found 1.6, which YAML reads as a number; allowed: "
            '"1.6" or "2.0.1"; write it in quotes: ocpp: "1.6"'
        ),
    ),
    (
        '"2.0.1"',
        '["1.6", "2.0"]',
        'site.yaml:7: csms.ocpp[1]: found "2.0"; allowed: "1.6" or "2.0.1"; did you mean `2.0.1`?',
    ),
    (
        '"2.0.1"',
        '["1.6", "1.6"]',
        "site.yaml:7: csms.ocpp: found 1.6, 1.6; allowed: each version once",
    ),
    ('"2.0.1"', "[]", "site.yaml:7: csms.ocpp: found an empty list; allowed: one entry or more"),
    (
        "parity: none",
        "parity: no",
        (
            "site.yaml:11: buses.rs485.parity: found no, which YAML reads as false; allowed: none, "
            'even or odd; write it in quotes: parity: "no"'
        ),
    ),
    (
        "parity: none",
        "baudrate: fast",
        'site.yaml:11: buses.rs485.baudrate: found "fast"; allowed: an integer from 300 to 1000000',
    ),
    (
        "parity: none",
        'baudrate: "9600"',
        (
            'site.yaml:11: buses.rs485.baudrate: found "9600"; allowed: an integer from 300 to '
            "1000000; write it without quotes"
        ),
    ),
    (
        "parity: none",
        "host: 192.168.1.5",
        "site.yaml:10: buses.rs485.port: found an unknown key; allowed: host, tcp_port, framing",
    ),
    (
        "parity: none\n",
        "parity: none\n  again: {port: /dev/ttyUSB0}\n",
        (
            "site.yaml:12: buses.again: found /dev/ttyUSB0 again; allowed: one bus per line, see "
            "`rs485`"
        ),
    ),
    (
        "driver: wired",
        "driver: wierd",
        'site.yaml:14: meters.outlet1.driver: found "wierd"; allowed: ',
    ),
    ("driver: wired", "driver: wierd", "; did you mean `wired`?"),
    ("    driver: wired\n", "", "site.yaml:13: meters.outlet1.driver: missing; allowed: "),
    (
        "powermeter_device_id: 1",
        "device_id: 1",
        (
            "site.yaml:16: meters.outlet1.device_id: found an unknown key; allowed: "
            "powermeter_device_id, public_key_format, driver, bus; did you mean "
            "`powermeter_device_id`?"
        ),
    ),
    (
        "powermeter_device_id: 1",
        "public_key_format: pem",
        'site.yaml:16: meters.outlet1.public_key_format: found "pem"; allowed: binary or der',
    ),
    (
        "    bus: rs485\n",
        "",
        (
            "site.yaml:13: meters.outlet1.bus: missing, and wired needs one; allowed: a name under "
            "`buses`: rs485"
        ),
    ),
    (
        "bus: rs485",
        "bus: rs458",
        (
            'site.yaml:15: meters.outlet1.bus: found "rs458"; allowed: a '
            "name under `buses`: rs485; "
            "did you mean `rs485`?"
        ),
    ),
    (
        "    powermeter_device_id: 1\n",
        "    powermeter_device_id: 1\n  dc: {driver: networked, host: a, bus: rs485}\n",
        (
            'site.yaml:17: meters.dc.bus: found "rs485"; allowed: no '
            "bus: networked is reached over "
            "the network"
        ),
    ),
    (
        "    powermeter_device_id: 1\n",
        TWO_ON_THE_NETWORK,
        (
            "site.yaml:18: meters.right: found the address of `left` again (meter.lan 8080); "
            "allowed: one address per meter"
        ),
    ),
    (
        "    powermeter_device_id: 1\n",
        "    powermeter_device_id: 1\n  dc: {driver: networked, host: a/b}\n",
        (
            "site.yaml:17: meters.dc: found host 'a/b', expected a name or an address; "
            "allowed: options that networked can use"
        ),
    ),
    (
        "    powermeter_device_id: 1\n",
        SECOND_METER,
        (
            "site.yaml:17: meters.outlet2: found the address of "
            "`outlet1` again (rs485 1); allowed: "
            "one address per meter"
        ),
    ),
    (
        "    meter: outlet1",
        "    meter: outlet",
        (
            'site.yaml:19: evses[0].meter: found "outlet"; allowed: a '
            "name under `meters`: outlet1; "
            "did you mean `outlet1`?"
        ),
    ),
    (
        "settings:\n",
        "  - {id: 2, meter: outlet1, hardware: {driver: simulated}}\nsettings:\n",
        (
            'site.yaml:22: evses[1].meter: found "outlet1", which '
            "measures EVSE 1; allowed: a meter "
            "of its own for each EVSE"
        ),
    ),
    (
        "  - id: 1",
        "  - id: 2",
        "site.yaml:17: evses: found the ids 2; allowed: 1: from 1, no gap, none twice",
    ),
    (
        "connectors: [{id: 1,",
        "connectors: [{id: 3,",
        "site.yaml:21: evses[0].connectors: found the ids 3; allowed: 1: from 1",
    ),
    (
        "type: cType2",
        "type: Type2",
        'site.yaml:21: evses[0].connectors[0].type: found "Type2"; allowed: cCCS1, ',
    ),
    ("type: cType2", "type: Ctyp2", "; did you mean `cType2`?"),
    (
        "driver: simulated",
        "driver: simulate",
        (
            'site.yaml:20: evses[0].hardware.driver: found "simulate"; allowed: simulated; '
            "did you mean `simulated`?"
        ),
    ),
    ("{driver: simulated}", "{}", "site.yaml:20: evses[0].hardware.driver: missing; allowed: "),
    (
        "{driver: simulated}",
        "{driver: simulated, volt: 1}",
        "site.yaml:20: evses[0].hardware.volt: found an unknown key; allowed: ",
    ),
    (
        "    meter: outlet1",
        "    meter: outlet1\n    max_current_a: much",
        'site.yaml:20: evses[0].max_current_a: found "much"; allowed: a number',
    ),
    (
        "    meter: outlet1",
        "    meter: outlet1\n    max_current_a: -.inf",
        "site.yaml:20: evses[0].max_current_a: found -.inf; allowed: a number",
    ),
    (
        "    meter: outlet1",
        "    meter: outlet1\n    max_current_a: 0",
        "site.yaml:20: evses[0].max_current_a: found 0; allowed: more than 0",
    ),
    (
        "    meter: outlet1",
        "    meter: outlet1\n    phases: 2",
        "site.yaml:20: evses[0].phases: found 2; allowed: 1 or 3",
    ),
    (
        "HeartbeatInterval: 30",
        "HeartbeatInterval: {a: 1}",
        "site.yaml:23: settings.HeartbeatInterval: found a mapping; allowed: a value, or a list",
    ),
    (
        "settings:\n",
        "custom_settings:\n  Example: {type: strong}\nsettings:\n",
        'site.yaml:23: custom_settings.Example.type: found "strong"; allowed: string, ',
    ),
    (
        "settings:\n",
        "custom_settings:\n  Example: {value: 1}\nsettings:\n",
        (
            'site.yaml:23: custom_settings.Example: found the name "Example"; allowed: '
            "Component.Variable"
        ),
    ),
    (
        "127.0.0.1:0",
        "127.0.0.1",
        'site.yaml:25: local.listen: found "127.0.0.1"; allowed: HOST:PORT with a port from 0',
    ),
    (
        "127.0.0.1:0",
        '"::1:8600"',
        'site.yaml:25: local.listen: found "::1:8600"; allowed: HOST:PORT with an IPv6 address in',
    ),
    ("csms:\n", "csms: here\nrest:\n", 'site.yaml:5: csms: found "here"; allowed: a mapping with'),
    (
        "  ocpp:",
        "  profile: citrine\n  ocpp:",
        (
            'site.yaml:7: csms.profile: found "citrine"; allowed: '
            "standard, citrineos, everest-like, steve, home-assistant, evcc; did you mean "
            "`citrineos`?"
        ),
    ),
]

WRONG_URLS = [
    ("http://a/ocpp", 'found "http://a/ocpp"; allowed: ws://HOST[:PORT]/PATH or wss://...'),
    ("ws://me:secret@a/ocpp", "found a user name or password in it; allowed: `password_file`"),
    ("ws://a/ocpp?x=1", 'found "ws://a/ocpp?x=1"; allowed: a URL without `?` and `#`'),
    ("ws://a:99999/", "found a URL that cannot be read; allowed: ws://"),
    ("ws://me:secret", "found a URL that cannot be read; allowed: ws://"),
    ("ws:///ocpp", 'found "ws:///ocpp"; allowed: ws://HOST'),
]

# URL scheme, more lines, the complaint
WRONG_SECURITY = [
    (
        "ws",
        "security_profile: 7",
        "csms.security_profile: found 7; allowed: an integer from 0 to 3",
    ),
    (
        "ws",
        "security_profile: 1",
        "found 1 without a password; allowed: `password_file`, or `pass",
    ),
    (
        "wss",
        "security_profile: 1\n  password: abc",
        "found 1 with a wss:// URL; allowed: 2, which",
    ),
    ("ws", "security_profile: 2\n  password: abc", "found 2 with a ws:// URL; allowed: wss:// wi"),
    ("wss", "security_profile: 3", "found 3 without `key_file`; allowed: 3 with `cert_file` and"),
    ("ws", "password: abc", "csms.password: found with security profile 0; allowed: only with pro"),
    (
        "wss",
        "security_profile: 2\n  password: abc\n  password_file: pw",
        "csms.password: found beside `password_file`; allowed: one of the two",
    ),
    ("wss", "cert_file: c.pem", "csms.cert_file: found with security profile 0; allowed: only wi"),
    ("ws", "ca_file: c.pem", "csms.ca_file: found with a ws:// URL; allowed: only with wss://"),
    ("ws", "system_roots: true", "csms.system_roots: found with a ws:// URL; allowed: only with"),
    ("ws", "ocsp: true", "csms.ocsp: found with a ws:// URL; allowed: only with wss://"),
    ("wss", "crl_url: ftp://x/y", 'crl_url: found "ftp://x/y"; allowed: http:// or https://'),
    ("wss", "revocation_required: true", "found without a source; allowed: with `crl_file`, `crl"),
]

NOT_A_CONFIG = [
    ("", "site.yaml: found nothing; allowed: sections such as `station:`"),
    ("- a\n- b\n", "site.yaml:1: found a list; allowed: sections such as `station:`"),
    ("station: {id: [\n", "site.yaml:2: not YAML: while parsing a flow node"),
    ("station:\n\tid: x\n", "site.yaml:2: not YAML: while scanning for the next token"),
    ("a: 1\nb: 2\na: 3\n", "site.yaml:3: `a` is there twice, first at site.yaml:1"),
    ("a: &x [1]\n<<: *x\n", "site.yaml:2: found a merge key `<<`; allowed: write the keys out"),
    ("a: &x [*x]\n", "site.yaml:1: too many values, or an alias that contains itself"),
    ("[" * 1500, "site.yaml: nested too deeply to be a config"),
    ("a: !!python/none x\n", "site.yaml:1: found the YAML tag tag:yaml.org,2002:python/none"),
    ("[a]: 1\n", "site.yaml:1: found a list or mapping as a key; allowed: text"),
    ("a: \x00\n", "site.yaml: not YAML: "),
    ("csms: {ca_file: ~nobody-here/ca.pem}\n", 'site.yaml:1: csms.ca_file: found "~nobody-here/ca'),
    (
        'csms: {ca_file: "a\\0b"}\n',
        "site.yaml:1: csms.ca_file: found a NUL character in it; allowed",
    ),
]


def test_a_value_with_line_breaks_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "station.yaml"
    path.write_text(GOOD.replace('"2.0.1"', '"1.0.\n\n\n  1\x1b[2J"'.replace("\x1b", "\\e")))

    with pytest.raises(ConfigError) as caught:
        load_config(path, {})

    assert str(caught.value).isprintable()
    assert "csms.ocpp" in str(caught.value)


@pytest.mark.parametrize(("old", "new", "expected"), WRONG_VALUES)
def test_a_wrong_value_is_told_with_line_path_and_what_is_allowed(
    site: Callable[[str], Path], old: str, new: str, expected: str
) -> None:
    assert GOOD.count(old) >= 1

    said = complaint(site(GOOD.replace(old, new, 1)))

    assert expected in said


@pytest.mark.parametrize(("url", "expected"), WRONG_URLS)
def test_a_url_that_cannot_be_a_csms_is_refused(
    site: Callable[[str], Path], url: str, expected: str
) -> None:
    said = complaint(site(GOOD.replace("ws://127.0.0.1:9000/ocpp", url)))

    assert said.startswith(f"site.yaml:6: csms.url: {expected}")
    assert "secret" not in said


@pytest.mark.parametrize(("scheme", "lines", "expected"), WRONG_SECURITY)
def test_security_profile_and_what_it_needs_must_fit(
    site: Callable[[str], Path], scheme: str, lines: str, expected: str
) -> None:
    text = GOOD.replace("url: ws:", f"url: {scheme}:").replace("  ocpp", f"  {lines}\n  ocpp")

    said = complaint(site(text))

    assert expected in said
    assert "abc" not in said


@pytest.mark.parametrize(("text", "expected"), NOT_A_CONFIG)
def test_a_file_that_is_no_config_is_told_so(
    site: Callable[[str], Path], text: str, expected: str
) -> None:
    assert complaint(site(text)).startswith(expected)


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    assert (
        complaint(tmp_path / "site.yaml") == "site.yaml: cannot be read: No such file or directory"
    )


def test_a_file_that_is_not_utf8_is_told_with_the_line(site: Callable[[str], Path]) -> None:
    path = site("")
    path.write_bytes(b"station:\n  vendor: M\xfcller\n")

    assert complaint(path) == "site.yaml:2: byte 0xfc is not UTF-8"


_TRAPS = [
    "&a ",
    "*a",
    "!!x ",
    "<<: ",
    "[",
    "{",
    "}",
    ": ",
    "- ",
    "\t",
    "\n",
    "'",
    '"',
    "0b_",
    "|\n",
]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(GOOD)), cut=st.integers(0, 20), put=st.sampled_from(_TRAPS))
def test_a_damaged_file_is_a_config_or_a_config_error(
    site: Callable[[str], Path], at: int, cut: int, put: str
) -> None:
    path = site(GOOD[:at] + put + GOOD[at + cut :])

    with suppress(ConfigError):
        assert load_config(path, {}).station.id


@pytest.mark.parametrize("kind", ["timestamp", "bool", "int", "float"])
def test_a_value_that_is_not_what_its_tag_says_is_text(
    site: Callable[[str], Path], kind: str
) -> None:
    config = load_config(site(GOOD.replace("vendor: Example", f"vendor: !!{kind} none")), {})

    assert config.station.vendor == "none"


@pytest.mark.timeout(60)  # hours, if it were calculated
def test_a_number_to_the_base_of_60_may_not_be_endless(site: Callable[[str], Path]) -> None:
    said = complaint(site(f"station: {'1:' * 400_000}1\n"))

    assert said.startswith("site.yaml:1: station: found ")
    assert len(said) < 1000


def test_copies_by_alias_end_at_a_bound(site: Callable[[str], Path]) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "too many values" in complaint(site("\n".join(lines)))


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(
    site: Callable[[str], Path],
) -> None:
    text = GOOD.replace("id: CP001", "id: 7").replace("bus: rs485", "buss: rs485")
    text = text.replace("listen:", "lissen:")

    lines = complaint(site(text)).splitlines()

    assert [line.split(":")[1] for line in lines] == ["2", "15", "25"]


def test_names_that_do_not_fit_are_all_told_in_the_order_of_the_file(
    site: Callable[[str], Path],
) -> None:
    text = GOOD.replace("id: CP001", "id: a:b").replace("bus: rs485", "bus: other")
    text = text.replace("meter: outlet1", "meter: other")

    lines = complaint(site(text)).splitlines()

    assert [line.split(":")[1] for line in lines] == ["2", "15", "19"]


def test_a_vendor_too_long_for_1_6_is_refused_only_with_1_6(site: Callable[[str], Path]) -> None:
    text = GOOD.replace("vendor: Example", "vendor: A maker with a long name")

    load_config(site(text), {})
    said = complaint(site(text.replace('"2.0.1"', '["2.0.1", "1.6"]')))

    assert said == (
        "site.yaml:3: station.vendor: found 24 characters; allowed: at most 20 with OCPP 1.6"
    )


def test_values_arrive_with_their_types_and_defaults(site: Callable[[str], Path]) -> None:
    text = GOOD.replace("    meter: outlet1", "    meter: outlet1\n    max_current_a: 12.50")

    config = load_config(site(text), {})

    assert config.csms.ocpp == ("2.0.1",)
    assert config.evses[0].max_current_a == Decimal("12.50")
    assert config.evses[0].phases == 3
    assert config.meters["outlet1"].options == WiredConfig()
    assert config.local is not None
    assert (config.local.host, config.local.port) == ("127.0.0.1", 0)


def test_relative_paths_start_from_the_folder_of_the_file(
    site: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site(GOOD.replace("  model:", "  state: data/here\n  model:"))
    monkeypatch.chdir("/")

    assert load_config(path, {}).station.state == tmp_path / "data/here"


def test_settings_keep_the_text_that_ocpp_would_carry(site: Callable[[str], Path]) -> None:
    more = "  A: yes\n  B: 0042\n  C: [Voltage, Power.Active.Import]\n  D: 1.50\n"

    config = load_config(site(GOOD.replace("settings:\n", f"settings:\n{more}")), {})

    assert config.settings == {
        "A": "true",
        "B": "0042",
        "C": "Voltage,Power.Active.Import",
        "D": "1.50",
        "HeartbeatInterval": "30",
    }


def test_sections_with_all_lines_commented_out_are_empty(site: Callable[[str], Path]) -> None:
    config = load_config(site(GOOD.replace("  HeartbeatInterval: 30", "  # nothing")), {})

    assert config.settings == {}


def test_an_unknown_setting_is_told_with_its_line(site: Callable[[str], Path]) -> None:
    path = site(GOOD)
    config = load_config(path, {})

    check_settings(config, {"HeartbeatInterval"})
    with pytest.raises(ConfigError) as caught:
        check_settings(config, {"HeartBeatIntervall"})

    assert str(caught.value) == (
        f"{path}:23: settings.HeartbeatInterval: found a setting that this station does not have; "
        "allowed: a 2.0.1 name (Component.Variable) or a 1.6 key; "
        "did you mean `HeartBeatIntervall`?"
    )


def test_the_position_of_what_was_not_written_is_that_of_its_section(
    site: Callable[[str], Path],
) -> None:
    path = site(GOOD)

    positions = load_config(path, {}).positions

    assert positions.of("csms.profile") == f"{path}:5"
    assert positions.of("evses[0].connectors[0].id") == f"{path}:21"
    assert positions.of("nowhere.at.all") == f"{path}:1"


# variable, value, where the value is expected
OVERRIDES: list[tuple[str, str, Callable[[Any], object], object]] = [
    ("CHARGEPOINT__CSMS__URL", "ws://b/", lambda config: config.csms.url, "ws://b/"),
    ("chargepoint__csms__url", "ws://b/", lambda config: config.csms.url, "ws://b/"),
    ("CHARGEPOINT__CSMS__OCPP", "1.6", lambda config: config.csms.ocpp, ("1.6",)),
    ("CHARGEPOINT__CSMS__OCPP", "[1.6, 2.0.1]", lambda config: len(config.csms.ocpp), 2),
    ("CHARGEPOINT__STATION__ID", "0007", lambda config: config.station.id, "0007"),
    ("CHARGEPOINT__STATION__SERIAL_NUMBER", "", lambda config: config.station.serial_number, ""),
    ("CHARGEPOINT__EVSES__0__PHASES", "1", lambda config: config.evses[0].phases, 1),
    (
        "CHARGEPOINT__METERS__OUTLET1__POWERMETER_DEVICE_ID",
        "9",
        lambda config: config.meters["outlet1"].options.powermeter_device_id,
        9,
    ),
    (
        "CHARGEPOINT__SETTINGS__HEARTBEATINTERVAL",
        "60",
        lambda config: config.settings,
        {"HeartbeatInterval": "60"},
    ),
    ("CHARGEPOINT__SETTINGS__NewOne", "x", lambda config: config.settings["NewOne"], "x"),
    ("CHARGEPOINT__LOCAL__READY_FILE", "/r", lambda config: config.local.ready_file, Path("/r")),
]


@pytest.mark.parametrize(("name", "value", "read", "expected"), OVERRIDES)
def test_the_environment_wins_over_the_file(
    site: Callable[[str], Path],
    name: str,
    value: str,
    read: Callable[[Any], object],
    expected: object,
) -> None:
    config = load_config(site(GOOD), {name: value, "CHARGEPOINT_OTHER": "x", "PATH": "/bin"})

    assert read(config) == expected


WRONG_ENVIRONMENT = [
    ("CHARGEPOINT__CSMS__SECURITY_PROFILE", "high", 'csms.security_profile: found "high"'),
    ("CHARGEPOINT__CSMS__ULR", "ws://b", "csms.ulr: found an unknown key"),
    ("CHARGEPOINT__EVSES__3__ID", "1", "found `3`; allowed: a position from 0 to 0 in the list"),
    ("CHARGEPOINT__STATION__ID__X", "1", "`X` lies below site.yaml:2, which is a single value"),
    ("CHARGEPOINT__", "1", "a part of the name is empty"),
    ("CHARGEPOINT__CSMS__OCPP", "[1.6", "not YAML"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG_ENVIRONMENT)
def test_a_wrong_variable_is_told_by_its_name(
    site: Callable[[str], Path], name: str, value: str, expected: str
) -> None:
    said = complaint(site(GOOD), {name: value})

    assert said.startswith(f"{name}: ")
    assert expected in said


def with_password(lines: str) -> str:
    return GOOD.replace("  ocpp", f"  security_profile: 1\n  {lines}\n  ocpp")


def test_the_password_file_is_read_and_the_password_is_never_shown(
    site: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "pw").write_text("correct horse\n")
    (tmp_path / "pw").chmod(0o640)

    config = load_config(site(with_password("password_file: pw")), {})

    assert config.csms.password is not None
    assert config.csms.password.reveal() == "correct horse"
    assert "horse" not in repr(config)
    assert f"{config.csms.password}" == "***"
    assert link_config(config).password == b"correct horse"


def test_a_password_may_come_from_the_environment(site: Callable[[str], Path]) -> None:
    path = site(GOOD)
    path.chmod(0o644)
    environ = {"CHARGEPOINT__CSMS__PASSWORD": "0042", "CHARGEPOINT__CSMS__SECURITY_PROFILE": "1"}

    config = load_config(path, environ)

    assert config.csms.password is not None
    assert config.csms.password.reveal() == "0042"


def test_secrets_open_to_everybody_are_refused(site: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("secret")
    (tmp_path / "pw").chmod(0o644)
    inline = site(with_password("password: secret"))
    inline.chmod(0o604)

    said_inline = complaint(inline)
    said_file = complaint(site(with_password("password_file: pw")))

    assert said_inline == (
        "site.yaml:8: csms.password: site.yaml holds a secret and is open to everybody "
        "(mode 0604); allowed: mode 0640 or less; chmod o= site.yaml"
    )
    assert said_file.startswith(f"site.yaml:8: csms.password_file: {tmp_path}/pw holds a secret")


def test_a_number_as_password_is_refused_without_showing_it(site: Callable[[str], Path]) -> None:
    said = complaint(site(with_password("password: 12345678")))

    assert "write it in quotes" in said
    assert "12345678" not in said


def test_files_that_cannot_be_read_are_told_with_the_reason(
    site: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch(0o600)
    tls = GOOD.replace("ws:", "wss:").replace(
        "  ocpp", "  security_profile: 3\n  cert_file: folder\n  key_file: gone\n  ocpp"
    )

    said = complaint(site(tls)).splitlines()

    assert said == [
        (
            f"site.yaml:8: csms.cert_file: {tmp_path}/folder cannot be read: Is a directory; "
            "allowed: a readable file"
        ),
        (
            f"site.yaml:9: csms.key_file: {tmp_path}/gone cannot be read: "
            f"No such file or directory; "
            "allowed: a readable file"
        ),
    ]
    assert f"{tmp_path}/empty is empty" in complaint(site(with_password("password_file: empty")))


def test_certificates_that_are_none_are_told(site: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    text = GOOD.replace("ws:", "wss:").replace("  ocpp", "  ca_file: ca.pem\n  ocpp")
    config = load_config(site(text), {})

    with pytest.raises(ConfigError, match=r"site.yaml:7: csms.ca_file: .*holds no certificate"):
        link_config(config)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_configs_that_come_along_load_and_fit_the_schema(path: Path) -> None:
    config = load_config(path, {})

    assert config.evses
    jsonschema.validate(yaml.safe_load(path.read_text()), json_schema())


def test_the_schema_is_one_and_refuses_unknown_keys() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    config = yaml.safe_load(GOOD)

    jsonschema.validate(config, schema)
    config["meters"]["outlet1"]["device_id"] = 1

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, schema)


class Picky(msgspec.Struct, frozen=True, kw_only=True):
    """A driver's config whose values must fit each other."""

    low: int = 0
    high: int = 1

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"found low {self.low} above high {self.high}; allowed: not above")


def test_what_a_struct_itself_finds_stands_in_its_own_words(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("low: 3\nhigh: 2\n")
    decoder = Decoder(tmp_path)

    decoder.decode(read(file), Picky, "meter")

    (complaint,) = decoder.complaints
    assert complaint.endswith("meter: found low 3 above high 2; allowed: not above")


def test_how_much_of_the_records_is_kept_is_read_and_has_a_default(
    site: Callable[[str], Path],
) -> None:
    section = "  records: {keep_days: 0, max_count: 5, max_size_mb: 2}\n"

    given = load_config(
        site(GOOD.replace("  vendor: Example\n", f"  vendor: Example\n{section}")), {}
    )
    plain = load_config(site(GOOD), {})

    assert bounds_of(given) == Bounds(5, 2 * 1024 * 1024, None)
    assert bounds_of(plain) == Bounds(1_000_000, 500 * 1024 * 1024, timedelta(days=1461))


def test_the_commands_for_firmware_are_read_with_their_limits(
    site: Callable[[str], Path], tmp_path: Path
) -> None:
    section = (
        "firmware: {install_command: [sh, -c, exit], roots: roots, max_size_mb: 10,"
        " while_charging: nothing}\n"
    )

    firmware = load_config(site(GOOD + section), {}).firmware

    assert firmware is not None
    assert firmware.install_command == ("sh", "-c", "exit")
    assert firmware.roots == tmp_path / "roots"
    assert not firmware.allow_unsigned
    assert firmware.while_charging == "nothing"
    assert load_config(site(GOOD), {}).firmware is None


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("firmware: {}\n", "firmware.install_command: missing"),
        ("firmware: {install_command: []}\n", "firmware.install_command: found an empty list"),
        (
            "firmware: {install_command: [/no/such/program]}\n",
            'firmware.install_command: found "/no/such/program", no program here',
        ),
        (
            "firmware: {install_command: [sh], while_charging: all}\n",
            'firmware.while_charging: found "all"',
        ),
    ],
)
def test_firmware_without_a_command_that_exists_is_a_mistake(
    site: Callable[[str], Path], section: str, expected: str
) -> None:
    assert expected in complaint(site(GOOD + section))
