"""Certificates: installed, listed, deleted, asked for, renewed (OCPP 2.0.1 A02, A03, M03 to M05).

The rules are in ``core.certificates``, the files in ``store.keystore``. Whatever needs cryptography
is done in a thread: loading the library must not hold up the loop.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core import certificates as rules
from chargepoint.core.certificates import CertificateId, HashAlgorithm, Use
from chargepoint.core.facts import CertificateRequested, CertificateStatusDue, Fact
from chargepoint.core.security import Event
from chargepoint.core.variables import (
    ADDITIONAL_ROOT_CERTIFICATE_CHECK,
    CERT_RENEWAL_DAYS,
    CERT_SIGNING_REPEAT_TIMES,
    CERT_SIGNING_WAIT_MINIMUM,
    CERTIFICATE_STORE_MAX_LENGTH,
    MAX_CERTIFICATE_CHAIN_SIZE,
    ORGANIZATION_NAME,
    SECC_ID,
    SECURITY_PROFILE,
)
from chargepoint.errors import Refused, StoreError
from chargepoint.station.certificate_chains import chain_ids, issuer_of, may_go, renewal
from chargepoint.station.device_model import DeviceModel
from chargepoint.store.keystore import Installed, KeyStore, fingerprint

if TYPE_CHECKING:
    from cryptography import x509

log = logging.getLogger(__name__)

RENEWAL_CHECK = timedelta(days=1)
STATUS_CHECK = timedelta(days=7)
ZERO = timedelta(0)
TLS_PROFILE, CERTIFICATE_PROFILE = 2, 3


@dataclass(frozen=True, slots=True)
class Listed:
    """An installed certificate; ``children`` are those between it and the root, leaf excluded."""

    use: Use
    id: CertificateId
    children: tuple[CertificateId, ...] = ()


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A certificate that was asked for; ``due`` is monotonic, None until the CSMS answered."""

    last: CertificateRequested
    due: float | None = None


class Certificates:
    """The certificates of one station.

    Attributes:
        serial_number: the name in the certificates of the station (A00.FR.507).
        reconnect: called when a new connection is to be made, with another certificate.
        trust: called when the next connection trusts other roots. Neither may block.
        in_use: the fingerprint of the root that the open connection rests on, empty if unknown.
    """

    def __init__(
        self,
        keys: KeyStore,
        *,
        clock: Clock,
        model: DeviceModel,
        record: Callable[[Fact], None],
        event: Callable[[Event, str], None],
    ) -> None:
        self.serial_number = ""
        self.reconnect: Callable[[], None] = lambda: None
        self.trust: Callable[[], None] = lambda: None
        self.in_use: Callable[[], str] = lambda: ""
        self._keys = keys
        self._clock = clock
        self._model = model
        self._record = record
        self._event = event
        self._awaited: dict[Use, _Awaited] = {}
        self._settled: dict[Use, str] = {}  # the last request whose certificate came
        self._renewals: dict[Use, datetime] = {}
        self._statuses_at: float | None = None  # monotonic, when they were asked for last
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()  # of the key that waits for its certificate
        model.subscribe(CERT_RENEWAL_DAYS, lambda _: self.look())

    def look(self) -> None:
        """What the station shows may be another certificate now: see when it has to be renewed."""
        self._changed.set()

    # --- what the station trusts ------------------------------------------------------------

    async def install(self, use: Use, pem: str) -> None:
        """Install a root; the same one again counts as installed (M05).

        Raises:
            Refused: it may not be installed.
            StoreError: it could not be stored.
        """
        strict = use is Use.CSMS_ROOT and self._model[ADDITIONAL_ROOT_CERTIFICATE_CHECK]
        most = self._model[CERTIFICATE_STORE_MAX_LENGTH]
        try:
            await asyncio.to_thread(self._install, use, pem, strict=strict, most=most)
        except Refused as refused:
            log.info("%s not installed: %s", use, refused)
            raise
        self._event(Event.RECONFIGURED, f"{use} installed")
        self.trust()

    def _install(self, use: Use, pem: str, *, strict: bool, most: int) -> None:
        from chargepoint.store import x509

        root, *more = x509.read(pem)
        if more:
            raise Refused(f"found {1 + len(more)} certificates", reason="InvalidCertificate")
        installed = self._keys.roots(use)
        others = [old for old in installed if old.fingerprint != fingerprint(pem)]
        proven = [old for old in others if old.proven] if strict else []
        signed = not proven or any(x509.signed_by(root, x509.read(old.pem)[0]) for old in proven)
        rules.check_root(x509.about(root), self._clock.now(), signed_by_old=signed)
        if len(others) < len(installed):
            return
        for old in others if strict else ():
            if not old.proven:  # one root and its successor, no more (M05.FR.10)
                self._keys.remove(old)
        rules.check_room(self._keys.count(), most)
        self._keys.install(use, pem, proven=not proven)

    async def installed(self, uses: Collection[Use] = ()) -> list[Listed]:
        """What is installed for these uses, or all but the station's own certificate (M03)."""
        return await asyncio.to_thread(lambda: list(self._listed(uses or tuple(Use))))

    def _listed(self, uses: Collection[Use]) -> Iterator[Listed]:
        from chargepoint.store import x509

        roots = self._roots()
        for root, read in roots:
            if root.use in uses:
                yield Listed(root.use, x509.identify(read, issuer_of(read, roots)))
        if Use.V2G_CHAIN in uses and (pem := self._keys.chain(self._keys.own(Use.V2G_CHAIN))):
            names = chain_ids(x509.read(pem), roots, HashAlgorithm.SHA256)
            yield Listed(Use.V2G_CHAIN, names[0], tuple(names[1:5]))

    async def delete(self, wanted: CertificateId) -> bool:
        """Remove the certificate of that name; False if there is none (M04).

        Raises:
            Refused: it is in use: the station's own, or the root of a TLS connection (1.6
                whitepaper M04.FR.06), or the last one for such a connection.
        """
        # Settings are read here: some of them come from the database, which knows one thread.
        tls = self._model[SECURITY_PROFILE] >= TLS_PROFILE
        in_use = self.in_use()
        use = await asyncio.to_thread(self._delete, wanted, tls=tls, in_use=in_use)
        if use is not None:
            self._event(Event.RECONFIGURED, f"{use} deleted")
            self.trust()
        return use is not None

    def _delete(self, wanted: CertificateId, *, tls: bool, in_use: str) -> Use | None:
        from chargepoint.store import x509

        roots = self._roots()
        for root, read in roots:
            if x509.identify(read, issuer_of(read, roots), wanted.algorithm) == wanted:
                if tls and root.use is Use.CSMS_ROOT:
                    may_go(root, roots, in_use)
                self._keys.remove(root)
                return root.use
        for use in (Use.STATION, Use.V2G_CHAIN):
            pem = self._keys.chain(self._keys.own(use))
            if pem and wanted in chain_ids(x509.read(pem), roots, wanted.algorithm):
                if use is Use.STATION:
                    raise Refused("it is the station's own certificate", reason="Unspecified")
                self._keys.remove_own(use)
                return use
        return None

    def trusted(self, uses: Sequence[Use]) -> "list[x509.Certificate]":
        """The roots that are installed for some uses."""
        return [read for root, read in self._roots() if root.use in uses]

    def _roots(self) -> "list[tuple[Installed, x509.Certificate]]":
        from chargepoint.store import x509

        return [(root, x509.read(root.pem)[0]) for root in self._keys.roots()]

    # --- what the station shows -------------------------------------------------------------

    def check_request(self, use: Use) -> None:
        """Whether a certificate for this use can be asked for.

        Raises:
            Refused: the station has no name for it.
        """
        if not self._common_name(use):
            raise Refused(f"there is no name for a {use}", reason="MissingParam")

    async def triggered(self, use: Use) -> None:
        """The CSMS wants to be asked for a certificate now."""
        try:
            await self.request(use)
        except (Refused, StoreError) as error:
            log.error("%s not asked for: %s", use, error)  # noqa: TRY400 - no defect

    async def request(self, use: Use) -> None:
        """Make a new key and ask the CSMS for its certificate (A02, A03).

        Raises:
            Refused: the station has no name for such a certificate.
            StoreError: the key could not be stored.
        """
        self.check_request(use)
        name = self._common_name(use)
        if not self._model[ORGANIZATION_NAME]:
            log.warning("certificate asked for without OrganizationName or CpoName")
        organization = self._model[ORGANIZATION_NAME]
        async with self._turn:
            csr = await asyncio.to_thread(self._keys.request, use, name, organization)
        self._ask(CertificateRequested(use, self._clock.now(), csr))

    def answered(self, fact: CertificateRequested, *, accepted: bool) -> None:
        """What the CSMS said to a request; after a refusal nothing is asked until a trigger."""
        use = Use(fact.use)
        known = self._awaited.get(use)
        if known is not None and known.last.csr != fact.csr:
            return  # about a key that has been replaced meanwhile
        if self._settled.get(use) == fact.csr:
            return  # the certificate was faster than the answer
        minimum, repeats = self._model[CERT_SIGNING_WAIT_MINIMUM], CERT_SIGNING_REPEAT_TIMES
        wait = rules.next_wait(fact.number, minimum, self._model[repeats])
        if not accepted or wait is None:
            log.warning("no certificate for %s: the CSMS refused to sign", use)
            self._awaited.pop(use, None)
        elif self._keys.pending(use):
            due = self._clock.monotonic() + wait.total_seconds()
            self._awaited[use] = _Awaited(fact, due)
            self._changed.set()

    async def show(self) -> None:
        """Make the connection that shows what is new."""
        self.reconnect()

    def keep_status(self, name: CertificateId, result: str) -> None:
        """Keep what OCSP says of a certificate, for the vehicles (M06.FR.07)."""
        try:
            self._keys.save_ocsp(name.serial_number, result)
        except StoreError as error:
            log.error("certificate status not stored: %s", error)  # noqa: TRY400 - the disk

    async def signed(self, use: Use, chain: str) -> bool:
        """The certificate of a key of ours. True if a new connection is to be made with it.

        Raises:
            Refused: it cannot be used; the security log says why.
            StoreError: it could not be stored.
        """
        if (known := self._awaited.pop(use, None)) is not None:
            self._settled[use] = known.last.csr
        most, name = self._model[MAX_CERTIFICATE_CHAIN_SIZE], self._common_name(use)
        shown = use is Use.STATION and self._model[SECURITY_PROFILE] == CERTIFICATE_PROFILE
        try:
            async with self._turn:
                await asyncio.to_thread(self._check_signed, use, chain, most=most, common_name=name)
                await asyncio.to_thread(self._keys.signed, use, chain, fresh=shown)
        except Refused as refused:
            self._event(Event.INVALID_CERTIFICATE, str(refused))
            raise
        self._event(Event.RECONFIGURED, f"{use} renewed")
        if use is Use.V2G_CHAIN:
            self._statuses_at = None
            self._changed.set()
        return shown

    def _check_signed(self, use: Use, chain: str, *, most: int, common_name: str) -> None:
        from chargepoint.store import x509

        key = self._keys.pending(use)
        if not key:
            raise Refused("no certificate was asked for", reason="Unspecified")
        found = x509.read(chain) if len(chain) <= most else ()
        roots = [read for _, read in self._roots()]
        signed = rules.Signed(
            tuple(x509.about(certificate) for certificate in found),
            len(chain),
            fits=bool(found) and x509.fits(found[0], key),
            linked=bool(found) and x509.linked(found, roots),
        )
        rules.check_signed(signed, self._clock.now(), size_most=most, common_name=common_name)

    async def run(self) -> None:
        """Ask again for what does not come, and anew for what expires; ends by cancellation."""
        while True:
            self._changed.clear()
            self._ask_again()
            await self._renew()
            await self._ask_statuses()
            await sleep_unless(self._clock, self._next(), self._changed)

    def _next(self) -> timedelta:
        """Until there is something to do again."""
        now = self._clock.monotonic()
        dues = [wait.due for wait in self._awaited.values() if wait.due is not None]
        waits = [timedelta(seconds=due - now) for due in dues]
        early = [left for at in self._renewals.values() if (left := at - self._clock.now()) > ZERO]
        return min([*waits, *early, RENEWAL_CHECK])

    def _ask_again(self) -> None:
        """The same request once more: whichever of the answers comes, it is about our key."""
        for use, wait in list(self._awaited.items()):
            if wait.due is None or wait.due > self._clock.monotonic():
                continue
            last = wait.last
            if last.number > self._model[CERT_SIGNING_REPEAT_TIMES]:
                log.warning("no certificate for %s came: none is asked for any more", use)
                self._awaited.pop(use)
            else:
                again = CertificateRequested(use, self._clock.now(), last.csr, last.number + 1)
                self._ask(again)

    async def _renew(self) -> None:
        """Some time before a certificate of the station expires (A02.FR.02)."""
        self._renewals.clear()
        ahead = timedelta(days=self._model[CERT_RENEWAL_DAYS])
        for use in (Use.STATION, Use.V2G_CHAIN):
            busy = use in self._awaited or self._keys.fresh(use).exists()
            if busy or not (pem := self._keys.chain(self._keys.own(use))):
                continue
            try:
                self._renewals[use] = await asyncio.to_thread(renewal, pem, ahead)
                if self._clock.now() >= self._renewals[use]:
                    await self.request(use)
            except (Refused, StoreError) as error:
                log.error("%s cannot be renewed: %s", use, error)  # noqa: TRY400 - no defect

    async def _ask_statuses(self) -> None:
        """What vehicles are shown must not be revoked: asked every week, and when it is new (M06).

        A certificate that names no address for the question is not asked about.
        """
        now, last = self._clock.monotonic(), self._statuses_at
        if last is not None and now - last < STATUS_CHECK.total_seconds():
            return
        if pem := self._keys.chain(self._keys.own(Use.V2G_CHAIN)):
            self._statuses_at = now
            for fact in await asyncio.to_thread(self._statuses_due, pem):
                self._record(fact)

    def _statuses_due(self, pem: str) -> list[CertificateStatusDue]:
        from chargepoint.store import x509

        chain = x509.read(pem)
        names = chain_ids(chain, self._roots(), HashAlgorithm.SHA256)
        at = self._clock.now()
        responders = [x509.responder(certificate) for certificate in chain]
        return [
            CertificateStatusDue(name, responder, at)
            for name, responder in zip(names, responders, strict=True)
            if responder
        ]

    def _ask(self, fact: CertificateRequested) -> None:
        self._awaited[Use(fact.use)] = _Awaited(fact)
        self._record(fact)

    def _common_name(self, use: Use) -> str:
        return self._model[SECC_ID] if use is Use.V2G_CHAIN else self.serial_number
