"""A config: the YAML of a file, and the environment over it (lines that begin with ``#env ``)."""

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chargepoint.config import load_config
from chargepoint.errors import ConfigError

MODULES = (
    "chargepoint.config",
    "chargepoint.config_yaml",
    "chargepoint.config_decode",
    "chargepoint.config_checks",
    "chargepoint.config_model",
)
CONFIGS = Path(__file__).parents[2] / "configs"
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-config-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
WORDS = (
    "#env CHARGEPOINT__CSMS__URL=", "station:", "csms:", "buses:", "meters:", "evses:", "local:",
    "settings:", "custom_settings:", "firmware:", "- id: 1", "{", "}", "[", "]", "&a ", "*a",
    "!!binary ", "!!python/object:os.system ", "!!timestamp ", "!!float ", "!!int ", ".inf", ".nan",
    "0o17", "0x1F", "1e999", "1_000", "190:20:30", "2026-02-30", "null", "~", "yes", "driver: ",
    "listen: ", "security_profile: ", "password_file: ", "key_file: ", "~nobody/x", "\\0", "? [a]",
    "powermeter_device_id: ", "max_current_a: ", "install_command: ", "cert_file: ", "connectors: ",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    for path in sorted(CONFIGS.glob("*.yaml")):
        plain = re.sub(rb"(?m)^\s*#.*\n|\s+#.*$", b"", path.read_bytes())
        yield plain
        yield b"#env CHARGEPOINT__CSMS__URL=ws://a/b\n#env CHARGEPOINT__EVSES__0__ID=2\n" + plain
    yield b"a: &a [*a]\n"
    yield b"a: !!binary AAA=\n"
    yield b"station: {id: CP1, vendor: V, model: M}\ncsms: {url: 'ws://h/p', ca_file: '~x/y'}\n"
    yield b"? [a]\n: 1\n"
    yield b"\xff"
    yield b""


def run(data: bytes) -> str:
    path = FOLDER / "station.yaml"
    path.write_bytes(data)
    try:
        load_config(path, _environment(data))
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(lines)
        return "ConfigError"
    return "a config"


def _environment(data: bytes) -> dict[str, str]:
    """No value of an environment holds NUL."""
    found = re.findall(r"(?m)^#env (CHARGEPOINT__\w+)=(.*)$", data.decode(errors="replace"))
    return {name: value.replace("\0", "") for name, value in found}
