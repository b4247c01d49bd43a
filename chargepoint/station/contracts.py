"""Reads the contract certificate that a vehicle shows; finds out what the station knows of it."""

import asyncio
from typing import TYPE_CHECKING

from chargepoint.clock import Clock
from chargepoint.core.certificates import Use
from chargepoint.core.contract import CHAIN_MOST, NAMES_MOST, Contract, Named, finding, in_time
from chargepoint.core.model import IdToken, IdTokenType
from chargepoint.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509

ID_MOST = 36  # characters of an IdToken
_ROOTS = (Use.MO_ROOT, Use.V2G_ROOT)


class Contracts:
    """Examines contracts; ``roots`` gives the certificates that are installed for some uses."""

    def __init__(
        self, roots: "Callable[[Sequence[Use]], list[x509.Certificate]]", clock: Clock
    ) -> None:
        self._roots = roots
        self._clock = clock

    async def examine(self, chain: str) -> Contract:
        """What a chain in PEM, leaf first, is about; its id is the common name of the leaf.

        Raises:
            Refused: there is no certificate in it, or no id in that.
        """
        return await asyncio.to_thread(self._examine, chain)

    def _examine(self, chain: str) -> Contract:
        from chargepoint.store import x509

        found = x509.read(chain)
        said = tuple(x509.about(certificate) for certificate in found)
        if not 0 < len(said[0].common_name) <= ID_MOST:
            raise Refused("a contract without an id", reason="InvalidCertificate")
        now = self._clock.now()
        roots = [root for root in self._roots(_ROOTS) if in_time(x509.about(root), now)]
        rooted = any(root.subject == found[-1].issuer for root in roots)
        linked = x509.linked(found, roots)
        return Contract(
            IdToken(said[0].common_name, IdTokenType.EMAID),
            finding(said, now, linked=linked, rooted=rooted),
            self._names(found, roots),
            chain if len(chain) <= CHAIN_MOST else "",
        )

    def _names(
        self, chain: "tuple[x509.Certificate, ...]", roots: "list[x509.Certificate]"
    ) -> tuple[Named, ...]:
        """Of every certificate that says where it is asked about; none if the leaf does not."""
        from chargepoint.store import x509

        above = next((root for root in roots if root.subject == chain[-1].issuer), None)
        pairs = zip(chain, [*chain[1:], above], strict=True)
        names = [
            Named(x509.identify(certificate, issuer), x509.responder(certificate))
            for certificate, issuer in pairs
        ]
        asked = tuple(name for name in names if name.responder)[:NAMES_MOST]
        return asked if names[0].responder else ()
