"""A meter that speaks HTTP and does not answer: address, port, TLS or not, whose certificate.

Sends one ``GET /`` at most, which no meter takes for a command.
"""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from meters.diagnosis.finding import Finding
from meters.diagnosis.network import CONNECT_S, unreachable

_PORTS: Final = (80, 443, 8080, 8443)
_ANSWER_S: Final = 5.0
_HTTP: Final = b"HTTP/"
_MOST: Final = 400
_TLS_RECORDS: Final = (b"\x15\x03", b"\x16\x03")
_ASKED_PLAIN: Final = b"HTTPS"


class WebConfig(Protocol):
    """What is needed of ``meters.http.HttpConfig``."""

    @property
    def host(self) -> str: ...  # noqa: D102
    @property
    def port(self) -> int: ...  # noqa: D102
    @property
    def tls(self) -> bool: ...  # noqa: D102
    @property
    def certificate(self) -> bytes | None: ...  # noqa: D102
    @property
    def ca_file(self) -> Path | None: ...  # noqa: D102


async def look_at_web(
    config: WebConfig, name: str, *, tell: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Why the meter called ``name`` does not answer; empty if HTTP itself works."""
    tell(f"connecting to {config.host}:{config.port}")
    finding = await unreachable(config.host, config.port, usual=_PORTS)
    if finding is None and config.tls:
        finding = await _expecting_tls(config)
    elif finding is None:
        finding = await _expecting_plain(config)
    if finding is None:
        return []
    return [Finding(finding.code, finding.sentence, finding.step, (name,))]


async def _expecting_tls(config: WebConfig) -> Finding | None:
    where = f"{config.host}:{config.port}"
    try:
        shown = await _certificate(config)
    except (OSError, EOFError) as error:
        if (await _plain(config)).startswith(_HTTP):
            return Finding(
                "plain-not-tls",
                f"{where} speaks plain HTTP; the config expects TLS (HTTPS).",
                "Switch TLS off for this meter, or give the port on which the device offers HTTPS.",
            )
        return Finding(
            "no-tls",
            f"{where} takes the connection and no TLS comes about ({_words(error)}).",
            "Is this the device's HTTPS port? Does it offer TLS 1.2?",
        )
    if config.certificate is not None:
        return None if shown == config.certificate else _other_certificate(where, config, shown)
    return await _trust(config, where)


def _other_certificate(where: str, config: WebConfig, shown: bytes) -> Finding:
    expected = hashlib.sha256(config.certificate or b"").hexdigest()
    return Finding(
        "other-certificate",
        f"{where} shows another certificate than the one in the config: SHA-256 "
        f"{hashlib.sha256(shown).hexdigest()}, expected {expected}.",
        "Was the meter replaced, or did it make itself a new key? Compare with the device itself, "
        "then put its certificate into the config. If nobody changed it, somebody else answers.",
    )


async def _trust(config: WebConfig, where: str) -> Finding | None:
    context = ssl.create_default_context(cafile=config.ca_file)
    try:
        await _handshake(config, context)
    except ssl.SSLCertVerificationError as error:
        return Finding(
            "certificate-not-trusted",
            f"The certificate of {where} is not trusted: {error.verify_message}.",
            "Meters sign their own: put this meter's certificate into the config.",
        )
    except OSError:
        return None
    return None


async def _expecting_plain(config: WebConfig) -> Finding | None:
    where = f"{config.host}:{config.port}"
    answer = await _plain(config)
    if answer.startswith(_HTTP) and _ASKED_PLAIN not in answer.upper():
        return None
    tls = answer.startswith(_TLS_RECORDS)
    with contextlib.suppress(OSError, EOFError):
        await _certificate(config)
        tls = True
    if tls:
        return Finding(
            "tls-not-plain",
            f"{where} speaks TLS (HTTPS); the config expects plain HTTP.",
            "Switch TLS on for this meter, with the meter's certificate; or give the plain port.",
        )
    if answer.startswith(_HTTP):
        return None
    if not answer:
        return Finding(
            "no-answer",
            f"{where} takes the connection and says nothing, neither HTTP nor TLS.",
            "A meter that was just switched on may need a minute. If it stays so, check the port.",
        )
    return Finding(
        "no-http",
        f"{where} takes the connection, but speaks no HTTP: it answers with {answer[:24]!r}.",
        "Check the port: some other service of the device, or another device, has this one.",
    )


async def _plain(config: WebConfig) -> bytes:
    """The beginning of what comes back on a plain request; empty if nothing does."""
    question = f"GET / HTTP/1.1\r\nHost: {config.host}\r\nConnection: close\r\n\r\n"
    writer = None
    with contextlib.suppress(OSError):
        try:
            async with asyncio.timeout(_ANSWER_S):
                reader, writer = await asyncio.open_connection(config.host, config.port)
                writer.write(question.encode())
                return await reader.read(_MOST)
        finally:
            if writer is not None:
                writer.close()
    return b""


async def _certificate(config: WebConfig) -> bytes:
    """The certificate that the device shows, whoever signed it (DER).

    Raises:
        OSError: no TLS comes about.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is looked at, and nothing is sent
    return await _handshake(config, context)


async def _handshake(config: WebConfig, context: ssl.SSLContext) -> bytes:
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(config.host, config.port, ssl=context)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return bytes(shown or b"")
    finally:
        writer.transport.abort()


def _words(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error) or type(error).__name__
