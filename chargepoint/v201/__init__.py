"""OCPP 2.0.1: one module per functional block."""

from chargepoint.csms.adapter import Adapter, SessionView, triggered_by
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.record_sender import RecordSender
from chargepoint.station.station import Station
from chargepoint.v201.authorization import Authorization
from chargepoint.v201.availability import Availability
from chargepoint.v201.certificates import Certificates
from chargepoint.v201.customers import Customers
from chargepoint.v201.data_transfer import DataTransfer
from chargepoint.v201.diagnostics import Diagnostics
from chargepoint.v201.display import Display
from chargepoint.v201.firmware import Firmware
from chargepoint.v201.local_list import LocalList
from chargepoint.v201.metering import Metering
from chargepoint.v201.monitoring import Monitoring
from chargepoint.v201.network import Network
from chargepoint.v201.provisioning import Provisioning
from chargepoint.v201.remote_control import RemoteControl
from chargepoint.v201.reports import Reports
from chargepoint.v201.reservation import Reservations
from chargepoint.v201.security import Security
from chargepoint.v201.smart_charging import SmartCharging
from chargepoint.v201.tariff import TariffAndCost
from chargepoint.v201.transactions import Transactions
from chargepoint.v201.vehicles import Vehicles

BLOCKS = (
    Authorization,
    Availability,
    Certificates,
    Customers,
    DataTransfer,
    Diagnostics,
    Display,
    Firmware,
    LocalList,
    Metering,
    Monitoring,
    Network,
    Provisioning,
    RecordSender,
    RemoteControl,
    Reports,
    Reservations,
    Security,
    SmartCharging,
    TariffAndCost,
    Transactions,
    Vehicles,
)


def adapter(
    station: Station, *, profile: CsmsProfile, identity: Identity, session: SessionView
) -> Adapter:
    """The blocks, wired to a station."""
    availability = Availability(station)
    records = RecordSender(station, profile, version="2.0.1")
    blocks = (
        availability,
        Certificates(station),
        Customers(station, session),
        DataTransfer(station),
        Diagnostics(station),
        Display(station, session),
        Firmware(station),
        LocalList(station),
        Metering(profile, records),
        Monitoring(station, session),
        Network(station),
        records,
        Reports(station, session),
        Reservations(station),
        Security(station),
        SmartCharging(station, session),
        TariffAndCost(station),
        Transactions(station, profile, records),
        Vehicles(station),
    )
    remote_control = RemoteControl(station, session, availability, triggered_by(blocks))
    return Adapter(
        "2.0.1",
        provisioning=Provisioning(station, identity.within(profile.identity)),
        authorization=Authorization(station),
        blocks=(*blocks, remote_control),
        ahead=("Authorize", "TransactionEvent"),
        profile=profile,
    )
