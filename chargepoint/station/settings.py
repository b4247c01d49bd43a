"""The settings as the parts of the station want them: read at the moment they are needed."""

from datetime import timedelta

from chargepoint.core.authorization import Rules
from chargepoint.core.contract import ContractRules
from chargepoint.core.model import Point, Policy
from chargepoint.core.sampling import without_phases
from chargepoint.core.tariff import Prices
from chargepoint.core.variables import (
    ALIGNED_ENABLED,
    ALIGNED_IDLE_ONLY,
    ALIGNED_INTERVAL,
    ALIGNED_MEASURANDS,
    ALIGNED_SIGN_READINGS,
    ALIGNED_SIGN_UPDATED_READINGS,
    ALIGNED_TX_ENDED_INTERVAL,
    ALIGNED_TX_ENDED_MEASURANDS,
    AUTH_CACHE_DISABLE_POST_AUTHORIZE,
    AUTH_CACHE_ENABLED,
    AUTH_CACHE_LIFE_TIME,
    AUTH_CACHE_POLICY,
    AUTH_ENABLED,
    AUTHORIZE_REMOTE_START,
    CENTRAL_CONTRACT_VALIDATION,
    CONTRACT_VALIDATION_OFFLINE,
    COST_ENABLED,
    CURRENCY,
    DISABLE_REMOTE_AUTHORIZATION,
    EV_CONNECTION_TIMEOUT,
    LOCAL_AUTHORIZE_OFFLINE,
    LOCAL_LIST_DISABLE_POST_AUTHORIZE,
    LOCAL_LIST_ENABLED,
    LOCAL_PRE_AUTHORIZE,
    MASTER_PASS_GROUP_ID,
    MAX_ENERGY_ON_INVALID_ID,
    METER_FAILURE_TIMEOUT,
    OFFLINE_TX_FOR_UNKNOWN_ID,
    PNC_ENABLED,
    PUBLIC_KEY_WITH_SIGNED_METER_VALUE,
    REGISTER_VALUES_WITHOUT_PHASES,
    RESUME_AFTER_POWER_LOSS,
    SAMPLED_ENABLED,
    SIGN_READINGS,
    SIGN_STARTED_READINGS,
    SIGN_UPDATED_READINGS,
    STOP_TX_ON_EV_SIDE_DISCONNECT,
    STOP_TX_ON_INVALID_ID,
    STOP_TX_ON_METER_FAILURE,
    TARIFF_ENABLED,
    TARIFF_FALLBACK_MESSAGE,
    TOTAL_COST_FALLBACK_MESSAGE,
    TX_ENDED_INTERVAL,
    TX_ENDED_MEASURANDS,
    TX_START_POINT,
    TX_STARTED_MEASURANDS,
    TX_STOP_POINT,
    TX_UPDATED_INTERVAL,
    TX_UPDATED_MEASURANDS,
    UNLOCK_ON_EV_SIDE_DISCONNECT,
    CachePolicy,
    PublicKeyPolicy,
    Variable,
)
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.sampling import Schedule


class StationSettings:
    """Groups of settings, each a frozen value of this moment.

    ``key_in_first`` is the CSMS profile's choice of the message that carries the public key under
    OncePerTransaction: the first signed one, or the final one that is always sent.
    """

    def __init__(self, model: DeviceModel, *, key_in_first: bool = False) -> None:
        self._model = model
        self._key_in_first = key_in_first

    def policy(self, fresh_id: str, charge_point: str, *, tls: bool) -> Policy:
        """What the rules of one EVSE depend on."""
        model = self._model
        sign = model[SIGN_READINGS]
        sign_started = sign and model[SIGN_STARTED_READINGS]
        keys = model[PUBLIC_KEY_WITH_SIGNED_METER_VALUE]
        every = keys is PublicKeyPolicy.EVERY_METER_VALUE
        once = keys is PublicKeyPolicy.ONCE_PER_TRANSACTION
        first = once and self._key_in_first and sign_started
        sampled, aligned = model[SAMPLED_ENABLED], model[ALIGNED_ENABLED]
        return Policy(
            fresh_id=fresh_id,
            charge_point=charge_point,
            tls=tls,
            connection_timeout=model[EV_CONNECTION_TIMEOUT],
            stop_on_ev_disconnect=model[STOP_TX_ON_EV_SIDE_DISCONNECT],
            resume_after_power_loss=model[RESUME_AFTER_POWER_LOSS],
            stop_on_meter_failure=model[STOP_TX_ON_METER_FAILURE],
            started_measurands=self.measurands(TX_STARTED_MEASURANDS) if sampled else (),
            updated_measurands=self.measurands(TX_UPDATED_MEASURANDS),
            aligned_measurands=self.measurands(ALIGNED_MEASURANDS),
            ended_measurands=self.measurands(TX_ENDED_MEASURANDS) if sampled else (),
            aligned_ended_measurands=self.measurands(ALIGNED_TX_ENDED_MEASURANDS)
            if aligned
            else (),
            sign_started=sign_started,
            sign_updated=sign and model[SIGN_UPDATED_READINGS],
            sign_aligned=model[ALIGNED_SIGN_READINGS] and model[ALIGNED_SIGN_UPDATED_READINGS],
            sign_ended=sign,
            sign_aligned_ended=model[ALIGNED_SIGN_READINGS],
            key_started=every or first,
            key_updated=every,
            key_ended=every or (once and not first),
            key_once=once,
            tariff_text=model[TARIFF_FALLBACK_MESSAGE],
            tariff_shown=model[TARIFF_ENABLED],
            start_points=_points(model[TX_START_POINT]),
            stop_points=_points(model[TX_STOP_POINT]),
            unlock_on_ev_disconnect=model[UNLOCK_ON_EV_SIDE_DISCONNECT],
        )

    def measurands(self, variable: Variable[tuple[str, ...]]) -> tuple[str, ...]:
        """What one of the lists of measurands asks for."""
        wanted = self._model[variable]
        return without_phases(wanted) if self._model[REGISTER_VALUES_WITHOUT_PHASES] else wanted

    def schedule(self) -> Schedule:
        """When readings are due."""
        model, never = self._model, timedelta(0)
        sampled, aligned = model[SAMPLED_ENABLED], model[ALIGNED_ENABLED]
        return Schedule(
            periodic=model[TX_UPDATED_INTERVAL] if sampled else never,
            aligned=model[ALIGNED_INTERVAL] if aligned else never,
            kept=model[TX_ENDED_INTERVAL] if sampled else never,
            aligned_kept=model[ALIGNED_TX_ENDED_INTERVAL] if aligned else never,
            aligned_measurands=self.measurands(ALIGNED_MEASURANDS),
            idle_only=model[ALIGNED_IDLE_ONLY],
            sign_aligned=model[ALIGNED_SIGN_READINGS] and model[ALIGNED_SIGN_UPDATED_READINGS],
            key_aligned=model[PUBLIC_KEY_WITH_SIGNED_METER_VALUE] is not PublicKeyPolicy.NEVER,
        )

    def rules(self) -> Rules:
        """How tokens are decided about."""
        model = self._model
        return Rules(
            enabled=model[AUTH_ENABLED],
            cache=model[AUTH_CACHE_ENABLED],
            local_list=model[LOCAL_LIST_ENABLED],
            local_pre_authorize=model[LOCAL_PRE_AUTHORIZE],
            local_authorize_offline=model[LOCAL_AUTHORIZE_OFFLINE],
            offline_unknown=model[OFFLINE_TX_FOR_UNKNOWN_ID],
            remote=not model[DISABLE_REMOTE_AUTHORIZATION],
            ask_again_cached=not model[AUTH_CACHE_DISABLE_POST_AUTHORIZE],
            ask_again_listed=not model[LOCAL_LIST_DISABLE_POST_AUTHORIZE],
            lifetime=model[AUTH_CACHE_LIFE_TIME],
            master=model[MASTER_PASS_GROUP_ID],
        )

    def contracts(self) -> ContractRules:
        """How contracts of vehicles are decided about."""
        model = self._model
        return ContractRules(
            enabled=model[PNC_ENABLED],
            central=model[CENTRAL_CONTRACT_VALIDATION],
            offline=model[CONTRACT_VALIDATION_OFFLINE],
        )

    def cache_policy(self) -> CachePolicy:
        """Which accepted token leaves a full cache first."""
        return self._model[AUTH_CACHE_POLICY]

    def authorize_remote_start(self) -> bool:
        """Whether the token of a remote start is asked about first."""
        return self._model[AUTHORIZE_REMOTE_START]

    def stop_on_invalid_id(self) -> bool:
        """Whether a token refused afterwards ends the transaction or only the energy."""
        return self._model[STOP_TX_ON_INVALID_ID]

    def max_energy_on_invalid_id(self) -> int:
        """How many Wh are still given if only the energy ends."""
        return self._model[MAX_ENERGY_ON_INVALID_ID]

    def prices(self) -> Prices:
        """What is shown of tariff and cost."""
        model = self._model
        return Prices(
            tariff=model[TARIFF_ENABLED],
            cost=model[COST_ENABLED],
            currency=model[CURRENCY],
            tariff_fallback=model[TARIFF_FALLBACK_MESSAGE],
            cost_fallback=model[TOTAL_COST_FALLBACK_MESSAGE],
        )

    def meter_failure_timeout(self) -> timedelta:
        """How long a meter may be unreadable before no session begins any more."""
        return self._model[METER_FAILURE_TIMEOUT]

    def meter_stale_after(self) -> timedelta:
        """From which age on a reading no longer counts as the present."""
        return timedelta(seconds=5)


def _points(names: tuple[str, ...]) -> frozenset[Point]:
    return frozenset(Point(name) for name in names)
