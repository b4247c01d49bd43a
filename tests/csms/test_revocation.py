"""A CSMS whose certificate was revoked, over real TLS and HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from pki import Authority, name, root
from site_rig import LIVING
from tls_server import DAY, Responder, answering_http, crl, rsa_key, server_certificate, server_side
from websockets.asyncio.server import ServerConnection, serve

from chargepoint.core.revocation import Finding, Word, objection, verdict
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.opening import open_connection
from chargepoint.csms.outage import Cause, Outage
from chargepoint.csms.revocation import Revocation, Sources
from chargepoint.csms.tls import client_context
from chargepoint.station.validity import OwnTime
from chargepoint.store import revoked

CA = root("CSMS CA", **LIVING)
CONFIG = LinkConfig("wss://localhost/ocpp", "CP1", ("ocpp2.0.1",), password=b"the password of it")
NOW = datetime.now(UTC)
REVOKED = ocsp.OCSPCertStatus.REVOKED


@dataclass
class Rig:
    """A CSMS with TLS; ``told`` are the passwords that it saw."""

    config: LinkConfig
    certificate: x509.Certificate
    told: list[str] = field(default_factory=list)

    async def connect(self, revocation: Revocation, time: OwnTime | None = None) -> None:
        connection = await open_connection(replace(self.config, revocation=revocation), time)
        await connection.close()

    async def refused(self, revocation: Revocation, time: OwnTime | None = None) -> str:
        self.told.clear()
        with pytest.raises(Outage) as caught:
            await self.connect(revocation, time)
        assert caught.value.cause is Cause.UNTRUSTED
        assert self.told == []  # the password never left
        return str(caught.value)


@asynccontextmanager
async def rig_of(
    folder: Path, *, ocsp_url: str = "", issuer: Authority = CA, chain: Any = ()
) -> AsyncIterator[Rig]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = server_certificate(issuer, key, ocsp_url=ocsp_url)
    told: list[str] = []

    async def keep(connection: ServerConnection) -> None:
        assert connection.request is not None
        told.append(connection.request.headers["Authorization"])
        await connection.wait_closed()

    context = server_side(folder, certificate, key, chain=chain)
    async with serve(keep, "localhost", 0, ssl=context, subprotocols=["ocpp2.0.1"]) as server:
        port = server.sockets[0].getsockname()[1]
        config = replace(
            CONFIG, url=f"wss://localhost:{port}/ocpp", tls=client_context(roots=CA.pem)
        )
        yield Rig(config, certificate, told)


@pytest.fixture
def crl_file(tmp_path: Path) -> Path:
    return tmp_path / "revoked.pem"


def write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


# --- lists ----------------------------------------------------------------------------------


async def test_a_csms_that_no_list_names_is_connected_to(tmp_path: Path, crl_file: Path) -> None:
    write(crl_file, crl(CA))
    async with rig_of(tmp_path) as rig:
        await rig.connect(Revocation(Sources(crl_file, required=True)))

        assert len(rig.told) == 1


@pytest.mark.spec("2.0.1", "A00.FR.309")
async def test_a_revoked_csms_is_refused_before_it_is_told_the_password(
    tmp_path: Path, crl_file: Path
) -> None:
    async with rig_of(tmp_path) as rig:
        revocation = Revocation(Sources(crl_file))
        write(crl_file, crl(CA))
        await rig.connect(revocation)
        write(crl_file, crl(CA, rig.certificate))

        assert "was revoked: O=Example,CN=csms" in await rig.refused(revocation)


async def test_what_an_old_list_names_stays_revoked(tmp_path: Path, crl_file: Path) -> None:
    async with rig_of(tmp_path) as rig:
        old = datetime.now(UTC) - 9 * DAY
        write(crl_file, crl(CA, rig.certificate, begin=old))

        assert "was revoked" in await rig.refused(Revocation(Sources(crl_file)))


def stale() -> bytes:
    return crl(CA, begin=datetime.now(UTC) - 9 * DAY)


def of_somebody_else() -> bytes:
    return crl(CA, signer=root("CSMS CA", **LIVING))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (stale(), "the list ended at"),
        (of_somebody_else(), "no list of O=Example,CN=CSMS CA"),
        (b"nothing of use", "a list cannot be read"),
        (None, "no list of"),
    ],
    ids=["old", "false signature", "garbage", "missing"],
)
async def test_without_a_good_list_the_config_says_what_happens(
    tmp_path: Path, crl_file: Path, text: bytes | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    if text is not None:
        write(crl_file, text)
    async with rig_of(tmp_path) as rig:
        await rig.connect(Revocation(Sources(crl_file)))
        sentence = await rig.refused(Revocation(Sources(crl_file, required=True)))

    assert f"may have been revoked: {why}" in sentence
    assert "is not known" in caplog.text


async def test_an_authority_between_is_looked_at_too(tmp_path: Path, crl_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    between = Authority(CA.issue("Between", key.public_key(), ca=True, **LIVING), key)
    async with rig_of(tmp_path, issuer=between, chain=[between]) as rig:
        write(crl_file, crl(CA) + crl(between))
        await rig.connect(Revocation(Sources(crl_file, required=True)))
        write(crl_file, crl(CA, between.certificate) + crl(between))

        assert "CN=Between" in await rig.refused(Revocation(Sources(crl_file)))


async def test_a_list_is_fetched_and_kept_for_a_while(tmp_path: Path) -> None:
    served = {"text": crl(CA), "status": 200}
    times = [0.0]

    async def listing(_: web.Request) -> web.Response:
        return web.Response(body=served["text"], status=served["status"])

    async with answering_http(listing) as url, rig_of(tmp_path) as rig:
        revocation = Revocation(Sources(crl_url=url, required=True), lambda: times[0])
        await rig.connect(revocation)
        served["text"] = crl(CA, rig.certificate)
        await rig.connect(revocation)  # the same list still
        times[0] += 7200
        await rig.refused(revocation)
        served["status"] = 503
        times[0] += 7200
        assert "was revoked" in await rig.refused(revocation)  # by the list from before


async def test_a_list_that_cannot_be_fetched_is_none(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/list"
    async with rig_of(tmp_path) as rig:
        await rig.connect(Revocation(Sources(crl_url=nobody)))
        assert "no list" in await rig.refused(Revocation(Sources(crl_url=nobody, required=True)))


async def test_the_time_is_that_of_the_station(tmp_path: Path, crl_file: Path) -> None:
    write(crl_file, crl(CA))
    async with rig_of(tmp_path) as rig:
        revocation = Revocation(Sources(crl_file, required=True))

        await rig.connect(revocation, OwnTime(NOW - 3 * DAY / 4, provisional=True))
        assert "the list ended" in await rig.refused(revocation, OwnTime(NOW + 3 * DAY))


def test_a_list_with_broken_bytes_clears_nobody() -> None:
    serial = CA.certificate
    raw = x509.load_pem_x509_crl(crl(CA, serial)).public_bytes(Encoding.DER)
    words = set()
    for place, bits in product(range(len(raw)), (1, 0x80, 0xFF)):
        broken = bytearray(raw)
        broken[place] ^= bits
        try:
            known = revoked.lists(bytes(broken))
        except ValueError:
            continue
        words.add(revoked.listed(serial, CA.certificate, known, NOW).word)

    assert words <= {Word.UNKNOWN, Word.REVOKED}  # not every bit is signed


# --- the responder --------------------------------------------------------------------------


@asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[tuple[Rig, Responder]]:
    responder = Responder(CA)
    async with (
        answering_http(responder.answer) as url,
        rig_of(folder, ocsp_url=url) as rig,
    ):
        responder.knows(rig.certificate)
        yield rig, responder


async def test_a_csms_whose_responder_says_good_is_connected_to(tmp_path: Path) -> None:
    async with asked(tmp_path) as (rig, responder):
        revocation = Revocation(Sources(ocsp=True, required=True))
        await rig.connect(revocation)
        await rig.connect(revocation)

        assert responder.asked == 1  # a good answer is kept for a while


async def test_a_station_whose_time_is_provisional_takes_an_answer_of_later(
    tmp_path: Path,
) -> None:
    async with asked(tmp_path) as (rig, _):
        revocation, early = Revocation(Sources(ocsp=True, required=True)), NOW - DAY / 2

        assert "not of now" in await rig.refused(revocation, OwnTime(early))
        await rig.connect(revocation, OwnTime(early, provisional=True))


async def test_an_answer_with_broken_bytes_condemns_nobody(tmp_path: Path) -> None:
    async with asked(tmp_path) as (rig, responder):
        question = revoked.question(rig.certificate, CA.certificate)
        raw = responder.said(question.der)

    words = set()
    for place, bits in product(range(len(raw)), (1, 0x80, 0xFF)):
        broken = bytearray(raw)
        broken[place] ^= bits
        words.add(revoked.answered(question, bytes(broken), NOW).word)

    assert words <= {Word.UNKNOWN, Word.GOOD}  # not every bit is signed


async def test_a_csms_whose_responder_says_revoked_is_refused(tmp_path: Path) -> None:
    async with asked(tmp_path) as (rig, responder):
        responder.status = REVOKED

        assert "was revoked" in await rig.refused(Revocation(Sources(ocsp=True)))


def delegate(issuer: Authority, *, may: bool = True, key: Any = None) -> Authority:
    """Somebody who answers in the name of an authority, if it lets him."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.OCSP_SIGNING if may else ExtendedKeyUsageOID.SERVER_AUTH
    made = (
        x509.CertificateBuilder(issuer.certificate.subject, name("Responder"), key.public_key(), 7)
        .not_valid_before(LIVING["start"])
        .not_valid_after(LIVING["start"] + 9 * DAY)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    return Authority(made, key)


@pytest.mark.parametrize("signer", [delegate(CA), delegate(CA, key=rsa_key())], ids=["EC", "RSA"])
async def test_the_authority_may_let_somebody_answer(tmp_path: Path, signer: Authority) -> None:
    async with asked(tmp_path) as (rig, responder):
        responder.signer = signer
        await rig.connect(Revocation(Sources(ocsp=True, required=True)))
        responder.status = REVOKED

        assert "was revoked" in await rig.refused(Revocation(Sources(ocsp=True)))


@pytest.mark.parametrize(
    "signer",
    [delegate(CA, may=False), delegate(root("CSMS CA", **LIVING)), root("Somebody", **LIVING)],
    ids=["not for that", "of another authority", "of nobody"],
)
async def test_an_answer_of_somebody_else_counts_for_nothing(
    tmp_path: Path, signer: Authority
) -> None:
    async with asked(tmp_path) as (rig, responder):
        responder.signer = signer
        sentence = await rig.refused(Revocation(Sources(ocsp=True, required=True)))
        responder.status = REVOKED
        await rig.connect(Revocation(Sources(ocsp=True)))

    assert "not to be trusted" in sentence


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"broken": True}, "is silent: HTTP 503"),
        ({"begin": datetime.now(UTC) - 9 * DAY}, "not of now"),
        ({"begin": datetime.now(UTC) + DAY}, "not of now"),
        ({"status": ocsp.OCSPCertStatus.UNKNOWN}, "does not know it"),
    ],
    ids=["silent", "old", "of tomorrow", "unknown"],
)
async def test_without_a_good_answer_the_config_says_what_happens(
    tmp_path: Path, broken: dict[str, Any], why: str
) -> None:
    async with asked(tmp_path) as (rig, responder):
        for field_name, value in broken.items():
            setattr(responder, field_name, value)
        await rig.connect(Revocation(Sources(ocsp=True)))

        assert why in await rig.refused(Revocation(Sources(ocsp=True, required=True)))


async def test_an_answer_about_another_certificate_counts_for_nothing(tmp_path: Path) -> None:
    async with asked(tmp_path) as (rig, responder):
        key = ec.generate_private_key(ec.SECP256R1())
        responder.about = server_certificate(CA, key)

        assert "not to be trusted" in await rig.refused(
            Revocation(Sources(ocsp=True, required=True))
        )


async def test_a_certificate_without_a_responder_is_unknown(tmp_path: Path) -> None:
    async with rig_of(tmp_path) as rig:
        assert "names no responder" in await rig.refused(
            Revocation(Sources(ocsp=True, required=True))
        )


async def test_a_list_in_der_is_read(tmp_path: Path, crl_file: Path) -> None:
    async with rig_of(tmp_path) as rig:
        made = x509.load_pem_x509_crl(crl(CA, rig.certificate))
        write(crl_file, made.public_bytes(Encoding.DER))

        assert "was revoked" in await rig.refused(Revocation(Sources(crl_file)))


# --- the rules ------------------------------------------------------------------------------

GOOD, BAD, NOBODY = (Finding(word, word) for word in (Word.GOOD, Word.REVOKED, Word.UNKNOWN))


@pytest.mark.parametrize(
    ("findings", "word"),
    [
        ([], Word.UNKNOWN),
        ([NOBODY], Word.UNKNOWN),
        ([NOBODY, GOOD], Word.GOOD),
        ([GOOD, BAD], Word.REVOKED),
        ([BAD, NOBODY], Word.REVOKED),
    ],
)
def test_revoked_comes_before_good_and_good_before_unknown(
    findings: list[Finding], word: Word
) -> None:
    assert verdict(findings).word is word


@pytest.mark.parametrize(
    ("verdicts", "required", "objects"),
    [
        ([GOOD], True, False),
        ([GOOD, BAD], False, True),
        ([GOOD, NOBODY], False, False),
        ([GOOD, NOBODY], True, True),
    ],
)
def test_what_nobody_knows_is_refused_only_if_that_is_required(
    verdicts: list[Finding], *, required: bool, objects: bool
) -> None:
    assert bool(objection(verdicts, required=required)) is objects
