"""A simulator as another package could bring it: HTTP, no key."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from meters.simulators.faults import Faults
from meters.simulators.http import HttpRequest, HttpResponse, json_response

DRIVER = "mirror"
TRANSPORT = "http"
TITLE = "A mirror"
QUICK: Mapping[str, Any] = {}
QUICK_DRIVER: Mapping[str, Any] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    serial_number: str = "M1"
    state_file: Path | None = None


class _Device:
    def __init__(self, settings: Settings) -> None:
        self.faults = Faults()
        self.watts = Decimal(0)
        self._settings = settings

    def set_load(self, watts: Decimal, phases: int = 3) -> None:
        self.watts = watts * phases / phases

    def silent(self) -> bool:
        return False

    def tick(self) -> None:
        pass

    def reboot(self) -> None:
        pass

    def override(self, address: int, words: object) -> None:
        pass

    def clear_overrides(self) -> None:
        pass

    def status(self) -> dict[str, object]:
        return {"serial_number": self._settings.serial_number, "public_key": ""}

    def handle(self, _: HttpRequest) -> HttpResponse:
        return json_response({"watts": self.watts, "serial": self._settings.serial_number})


def create(settings: Settings, **_: object) -> _Device:
    return _Device(settings)
