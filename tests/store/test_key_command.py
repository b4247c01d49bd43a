"""A program of the installer makes the key, and the station keeps a reference to it."""

import sys
from pathlib import Path

import pytest
from pki import root

from chargepoint.core.certificates import Use
from chargepoint.errors import StoreError
from chargepoint.store import x509
from chargepoint.store.keystore import KeyStore

CA = root("Station CA")
REFERENCE = """-----BEGIN PKCS#11 PROVIDER URI-----
MEkaGVBLQ1MjMTEgUHJvdmlkZXIgVVJJIHYxLjAMLHBrY3MxMTp0b2tlbj1zdGF0
-----END PKCS#11 PROVIDER URI-----
"""
MADE = x509.request("0001", "Example")


def printing(folder: Path, *parts: str, code: int = 0) -> tuple[str, ...]:
    """A program that prints this and ends so; it notes what it was given."""
    (folder / "printed").write_text("".join(parts))
    lines = (
        "import pathlib, sys",
        f"pathlib.Path({str(folder / 'given')!r}).write_text(' '.join(sys.argv[1:]))",
        f"print(pathlib.Path({str(folder / 'printed')!r}).read_text(), end='')",
        f"sys.exit({code})",
    )
    return (sys.executable, "-c", "\n".join(lines))


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


@pytest.mark.spec("2.0.1", "A02.FR.05")
@pytest.mark.parametrize("order", [(REFERENCE, MADE.csr), (MADE.csr, REFERENCE)])
def test_the_station_keeps_a_reference_and_asks_with_the_request(
    keys: KeyStore, tmp_path: Path, order: tuple[str, str]
) -> None:
    keys.command = printing(tmp_path, *order)

    csr = keys.request(Use.STATION, "0001", "Example")
    chain = CA.answer(csr)
    fits = x509.fits(x509.read(chain)[0], keys.pending(Use.STATION))
    keys.signed(Use.STATION, chain, fresh=False)

    assert csr == MADE.csr
    assert (tmp_path / "given").read_text() == "0001 Example"
    assert fits
    assert keys.own(Use.STATION).read_text() == f"{REFERENCE}{chain}"
    assert keys.own(Use.STATION).stat().st_mode & 0o777 == 0o600


def test_a_certificate_about_another_key_does_not_fit(keys: KeyStore, tmp_path: Path) -> None:
    keys.command = printing(tmp_path, REFERENCE, MADE.csr)
    keys.request(Use.STATION, "0001", "Example")
    other = CA.answer(x509.request("0001", "Example").csr)

    assert not x509.fits(x509.read(other)[0], keys.pending(Use.STATION))


def test_keys_for_vehicles_are_made_here(keys: KeyStore, tmp_path: Path) -> None:
    keys.command = printing(tmp_path, code=1)

    assert x509.is_request(keys.request(Use.V2G_CHAIN, "SECC", "Example"), "SECC")


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ((REFERENCE, MADE.csr), 1),
        ((REFERENCE,), 0),
        ((MADE.csr,), 0),
        ((REFERENCE, x509.request("0002", "Example").csr), 0),
        ((REFERENCE, MADE.csr.replace("A", "B")), 0),
        ((), 0),
    ],
    ids=["failed", "no request", "no key", "another name", "broken", "nothing"],
)
def test_a_program_that_makes_no_key_is_an_error_without_its_words(
    keys: KeyStore, tmp_path: Path, parts: tuple[str, ...], code: int
) -> None:
    keys.command = printing(tmp_path, *parts, code=code)

    with pytest.raises(StoreError, match=r"csms\.key_command") as caught:
        keys.request(Use.STATION, "0001", "Example")

    assert "BEGIN" not in str(caught.value)
    assert keys.pending(Use.STATION) == ""


def test_a_program_that_is_not_there_is_an_error(keys: KeyStore, tmp_path: Path) -> None:
    keys.command = (str(tmp_path / "nothing"),)

    with pytest.raises(StoreError, match="made no key"):
        keys.request(Use.STATION, "0001", "Example")
