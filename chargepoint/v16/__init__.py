"""OCPP 1.6J: one module per subject, named as in 2.0.1 where the subject exists there."""

from chargepoint.csms.adapter import Adapter, SessionView, triggered_by
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.record_sender import RecordSender
from chargepoint.station.station import Station
from chargepoint.v16.authorization import Authorization
from chargepoint.v16.availability import Availability
from chargepoint.v16.certificates import Certificates
from chargepoint.v16.connectors import Connectors
from chargepoint.v16.data_transfer import DataTransfer
from chargepoint.v16.diagnostics import Diagnostics
from chargepoint.v16.firmware import Firmware
from chargepoint.v16.local_list import LocalList
from chargepoint.v16.metering import Metering
from chargepoint.v16.provisioning import Provisioning
from chargepoint.v16.remote_control import RemoteControl
from chargepoint.v16.reservation import Reservations
from chargepoint.v16.security import Security
from chargepoint.v16.smart_charging import SmartCharging
from chargepoint.v16.transactions import Transactions

BLOCKS = (
    Authorization,
    Availability,
    Certificates,
    DataTransfer,
    Diagnostics,
    Firmware,
    LocalList,
    Metering,
    Provisioning,
    RecordSender,
    RemoteControl,
    Reservations,
    SmartCharging,
    Security,
    Transactions,
)


def adapter(
    station: Station, *, profile: CsmsProfile, identity: Identity, session: SessionView
) -> Adapter:
    """The blocks, wired to a station."""
    connectors = Connectors(station)
    availability = Availability(station, connectors)
    records = RecordSender(station, profile, version="1.6")
    blocks = (
        availability,
        Certificates(station),
        DataTransfer(station),
        Diagnostics(station),
        Firmware(station),
        LocalList(station),
        Metering(connectors, profile, records),
        records,
        Reservations(station, connectors),
        SmartCharging(station, connectors),
        Security(station),
        Transactions(station, connectors, profile, records),
    )
    triggers = triggered_by(blocks)
    remote_control = RemoteControl(station, connectors, session, availability, triggers)
    return Adapter(
        "1.6",
        provisioning=Provisioning(station, identity.within(profile.identity)),
        authorization=Authorization(station),
        blocks=(*blocks, remote_control),
        ahead=("Authorize", "StartTransaction", "MeterValues", "StopTransaction"),
        variant="1.6",
        profile=profile,
        unknown=profile.unknown_16,
    )
