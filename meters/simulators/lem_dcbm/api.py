"""The interface of the meter over HTTP: paths, methods, statuses and bodies."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from meters.simulators.http import HttpRequest, HttpResponse
from meters.simulators.lem_dcbm import flags, record, rules, setup
from meters.simulators.lem_dcbm.rules import Declined

if TYPE_CHECKING:
    from meters.simulators.lem_dcbm.device import LemDcbm
    from meters.simulators.lem_dcbm.memory import Transaction

_PATH: Final = re.compile(r"/v([12])/(\w+)(?:/(-?\d{1,5}))?")
_SECOND: Final = frozenset({"legal", "livemeasure", "ocmf"})
_INDEXED: Final = frozenset({"legal", "ocmf"})
_JSON: Final = "application/json"
_THOUSANDTH: Final = Decimal("0.001")


def answer(meter: "LemDcbm", request: HttpRequest) -> HttpResponse:
    """The answer to one request, its effect done."""
    match = _PATH.fullmatch(request.path)
    if match is None:
        return _no(HTTPStatus.NOT_FOUND, f"no such path {request.path}")
    version, name, place = match.groups()
    second = version == "2"
    if second and not (meter.settings.speaks_v2 and name in _SECOND):
        return _no(HTTPStatus.NOT_FOUND, f"no such path {request.path}")
    if place is not None and name not in _INDEXED:
        return _no(HTTPStatus.NOT_FOUND, f"no such path {request.path}")
    if (handler := _HANDLERS.get((request.method, name))) is None:
        known = any(path == name for _, path in _HANDLERS)
        status = HTTPStatus.METHOD_NOT_ALLOWED if known else HTTPStatus.NOT_FOUND
        return _no(status, f"{request.method} {request.path}")
    try:
        return handler(meter, request, _Asked(second, None if place is None else int(place)))
    except Declined as error:
        malformed = int(HTTPStatus.BAD_REQUEST)
        return _no(malformed if error.malformed else meter.settings.refusal_status, str(error))


def trouble(sentence: str) -> HttpResponse:
    """The meter has a problem of its own."""
    return _no(HTTPStatus.INTERNAL_SERVER_ERROR, sentence)


class _Asked(msgspec.Struct, frozen=True):
    """What the path says: version, storage index."""

    second: bool
    place: int | None


def without_breaks(pem: str) -> str:
    """The PEM as the real meter gives it: no line break after the first line and before the last.

    So it cannot be used as it is.
    """
    lines = pem.strip().split("\n")
    return lines[0] + "\n".join(lines[1:-1]) + lines[-1]


def _status(meter: "LemDcbm", _: HttpRequest, __: _Asked) -> HttpResponse:
    settings, memory = meter.settings, meter.memory
    last = memory.last
    names = {*meter.flags, *(("logbookIsFull",) if memory.logbook_full else ())}
    return _good(
        {
            "status": flags.status(meter.status_value()),
            "version": {
                "applicationFirmwareVersion": settings.firmware,
                "applicationFirmwareAuthTag": "0" * 16,
                "legalFirmwareVersion": settings.firmware,
                "legalFirmwareAuthTag": "0" * 16,
                "sensorFirmwareVersion": settings.sensor_firmware,
                "sensorFirmwareCrc": "0000",
            },
            "time": record.iso(meter.now()),
            "ipAddress": "127.0.0.1",
            "meterId": settings.serial_number,
            "errors": flags.errors(names),
            "publicKey": record.bare_point(meter.key),
            "publicKeyOcmf": meter.public_key,
            "indexOfLastTransaction": last.index if last else 0,
            "numberOfStoredTransactions": len(memory.finished),
        }
    )


def _live(meter: "LemDcbm", _: HttpRequest, __: _Asked) -> HttpResponse:
    settings, taken = meter.settings, meter.taken()
    watts = meter.load.watts
    at = taken.at if settings.zoned_live_time else taken.at.replace(tzinfo=None)
    return _good(
        {
            "voltage": settings.voltage.quantize(_THOUSANDTH),
            "current": (watts / settings.voltage).quantize(_THOUSANDTH),
            "power": watts.scaleb(-3).quantize(_THOUSANDTH),
            "temperatureH": settings.temperature_h,
            "temperatureL": settings.temperature_l,
            "energyImportTotal": taken.import_kwh,
            "energyExportTotal": taken.export_kwh,
            "timestamp": record.iso(at),
        }
    )


def _settings(meter: "LemDcbm", _: HttpRequest, __: _Asked) -> HttpResponse:
    full = meter.settings.settings_get == "full"
    return _good(setup.shown(meter.setup, meter.world(), full=full))


def _set(meter: "LemDcbm", request: HttpRequest, _: _Asked) -> HttpResponse:
    changed = setup.changed(meter.setup, _body(request), meter.world())
    taken = meter.memory.open is None
    if taken:
        meter.change(changed)
    return _good({"meterId": meter.settings.serial_number, "result": int(taken)})


def _start(meter: "LemDcbm", request: HttpRequest, how: _Asked) -> HttpResponse:
    asked = rules.asked(_body(request), second=how.second)
    try:
        meter.begin(asked)
    except Declined as error:
        if error.malformed or meter.settings.start_refusal == "status":
            raise
        declined = {**msgspec.to_builtins(asked), "running": False}
        return _good(declined, HTTPStatus.CREATED)
    begun = meter.memory.open
    fields = rules.echo(begun, running=True, second=how.second) if begun else {}
    return _good(fields, HTTPStatus.CREATED)


def _stop(meter: "LemDcbm", request: HttpRequest, _: _Asked) -> HttpResponse:
    running = meter.memory.open
    body = _body(request)
    if not isinstance(body, Mapping) or body.get("running") is not False:
        raise Declined("running: false expected", malformed=True)
    if running is None or request.query.get("transactionId") != running.id:
        raise Declined(f"running is {running.id if running else 'nothing'}")
    if rules.too_early(meter.memory, meter.taken(), meter.settings):
        raise Declined(f"a transaction takes {meter.settings.least_duration_s} s at least")
    meter.end()
    ended = meter.memory.finished[-1]
    body_text = ended.legal.encode()
    delay_s = meter.settings.signing_delay_s
    return HttpResponse(int(HTTPStatus.OK), body_text, _JSON, delay_s=delay_s)


def _legal(meter: "LemDcbm", request: HttpRequest, how: _Asked) -> HttpResponse:
    memory, settings = meter.memory, meter.settings
    if memory.last is None and settings.no_history == "empty-id":
        return _good({"transactionId": ""})
    found = _found(meter, request, how)
    if found is None:
        return _no(HTTPStatus.NOT_FOUND, "no such transaction")
    if settings.legal_get == "bare":
        return _good({"transactionId": found.id, "meterId": settings.serial_number})
    if found.end is not None:
        return HttpResponse(int(HTTPStatus.OK), found.legal.encode(), _JSON)
    text = record.legal_record(settings, found, meter.key, meter.taken())
    return HttpResponse(int(HTTPStatus.OK), text.encode(), _JSON)


def _ocmf(meter: "LemDcbm", request: HttpRequest, how: _Asked) -> HttpResponse:
    found = _found(meter, request, how)
    lost = found is not None and found.end is not None and not found.record
    if found is None or lost:
        if meter.settings.unknown_record == "empty":
            return HttpResponse(int(HTTPStatus.OK), b"", "text/plain")
        return _no(HTTPStatus.NOT_FOUND, "no such transaction")
    text = found.record
    if found.end is None:
        text = record.ocmf_record(meter.settings, found, meter.key, meter.taken())
    elif found.ready_at is not None and meter.world() < found.ready_at:
        text = ""
    return HttpResponse(int(HTTPStatus.OK), text.encode(), "text/plain")


def _logbook(meter: "LemDcbm", _: HttpRequest, __: _Asked) -> HttpResponse:
    entries = [{"index": place, "entry": line} for place, line in enumerate(meter.memory.logbook)]
    signed = record.render({"logbook": entries})
    fields = {"logbook": entries, "signature": meter.key.sign(signed).hex().upper()}
    return _good(fields)


def _certificate(meter: "LemDcbm", _: HttpRequest, __: _Asked) -> HttpResponse:
    pem = meter.certificate_pem or meter.certificate.pem
    return _good({"certificate": pem if meter.settings.certificate_breaks else without_breaks(pem)})


def _found(meter: "LemDcbm", request: HttpRequest, how: _Asked) -> "Transaction | None":
    if how.place is not None:
        return rules.at_index(meter.memory, how.place)
    wanted = request.query.get("transactionId")
    return meter.memory.last if wanted is None else rules.find(meter.memory, wanted)


def _body(request: HttpRequest) -> Any:  # noqa: ANN401 - whatever the station sent
    try:
        return msgspec.json.decode(request.body)
    except msgspec.DecodeError as error:
        raise Declined(f"no JSON: {error}", malformed=True) from error


def _good(fields: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(int(status), record.render(fields), _JSON)


def _no(status: int, reason: str) -> HttpResponse:
    return HttpResponse(int(status), record.render({"error": reason}), _JSON)


_Handler = Callable[["LemDcbm", HttpRequest, _Asked], HttpResponse]
_HANDLERS: Final[Mapping[tuple[str, str], _Handler]] = {
    ("GET", "status"): _status,
    ("GET", "livemeasure"): _live,
    ("GET", "settings"): _settings,
    ("PUT", "settings"): _set,
    ("GET", "legal"): _legal,
    ("POST", "legal"): _start,
    ("PUT", "legal"): _stop,
    ("GET", "ocmf"): _ocmf,
    ("GET", "logbook"): _logbook,
    ("GET", "certificate"): _certificate,
}
