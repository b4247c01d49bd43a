"""The simulated IEM-DCR: requests in, answers out, and nothing of the wire.

``tick`` only saves the energy of a meter that nobody reads.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from meters.simulators.http import HttpRequest, HttpResponse
from meters.simulators.iem_dcr import display, record, requests
from meters.simulators.iem_dcr.interior import Interior
from meters.simulators.iem_dcr.memory import Gateway, Memory
from meters.simulators.iem_dcr.requests import PRECONDITION
from meters.simulators.iem_dcr.settings import KeyForm, TransactionApi
from meters.simulators.refusal import Refusal

log = logging.getLogger(__name__)

BASE: Final = "/counter/v1/ocmf"
V2_TRANSACTION: Final = "/counter/v2/ocmf/transaction"

_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_REFUSED, _NOT_FOUND, _NOT_ALLOWED, _TROUBLE = 403, 404, 405, 500
_MILLI: Final = Decimal("0.001")


class IemDcr(Interior):
    """One meter. Not for use from several threads.

    ``running_shown`` is field XT whatever is true; None shows the truth.
    """

    running_shown: bool | None = None

    def override(self, address: int, words: Sequence[int]) -> None:
        """A meter without registers has none to override."""

    def clear_overrides(self) -> None:
        """See ``override``."""

    def tick(self) -> None:
        """Finish what is due and save the energy; to be called every few seconds."""
        try:
            self._settle()
            self._checkpoint()
        except OSError as error:
            log.warning("%s: state not saved, %s", self.settings.serial_number, error)

    # What the server asks.

    def silent(self) -> bool:
        """Whether the meter is still starting up and answers nothing."""
        return self._monotonic() < self._awake_at

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request; what it changes is saved before this returns."""
        try:
            self._settle()
            self._checkpoint()
            return self._route(request)
        except Refusal as refusal:
            return HttpResponse(refusal.code, b"", _JSON)
        except OSError as error:
            # What cannot be kept has not happened.
            log.warning("%s: state not saved, %s", self.settings.serial_number, error)
            return HttpResponse(_TROUBLE, b"", _JSON)

    def status(self) -> dict[str, object]:
        """What a person wants to know, ready for JSON."""
        memory = self.memory
        imported, exported = self._energy.totals()
        gateway = self._gateway
        return {
            "serial_number": self.settings.serial_number,
            "public_key": self.public_key,
            "time": self._wall().isoformat(),
            "meter_time": str(self.moment()),
            "silent": self.silent(),
            "boots": memory.boots,
            "state": "running" if memory.running else "signing" if memory.signing else "idle",
            "charge_point": "" if gateway is None else gateway.CI,
            "page": memory.page,
            "record_bytes": len(memory.record),
            "import_wh": str(imported.quantize(_MILLI)),
            "export_wh": str(exported.quantize(_MILLI)),
            "load_w": str(self._energy.load.watts),
            "received": dict(memory.received),
            "transactions": _by_transaction(memory),
            "faults": [str(fault) for fault in self.faults.active()],
        }

    # Requests.

    def _route(self, request: HttpRequest) -> HttpResponse:
        nodes = self._nodes().get(request.path)
        if nodes is None:
            return HttpResponse(_NOT_FOUND, b"", _JSON)
        if request.method == "GET" and nodes[0] is not None:
            return nodes[0]()
        if request.method == "POST" and nodes[1] is not None:
            nodes[1](request.body)
            return HttpResponse(200, b"", _JSON)
        return HttpResponse(_NOT_ALLOWED, b"", _JSON)

    def _nodes(
        self,
    ) -> Mapping[str, tuple[Callable[[], HttpResponse] | None, Callable[[bytes], None] | None]]:
        nodes = {
            f"{BASE}/gw": (self._get_gateway, self._post_gateway),
            f"{BASE}/datetime": (self._get_clock, self._post_clock),
            f"{BASE}/tariff": (None, self._post_tariff),
            f"{BASE}/metervalue": (self._get_values, None),
            f"{BASE}/publickey": (self._get_key, None),
            f"{BASE}/user": (None, self._post_user),
            f"{BASE}/receipt": (self._get_receipt, self._post_receipt),
        }
        api = self.settings.transaction_api
        if api is not TransactionApi.V2:
            nodes[f"{BASE}/transaction"] = (self._get_transaction, None)
        if api is not TransactionApi.V1:
            nodes[V2_TRANSACTION] = (self._get_transaction, None)
        return nodes

    def _get_gateway(self) -> HttpResponse:
        known = self._gateway or Gateway("", "")
        return _json({"CT": known.CT, "CI": known.CI, "TM": str(self.moment())})

    def _post_gateway(self, body: bytes) -> None:
        given, time_text = requests.gateway(body, self.settings)
        if self._gateway is not None:
            raise Refusal(PRECONDITION)
        self._gateway = given
        self._clock.set(time_text)

    def _get_clock(self) -> HttpResponse:
        return _json({"TM": str(self.moment())})

    def _post_clock(self, body: bytes) -> None:
        time_text = requests.clock(body, self.settings)
        if self._gateway is None and not self.settings.accepts_datetime_before_gateway:
            raise Refusal(PRECONDITION)
        self._not_while_running(accepted=self.settings.accepts_datetime_while_running)
        self._clock.set(time_text)

    def _post_tariff(self, body: bytes) -> None:
        text = requests.tariff(body, self.settings)
        self._not_while_running(accepted=self.settings.accepts_tariff_while_running)
        self._tariff = text

    def _post_user(self, body: bytes) -> None:
        given = requests.user(body, self.settings)
        if self._gateway is None:
            raise Refusal(PRECONDITION)
        self._not_while_running(accepted=self.settings.accepts_user_while_running)
        self._user = given

    def _get_values(self) -> HttpResponse:
        imported, exported = self._energy.totals()
        memory, power = self._memory, self._energy.load.watts
        running = memory.running if self.running_shown is None else self.running_shown
        shown = display.Shown(
            serial_number=self.settings.serial_number,
            moment=self.moment(),
            errors=self._errors(),
            state=self.meter_state,
            running=running,
            error_code=self.error_code,
            import_wh=int(imported),
            export_wh=int(exported),
            voltage=self.settings.voltage_v,
            current=self._current(),
            power=power,
        )
        return HttpResponse(200, display.metervalue(shown, memory), _JSON)

    def _get_key(self) -> HttpResponse:
        key = self.public_key
        if self.settings.public_key is KeyForm.BARE:
            return _json({"SA": record.ALGORITHM, "PK": key[-128:]})
        return _json({"SA": record.ALGORITHM, "PK": key[:52].lower() + key[52:]})

    def _post_receipt(self, body: bytes) -> None:
        self._command(requests.command(body, self.settings))

    def _get_receipt(self) -> HttpResponse:
        memory = self._memory
        if memory.running and memory.session is not None and self.settings.receipt_while_running:
            return self._record(record.signed(self.settings, memory.session, self._key))
        if memory.session is not None:
            raise Refusal(_REFUSED)
        if not self._receipt_open and not self.settings.receipt_after_power_up:
            raise Refusal(self.settings.no_record_status)
        return self._record(memory.record)

    def _get_transaction(self) -> HttpResponse:
        memory, settings = self._memory, self.settings
        if memory.running and not settings.transaction_while_running:
            raise Refusal(_REFUSED)
        if memory.signing and not settings.transaction_while_signing:
            raise Refusal(_REFUSED)
        return self._record(memory.record)

    def _record(self, signed: bytes) -> HttpResponse:
        if not signed:
            raise Refusal(self.settings.no_record_status)
        return HttpResponse(200, record.wrapped(signed, self.settings.receipt_wrapping), _TEXT)

    def _not_while_running(self, *, accepted: bool) -> None:
        if self._memory.running and not accepted:
            raise Refusal(PRECONDITION)


def _json(content: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(200, msgspec.json.encode(content), _JSON)


def _by_transaction(memory: Memory) -> Mapping[str, Mapping[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for done in memory.commands:
        of_one = counts.setdefault(done.transaction_id, {})
        of_one[done.command] = of_one.get(done.command, 0) + 1
    return counts
