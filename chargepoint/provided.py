"""Facts that are reported like settings, and settings that take effect at once."""

from collections.abc import Callable
from datetime import timedelta

from chargepoint.config import StationConfig
from chargepoint.core.sampling import MEASURANDS
from chargepoint.core.variables import (
    ALIGNED_MEASURANDS,
    ALIGNED_TX_ENDED_MEASURANDS,
    DATE_TIME,
    FEATURE_PROFILES,
    FILE_TRANSFER_PROTOCOLS,
    FIRMWARE_MOST,
    MESSAGE_TIMEOUT,
    METER_PUBLIC_KEY,
    QUEUE_ALL_MESSAGES,
    RECORD_LENGTH,
    SUPPORTED_FEATURE_PROFILES,
    TX_ENDED_MEASURANDS,
    TX_STARTED_MEASURANDS,
    TX_UPDATED_MEASURANDS,
    WEB_SOCKET_PING_INTERVAL,
)
from chargepoint.csms.link import Link
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.record_sender import room_of
from chargepoint.csms.session import Session
from chargepoint.csms.signed import public_key
from chargepoint.provided_parts import provide_names, provide_parts
from chargepoint.station.local_time import provide_local_time
from chargepoint.station.station import Evse, Station


def provide(
    config: StationConfig,
    station: Station,
    profile: CsmsProfile,
    *,
    link: Link,
    session: Session,
) -> None:
    """Connect the device model with what lives."""
    model = station.model
    model.provide(SUPPORTED_FEATURE_PROFILES, lambda: FEATURE_PROFILES)
    model.provide(DATE_TIME, station.clock.now)
    if any(evse.meter.signing is not None for evse in station.evses.values()):
        model.provide(RECORD_LENGTH, lambda: room_of(profile, "2.0.1").most)
    provide_local_time(station)
    model.provide(FILE_TRANSFER_PROTOCOLS, lambda: tuple(sorted(station.services.transfer.schemes)))
    model.provide(FIRMWARE_MOST, lambda: station.services.firmware.size_most)
    for measurands in (
        TX_STARTED_MEASURANDS,
        TX_UPDATED_MEASURANDS,
        TX_ENDED_MEASURANDS,
        ALIGNED_MEASURANDS,
        ALIGNED_TX_ENDED_MEASURANDS,
    ):
        model.provide_words(measurands, lambda: _measurands(station))
    for evse in station.evses.values():
        _provide_evse(station, evse, profile)
    provide_names(config, station)
    provide_parts(station)
    model.subscribe(MESSAGE_TIMEOUT, lambda _: session.retime())

    def set_ping(interval: timedelta) -> None:
        link.ping_interval = interval

    def set_queue(everything: bool) -> None:  # noqa: FBT001 - it is the value
        station.store.queue_all = everything

    model.subscribe(WEB_SOCKET_PING_INTERVAL, set_ping)
    model.subscribe(QUEUE_ALL_MESSAGES, set_queue)
    set_queue(model[QUEUE_ALL_MESSAGES])


def _provide_evse(station: Station, evse: Evse, profile: CsmsProfile) -> None:
    if evse.meter.signing is not None:
        station.model.provide(METER_PUBLIC_KEY, _key_of(evse, profile), evse.description.evse_id)


def _key_of(evse: Evse, profile: CsmsProfile) -> Callable[[], str | None]:
    def key() -> str | None:
        info = evse.meter.info
        if info is None or not info.public_key:
            return None
        return public_key(info.public_key, info.signing_method, profile)

    return key


def _measurands(station: Station) -> tuple[str, ...]:
    """What the meters measure; nothing until one has told, which allows everything known."""
    infos = [evse.meter.info for evse in station.evses.values() if evse.meter.info is not None]
    measured = {quantity for info in infos for quantity, _ in info.quantities}
    return tuple(name for name, (quantity, _) in MEASURANDS.items() if quantity in measured)
