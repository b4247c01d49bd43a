"""What the fields of a record do that OCMF 1.4 does not foresee.

None of it touches the signature: records of most real meters deviate somewhere. Rules are tables
where they can be, named after the fields they concern.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from meters.ocmf import registers
from meters.ocmf.curves import curve_of
from meters.ocmf.readings import BEGIN, ENDS, RegisterReading, read_time
from meters.ocmf.syntax import Deviation, Value

Payload = Mapping[str, Value]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KNOWN_VERSIONS = _words("0.1 0.2 0.3 0.4 0.5 1.0 1.1 1.2 1.3 1.4")

KNOWN_FIELDS = _words("FV GI GS GV PG MV MM MS MF IS IL IF IT ID TT CF LC CT CI RD VI VV")
READING_FIELDS = _words("TM TX RV RI RU RT CL EF ST EI")
SIGNATURE_FIELDS = _words("SA SE SM SD")

LEVELS = _words("NONE HEARSAY TRUSTED VERIFIED CERTIFIED SECURE MISMATCH INVALID OUTDATED UNKNOWN")
FLAGS = _words(
    "RFID_NONE RFID_PLAIN RFID_RELATED RFID_PSK"
    " OCPP_NONE OCPP_RS OCPP_AUTH OCPP_RS_TLS OCPP_AUTH_TLS OCPP_CACHE OCPP_WHITELIST"
    " OCPP_CERTIFIED ISO15118_NONE ISO15118_PNC PLMN_NONE PLMN_RING PLMN_SMS"
)
CAUSES = frozenset("BCSTX") | ENDS
STATES = frozenset("GNTDRMXIOSEF")
CLOCKS = frozenset("UISR")
UNITS = frozenset({"kWh", "Wh", "mOhm", "uOhm"})

ID_FORMS = {
    "NONE": re.compile(r""),
    "ISO14443": re.compile(r"(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{14})"),
    "ISO15693": re.compile(r"[0-9A-Fa-f]{16}"),
    "EMAID": re.compile(r".{14,15}"),
    "EVCCID": re.compile(r"(?:.{0,6}|[0-9A-Fa-f]{12})"),
    "PHONE_NUMBER": re.compile(r"\+[0-9 ]{3,20}"),
}
TYPES = frozenset(ID_FORMS) | _words(
    "DENIED UNDEFINED EVCOID ISO7812 CARD_TXN_NR CENTRAL CENTRAL_1 CENTRAL_2 LOCAL LOCAL_1 LOCAL_2"
    " KEY_CODE"
)

MOST_FLAGS = 4
TEXT_LIMITS = {"TT": 250, "CF": 25}
LONGEST_CABLE_NAME = 20

_PAGINATION = re.compile(r"[TF](?:0|[1-9][0-9]*)")
_STRICT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3}[+-]\d{4} [A-Z]")
_VERSION = re.compile(r"[0-9]+\.[0-9]+")
_VENDOR = frozenset("UVWXYZ")
_LATER = frozenset("ABCDEF")


def check(
    payload: Payload, readings: Sequence[RegisterReading], signature: Payload
) -> tuple[Deviation, ...]:
    """All deviations of the fields, in the order of the record."""
    rules: tuple[Callable[[Payload], Iterator[Deviation]], ...] = (
        _version,
        _serials,
        _pagination,
        _user,
        _texts,
        _unknown_fields,
        _reading_fields,
    )
    found = [deviation for rule in rules for deviation in rule(payload)]
    found += [deviation for one in readings for deviation in _reading(one)]
    if not readings:
        found.append(Deviation("readings-missing", "The record holds no reading.", "RD"))
    return (*found, *_signature(signature))


def _version(payload: Payload) -> Iterator[Deviation]:
    version = payload.get("FV")
    if version is None:
        yield Deviation("fv-missing", "No format version; read by the newest rules.", "FV")
    elif not isinstance(version, str):
        yield Deviation("fv-not-string", "The format version is not a text.", "FV")
    elif not _VERSION.fullmatch(version):
        yield Deviation("fv-format", "The format version is not major.minor.", "FV")
    elif version not in KNOWN_VERSIONS:
        sentence = f"Format version {version} is newer than 1.4; read by the newest rules known."
        yield Deviation("fv-unknown", sentence, "FV")


def _serials(payload: Payload) -> Iterator[Deviation]:
    if not payload.get("GS") and not payload.get("MS"):
        yield Deviation("serial-missing", "Neither meter nor gateway has a serial number.", "MS")


def _pagination(payload: Payload) -> Iterator[Deviation]:
    page = payload.get("PG")
    if not isinstance(page, str) or not _PAGINATION.fullmatch(page):
        found = "missing" if page is None else f"{page!s:.20}"
        yield Deviation("pg-format", f"Pagination is {found}, expected T or F and a number.", "PG")


def _user(payload: Payload) -> Iterator[Deviation]:
    """Fields IS, IL, IF, IT and ID."""
    if str(payload.get("PG", "")).startswith("T") and "IS" not in payload:
        yield Deviation("user-group-missing", "A transaction without user assignment (IS).", "IS")
    old = str(payload.get("FV")) in {"0.1", "0.2", "0.3"}
    if "IS" in payload and not old and not isinstance(payload["IS"], bool):
        yield Deviation("is-not-boolean", "The user assignment is not true or false.", "IS")
    if "IL" in payload and str(payload["IL"]) not in LEVELS:
        yield Deviation("il-unknown", "The trust level is none that OCMF knows.", "IL")
    yield from _flags(payload)
    kind, data = payload.get("IT"), payload.get("ID")
    if kind is None:
        return
    if not isinstance(kind, str) or kind not in TYPES:
        yield Deviation("it-unknown", "The type of identification is none that OCMF knows.", "IT")
        return
    form = ID_FORMS.get(kind)
    if form and isinstance(data, str) and not form.fullmatch(data):
        yield Deviation("id-type-mismatch", f"The identification has not the form of {kind}.", "ID")


def _flags(payload: Payload) -> Iterator[Deviation]:
    flags = payload.get("IF")
    if flags is None:
        return
    if not isinstance(flags, list):
        yield Deviation("if-unknown", "The assignment flags are no list.", "IF")
        return
    if len(flags) > MOST_FLAGS:
        sentence = f"{len(flags)} assignment flags, at most {MOST_FLAGS} are foreseen."
        yield Deviation("if-too-many", sentence, "IF")
    for index, flag in enumerate(flags):
        if not isinstance(flag, str) or flag not in FLAGS:
            yield Deviation("if-unknown", "OCMF knows no such assignment flag.", f"IF[{index}]")


def _texts(payload: Payload) -> Iterator[Deviation]:
    for name, limit in TEXT_LIMITS.items():
        text = payload.get(name)
        if isinstance(text, str) and len(text) > limit:
            sentence = f"{len(text)} characters, at most {limit} are foreseen."
            yield Deviation("text-too-long", sentence, name)


def _unknown_fields(payload: Payload) -> Iterator[Deviation]:
    for name in payload:
        if name not in KNOWN_FIELDS and name[:1] not in _VENDOR:
            yield Deviation("unknown-key", "OCMF 1.4 knows no such field.", name)


def _reading_fields(payload: Payload) -> Iterator[Deviation]:
    entries = payload.get("RD")
    if entries is not None and not isinstance(entries, list):
        yield Deviation("readings-missing", "The readings are no list.", "RD")
        return
    for index, entry in enumerate(entries or []):
        where = f"RD[{index}]"
        if not isinstance(entry, dict):
            yield Deviation("reading-no-object", "A reading is no object; left out.", where)
            continue
        for name in entry:
            if name not in READING_FIELDS:
                yield Deviation("unknown-key", "OCMF 1.4 knows no such field.", f"{where}.{name}")
        if ("RI" in entry) != ("RU" in entry):
            yield Deviation("ri-without-ru", "Register and unit go together.", where)
        if isinstance(entry.get("RV"), str):
            yield Deviation("rv-string", "The value is a text, not a number.", f"{where}.RV")


def _reading(reading: RegisterReading) -> Iterator[Deviation]:
    """One reading with its inherited fields."""
    where = f"RD[{reading.index}]"
    yield from _time(reading, where)
    yield from _value(reading, where)
    words = (
        ("tx-unknown", reading.cause, CAUSES, "TX"),
        ("clock-unknown", reading.clock, CLOCKS, "TM"),
        ("unit-unknown", reading.unit, UNITS, "RU"),
        ("st-unknown", reading.state, STATES, "ST"),
    )
    for code, word, allowed, name in words:
        if word and word not in allowed:
            found = f"{word!s:.20}"
            yield Deviation(code, f"{found!r} is none of the words foreseen.", f"{where}.{name}")
    if not reading.state:
        yield Deviation("st-missing", "The meter state is not told.", f"{where}.ST")
    if reading.register and registers.obis(reading.register) is None:
        yield Deviation("obis-spelling", "The register is no OBIS code.", f"{where}.RI")
    if reading.loss is not None and (reading.loss < 0 or (reading.cause == BEGIN and reading.loss)):
        yield Deviation("cl-value", "A loss at the begin, or one below zero.", f"{where}.CL")


def _time(reading: RegisterReading, where: str) -> Iterator[Deviation]:
    text = reading.time_text
    if not text:
        yield Deviation("tm-missing", "The reading has no time.", f"{where}.TM")
    elif read_time(text)[0] is None:
        yield Deviation("tm-format", "The time cannot be read.", f"{where}.TM")
    elif not _STRICT_TIME.fullmatch(text):
        colon = re.search(r"[+-]\d\d:\d\d", text)
        code = "tm-offset-colon" if colon else "tm-format"
        yield Deviation(code, "The time is not spelled as foreseen.", f"{where}.TM")


def _value(reading: RegisterReading, where: str) -> Iterator[Deviation]:
    if reading.value is None:
        found = "is no number" if reading.value_text else "is missing"
        yield Deviation("rv-missing", f"The value {found}.", f"{where}.RV")
    elif reading.value.as_tuple().exponent in range(1, 1000) or "E" in reading.value_text.upper():
        yield Deviation("rv-exponent", "The value is written with an exponent.", f"{where}.RV")


def _signature(signature: Payload) -> Iterator[Deviation]:
    algorithm = signature.get("SA")
    if isinstance(algorithm, str) and "brainpoolp" in algorithm.lower() and curve_of(algorithm):
        sentence = "The specification spells the curve without the P."
        yield Deviation("brainpool-p-spelling", sentence, "SA")
    for name in signature:
        if name not in SIGNATURE_FIELDS and name[:1] not in _VENDOR | _LATER:
            yield Deviation("unknown-key", "OCMF 1.4 knows no such field.", name)
