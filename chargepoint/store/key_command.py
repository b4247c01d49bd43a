"""A key that a program of the installer makes, in a place where nobody can read it.

A security module or a TPM: the station gets a reference to the key, in PEM as the providers of
OpenSSL write it, and the request for its certificate. OpenSSL finds the key by the reference when a
connection is made; the key itself never is in a file or in this process (2.0.1 A02.FR.05).
"""

import re
import subprocess
from collections.abc import Sequence
from typing import Final

from chargepoint.errors import StoreError
from chargepoint.store.x509 import Request, is_request

_PATIENCE_S: Final = 60.0
_REQUEST = re.compile(
    r"-----BEGIN CERTIFICATE REQUEST-----.+?-----END CERTIFICATE REQUEST-----\n?", re.DOTALL
)
_KEY = re.compile(r"-----BEGIN ([^\n-]+)-----.+?-----END \1-----\n?", re.DOTALL)


def made_by(command: Sequence[str], common_name: str, organization: str) -> Request:
    """What the program prints, which gets the two names for the certificate as arguments.

    Raises:
        StoreError: it failed, or printed something else. Its output is never told: it may be a key.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the installer's own program
            [*command, common_name, organization],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreError(f"csms.key_command made no key: {type(error).__name__}") from None
    text = done.stdout.decode("ascii", errors="replace")
    asked, key = _REQUEST.search(text), _KEY.search(_REQUEST.sub("", text))
    if asked is None or key is None or not is_request(asked[0], common_name):
        raise StoreError("csms.key_command: expected a key and a signed request for it, in PEM")
    return Request(key[0], asked[0])


def without_request(pending: str) -> str:
    """The key alone, of a text that holds the request beside it."""
    return _REQUEST.sub("", pending)
