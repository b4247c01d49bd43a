"""A token was presented: end what it may end, or ask whether it may begin."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
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
from chargepoint.core.contract import Contract, ContractRules, weigh
from chargepoint.core.inputs import GroupLearned, StopRequested, TokenAccepted
from chargepoint.core.model import (
    Authorization,
    Cause,
    EvseState,
    IdToken,
    IdTokenType,
    Source,
    Stage,
    StopReason,
    Text,
)
from chargepoint.errors import CsmsUnavailable, StoreError
from chargepoint.station.evse import EvseRunner
from chargepoint.station.evse_ports import Spawn
from chargepoint.station.known_tokens import CONCURRENT, KnownTokens
from chargepoint.station.reservations import Reservations
from chargepoint.station.roaming import Roaming

log = logging.getLogger(__name__)


class AsksCsms(Protocol):
    """The way to the CSMS (``csms.session.Session``)."""

    @property
    def online(self) -> bool:
        """Whether it can be asked."""
        ...

    async def authorize(self, token: IdToken, contract: Contract | None = None) -> Known:
        """What the CSMS says of a token, or of the contract that it is the id of.

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
        contracts: Callable[[], ContractRules] = ContractRules,
        csms: AsksCsms,
        spawn: Spawn,
        reservations: Reservations,
    ) -> None:
        self._runners = runners
        self._reservations = reservations
        self._tokens = tokens
        self._clock = clock
        self._rules = rules
        self._contracts = contracts
        self._csms = csms
        self._spawn = spawn
        self._roaming = Roaming(runners)
        self._presented: set[tuple[IdToken, tuple[int, ...]]] = set()  # not decided yet

    async def present(
        self, token: IdToken, evse_ids: Iterable[int] = (), contract: Contract | None = None
    ) -> None:
        """A reader saw a token. Without ``evse_ids`` the reader serves the whole station.

        A token that a running transaction knows ends it without asking (2.0.1 C01.FR.03); any
        other may begin one, or end one of its group. A master pass ends all transactions where the
        reader serves, or those that somebody chose (C16). One that is read again before the first
        reading has led to anything counts once: it must not begin a second session, or end the
        one it has just begun. ``contract`` is what the token is the id of, if a vehicle showed it:
        that begins only, because it is shown again after a pause.
        """
        reading = (token, tuple(evse_ids))
        if reading in self._presented:
            log.debug("token %s read again", token.masked)
            return
        self._presented.add(reading)
        try:
            await self._present(token, reading[1] or tuple(self._runners), contract)
        finally:
            self._presented.discard(reading)

    async def plugged(self, runner: EvseRunner) -> None:
        """A vehicle came: who was authorized for any of several EVSEs begins at this one.

        Where no token is needed the vehicle is enough (AuthCtrlr.Enabled).
        """
        if runner.state.stage is not Stage.PLUGGED:
            return
        if self._rules().enabled:
            await self._bring(runner)
        else:
            await self.present(IdToken("", IdTokenType.NO_AUTHORIZATION), [runner.evse_id])

    async def _present(
        self, token: IdToken, evse_ids: tuple[int, ...], contract: Contract | None
    ) -> None:
        runners = [self._runners[i] for i in evse_ids]
        known = self._tokens.of(token)
        if contract is None and await self._ended(runners, token, self._vouched(known)):
            return
        decision = await self._decide(token, known, contract)
        if decision.verdict not in {Verdict.ACCEPT, Verdict.STOP_ONLY} or decision.source is None:
            log.info("token %s not accepted", token.masked)
            return
        if contract is None and await self._ended(runners, token, decision):
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
            languages=decision.languages,
        )
        await self._begin(runner, authorization, [one.evse_id for one in allowed])

    async def start_remotely(
        self,
        runner: EvseRunner,
        token: IdToken,
        remote_start_id: int | None,
        *,
        ask: bool,
        group: IdToken | None = None,
        anywhere: bool = False,
    ) -> None:
        """The CSMS wants a session here; ``ask`` authorizes the token first like any other.

        ``anywhere``: it named no EVSE, so that a driver who plugs in elsewhere charges there.
        """
        message: Text | None = None
        languages: tuple[str, ...] = ()
        where = list(self._runners) if anywhere else [runner.evse_id]
        if ask:
            decision = await self._decide(token, self._tokens.of(token))
            where = [evse_id for evse_id in where if decision.allows(evse_id)]
            group = decision.group or group
            message, languages = decision.personal_message, decision.languages
        group = group or self.group_of(token)
        if runner.evse_id not in where:
            others = [self._runners[evse_id] for evse_id in where]
            chosen = choose(self._reservations.admitting(others, token, group))
            if chosen is None:
                log.info("remote start: token %s not accepted", token.masked)
                return
            runner = chosen
        use = self._reservations.use(runner.evse_id, token, group)
        if not use.allowed or runner.evse_id in self._reservations.given:
            log.info("remote start: EVSE %d is for somebody else", runner.evse_id)
            return
        authorization = Authorization(
            token,
            Source.REMOTE,
            group,
            remote_start_id,
            use.reservation_id,
            message,
            languages,
        )
        await self._begin(runner, authorization, where)

    def judge(
        self, token: IdToken, known: Known, *, repeated: bool, evse_id: int | None = None
    ) -> bool:
        """Whether a transaction may go on after the CSMS's word on its token; remembers the word.

        ``repeated`` means that the start was sent before and its answer got lost: then ConcurrentTx
        is about this very transaction. ``evse_id`` is where it runs, if it matters.
        """
        if known.status == CONCURRENT:
            return repeated
        self.learn(token, known)
        if not known.accepted(self._now()) or not (evse_id is None or known.serves(evse_id)):
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

    def clear_cache(self) -> bool:
        """Forget every cached token; False if there is no cache, or the disk refuses (C11)."""
        if not self._rules().cache:
            return False
        try:
            self._tokens.forget_all()
        except StoreError as error:
            log.error("cache not cleared: %s", error)  # noqa: TRY400 - the disk
            return False
        return True

    async def _begin(
        self, runner: EvseRunner, authorization: Authorization, where: Collection[int]
    ) -> None:
        """Authorize here; ``where`` says at which EVSEs its vehicle may be plugged.

        One that was plugged elsewhere while this was going on is not forgotten.
        """
        bound = self._is_bound(authorization.reservation_id)
        with self._giving(runner):
            await self._feed(runner, authorization)
        self._roaming.begun(runner, authorization, () if bound else where)
        for other in where:
            if self._runners[other].state.stage is Stage.PLUGGED:
                await self._bring(self._runners[other])

    async def _bring(self, runner: EvseRunner) -> None:
        """Begin where the vehicle is, with the one authorization that waits for one elsewhere.

        There it is taken back first: it must never be used twice. A power cut between both steps
        takes it back for good, as it does with everybody who waits for a vehicle.
        """
        waiting = self._roaming.meant_for(runner)
        if waiting is None or runner.evse_id in self._reservations.given:
            return
        authorization = waiting.authorization
        use = self._reservations.use(runner.evse_id, authorization.token, authorization.group)
        if not use.allowed or not _takes(runner.state, runner.connectors):
            return
        self._roaming.forget(waiting)
        used = authorization.reservation_id or use.reservation_id
        with self._giving(runner):
            await waiting.home.feed(StopRequested(StopReason.LOCAL, Cause.STOP_AUTHORIZED))
            if waiting.home.state.authorization is None:
                await self._feed(runner, replace(authorization, reservation_id=used))

    async def _feed(self, runner: EvseRunner, authorization: Authorization) -> None:
        try:
            await runner.feed(TokenAccepted(authorization))
        except StoreError as error:
            log.error("EVSE %d: no session: %s", runner.evse_id, error)  # noqa: TRY400 - the disk

    @contextmanager
    def _giving(self, runner: EvseRunner) -> Iterator[None]:
        """Nobody else gets this EVSE meanwhile."""
        self._reservations.given.add(runner.evse_id)
        try:
            yield
        finally:
            self._reservations.given.discard(runner.evse_id)

    def _is_bound(self, reservation_id: int | None) -> bool:
        """Whether what was reserved is a certain EVSE or connector."""
        return any(
            known.evse_id is not None or bool(known.connector_type)
            for known in self._reservations.known
            if known.reservation_id == reservation_id
        )

    def _vouched(self, known: Known | None) -> Decision:
        return vouched(known, online=self._csms.online, now=self._now(), rules=self._rules())

    async def _decide(
        self, token: IdToken, known: Known | None, contract: Contract | None = None
    ) -> Decision:
        decision = self._weigh(token, known, contract, online=self._csms.online)
        if decision.verdict is not Verdict.ASK:
            return decision
        try:
            proof = () if contract is None else (contract,)
            said = await self._csms.authorize(token, *proof)
        except CsmsUnavailable:
            return self._weigh(token, known, contract, online=False)
        self.learn(token, said)
        return judged(said, self._now(), self._rules())

    def _weigh(
        self, token: IdToken, known: Known | None, contract: Contract | None, *, online: bool
    ) -> Decision:
        now, rules = self._now(), self._rules()
        if contract is None:
            return decide(token, known, online=online, now=now, rules=rules)
        return weigh(contract, known, self._contracts(), online=online, now=now, rules=rules)

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
