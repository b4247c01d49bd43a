from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from meters.ocmf import Contained, Outcome, build, verify_document
from meters.ocmf.session import Session, Severity, check_session, verify_contained

Change = Callable[[dict[str, Any]], object]

BEGIN, END = 0, 1


def session(signer: Any, payload: Any, *changes: Any, keys: Any = None) -> Session:
    """A transaction of one record per change; a change is given payload and readings to alter."""
    meters = [signer("secp256r1", key) for key in keys or [1] * len(changes)]
    records = []
    for meter, change in zip(meters, changes, strict=True):
        fields = payload | {"RD": [dict(one) for one in payload["RD"]]}
        change(fields)
        records.append(verify_document(meter.record(fields), meter.public))
    return check_session(records)


def codes(result: Any) -> list[str]:
    return [one.code for one in result.findings]


def both(**fields: Any) -> Change:
    return lambda payload: payload.update(fields)


def only(place: Any, page: Any, **fields: Any) -> Change:
    def change(payload: Any) -> None:
        payload.update(fields, PG=page, RD=[payload["RD"][place]])

    return change


def reading(place: Any, **fields: Any) -> Change:
    return lambda payload: payload["RD"][place].update(fields)


def test_begin_and_end_in_one_record_or_in_two_make_the_same_bill(
    signer: Any, payload: Any
) -> None:
    one = session(signer, payload, both())
    two = session(signer, payload, only(END, "T42"), only(BEGIN, "T41"))

    for result in (one, two):
        assert result.sound
        assert result.findings == ()
        assert result.energy_wh == Decimal(17330)
        assert result.duration == timedelta(hours=1, minutes=30, seconds=2)


def test_a_record_delivered_twice_counts_once(signer: Any, payload: Any) -> None:
    result = session(signer, payload, both(), both())

    assert result.sound
    assert len(result.verdicts) == 2


def middle(**fields: Any) -> Change:
    def change(payload: Any) -> None:
        begin, end = payload["RD"]
        payload["RD"] = [begin, begin | {"TX": "C", "TM": end["TM"]} | fields, end]

    return change


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([only(BEGIN, "T1")], "open"),
        ([only(END, "T1")], "begin-missing"),
        ([both(), both(PG="T42")], "several"),
        ([lambda payload: payload["RD"].reverse()], "order"),
        ([reading(END, RV=Decimal("1.000"))], "value-falls"),
        ([middle(RV=Decimal("9000.000"))], "value-falls"),
        ([reading(END, TM="2026-03-01T09:00:03,000+0000 S")], "time-falls"),
        ([reading(END, TM="never")], "time-missing"),
        ([reading(END, RU="Wh")], "units-differ"),
        ([reading(END, ST="E")], "meter-state"),
        ([middle(ST="D")], "meter-state"),
        ([reading(BEGIN, EF="E")], "energy-unusable"),
        ([reading(BEGIN, TM="2026-03-01T10:00:03,000+0000 R")], "clock-lost"),
        ([both(IL="MISMATCH")], "user-refused"),
    ],
)
def test_what_cannot_be_billed_is_not_sound(
    signer: Any, payload: Any, changes: Any, code: str
) -> None:
    result = session(signer, payload, *changes)

    assert code in codes(result)
    assert not result.sound


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ([middle(TX="X")], "error-reading", Severity.DOUBT),
        ([only(BEGIN, "T41"), only(END, "T42", ID="0099AABB")], "user-differs", Severity.DOUBT),
        ([only(BEGIN, "T41"), only(END, "T42", MS="7")], "device-differs", Severity.DOUBT),
        ([only(BEGIN, "T41"), only(END, "T41")], "page-repeated", Severity.DOUBT),
        ([only(BEGIN, "F41"), only(END, "T42")], "page-fiscal", Severity.DOUBT),
        ([only(BEGIN, "T41"), only(END, "T44")], "page-gap", Severity.NOTE),
        ([reading(END, EF="t")], "time-unusable", Severity.NOTE),
    ],
)
def test_what_other_verifiers_pass_is_told_but_does_not_fail(
    signer: Any, payload: Any, changes: Any, code: str, severity: Any
) -> None:
    result = session(signer, payload, *changes)

    assert (code, severity) in [(one.code, one.severity) for one in result.findings]
    assert result.sound


def test_records_of_two_keys_are_no_transaction(signer: Any, payload: Any) -> None:
    result = session(signer, payload, only(BEGIN, "T41"), only(END, "T42"), keys=[1, 2])

    assert codes(result) == ["keys-differ"]
    assert not result.sound


def test_one_record_that_does_not_verify_spoils_the_transaction(signer: Any) -> None:
    meter = signer("secp256r1")
    good = verify_document(meter.record(), meter.public)
    bad = verify_document(b"no record", meter.public)

    result = check_session([good, bad])

    assert "not-authentic" in codes(result)
    assert not result.sound


def test_no_records_are_no_transaction() -> None:
    assert not check_session([]).sound


def test_a_given_key_wins_over_the_containers_own(signer: Any) -> None:
    meter, other = signer("secp256r1"), signer("secp256r1", 2)
    contained = Contained(meter.record(), key=meter.public.oca())

    assert verify_contained(contained).valid
    assert verify_contained(contained, other.public).outcome is Outcome.INVALID


def test_other_formats_and_missing_keys_cannot_be_verified_and_say_so(signer: Any) -> None:
    foreign = verify_contained(Contained(b"AP;1;2", key="00", encoding="ALFEN"))
    keyless = verify_contained(Contained(signer("secp256r1").record()))

    assert foreign.outcome is Outcome.UNSUPPORTED
    assert "ALFEN" in foreign.reason
    assert keyless.outcome is Outcome.BAD_KEY
    assert "no public key" in keyless.reason


def of_registers(begin: str, end: str, first: str = "0.000") -> Change:
    def change(payload: Any) -> None:
        one, two = payload["RD"]
        payload["RD"] = [one | {"RI": begin, "RV": Decimal(first)}, two | {"RI": end}]

    return change


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        (of_registers("1-0:1.8.0", "1-0:2.8.0"), "registers-differ", Severity.ERROR),
        (
            of_registers("01-00:B2.08.00*FF", "01-00:B2.08.00*FF", "0.500"),
            "start-not-zero",
            Severity.NOTE,
        ),
        (reading(END, TM="2026-03-01T11:30:05,000+0000 U"), "clock-unknown", Severity.NOTE),
        (reading(END, TM="2026-03-01T11:30:05,000+0000 I"), "clock-informative", Severity.NOTE),
        (reading(END, TM="2026-03-01T11:30:05,000+0000 R"), "clock-informative", Severity.NOTE),
    ],
)
def test_registers_losses_and_clocks_are_looked_at(
    signer: Any, payload: Any, change: Any, code: str, severity: Any
) -> None:
    result = session(signer, payload, change)

    assert (code, severity) in [(one.code, one.severity) for one in result.findings]


def test_a_loss_at_begin_is_told(signer: Any, payload: Any) -> None:
    meter = signer("secp256r1")
    section = build(payload).replace(b'"TX":"B"', b'"TX":"B","CL":0.5')

    result = check_session([verify_document(meter.record(section), meter.public)])

    assert codes(result) == ["loss-at-begin"]


def test_a_synchronised_clock_and_a_register_that_begins_at_zero_are_nothing_to_tell(
    signer: Any, payload: Any
) -> None:
    change = of_registers("01-00:B2.08.00*FF", "01-00:B2.08.00*FF")

    assert codes(session(signer, payload, change)) == []


def test_two_registers_of_one_side_must_tell_the_same_energy(signer: Any, payload: Any) -> None:
    def change(fields: Any) -> None:
        begin, end = fields["RD"]
        own = [
            one | {"RI": "01-00:B2.08.00*FF", "RV": Decimal(value)}
            for one, value in ((begin, "0.000"), (end, "9.000"))
        ]
        total = [one | {"RI": "01-00:B0.08.00*FF"} for one in (begin, end)]
        fields["RD"] = [*own, *total]

    assert "energies-differ" in codes(session(signer, payload, change))


def test_a_container_that_calls_a_record_what_it_is_not_is_told(signer: Any, payload: Any) -> None:
    meter = signer("secp256r1")
    begin, end = (
        verify_document(meter.record(payload | {"PG": f"T{page}", "RD": [entry]}), meter.public)
        for page, entry in enumerate(payload["RD"])
    )
    whole = verify_document(meter.record(), meter.public)
    right = ["Transaction.Begin", "Transaction.End"]

    assert codes(check_session([begin, end], right)) == []
    assert codes(check_session([begin, end], right[::-1])) == ["context-differs"] * 2
    assert "same-record-twice" in codes(check_session([whole, whole], right))


def test_a_transaction_is_incomplete_only_if_nothing_else_is_wrong(
    signer: Any, payload: Any
) -> None:
    running = session(signer, payload, only(BEGIN, "T1"))
    broken = session(signer, payload, only(BEGIN, "T1", IL="MISMATCH"))
    done = session(signer, payload, both())

    assert [one.incomplete for one in (running, broken, done)] == [True, False, False]


@pytest.mark.timeout(30)  # a minute for each record, if each register looks at all readings
def test_a_record_of_thousands_of_registers_is_judged_at_once() -> None:
    names = [f"1-{place // 99}:1.8.{place % 99}" for place in range(1400)]
    readings = [f'{{"RV":1,"TX":"B","RU":"Wh","RI":"{name}"}}' for name in names]
    text = f'OCMF|{{"RD":[{",".join(readings)}]}}|{{}}'

    verdict = verify_document(text, "")

    assert check_session([verdict] * 8).span.begin is not None
    assert verdict.record is not None
    assert len(verdict.record.readings) == len(names)
