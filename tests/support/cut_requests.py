"""What the CSMS asks of the station during a session of the power-cut bench, in both versions.

Every request says what it makes of its subject; subjects know nothing of each other. A value of a
subject is a text that ``cut_probes`` can find in the station again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

RESERVED_AT: Final = 3
CHANGED_AT: Final = 2
LATER: Final = "2099-01-01T00:00:00.000Z"
EARLIER: Final = "2020-01-01T00:00:00.000Z"
TIME_OUT: Final = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
POWER: Final = {
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "Power"},
}
LIMITS: Final = (20001, 20002)
"""What monitors watch for; nobody but the requests sets such ones."""

_STATION, _EVSE, _CONNECTOR = "station", f"evse{CHANGED_AT}", f"connector{CHANGED_AT}.2"

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the CSMS. ``makes`` turns the value of the subject before it into that after it.

    ``running``: the payload is made of the id of the running transaction.
    """

    subject: str
    action: str
    payload: Payload = field(repr=False)
    makes: Callable[[str], str] = field(repr=False)
    running: Callable[[Any], Payload] | None = field(default=None, repr=False)


def requests(version: str) -> dict[str, list[Request]]:
    """The requests by subject; the order within a subject matters."""
    make = _Requests16() if version == "1.6" else _Requests201()
    found: dict[str, list[Request]] = {}
    for request in make.all():
        found.setdefault(request.subject, []).append(request)
    return found


def _to(value: str) -> Callable[[str], str]:
    return lambda _before: value


def listed(version: int, tokens: set[str]) -> str:
    """The value of the local list."""
    return f"{version}: {' '.join(sorted(tokens))}"


def shut(places: set[str]) -> str:
    """The value of what is inoperative."""
    return " ".join(sorted(places))


def _changed_list(version: int, more: str, less: str) -> Callable[[str], str]:
    def change(before: str) -> str:
        tokens = set(before.partition(": ")[2].split())
        return listed(version, (tokens | {more}) - {less})

    return change


def _opened(place: str, *, everything: bool = False) -> Callable[[str], str]:
    return lambda before: "" if everything else shut(set(before.split()) - {place})


def _shut(place: str) -> Callable[[str], str]:
    return lambda before: shut(set(before.split()) | {place})


def _shown(number: int, *new: str) -> Callable[[str], str]:
    """One message of each number."""

    def show(before: str) -> str:
        others = [one for one in before.split(", ") if one and not one.startswith(f"{number} ")]
        return ", ".join(sorted([*others, *new]))

    return show


def _watched(limit: int) -> Callable[[str], str]:
    return lambda before: " ".join(sorted({*before.split(), str(limit)}))


def _reserved(number: int, token: str = "") -> Callable[[str], str]:
    """An EVSE is reserved once; the same reservation may be changed."""
    after = f"{number}: {token}" if token else ""
    return lambda before: after if before.startswith(str(number)) or not before else before


class _Both:
    """What is worded alike, or nearly so."""

    def all(self) -> Iterator[Request]:
        yield from self.lists()
        yield from self.profiles()
        yield from self.availability()
        yield from self.reservations()
        yield from self.settings()

    def lists(self) -> Iterator[Request]:
        def send(version: int, kind: str, *entries: Payload) -> Payload:
            return {
                self.LIST_VERSION: version,
                "updateType": kind,
                "localAuthorizationList": list(entries),
            }

        def on(token: str) -> Payload:
            return {**self.token(token), self.TOKEN_INFO: {"status": "Accepted"}}

        def request(payload: Payload, makes: Callable[[str], str]) -> Request:
            return Request("list", "SendLocalList", payload, makes)

        three = [f"{letter}{number}" for letter in "AB" for number in range(20)]
        yield request(send(1, "Full", *map(on, three)), _to(listed(1, set(three))))
        payload = send(2, "Differential", on("C0"), self.token("A0"))
        yield request(payload, _changed_list(2, "C0", "A0"))
        payload = send(3, "Differential", self.token("B1"), on("D0"))
        yield request(payload, _changed_list(3, "D0", "B1"))

    def profiles(self) -> Iterator[Request]:
        for number, purpose, evse_id, limits in (
            (1, "TxDefaultProfile", 1, (10, 12)),
            (2, self.STATION_MAX, 0, (20, 24)),
        ):
            for limit in limits:
                payload = self.profile(number, purpose, evse_id, limit)
                makes = _to(f"{number}@{evse_id}: {limit}")
                yield Request(purpose, "SetChargingProfile", payload, makes)

        def of_running(transaction_id: Any) -> Payload:
            return self.profile(3, "TxProfile", 1, 8, transactionId=transaction_id)

        yield Request("TxProfile", "SetChargingProfile", {}, _to(""), of_running)

    def availability(self) -> Iterator[Request]:
        def request(place: str, *, operative: bool) -> Request:
            everything = operative and place == _STATION and self.STATION_OPENS_ALL
            makes = _opened(place, everything=everything) if operative else _shut(place)
            word = "Operative" if operative else "Inoperative"
            return Request("availability", "ChangeAvailability", self.change(place, word), makes)

        yield from (request(place, operative=False) for place in self.PLACES)
        yield request(_STATION, operative=False)
        yield request(self.PLACES[0], operative=True)
        yield request(_STATION, operative=True)
        yield request(self.PLACES[-1], operative=False)

    def reservations(self) -> Iterator[Request]:
        def reserve(number: int, token: str) -> Request:
            payload = self.reserve(number, token)
            return Request("reservation", "ReserveNow", payload, _reserved(number, token))

        yield reserve(5, "F1")
        yield reserve(5, "F2")
        payload = {"reservationId": 5}
        yield Request("reservation", "CancelReservation", payload, _reserved(5))
        yield reserve(6, "F3")

    def settings(self) -> Iterator[Request]:
        for value in ("77", "78"):
            action, payload = self.setting(value)
            yield Request("setting", action, payload, _to(value))


class _Requests16(_Both):
    LIST_VERSION, TOKEN_INFO, STATION_MAX = "listVersion", "idTagInfo", "ChargePointMaxProfile"
    PLACES, STATION_OPENS_ALL = (f"connector{CHANGED_AT}.1", _CONNECTOR), True
    _NUMBERS: Final = {_STATION: 0, f"connector{CHANGED_AT}.1": 2, _CONNECTOR: 3}

    def token(self, token: str) -> Payload:
        return {"idTag": token}

    def profile(self, number: int, purpose: str, evse_id: int, limit: int, **more: Any) -> Payload:
        profile = {
            "chargingProfileId": number,
            "stackLevel": 0,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "startSchedule": EARLIER,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            },
        }
        return {"connectorId": evse_id, "csChargingProfiles": profile | more}

    def change(self, place: str, word: str) -> Payload:
        return {"connectorId": self._NUMBERS[place], "type": word}

    def reserve(self, number: int, token: str) -> Payload:
        return {"connectorId": 4, "expiryDate": LATER, "idTag": token, "reservationId": number}

    def setting(self, value: str) -> tuple[str, Payload]:
        return "ChangeConfiguration", {"key": "ConnectionTimeOut", "value": value}


class _Requests201(_Both):
    LIST_VERSION, TOKEN_INFO = "versionNumber", "idTokenInfo"
    STATION_MAX = "ChargingStationMaxProfile"
    PLACES, STATION_OPENS_ALL = (_EVSE, _CONNECTOR), False

    def all(self) -> Iterator[Request]:
        yield from super().all()
        yield from self.monitors()
        yield from self.displays()
        yield from self.networks()

    def token(self, token: str) -> Payload:
        return {"idToken": {"idToken": token, "type": "ISO14443"}}

    def profile(self, number: int, purpose: str, evse_id: int, limit: int, **more: Any) -> Payload:
        profile = {
            "id": number,
            "stackLevel": 0,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Absolute",
            "chargingSchedule": [
                {
                    "id": 1,
                    "startSchedule": EARLIER,
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
                }
            ],
        }
        return {"evseId": evse_id, "chargingProfile": profile | more}

    def change(self, place: str, word: str) -> Payload:
        places: dict[str, Payload] = {
            _STATION: {},
            _EVSE: {"evse": {"id": CHANGED_AT}},
            _CONNECTOR: {"evse": {"id": CHANGED_AT, "connectorId": 2}},
        }
        return {"operationalStatus": word, **places[place]}

    def reserve(self, number: int, token: str) -> Payload:
        return {
            "id": number,
            "expiryDateTime": LATER,
            "evseId": RESERVED_AT,
            **self.token(token),
        }

    def setting(self, value: str) -> tuple[str, Payload]:
        return "SetVariables", {"setVariableData": [{**TIME_OUT, "attributeValue": value}]}

    def monitors(self) -> Iterator[Request]:
        for kind, limit in zip(("UpperThreshold", "Delta"), LIMITS, strict=True):
            item = {**POWER, "type": kind, "value": limit, "severity": 5}
            payload = {"setMonitoringData": [item]}
            yield Request("monitors", "SetVariableMonitoring", payload, _watched(limit))
        payload = {"monitoringBase": "FactoryDefault"}
        yield Request("monitors", "SetMonitoringBase", payload, _to(""))

    def displays(self) -> Iterator[Request]:
        for number, text in ((1, "one"), (1, "uno"), (2, "two")):
            content = {"format": "UTF8", "content": text, "language": "en"}
            message = {"id": number, "priority": "NormalCycle", "message": content}
            makes = _shown(number, f"{number} {text}")
            yield Request("displays", "SetDisplayMessage", {"message": message}, makes)
        yield Request("displays", "ClearDisplayMessage", {"id": 1}, _shown(1))

    def networks(self) -> Iterator[Request]:
        for host in ("one", "two"):
            data = {
                "ocppVersion": "OCPP20",
                "ocppTransport": "JSON",
                "ocppCsmsUrl": f"ws://{host}.example/ocpp",
                "messageTimeout": 30,
                "securityProfile": 0,
                "ocppInterface": "Wired0",
            }
            payload = {"configurationSlot": 2, "connectionData": data}
            yield Request("network", "SetNetworkProfile", payload, _to(host))
