"""A token was presented: end what it may end, or ask whether it may begin."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from chargepoint.clock import Clock
from chargepoint.core.authorization import Decision, Known, Rules, Verdict, decide, may_stop
from chargepoint.core.inputs import StopRequested, TokenAccepted
from chargepoint.core.model import (
    Authorization,
    Cause,
    EvseState,
    IdToken,
    IdTokenType,
    Source,
    Stage,
    StopReason,
)
from chargepoint.errors import CsmsUnavailable, StoreError
from chargepoint.station.evse import EvseRunner
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

CONCURRENT = "ConcurrentTx"

# Tokens that the CSMS made up or nobody has are never remembered (2.0.1 C02.FR.03, C05).
OWN_TO_CSMS = {IdTokenType.CENTRAL, IdTokenType.NO_AUTHORIZATION}


class AsksCsms(Protocol):
    """The way to the CSMS (``csms.session.Session``)."""

    @property
    def online(self) -> bool:
        """Whether it can be asked."""
        ...

    async def authorize(self, token: IdToken) -> Known:
        """What the CSMS says of a token.

        Raises:
            CsmsUnavailable: it does not say.
        """
        ...


class Authorizer:
    """Decides about presented tokens; remembers what the CSMS said of them."""

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        *,
        store: Store,
        clock: Clock,
        rules: Callable[[], Rules],
        csms: AsksCsms,
    ) -> None:
        self._runners = runners
        self._store = store
        self._clock = clock
        self._rules = rules
        self._csms = csms
        self._presented: set[tuple[IdToken, tuple[int, ...]]] = set()  # not decided yet
        self._given: set[int] = set()  # EVSEs that somebody is just getting

    async def present(self, token: IdToken, evse_ids: Iterable[int] = ()) -> None:
        """A reader saw a token. Without ``evse_ids`` the reader serves the whole station.

        A token that a running transaction knows ends it without asking (2.0.1 C01.FR.03); any
        other may begin one, or end one of its group. One that is read again before the first
        reading has led to anything counts once: it must not begin a second session, or end the
        one it has just begun.
        """
        reading = (token, tuple(evse_ids))
        if reading in self._presented:
            log.debug("token %s read again", token.masked)
            return
        self._presented.add(reading)
        try:
            await self._present(token, reading[1] or tuple(self._runners))
        finally:
            self._presented.discard(reading)

    async def _present(self, token: IdToken, evse_ids: tuple[int, ...]) -> None:
        runners = [self._runners[i] for i in evse_ids]
        if await self._stopped(runners, token, None):
            return
        decision = await self._decide(token)
        if decision.verdict is not Verdict.ACCEPT or decision.source is None:
            log.info("token %s not accepted", token.masked)
            return
        if decision.group is not None and await self._stopped(runners, token, decision.group):
            return
        runner = choose(runner for runner in runners if runner.evse_id not in self._given)
        if runner is None:
            log.info("token %s accepted, but no outlet is free", token.masked)
            return
        self._given.add(runner.evse_id)
        try:
            authorization = Authorization(token, decision.source, decision.group)
            await runner.feed(TokenAccepted(authorization))
        except StoreError as error:
            log.error("EVSE %d: no session: %s", runner.evse_id, error)  # noqa: TRY400 - the disk
        finally:
            self._given.discard(runner.evse_id)

    async def start_remotely(
        self, runner: EvseRunner, token: IdToken, remote_start_id: int | None, *, ask: bool
    ) -> None:
        """The CSMS wants a session here; ``ask`` authorizes the token first like any other."""
        source, group = Source.REMOTE, None
        if ask:
            decision = await self._decide(token)
            if decision.verdict is not Verdict.ACCEPT:
                log.info("remote start: token %s not accepted", token.masked)
                return
            group = decision.group
        try:
            authorization = Authorization(token, source, group, remote_start_id)
            await runner.feed(TokenAccepted(authorization))
        except StoreError as error:
            log.error("EVSE %d: no session: %s", runner.evse_id, error)  # noqa: TRY400 - the disk

    def judge(self, token: IdToken, known: Known, *, repeated: bool) -> bool:
        """Whether a transaction may go on after the CSMS's word on its token; remembers the word.

        ``repeated`` means that the start was sent before and its answer got lost: then ConcurrentTx
        is about this very transaction.
        """
        if known.status == CONCURRENT:
            return repeated
        self.learn(token, known)
        return known.accepted(self._now())

    def learn(self, token: IdToken, known: Known) -> None:
        """Remember what the CSMS said of a token, in whatever message (2.0.1 C10.FR.01).

        ConcurrentTx is not remembered: it is about a moment, not about the token.
        """
        if token.type in OWN_TO_CSMS or not self._rules().cache or known.status == CONCURRENT:
            return
        try:
            self._store.tokens.remember(token, replace(known, source=Source.CACHE), self._now())
        except StoreError as error:
            log.warning("authorization not remembered: %s", error)

    def forget_all(self) -> None:
        """Empty the cache."""
        self._store.tokens.forget_all()

    async def _decide(self, token: IdToken) -> Decision:
        rules = self._rules()
        known = self._known(token) if rules.cache else None
        decision = decide(token, known, online=self._csms.online, now=self._now(), rules=rules)
        if decision.verdict is not Verdict.ASK:
            return decision
        try:
            said = await self._csms.authorize(token)
        except CsmsUnavailable:
            return decide(token, known, online=False, now=self._now(), rules=rules)
        self.learn(token, said)
        verdict = Verdict.ACCEPT if said.accepted(self._now()) else Verdict.REFUSE
        return Decision(verdict, Source.CSMS, said.group)

    def _known(self, token: IdToken) -> Known | None:
        try:
            return self._store.tokens.known(token)
        except StoreError as error:
            log.warning("nothing known of token %s: %s", token.masked, error)
            return None

    async def _stopped(
        self, runners: Iterable[EvseRunner], token: IdToken, group: IdToken | None
    ) -> bool:
        for runner in runners:
            authorization = runner.state.authorization
            running = runner.state.stage in {Stage.CHARGING, Stage.AUTHORIZED}
            if running and authorization is not None and may_stop(authorization, token, group):
                stop = StopRequested(StopReason.LOCAL, Cause.STOP_AUTHORIZED, token)
                await runner.feed(stop)
                return True
        return False

    def _now(self) -> datetime:
        return self._clock.now()


def choose(runners: Iterable[EvseRunner]) -> EvseRunner | None:
    """The EVSE a token is meant for: one where a vehicle waits, else a free one, else none."""
    free = [runner for runner in runners if _takes(runner.state)]
    waiting = [runner for runner in free if runner.state.plugged]
    return next(iter(waiting or free), None)


def _takes(state: EvseState) -> bool:
    free = state.stage in {Stage.AVAILABLE, Stage.PLUGGED, Stage.FINISHED}
    return free and state.operative and not state.faulted
