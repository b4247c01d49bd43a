"""Whom an authorization follows: one that no EVSE was named for goes where its vehicle is plugged.

A token at a reader of several EVSEs, or a remote start that names none, gets one at once, so that
its time runs and a screen can say where. A driver who plugs in elsewhere takes it there (OCPP 2.0.1
E03, F02). Nothing of this is stored: a restart takes every authorization back that waits for a
vehicle.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chargepoint.core.model import Authorization, Stage
from chargepoint.station.evse import EvseRunner


@dataclass(frozen=True, slots=True)
class Waiting:
    """An authorization that waits at ``home`` for a vehicle and may be used at ``evse_ids``."""

    home: EvseRunner
    authorization: Authorization
    evse_ids: frozenset[int]

    @property
    def lasts(self) -> bool:
        """Whether it still waits and nobody was told of a transaction for it."""
        state = self.home.state
        same = state.authorization == self.authorization and state.transaction is None
        return state.stage is Stage.AUTHORIZED and same

    def may_go_to(self, runner: EvseRunner) -> bool:
        """Whether a vehicle there may be the one it waits for.

        A vehicle that the board sees at home already is: it was only not told yet.
        """
        elsewhere = runner.evse_id != self.home.evse_id and runner.evse_id in self.evse_ids
        return elsewhere and self.lasts and not self.home.outlet.seen().plugged


class Roaming:
    """The authorizations that may be used at more EVSEs than the one they wait at."""

    def __init__(self, runners: Mapping[int, EvseRunner]) -> None:
        self._runners = runners
        self._waiting: dict[int, Waiting] = {}

    def begun(
        self, runner: EvseRunner, authorization: Authorization, evse_ids: Collection[int]
    ) -> None:
        """Somebody was authorized here, and could be at all of ``evse_ids`` as well."""
        self._waiting.pop(runner.evse_id, None)
        if len(evse_ids) > 1:
            self._waiting[runner.evse_id] = Waiting(runner, authorization, frozenset(evse_ids))

    def meant_for(self, runner: EvseRunner) -> Waiting | None:
        """The authorization that a vehicle plugged here may bring.

        None if none may go there, or if there are several: nobody knows then whose vehicle it is.
        """
        fitting = [one for one in self._waiting.values() if one.may_go_to(runner)]
        return fitting[0] if len(fitting) == 1 else None

    def forget(self, waiting: Waiting) -> None:
        """It went to a vehicle; nobody else may have it."""
        self._waiting.pop(waiting.home.evse_id, None)
