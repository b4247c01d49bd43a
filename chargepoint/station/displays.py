"""Keeps the screens right: messages of the CSMS, tariff and cost, over restarts.

What is shown is decided in ``core.display`` and ``core.tariff``; here it is kept, and shown again
whenever something happened or the time for something has come.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from chargepoint.clock import sleep_unless
from chargepoint.core import display, tariff
from chargepoint.core.display import Abilities, DisplayMessage, Messages, Priority, Scene, Situation
from chargepoint.core.facts import Fact, TransactionEnded
from chargepoint.core.model import Text
from chargepoint.core.tariff import SessionCost
from chargepoint.core.variables import (
    COST_AVAILABLE,
    COST_ENABLED,
    CURRENCY,
    DISPLAY_AVAILABLE,
    DISPLAY_ENABLED,
    DISPLAY_MESSAGES,
    DISPLAY_SUPPORTED_FORMATS,
    DISPLAY_SUPPORTED_PRIORITIES,
    TARIFF_AVAILABLE,
    TARIFF_ENABLED,
    TARIFF_FALLBACK_MESSAGE,
    TOTAL_COST_FALLBACK_MESSAGE,
)
from chargepoint.errors import HardwareFault, Refused, StoreError
from chargepoint.hardware.api import Indicator, Picture, Words
from chargepoint.station.evse import EvseRunner

if TYPE_CHECKING:
    from chargepoint.station.station import Station

log = logging.getLogger(__name__)

CLOCK_CHECK = timedelta(seconds=10)  # a clock that was set is noticed this soon
SHOW_TIMEOUT_S = 5.0


class Displays:
    """The screens of all EVSEs, as far as the board has any."""

    def __init__(self, station: "Station", runners: Mapping[int, EvseRunner]) -> None:
        self._runners = runners
        self._store = station.store.screens
        self._clock = station.clock
        self._model = station.model
        self._prices = station.settings.prices
        self._availability = station.availability
        self._indicator = station.board if isinstance(station.board, Indicator) else None
        self._messages: Messages = self._store.messages()
        self._costs = self._store.costs()
        self._shown: dict[int, Picture] = {}
        self._complained = False
        self._wake = asyncio.Event()
        self._connect()

    @property
    def available(self) -> bool:
        """Whether there is a screen at all."""
        return self._indicator is not None

    async def run(self) -> None:
        """Show what is to be shown, and again when that changes; ends only by cancellation."""
        while True:
            self._wake.clear()
            self._prune()
            await self._show()
            now = self._clock.now()
            costs = (tariff.until(cost, now) for cost in self._costs.values())
            edges = [edge for edge in (display.next_change(self._messages, now), *costs) if edge]
            if not edges:
                await self._wake.wait()
                continue
            await sleep_unless(self._clock, min(min(edges) - now, CLOCK_CHECK), self._wake)

    def recorded(self, evse_id: int, facts: Iterable[Fact]) -> None:
        """Something happened at an EVSE; a session that ended takes its messages along (O02)."""
        for fact in facts:
            if isinstance(fact, TransactionEnded):
                cost = self._cost_of(evse_id, fact.transaction_id)
                self._keep(replace(cost, ended_at=fact.at))
                self._prune()
        self._wake.set()

    def put(self, message: DisplayMessage) -> None:
        """Take a message of the CSMS, in place of the one with its id (O01, O02, O06).

        Raises:
            Refused: with the status of SetDisplayMessageResponse in ``reason``, or another word.
            StoreError: it could not be kept; nothing changed.
        """
        if not self._model[DISPLAY_ENABLED]:
            raise Refused("display messages are switched off", reason="NotEnabled")
        if message.evse_id is not None and message.evse_id not in self._runners:
            raise Refused(f"no EVSE {message.evse_id}", reason="UnknownEvse")
        if message.ends is not None and message.ends <= self._clock.now():
            raise Refused("its end has passed", reason="InvalidValue")
        self._prune()
        self._change(display.accept(self._messages, message, self._running(), self._abilities()))

    def clear(self, message_id: int) -> bool:
        """Forget a message; False if there is none of this id (O05).

        Raises:
            StoreError: it could not be forgotten; nothing changed.
        """
        self._prune()
        left = tuple(m for m in self._messages if m.message_id != message_id)
        known = len(left) < len(self._messages)
        if known:
            self._change(left)
        return known

    def forgotten(self, message_ids: Collection[int]) -> None:
        """These messages are stored no more."""
        self._messages = tuple(m for m in self._messages if m.message_id not in message_ids)
        self._wake.set()

    def find(
        self,
        ids: Iterable[int] | None = None,
        priority: Priority | None = None,
        situation: Situation | None = None,
    ) -> Messages:
        """The messages kept that fit every criterion given (O03, O04)."""
        self._prune()
        return display.matching(self._messages, ids=ids, priority=priority, situation=situation)

    def cost(
        self, transaction_id: str, total: Decimal | None = None, message: Text | None = None
    ) -> bool:
        """The CSMS told a cost or another personal message; False if that session is over.

        That of the session before is taken as long as no other one began at its EVSE.
        """
        for evse_id, runner in self._runners.items():
            running, last = runner.state.transaction, self._costs.get(evse_id)
            known = running.transaction_id if running else last.transaction_id if last else ""
            if transaction_id and known == transaction_id:
                cost = self._cost_of(evse_id, transaction_id)
                total = cost.total if total is None else total
                self._keep(replace(cost, total=total, message=message or cost.message))
                self._wake.set()
                return True
        return False

    def texts(self, evse_id: int) -> tuple[Text, ...]:
        """What the screen of an EVSE shows now, in turn."""
        state, now = self._runners[evse_id].state, self._clock.now()
        if self._availability.no_store is not None and not state.busy:
            return (display.NO_STORE,)
        prices, cost = self._prices(), self._costs.get(evse_id)
        own = (tariff.tariff(state, cost, prices), tariff.total(state, cost, prices, now))
        kept = self._messages if self._model[DISPLAY_ENABLED] else ()
        return display.shown(kept, Scene.of(state), now, tuple(text for text in own if text))

    def _connect(self) -> None:
        model, indicator = self._model, self._indicator
        for fact in (DISPLAY_AVAILABLE, TARIFF_AVAILABLE, COST_AVAILABLE):
            model.provide(fact, lambda: self.available)
        model.provide(DISPLAY_MESSAGES, lambda: len(self._messages))
        if indicator is not None:
            model.provide(DISPLAY_SUPPORTED_FORMATS, lambda: indicator.formats)
        for switch in (DISPLAY_ENABLED, TARIFF_ENABLED, COST_ENABLED):
            model.subscribe(switch, lambda _: self._wake.set())
        for word in (CURRENCY, TARIFF_FALLBACK_MESSAGE, TOTAL_COST_FALLBACK_MESSAGE):
            model.subscribe(word, lambda _: self._wake.set())

    async def _show(self) -> None:
        if self._indicator is None:
            return
        for evse_id in self._runners:
            texts = self.texts(evse_id)
            words = tuple(Words(t.content, t.format, t.language) for t in texts)
            who = self._runners[evse_id].state.authorization
            picture = Picture(evse_id, words, who.languages if who is not None else ())
            if self._shown.get(evse_id) == picture:
                continue
            try:
                async with asyncio.timeout(SHOW_TIMEOUT_S):
                    await self._indicator.show(picture)
            except (HardwareFault, TimeoutError) as error:
                if not self._complained:
                    log.warning("screen of EVSE %d: %s", evse_id, str(error) or "no confirmation")
                self._complained = True
            else:
                self._shown[evse_id] = picture
                self._complained = False

    def _prune(self) -> None:
        """Forget messages whose end, or that of their session, has come."""
        left = display.current(self._messages, self._clock.now(), self._running())
        if left == self._messages:
            return
        try:
            self._change(left)
        except StoreError as error:
            log.warning("old display messages stay stored: %s", error)

    def _change(self, messages: Messages) -> None:
        self._store.change(self._messages, messages)
        self._messages = messages
        self._wake.set()

    def _cost_of(self, evse_id: int, transaction_id: str) -> SessionCost:
        cost = self._costs.get(evse_id)
        if cost is None or cost.transaction_id != transaction_id:
            return SessionCost(evse_id, transaction_id)
        return cost

    def _keep(self, cost: SessionCost) -> None:
        """A disk that refuses costs the driver a number after a restart, nothing else."""
        self._costs[cost.evse_id] = cost
        try:
            self._store.save_cost(cost)
        except StoreError as error:
            log.warning("cost of %s not kept: %s", cost.transaction_id, error)

    def _running(self) -> list[str]:
        transactions = (runner.state.transaction for runner in self._runners.values())
        return [transaction.transaction_id for transaction in transactions if transaction]

    def _abilities(self) -> Abilities:
        model = self._model
        return Abilities(model[DISPLAY_SUPPORTED_FORMATS], model[DISPLAY_SUPPORTED_PRIORITIES])
