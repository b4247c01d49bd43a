"""What records travel in: OCPP payloads, logs, plain text. As ``chargepoint ocmf`` reads them."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from chargepoint.cli.ocmf_input import Unusable, _input
from meters.ocmf import report
from meters.ocmf.containers import ContainerError, from_ocpp
from meters.ocmf.grouping import group
from meters.ocmf.session import check_session, verify_contained

MODULES = (
    "meters.ocmf.containers",
    "meters.ocmf.grouping",
    "meters.ocmf.session",
    "meters.ocmf.record",
    "meters.ocmf.syntax",
    "meters.ocmf.report",
    "chargepoint.cli.ocmf_input",
)
WORDS = (
    "signedMeterData", "signedMeterValue", "record", "ocmf", "document", "text", "value", "format",
    "SignedData", "publicKey", "public_key", "signingMethod", "encodingMethod", "context",
    "Transaction.Begin", "Transaction.End", "transactionId", "transactionInfo", "transaction_id",
    "OCMF|", "T0NNR", "4F434D46", "\ufeff", "%PDF", "PK\u0003\u0004", "-----BEGIN", "oca:",
)  # fmt: skip
STRUCTURED = True
VECTORS = Path(__file__).parents[1] / "meters" / "ocmf" / "vectors.json"


def seeds() -> Iterator[bytes]:
    import base64

    records = json.loads(VECTORS.read_text())[:3]
    for one in records:
        text = one["ocmf"]
        coded = base64.b64encode(text.encode()).decode()
        signed = {
            "signedMeterData": coded,
            "signingMethod": "ECDSA-secp192r1-SHA256",
            "encodingMethod": "OCMF",
            "publicKey": one["public_key"],
        }
        sampled = {"value": 0.0, "context": "Transaction.End", "signedMeterValue": signed}
        event = {
            "eventType": "Ended",
            "transactionInfo": {"transactionId": "T-1"},
            "meterValue": [{"timestamp": "2026-03-01T11:30:05Z", "sampledValue": [sampled]}],
        }
        yield json.dumps([2, "1", "TransactionEvent", event]).encode()
        old = {"value": json.dumps(signed), "format": "SignedData", "context": "Transaction.Begin"}
        yield json.dumps({"transactionId": 7, "meterValue": [{"sampledValue": [old]}]}).encode()
        yield json.dumps({"record": text, "public_key": one["public_key"]}).encode()
        yield text.encode()
        yield f"\ufeff{text}\r\n{text}\n{one['public_key']}\n".encode()
        yield f"2026-03-01 INFO [meter] got {text} end\n[2,{json.dumps(event)}]".encode()
        yield coded.encode()
        yield text.encode().hex().encode()
    yield from (b"%PDF-1.4", b"PK\x03\x04", b"oca:base16:asn1:00", b"[]", b"{}", b"")


def run(data: bytes) -> str:
    try:
        source = _input("input", data)
    except Unusable as error:
        assert error.message.isprintable()
        return "Unusable"
    with contextlib.suppress(ContainerError):
        from_ocpp(data)
    verdicts = [verify_contained(one) for one in source.found]
    json.dumps([report.verdict_json(*pair) for pair in zip(verdicts, source.found, strict=True)])
    for one in group(source.found, verdicts, ["input"] * len(verdicts)):
        report.session_lines(one.name, check_session(one.verdicts, one.contexts))
    return f"{len(verdicts)} records"
