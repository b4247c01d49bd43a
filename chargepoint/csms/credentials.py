"""What a connection shows and trusts: password, certificate, roots, security profile; the way back.

What the CSMS changed is shown from the next connection on. If that is refused, the next attempt
shows what worked before, and so on in turn; the first of both that works stays, the other one goes
(2.0.1 A01, A02.FR.28, .29, A05, M05.FR.12 to .16; 1.6 whitepaper A01, A05).

Why a network that is down takes nothing back at once: it says nothing about a password. But a
firewall that swallows the new port looks the same, so after NetworkProfileConnectionAttempts such
failures the other one has its turn, too.

Why the turns are counted for each address: with several slots, each tried once, the old password
would always meet the same one of them.
"""

import logging
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from chargepoint.core.certificates import Use, lowest_profile
from chargepoint.core.security import Event
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.outage import Cause
from chargepoint.csms.tls import client_context
from chargepoint.store.keystore import Installed, KeyStore
from chargepoint.store.security_log import Credentials as Kept

log = logging.getLogger(__name__)

Report: TypeAlias = Callable[[Event, str], None]

EVENTS: Final = {
    Cause.UNTRUSTED: Event.INVALID_CSMS_CERTIFICATE,
    Cause.TLS_VERSION: Event.INVALID_TLS_VERSION,
    Cause.TLS_CIPHER: Event.INVALID_TLS_CIPHER,
    Cause.CREDENTIALS: Event.FAILED_TO_AUTHENTICATE,
}
"""The outages that are security events."""

_NO_PROOF: Final = {
    Cause.LOST,
    Cause.NAME,
    Cause.NETWORK,
    Cause.REFUSED,
    Cause.SERVER,
    Cause.SILENCE,
}
_TLS, _BOTH = 2, 3
ATTEMPTS: Final = 3
_HEX_KEY = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")


@dataclass(frozen=True, slots=True)
class Basis:
    """What the installer's file says. ``system_roots``: those of the machine count, too.

    ``chosen`` means that ``profile`` is of a network profile that the CSMS set.
    """

    link: LinkConfig
    profile: int
    system_roots: bool = False
    chosen: bool = False


@dataclass(slots=True)
class _Turn:
    """What an address is shown next: what worked ``before``, or what is new.

    ``silent`` counts failures in a row that say nothing about it.
    """

    before: bool = False
    silent: int = 0

    def failed(self, *, refused: bool, attempts: int) -> bool:
        """True if it is the other one's turn from now on."""
        self.silent = 0 if refused else self.silent + 1
        if not refused and self.silent < attempts:
            return False
        self.before, self.silent = not self.before, 0
        return True


class Credentials:
    """Makes the configuration of each attempt to connect.

    ``event`` puts something into the security log, ``wildcards`` is AllowCSMSTLSWildcards,
    ``downgrade`` is AllowSecurityProfileDowngrade, ``attempts`` NetworkProfileConnectionAttempts.
    """

    def __init__(self, basis: Basis, keys: KeyStore, kept: Kept) -> None:
        self.basis = basis
        self.event: Report = lambda *_: None
        self.wildcards: Callable[[], bool] = lambda: True
        self.downgrade: Callable[[], bool] = lambda: False
        self.attempts: Callable[[], int] = lambda: ATTEMPTS
        self._keys = keys
        self._kept = kept
        self._wanted: int | None = None  # a security profile that is to be tried
        self._turns: dict[str, _Turn] = {}  # by address
        self._said: set[Cause] = set()  # in this outage
        self._unusable: set[Path] = set()  # what was complained of

    @property
    def profile(self) -> int:
        """The security profile in use; never lower than one that worked, but by the way back."""
        asked, reached = self.basis.profile, self._kept.profile
        if self.basis.chosen and asked >= lowest_profile(reached, downgrade=self.downgrade()):
            return asked
        return max(asked, reached)

    @property
    def next_profile(self) -> int:
        """The security profile of the next attempt, which may be one that is tried."""
        return self.profile if self._back or self._wanted is None else self._wanted

    @property
    def _turn(self) -> _Turn:
        """A raised profile is for the address where it was asked for; elsewhere it comes second.

        So does a new root: the CSMS before is gone back to with the root before (M05.FR.12 to .16).
        """
        new = self._wanted is not None or bool(self._new_roots())
        elsewhere = new and bool(self._turns)
        return self._turns.setdefault(self.basis.link.url, _Turn(before=elsewhere))

    @property
    def _back(self) -> bool:
        """Whether the next attempt shows what worked before."""
        return self._turn.before

    @property
    def trying(self) -> bool:
        """Whether something is to be shown that has not worked yet."""
        fresh = self._kept.fresh is not None or self._wanted is not None
        return fresh or self._keys.fresh(Use.STATION).exists() or bool(self._new_roots())

    def config(self) -> LinkConfig:
        """How to connect next."""
        profile = self.next_profile
        link, parts = self.basis.link, urlsplit(self.basis.link.url)
        # A profile without TLS asks for none; what has it already does not give it up.
        secure = profile >= _TLS or parts.scheme == "wss"
        if secure and not link.url.startswith("wss:"):
            link = replace(link, url=parts._replace(scheme="wss").geturl())
        tls = self._tls(profile) if secure else None
        password = self._password() if profile < _BOTH else None
        return replace(link, password=password, tls=tls, wildcards=self.wildcards())

    @property
    def has_password(self) -> bool:
        """Whether there is one to show."""
        return self._password() is not None

    def change_password(self, text: str, *, hexadecimal: bool) -> None:
        """From the next connection on another password; ``hexadecimal`` as OCPP 1.6 writes it.

        Text that is no hexadecimal key of 16 to 20 bytes counts as it is.
        """
        raw = hexadecimal and _HEX_KEY.fullmatch(text) is not None
        password = bytes.fromhex(text) if raw else text.encode()
        self._kept.change(password, self._kept.proven or self.basis.link.password)
        self._turns.clear()

    def change_profile(self, profile: int) -> None:
        """From the next connection on a higher security profile, if it comes about."""
        self._wanted = profile
        self._turns.clear()

    def failed(self, cause: Cause, sentence: str) -> None:
        """An attempt or a connection came to nothing."""
        fallback = self.trying
        # Another security profile may be served elsewhere: there nobody listening is an answer.
        moved = self._wanted is not None and cause is Cause.REFUSED
        if fallback:
            refused = moved or cause not in _NO_PROOF
            self._turn.failed(refused=refused, attempts=self.attempts())
        event = EVENTS.get(cause)
        if event is not None and cause not in self._said and not (fallback and self._back):
            self._said.add(cause)
            self.event(event, sentence)

    def good(self) -> None:
        """A connection works: what it showed stays, the other one goes."""
        self._said.clear()
        if not self.trying:
            return
        if self._back:
            self._discard()
        else:
            self._accept()
        self._turns.clear()

    def _accept(self) -> None:
        if self._kept.fresh is not None:
            self._kept.accept()
            log.info("the new password is in use")
        if self._wanted is not None:
            self._kept.raise_profile(self._wanted)
            self.event(Event.RECONFIGURED, f"security profile {self._wanted}")
            self._wanted = None
        if self._keys.fresh(Use.STATION) in self._unusable:  # it was not shown
            self._keys.discard(Use.STATION)
        else:
            self._keys.accept(Use.STATION)
        self._keys.succeed(Use.CSMS_ROOT)

    def _discard(self) -> None:
        """The new root alone stays: the CSMS may change over to it at any time (M05.FR.14)."""
        if self._kept.fresh is not None:
            self._kept.discard()
            self.event(Event.RECONFIGURED, "the new password does not work, the old one is back")
        if self._wanted is not None:
            log.warning("security profile %d does not work, %d stays", self._wanted, self.profile)
            self._wanted = None
        if self._keys.discard(Use.STATION):
            self.event(Event.DISCARDED_CERTIFICATE, "no connection came about with it")

    def _password(self) -> bytes | None:
        fresh = None if self._back else self._kept.fresh
        return fresh or self._kept.proven or self.basis.link.password

    def _new_roots(self) -> list[Installed]:
        return [root for root in self._keys.roots(Use.CSMS_ROOT) if not root.proven]

    def _tls(self, profile: int) -> ssl.SSLContext:
        """Trusts the roots of the store; what the file says counts where there are none.

        A new root is tried alone: only so is it proven.
        """
        new = [] if self._back else self._new_roots()
        roots = new or [root for root in self._keys.roots(Use.CSMS_ROOT) if root.proven]
        texts = "".join(root.pem for root in roots)
        if not texts and self.basis.link.tls is not None:
            context = self.basis.link.tls
        else:
            system = self.basis.system_roots and not new
            context = client_context(roots=texts, system=system)
        own, fresh = self._keys.own(Use.STATION), self._keys.fresh(Use.STATION)
        shown = fresh if fresh.exists() and not self._back else own
        if profile >= _BOTH and shown.exists():
            self._show(shown, context)
        return context

    def _show(self, path: Path, context: ssl.SSLContext) -> None:
        """A key that is damaged, or that its module does not give, must not stop the station."""
        try:
            # Without a password argument OpenSSL would ask on the terminal, and wait.
            context.load_cert_chain(path, password="")
            self._unusable.discard(path)
        except (OSError, ValueError) as error:
            known = path in self._unusable
            self._unusable.add(path)
            log.log(logging.DEBUG if known else logging.ERROR, "%s: %s", path.name, error)
