"""Looks whether a CSMS was revoked: in a list on the disk or the network, at a responder.

Why a list or a responder that is silent does not keep the station from its CSMS unless the config
wants that: whoever has to repair it may have no other way to the station than the CSMS. What is
known to be revoked is always refused, by an old list, too.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from chargepoint.core.revocation import Finding, Word, objection, verdict
from chargepoint.csms.outage import Cause, Outage
from chargepoint.station.validity import OwnTime, look_at_dates

if TYPE_CHECKING:
    from cryptography import x509

log = logging.getLogger(__name__)

_DEADLINE_S: Final = 5.0
_ANSWER_MOST: Final = 2**16
_LIST_MOST: Final = 8 * 2**20
_REPEAT_S: Final = 3600.0
"""How long a good answer, and a list from the network, is used before it is asked for again."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look. ``required``: a CSMS of which nothing can be learnt is refused."""

    crl_file: Path | None = None
    crl_url: str | None = None
    ocsp: bool = False
    required: bool = False


class Revocation:
    """Asks the sources about the certificates of a CSMS, and keeps what they said for a while.

    ``ticks`` are seconds that never jump.
    """

    def __init__(self, sources: Sources, ticks: Callable[[], float] = monotonic) -> None:
        self.sources = sources
        self._ticks = ticks
        self._fetched: tuple[float, bytes] | None = None
        self._good: dict[bytes, float] = {}  # a question that a responder answered well

    async def check(self, chain: Sequence[bytes], where: str, time: OwnTime | None = None) -> None:
        """Look at a verified chain, DER, the root last.

        ``time`` is that of the station, if it is not the machine's.

        Raises:
            Outage: there must be no connection.
        """
        time = time or OwnTime(datetime.now(UTC))
        lists = [await asyncio.to_thread(self._read_file), await self._fetch_list(time)]
        found = [raw for raw in lists if raw]
        from chargepoint.store import revoked

        read = await asyncio.to_thread(revoked.certificates, chain)
        known, broken = await asyncio.to_thread(_lists, found)
        verdicts = [
            verdict([*broken, *await self._about(one, issuer, known, time)])
            for one, issuer in pairwise(read)
        ]
        why = objection(verdicts, required=self.sources.required)
        if why:
            raise Outage(Cause.UNTRUSTED, f"the certificate of CSMS {where} {why}")
        for finding in verdicts:
            if finding.word is Word.UNKNOWN:
                log.warning("whether CSMS %s was revoked is not known: %s", where, finding.why)

    async def _about(
        self,
        one: "x509.Certificate",
        issuer: "x509.Certificate",
        known: "Sequence[x509.CertificateRevocationList]",
        time: OwnTime,
    ) -> list[Finding]:
        from chargepoint.store import revoked

        findings = []
        if self.sources.crl_file is not None or self.sources.crl_url is not None:
            findings.append(await asyncio.to_thread(revoked.listed, one, issuer, known, time.now))
        if self.sources.ocsp:
            findings.append(await self._ask(one, issuer, time))
        return findings

    async def _ask(
        self, one: "x509.Certificate", issuer: "x509.Certificate", time: OwnTime
    ) -> Finding:
        from chargepoint.store import revoked, x509

        place = x509.responder(one)
        if not place:
            return Finding(Word.UNKNOWN, "it names no responder")
        question = await asyncio.to_thread(revoked.question, one, issuer)
        until = self._good.get(question.der)
        if until is not None and self._ticks() < until:
            return Finding(Word.GOOD, "asked before")
        try:
            raw = await _exchange(place, question.der, most=_ANSWER_MOST, time=time)
        except OSError as error:
            return Finding(Word.UNKNOWN, f"the responder {place} is silent: {error}")
        finding = await asyncio.to_thread(
            revoked.answered, question, raw, time.now, earliest=time.provisional
        )
        if finding.word is Word.GOOD:
            self._remember(question.der)
        return finding

    def _remember(self, question: bytes) -> None:
        now = self._ticks()
        self._good = {asked: until for asked, until in self._good.items() if now < until}
        self._good[question] = now + _REPEAT_S

    def _read_file(self) -> bytes:
        """Read anew for every connection, so that whoever renews it need not tell the station."""
        path = self.sources.crl_file
        try:
            return b"" if path is None else path.read_bytes()
        except OSError as error:
            log.error("csms.crl_file: %s", error)  # noqa: TRY400 - a file is missing
            return b""

    async def _fetch_list(self, time: OwnTime) -> bytes:
        """The list of the network; what was fetched last if it cannot be had."""
        place = self.sources.crl_url
        if place is None:
            return b""
        if self._fetched is not None and self._ticks() - self._fetched[0] < _REPEAT_S:
            return self._fetched[1]
        try:
            raw = await _exchange(place, None, most=_LIST_MOST, time=time)
            self._fetched = (self._ticks(), raw)
        except OSError as error:
            log.warning("csms.crl_url: %s", error)
        return b"" if self._fetched is None else self._fetched[1]


def _lists(
    found: Sequence[bytes],
) -> "tuple[list[x509.CertificateRevocationList], list[Finding]]":
    """The lists in what was read, and a complaint for each text that holds none."""
    from chargepoint.store import revoked

    known: list[x509.CertificateRevocationList] = []
    broken: list[Finding] = []
    for raw in found:
        try:
            known += revoked.lists(raw)
        except ValueError:
            broken.append(Finding(Word.UNKNOWN, "a list cannot be read"))
    return known, broken


async def _exchange(place: str, question: bytes | None, *, most: int, time: OwnTime) -> bytes:
    """Ask a place over HTTP, or just read it; nothing is followed elsewhere.

    Raises:
        OSError: no answer, or none that is of use.
    """
    import aiohttp

    method, kind = (
        ("GET", {})
        if question is None
        else (
            "POST",
            {"Content-Type": "application/ocsp-request"},
        )
    )
    timeout = aiohttp.ClientTimeout(total=_DEADLINE_S)
    tls = ssl.create_default_context()
    look_at_dates(tls, time)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method, place, data=question, headers=kind, ssl=tls, allow_redirects=False
            ) as answer,
        ):
            if answer.status != 200:  # noqa: PLR2004 - HTTP's word for well
                raise OSError(f"HTTP {answer.status}")
            raw = await answer.content.read(most + 1)
            while len(raw) <= most and (more := await answer.content.read(most + 1)):
                raw += more
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OSError(str(error) or "no answer in time") from error
    if len(raw) > most:
        raise OSError(f"more than {most} bytes")
    return raw
