"""Settings about certificates and the security of the link beyond those every station has."""

from chargepoint.core.variables_kinds import BOOLEAN, INTEGER, SECONDS, TEXT
from chargepoint.core.variables_model import Mutability, Variable

MAX_CERTIFICATE_CHAIN_SIZE = Variable(
    INTEGER,
    "SecurityCtrlr.MaxCertificateChainSize",
    "10000",
    "Characters of a certificate chain that is signed for the station.",
    key="CertificateSignedMaxChainSize",
    mutability=Mutability.READ_ONLY,
    high=10_000,
    constant=True,
    fact=True,
)
CERT_SIGNING_WAIT_MINIMUM = Variable(
    SECONDS,
    "SecurityCtrlr.CertSigningWaitMinimum",
    "60",
    "First wait for a signed certificate before it is asked for again; it doubles. 0 is never.",
    low=0,
    high=86_400,
)
CERT_SIGNING_REPEAT_TIMES = Variable(
    INTEGER,
    "SecurityCtrlr.CertSigningRepeatTimes",
    "3",
    "How often a certificate is asked for again before the next trigger.",
    low=0,
    high=20,
)
CERT_RENEWAL_DAYS = Variable(
    INTEGER,
    "SecurityCtrlr.CertRenewalDays",
    "30",
    "How long before a certificate of the station expires its successor is asked for.",
    unit="d",
    low=1,
    high=365,
)
ALLOW_SECURITY_PROFILE_DOWNGRADE = Variable(
    BOOLEAN,
    "SecurityCtrlr.AllowSecurityProfileDowngrade",
    "false",
    "Whether the CSMS may go back from security profile 3 to 2 (not by OCPP 1.6); never lower.",
    mutability=Mutability.READ_ONLY,
)
ALLOW_CSMS_TLS_WILDCARDS = Variable(
    BOOLEAN,
    "SecurityCtrlr.AllowCSMSTLSWildcards",
    "true",
    "Whether a certificate for *.example.com is good enough for csms.example.com.",
)
CERTIFICATE_STORE_MAX_LENGTH = Variable(
    INTEGER,
    "CertificateStoreMaxLength",
    "50",
    "Certificates that can be installed.",
    key="CertificateStoreMaxLength",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
TIME_ADJUSTMENT_REPORTING_THRESHOLD = Variable(
    SECONDS,
    "ClockCtrlr.TimeAdjustmentReportingThreshold",
    "20",
    "A clock set by more than this is a security event.",
    low=1,
)
SECC_ID = Variable(
    TEXT,
    "ISO15118Ctrlr.SeccId",
    "",
    "Name in the certificate towards vehicles; without one none is asked for.",
    high=64,
)
