"""OCMF records and the keys beside them: parse, verify, judge, print.

The first line of an input is the text of the key.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from meters.ocmf import Outcome, Verdict, report
from meters.ocmf.containers import Contained
from meters.ocmf.errors import OcmfError
from meters.ocmf.grouping import group
from meters.ocmf.record import _parse_by_structure, parse
from meters.ocmf.session import check_session
from meters.ocmf.verification import verify, verify_document

MODULES = ("meters.ocmf", "meters.model")
WORDS = (
    "OCMF|", "|", "T0NNR", "4F434D46", "FV", "GI", "GS", "GV", "PG", "MV", "MM", "MS", "MF", "IS",
    "IL", "IF", "IT", "ID", "TT", "CF", "LC", "CT", "CI", "RD", "TM", "TX", "RV", "RI", "RU", "RT",
    "CL", "EF", "ST", "SA", "SE", "SM", "SD", "LN", "LI", "LR", "LU", "base64", "hex",
    "application/x-der", "ECDSA-secp192r1-SHA256", "ECDSA-secp256k1-SHA256", "kWh", "MWh", "Wh",
    "1-0:1.8.0*255", "01-00:B2.08.00*FF", "\\u0000", "\\ud800", "1e999999999", "-0", "NaN",
    "2026-03-01T10:00:03,000+0000 S", "true", "false", "null", "oca:base16:asn1:", "\ufeff",
)  # fmt: skip
VECTORS = Path(__file__).parents[1] / "meters" / "ocmf" / "vectors.json"


def _vectors() -> list[tuple[str, bytes, str]]:
    found = json.loads(VECTORS.read_text())
    return [
        (one["public_key"], one["ocmf"].encode("utf-8", "surrogateescape"), one["outcome"])
        for one in found
    ]


def _authentic() -> frozenset[bytes]:
    """What was really signed: nothing else may ever be told authentic."""
    verdicts = (verify_document(record, key) for key, record, _ in _vectors())
    return frozenset(
        verdict.record.signed for verdict in verdicts if verdict.valid and verdict.record
    )


AUTHENTIC = _authentic()


def seeds() -> Iterator[bytes]:
    for key, record, _ in _vectors():
        yield f"{key}\n".encode() + record


def run(data: bytes) -> str:
    key, _, document = data.partition(b"\n")
    verdict = verify_document(document, key)
    if verdict.valid:
        assert verdict.record is not None
        assert verdict.record.signed in AUTHENTIC, "a record that nobody signed is authentic"
    _show(document, key, verdict)
    try:
        text = document.decode()
    except UnicodeDecodeError:
        pass
    else:
        assert verify_document(text, key).outcome == verdict.outcome
    if verdict.record is None:
        assert verdict.outcome is Outcome.UNPARSABLE
        return str(verdict.outcome)
    _agree(verdict)
    return str(verdict.outcome)


def _show(document: bytes, key: bytes, verdict: Verdict) -> None:
    contained = Contained(document, key.decode("utf-8", "replace"))
    session = check_session([verdict], ["Transaction.Begin"])
    for one in group([contained], [verdict], ["input"]):
        report.session_lines(one.name, check_session(one.verdicts, one.contexts))
    lines = [report.verdict_line(1, verdict), *report.session_lines("", session)]
    json.dumps([report.verdict_json(verdict, contained), report.session_json("", session)])
    if verdict.record is not None:
        lines.append(report.record_table(verdict.record, contained))
    assert all(line.replace("\n", "").isprintable() for line in lines)


def _agree(verdict: Verdict) -> None:
    """The fast reader and the careful one, on the record's own bytes."""
    record = verdict.record
    assert record is not None
    again = parse(record.raw)
    assert again == record
    try:
        careful = _parse_by_structure(record.raw, ())
    except OcmfError as error:
        raise AssertionError(f"only the fast reader takes it: {error}") from error
    assert (careful.signed, careful.seal.SD) == (record.signed, record.seal.SD)
    if verdict.key is not None:
        assert verify(careful, verdict.key).outcome == verdict.outcome
