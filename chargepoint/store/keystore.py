"""Private keys and certificates: files with mode 0600 in folders with mode 0700.

A root is one file, named by its fingerprint. A certificate of the station and its key are one file,
too, so that replacing them is one step; ``ssl`` reads both from it. Every write goes to another
name first and is moved when it is on the disk: after a power cut a file is the old or the new one.

Nothing here needs the cryptography library.
"""

import base64
import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chargepoint.core.certificates import Use
from chargepoint.errors import Refused
from chargepoint.store.key_command import made_by, without_request
from chargepoint.store.lock import sync_folder
from chargepoint.store.tables import translated

log = logging.getLogger(__name__)

INSTALLED_MOST = 50
OCSP_MOST = 50

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Installed:
    """A root in the store. ``proven`` is false until a connection was made with it, if it must."""

    use: Use
    pem: str
    fingerprint: str
    proven: bool


class KeyStore:
    """The files of one station.

    Raises:
        StoreError: from every method, if the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self.command: tuple[str, ...] = ()  # makes keys where nobody can read them
        self._folder = folder
        self._damaged: set[Path] = set()  # what was complained of
        self._counted: int | None = None  # until a file is written or removed here

    # --- what the station trusts ------------------------------------------------------------

    def roots(self, *uses: Use) -> list[Installed]:
        """The installed roots for these uses, or all."""
        with translated("certificates"):
            return [root for use in uses or Use if use.is_root for root in self._roots(use)]

    def count(self) -> int:
        """Certificates installed: roots, and those of the station itself; asked every second."""
        if self._counted is None:
            own = [use for use in (Use.STATION, Use.V2G_CHAIN) if self.own(use).exists()]
            self._counted = len(self.roots()) + len(own)
        return self._counted

    def install(self, use: Use, pem: str, *, proven: bool = True) -> None:
        """Keep a root; one that was not proven may become so."""
        name = fingerprint(pem)
        new, final = (self._folder / use / f"{name}{suffix}.pem" for suffix in (".new", ""))
        with translated("certificate"):
            self._write(final if proven else new, pem)
            if proven:
                _unlink(new)
        self._counted = None

    def remove(self, root: Installed) -> None:
        """Forget a root."""
        self._counted = None
        with translated("certificate"):
            for suffix in ("", ".new"):
                path = self._folder / root.use / f"{root.fingerprint}{suffix}.pem"
                _unlink(path)

    def succeed(self, use: Use) -> None:
        """What waited is proven and takes the place of all others; at no moment there is none.

        After a power cut in between it waits still, and can succeed once more.
        """
        with translated("certificate"):
            roots = list(self._roots(use))
            new = {root.fingerprint: root.pem for root in roots if not root.proven}
            for name, pem in new.items():
                self._write(self._folder / use / f"{name}.pem", pem)
            for root in roots:
                if new and root.fingerprint not in new:
                    self.remove(root)
            for name in new:
                _unlink(self._folder / use / f"{name}.new.pem")

    def adopt(self, use: Use, path: Path) -> None:
        """Install what the installer's file holds, once: what the CSMS removes stays removed.

        A file with more certificates than the store has room for is none of a CSMS and left alone.
        """
        with translated(f"certificates of {path}"):
            found = _PEM.findall(path.read_text(encoding="ascii", errors="replace"))
            known = self._adopted()
            fresh = {fingerprint(_armoured(body)): _armoured(body) for body in found}
            fresh = {name: pem for name, pem in fresh.items() if name not in known}
            if not fresh or self.count() + len(fresh) > INSTALLED_MOST:
                return
            for pem in fresh.values():
                self.install(use, pem)
            self._write(self._folder / "adopted", "\n".join([*known, *fresh]))

    def adopt_own(self, certificate: Path, key: Path) -> None:
        """Use the station's certificate and key of the installer's files, once like roots."""
        with translated(f"certificate of {certificate}"):
            chain = certificate.read_text(encoding="ascii", errors="replace")
            if (name := fingerprint(chain)) not in (known := self._adopted()):
                secret = key.read_text(encoding="ascii", errors="replace").strip()
                self._write(self.own(Use.STATION), f"{secret}\n{chain.strip()}\n")
                self._write(self._folder / "adopted", "\n".join([*known, name]))

    # --- what the station shows -------------------------------------------------------------

    def own(self, use: Use) -> Path:
        """The key and chain in use, one file; it may not exist."""
        return self._folder / "own" / f"{use}.pem"

    def fresh(self, use: Use) -> Path:
        """The key and chain that have not been used for a connection yet; may not exist."""
        return self._folder / "own" / f"{use}.fresh.pem"

    def chain(self, path: Path) -> str:
        """The certificates in a file of keys and chains, without the key; empty if none."""
        with translated("certificate"), contextlib.suppress(FileNotFoundError):
            bodies = _PEM.findall(path.read_text(encoding="ascii", errors="replace"))
            return "".join(_armoured(body) for body in bodies)
        return ""

    def pending(self, use: Use) -> str:
        """The private key whose certificate was asked for, and the request; empty if none."""
        with translated("key"), contextlib.suppress(FileNotFoundError):
            return self._pending(use).read_text(encoding="ascii", errors="replace")
        return ""

    def request(self, use: Use, common_name: str, organization: str) -> str:
        """A new key pair for a use, kept until its certificate comes; the PKCS#10 text, PEM."""
        from chargepoint.store.x509 import request

        if self.command and use is Use.STATION:
            made = made_by(self.command, common_name, organization)
        else:
            made = request(common_name, organization)
        with translated("key"):
            self._write(self._pending(use), f"{made.key.rstrip()}\n{made.csr}")
        return made.csr

    def signed(self, use: Use, chain: str, *, fresh: bool) -> None:
        """The certificate of the pending key is there; ``fresh`` until a connection proves it."""
        with translated("certificate"):
            path = self.fresh(use) if fresh else self.own(use)
            key = without_request(self._pending(use).read_text(encoding="ascii"))
            self._write(path, f"{key.rstrip()}\n{chain.strip()}\n")
            self._pending(use).unlink(missing_ok=True)

    def remove_own(self, use: Use) -> None:
        """Forget the key and chain in use."""
        self._counted = None
        with translated("certificate"):
            _unlink(self.own(use))

    def accept(self, use: Use) -> bool:
        """The fresh one works: it replaces the one in use. False if there is none."""
        return self._move(self.fresh(use), self.own(use))

    def discard(self, use: Use) -> bool:
        """The fresh one does not work: it goes. False if there is none."""
        with translated("certificate"):
            there = self.fresh(use).exists()
            _unlink(self.fresh(use))
        return there

    # --- answers about certificates ---------------------------------------------------------

    def save_ocsp(self, name: str, result: str) -> None:
        """Keep the status of a certificate for the vehicles; ``name`` is its serial number."""
        digits = re.sub("[^0-9a-f]", "", name.lower())
        with translated("certificate status"):
            self._write(self._folder / "ocsp" / f"{digits}.txt", result)
            kept = sorted((self._folder / "ocsp").glob("*.txt"), key=lambda p: p.stat().st_mtime)
            for path in kept[:-OCSP_MOST]:
                path.unlink()

    def ocsp(self, name: str) -> str:
        """The kept status of a certificate; empty if there is none."""
        digits = re.sub("[^0-9a-f]", "", name.lower())
        with translated("certificate status"), contextlib.suppress(FileNotFoundError):
            return (self._folder / "ocsp" / f"{digits}.txt").read_text("ascii", "replace")
        return ""

    # --- inside -----------------------------------------------------------------------------

    def _pending(self, use: Use) -> Path:
        return self._folder / "own" / f"{use}.key.pem"

    def _roots(self, use: Use) -> Iterator[Installed]:
        for path in sorted((self._folder / use).glob("*.pem")):
            stem, new, _ = path.name.partition(".new")
            name, text = stem.split(".")[0], path.read_text(encoding="ascii", errors="replace")
            if _names(text) == name:
                yield Installed(use, text, name, not new)
            elif path not in self._damaged:
                self._damaged.add(path)
                log.error("a root is damaged on the disk and does not count: %s", path.name)

    def _adopted(self) -> list[str]:
        path = self._folder / "adopted"
        return path.read_text(encoding="ascii", errors="replace").split() if path.exists() else []

    def _move(self, source: Path, target: Path) -> bool:
        with translated("certificate"):
            if not source.exists():
                return False
            source.replace(target)
            sync_folder(target.parent)
        self._counted = None
        return True

    def _write(self, path: Path, text: str) -> None:
        self._counted = None
        for folder in (self._folder, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_name(f"{path.name}.part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        # Around a certificate may stand any text (RFC 7468 section 5.2), which nobody needs.
        with os.fdopen(descriptor, "w", encoding="ascii", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)


def _unlink(path: Path) -> None:
    """It is gone, and does not come back with the next power cut."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def fingerprint(pem: str) -> str:
    """The SHA-256 of the first certificate in a PEM text.

    Raises:
        Refused: there is none.
    """
    found = _PEM.search(pem)
    try:
        der = base64.b64decode("".join(found[1].split()), validate=True) if found else b""
    except ValueError:  # binascii.Error is one; text beyond ASCII gives a bare one
        der = b""
    if not der:
        raise Refused("no certificate in PEM", reason="InvalidCertificate")
    return hashlib.sha256(der).hexdigest()


def _names(pem: str) -> str:
    try:
        return fingerprint(pem)
    except Refused:
        return ""


def _armoured(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body.strip()}\n-----END CERTIFICATE-----\n"
