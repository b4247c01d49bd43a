"""The demo is the product's first impression, so its result is checked by means of its own."""

import json
import re
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from chargepoint.bench.demo import run

SCHEMAS = Path(str(find_spec("ocpp").submodule_search_locations[0]))  # type: ignore[union-attr,index]


class Quiet:
    def __init__(self) -> None:
        self.told: list[str] = []

    def step(self, title: str, *lines: str) -> None:
        self.told += [title, *lines]

    def progress(self, done: float, text: str) -> None:
        assert done >= 0
        assert "kWh" in text


def verifies(record: str, key: str) -> bool:
    """Plain cryptography, none of this project: OCMF|payload|signature."""
    payload, signature = re.fullmatch(r"OCMF\|(\{.*\})\|(\{.*\})", record, re.DOTALL).groups()  # type: ignore[union-attr]
    public_key = load_der_public_key(bytes.fromhex(key))
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    try:
        public_key.verify(
            bytes.fromhex(json.loads(signature)["SD"]), payload.encode(), ec.ECDSA(SHA256())
        )
    except InvalidSignature:
        return False
    return True


def check_frames(messages: list[Any], version: str) -> None:
    """Every frame against the official schema of its action."""
    folder = SCHEMAS / ("v16" if version == "1.6" else "v201") / "schemas"
    asked: dict[str, str] = {}
    request, response = ("", "Response") if version == "1.6" else ("Request", "Response")
    for message in messages:
        kind, message_id, *rest = message
        assert kind in {2, 3}, f"a CALLERROR: {message}"
        if kind == 2:
            asked[message_id] = rest[0]
            name, payload = f"{rest[0]}{request}.json", rest[1]
        else:
            name, payload = f"{asked[message_id]}{response}.json", rest[0]
        schema = json.loads((folder / name).read_text(encoding="utf-8-sig"))
        jsonschema.validate(payload, schema)


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_the_demo_ends_with_a_record_that_anybody_can_verify(version: str) -> None:
    quiet = Quiet()

    outcome = (await run(version, Decimal("0.5"), quiet, charging_s=1.5)).as_json()

    assert list(outcome) == [
        "ocpp", "transaction_id", "energy_wh", "verified", "public_key", "record", "messages",
    ]  # fmt: skip
    assert outcome["ocpp"] == version
    assert outcome["verified"] is True
    assert outcome["energy_wh"] >= 500
    assert outcome["transaction_id"] in outcome["record"]
    assert verifies(outcome["record"], outcome["public_key"])
    tampered = outcome["record"].replace('"TX":"B","RV":1', '"TX":"B","RV":0')
    assert tampered != outcome["record"]
    assert not verifies(tampered, outcome["public_key"])
    check_frames(outcome["messages"], version)
    assert any("forged" in line and "detected" in line for line in quiet.told)
