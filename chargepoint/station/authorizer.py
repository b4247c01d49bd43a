"""A token was presented: end what it may end, or ask whether it may begin."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from chargepoint.clock import Clock
from chargepoint.core.authorization import (
    Decision,
    Known,
    Rules,
    Verdict,
    decide,
    end_reason,
    judged,
    vouched,
)
from chargepoint.core.availability import free
from chargepoint.core.inputs import GroupLearned, StopRequested, TokenAccepted
from chargepoint.core.model import (
    Authorization,
    Cause,
    EvseState,
    IdToken,
    IdTokenType,
    Source,
    Stage,
)
from chargepoint.errors import CsmsUnavailable, StoreError
from chargepoint.station.evse import EvseRunner, Spawn
from chargepoint.station.known_tokens import CONCURRENT, KnownTokens
from chargepoint.station.reservations import Reservations

log = logging.getLogger(__name__)


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
    """Decides about presented tokens. ``tokens`` is what the station knows of them by itself."""

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        tokens: KnownTokens,
        *,
        clock: Clock,
        rules: Callable[[], Rules],
        csms: AsksCsms,
        spawn: Spawn,
        reservations: Reservations,
    ) -> None:
        self._runners = runners
        self._reservations = reservations
        self._tokens = tokens
        self._clock = clock
        self._rules = rules
        self._csms = csms
        self._spawn = spawn
        self._presented: set[tuple[IdToken, tuple[int, ...]]] = set()  # not decided yet

    async def present(self, token: IdToken, evse_ids: Iterable[int] = ()) -> None:
        """A reader saw a token. Without ``evse_ids`` the reader serves the whole station.

        A token that a running transaction knows ends it without asking (2.0.1 C01.FR.03); any
        other may begin one, or end one of its group. A master pass ends all transactions where the
        reader serves, or those that somebody chose (C16). One that is read again before the first
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

    async def plugged(self, runner: EvseRunner) -> None:
        """A vehicle came: where no token is needed that is enough (AuthCtrlr.Enabled)."""
        if not self._rules().enabled and runner.state.stage is Stage.PLUGGED:
            await self.present(IdToken("", IdTokenType.NO_AUTHORIZATION), [runner.evse_id])

    async def _present(self, token: IdToken, evse_ids: tuple[int, ...]) -> None:
        runners = [self._runners[i] for i in evse_ids]
        known = self._tokens.of(token)
        if await self._ended(runners, token, self._vouched(known)):
            return
        decision = await self._decide(token, known)
        if decision.verdict not in {Verdict.ACCEPT, Verdict.STOP_ONLY} or decision.source is None:
            log.info("token %s not accepted", token.masked)
            return
        if await self._ended(runners, token, decision):
            return
        group = decision.group
        allowed = [runner for runner in runners if decision.allows(runner.evse_id)]
        runner = choose(
            runner
            for runner in self._reservations.admitting(allowed, token, group)
            if runner.evse_id not in self._reservations.given
        )
        if runner is None:
            log.info("token %s accepted, but no outlet is free", token.masked)
            return
        used = self._reservations.use(runner.evse_id, token, group).reservation_id
        authorization = Authorization(
            token,
            decision.source,
            group,
            reservation_id=used,
            personal_message=decision.personal_message,
        )
        await self._begin(runner, authorization)

    async def start_remotely(
        self,
        runner: EvseRunner,
        token: IdToken,
        remote_start_id: int | None,
        *,
        ask: bool,
        group: IdToken | None = None,
    ) -> None:
        """The CSMS wants a session here; ``ask`` authorizes the token first like any other."""
        message = None
        if ask:
            decision = await self._decide(token, self._tokens.of(token))
            if not decision.allows(runner.evse_id):
                log.info("remote start: token %s not accepted", token.masked)
                return
            group, message = decision.group or group, decision.personal_message
        group = group or self.group_of(token)
        use = self._reservations.use(runner.evse_id, token, group)
        if not use.allowed or runner.evse_id in self._reservations.given:
            log.info("remote start: EVSE %d is for somebody else", runner.evse_id)
            return
        authorization = Authorization(
            token, Source.REMOTE, group, remote_start_id, use.reservation_id, message
        )
        await self._begin(runner, authorization)

    def judge(self, token: IdToken, known: Known, *, repeated: bool) -> bool:
        """Whether a transaction may go on after the CSMS's word on its token; remembers the word.

        ``repeated`` means that the start was sent before and its answer got lost: then ConcurrentTx
        is about this very transaction.
        """
        if known.status == CONCURRENT:
            return repeated
        self.learn(token, known)
        if not known.accepted(self._now()):
            return False
        if known.group is not None:
            self._name_group(token, known.group)
        return True

    def learn(self, token: IdToken, known: Known) -> None:
        """Remember what the CSMS said of a token, in whatever message (2.0.1 C10.FR.01)."""
        self._tokens.learn(token, known)

    def group_of(self, token: IdToken) -> IdToken | None:
        """The group of a token, if it is remembered."""
        known = self._tokens.of(token)
        return known.group if known is not None else None

    def forget_all(self) -> None:
        """Empty the cache."""
        self._tokens.forget_all()

    async def _begin(self, runner: EvseRunner, authorization: Authorization) -> None:
        self._reservations.given.add(runner.evse_id)
        try:
            await runner.feed(TokenAccepted(authorization))
        except StoreError as error:
            log.error("EVSE %d: no session: %s", runner.evse_id, error)  # noqa: TRY400 - the disk
        finally:
            self._reservations.given.discard(runner.evse_id)

    def _vouched(self, known: Known | None) -> Decision:
        return vouched(known, online=self._csms.online, now=self._now(), rules=self._rules())

    async def _decide(self, token: IdToken, known: Known | None) -> Decision:
        rules = self._rules()
        decision = decide(token, known, online=self._csms.online, now=self._now(), rules=rules)
        if decision.verdict is not Verdict.ASK:
            return decision
        try:
            said = await self._csms.authorize(token)
        except CsmsUnavailable:
            return decide(token, known, online=False, now=self._now(), rules=rules)
        self.learn(token, said)
        return judged(said, self._now(), rules)

    async def _ended(
        self, runners: Sequence[EvseRunner], token: IdToken, decision: Decision
    ) -> bool:
        """End what the token may end: its own, else one of its group, or all with a master pass.

        A start button that serves several outlets begins where a vehicle waits.
        """
        waits = any(runner.state.stage is Stage.PLUGGED for runner in runners)
        if token.type is IdTokenType.NO_AUTHORIZATION and waits:
            return False
        stops = [
            (runner, why)
            for runner in runners
            if (began := _running(runner.state)) and (why := end_reason(began, token, decision))
        ]
        if decision.verdict is not Verdict.STOP_ONLY:
            stops.sort(key=lambda stop: not _is_of(stop[0].state, token))
            stops = stops[:1]
        async with asyncio.TaskGroup() as tasks:
            for runner, why in stops:
                asked = StopRequested(why, Cause.STOP_AUTHORIZED, token)
                tasks.create_task(runner.feed(asked))
        return bool(stops)

    def _name_group(self, token: IdToken, group: IdToken) -> None:
        """Members may stop what a token began before its group was known (2.0.1 C09)."""
        for runner in self._runners.values():
            began = _running(runner.state)
            if began is not None and began.token.matches(token) and began.group is None:
                self._spawn(runner.feed(GroupLearned(group)))

    def _now(self) -> datetime:
        return self._clock.now()


def _running(state: EvseState) -> Authorization | None:
    """What a token may end: a session, or the hold on a cable."""
    if state.stage is Stage.FINISHED:
        return state.held
    return state.authorization if state.stage in {Stage.CHARGING, Stage.AUTHORIZED} else None


def _is_of(state: EvseState, token: IdToken) -> bool:
    began = _running(state)
    return began is not None and began.token.matches(token)


def choose(runners: Iterable[EvseRunner]) -> EvseRunner | None:
    """The EVSE a token is meant for: one where a vehicle waits, else a free one, else none."""
    taking = [runner for runner in runners if _takes(runner.state, runner.connectors)]
    waiting = [runner for runner in taking if runner.state.plugged]
    return next(iter(waiting or taking), None)


def _takes(state: EvseState, connectors: int) -> bool:
    waits = state.stage in {Stage.AVAILABLE, Stage.PLUGGED, Stage.FINISHED}
    return waits and free(state, connectors)
