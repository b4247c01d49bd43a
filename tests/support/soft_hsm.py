"""A security module in software (SoftHSM 2) behind the PKCS#11 provider of OpenSSL.

Debian: ``softhsm2``, and ``pkcs11-provider`` from Debian 13 on; ``PKCS11_PROVIDER`` names one that
is elsewhere.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
_LIBRARIES = ("x86_64-linux-gnu", "aarch64-linux-gnu", ".", "../lib64")  # below /usr/lib
_CONFIG = """
openssl_conf = init
[init]
providers = providers
[providers]
default = ours
pkcs11 = module
[ours]
activate = 1
[module]
module = {provider}
pkcs11-module-path = {module}
pkcs11-module-token-pin = 1234
pkcs11-module-load-behavior = early
pkcs11-module-quirks = no-deinit
pkcs11-module-encode-provider-uri-to-pem = true
activate = 1
"""
_MAKE = """#!/bin/sh
set -e
key="key-$(date +%s%N)"
openssl genpkey -propquery provider=pkcs11 -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \\
  -pkeyopt "pkcs11_uri:pkcs11:token=station;object=$key"
openssl req -new -key "pkcs11:token=station;object=$key;type=private" -subj "/CN=$1/O=$2"
"""


def _first(paths: list[str]) -> str:
    return next((path for path in paths if path and Path(path).exists()), "")


def lacking() -> str:
    """What is not installed; empty if nothing is."""
    found = {
        "softhsm2": shutil.which("softhsm2-util") and _first(list(_MODULES)),
        "pkcs11-provider": _provider(),
        "openssl": shutil.which("openssl"),
    }
    return ", ".join(name for name, there in found.items() if not there)


def _provider() -> str:
    known = [f"/usr/lib/{folder}/ossl-modules/pkcs11.so" for folder in _LIBRARIES]
    return _first([os.environ.get("PKCS11_PROVIDER", ""), *known])


@dataclass(frozen=True)
class SoftHsm:
    """A module with one token. ``command`` makes a key in it and prints what the station needs."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For every program that is to find keys in it."""
        return {
            "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"),
            "OPENSSL_CONF": str(self.folder / "openssl.cnf"),
        }

    @property
    def command(self) -> str:
        return str(self.folder / "make_key")

    def make_key(self, common_name: str, organization: str) -> tuple[str, str]:
        """The reference to a new key, and the request for its certificate."""
        done = subprocess.run(
            [self.command, common_name, organization],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        key, mark, request = done.stdout.partition("-----BEGIN CERTIFICATE REQUEST")
        return key, mark + request


def soft_hsm(folder: Path) -> SoftHsm:
    """A new module in a folder."""
    made = SoftHsm(folder)
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    config = _CONFIG.format(provider=_provider(), module=_first(list(_MODULES)))
    (folder / "openssl.cnf").write_text(config)
    (folder / "make_key").write_text(_MAKE)
    (folder / "make_key").chmod(0o755)
    tool = ["softhsm2-util", "--init-token", "--free", "--label", "station"]
    subprocess.run(
        [*tool, "--pin", "1234", "--so-pin", "1234"],
        env={**os.environ, "SOFTHSM2_CONF": made.environment["SOFTHSM2_CONF"]},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return made
