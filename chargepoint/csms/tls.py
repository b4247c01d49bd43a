"""TLS towards the CSMS: its versions and cipher suites, whom it trusts, what was found behind it.

TLS 1.2 or newer, without compression and renegotiation (OCPP 2.0.1 A00.FR.313, .319, .321; 1.6
whitepaper A00.FR.313 to .322). The server's name and chain are always checked.

Why more suites than the standard names: its pair for RSA keys has no forward secrecy, and many
servers with an RSA key offer none but ECDHE with it. "At least" these are wanted; nothing with CBC,
SHA-1 or plain Diffie-Hellman is among them. TLS 1.3 brings its own.

Why RFC 5280 is not read as strictly as newer Pythons do by themselves: roots of operators that
lack an identifier of their key are in use, and a station must not fall silent with its update.
"""

import hashlib
import ssl
from pathlib import Path
from typing import Any, Final, Protocol

from chargepoint.station.validity import verified

SUITES: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
"""Of TLS 1.2, best first; by their names in OpenSSL."""

_LEVEL: Final = 2  # OpenSSL's: keys of 112 bits of security (A00.FR.501 to .503), no SHA-1
_LEGACY_SERVER: Final = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT, named from Python 3.12 on


class Transported(Protocol):
    """A connection that may have been made over TLS."""

    @property
    def transport(self) -> Any: ...  # noqa: D102 - asyncio's, or none yet


def client_context(
    *, roots: str = "", ca_file: Path | None = None, system: bool = False
) -> ssl.SSLContext:
    """How to connect; trusts ``roots`` (PEM), what is in ``ca_file``, and nobody else.

    ``system`` adds the roots of this machine.

    Raises:
        OSError: ``ca_file`` cannot be read or holds no certificate (ssl.SSLError).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join((*SUITES, f"@SECLEVEL={_LEVEL}")))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options &= ~_LEGACY_SERVER
    # A root that the one before vouches for is not its own issuer (M05.FR.09).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    if roots:
        context.load_verify_locations(cadata=roots)
    if system:
        context.load_default_certs()
    return context


def verified_chain(connection: Transported) -> list[bytes]:
    """The certificates of the CSMS as they were verified, DER, its own first and the root last.

    Empty without TLS.
    """
    tls = connection.transport.get_extra_info("ssl_object")
    return [] if tls is None else verified(tls)


def anchor(connection: Transported | None) -> str:
    """The fingerprint of the root that the connection rests on; empty without TLS."""
    chain = verified_chain(connection) if connection is not None else []
    return hashlib.sha256(chain[-1]).hexdigest() if chain else ""
