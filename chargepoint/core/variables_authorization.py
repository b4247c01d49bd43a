"""Settings about who may charge: tokens, the cache, the local list."""

from enum import StrEnum

from chargepoint.core.local_list import (
    LIST_BYTES_MOST,
    LIST_BYTES_PER_MESSAGE,
    LIST_ENTRIES_MOST,
    LIST_ITEMS_PER_MESSAGE,
)
from chargepoint.core.model import IdTokenType
from chargepoint.core.variables_kinds import BOOLEAN, INTEGER, MEMBERS, SECONDS, TEXT, choice
from chargepoint.core.variables_model import Mutability, Variable

CACHE_BYTES_MOST = 500_000  # some 3000 tokens
ADDITIONAL_INFO_ITEMS_MOST = 5
_TOKEN_TYPES = tuple(str(kind) for kind in IdTokenType if kind is not IdTokenType.EMAID)


class CachePolicy(StrEnum):
    """Which accepted token leaves a full cache first."""

    LRU = "LRU"  # the one unused for longest
    LFU = "LFU"  # the one used least often
    FIFO = "FIFO"  # the one that came first


AUTH_ENABLED = Variable(
    BOOLEAN,
    "AuthCtrlr.Enabled",
    "true",
    "Whether a token is needed at all; false is free charging.",
)
AUTHORIZE_REMOTE_START = Variable(
    BOOLEAN,
    "AuthCtrlr.AuthorizeRemoteStart",
    "false",
    "Ask the CSMS about the token of a remote start, as if it had been presented here.",
    key="AuthorizeRemoteTxRequests",
)
LOCAL_AUTHORIZE_OFFLINE = Variable(
    BOOLEAN,
    "AuthCtrlr.LocalAuthorizeOffline",
    "true",
    "Offline, a token known as accepted may charge.",
    key="LocalAuthorizeOffline",
)
LOCAL_PRE_AUTHORIZE = Variable(
    BOOLEAN,
    "AuthCtrlr.LocalPreAuthorize",
    "false",
    "Online, a token known as accepted may charge without asking the CSMS first.",
    key="LocalPreAuthorize",
)
OFFLINE_TX_FOR_UNKNOWN_ID = Variable(
    BOOLEAN,
    "AuthCtrlr.OfflineTxForUnknownIdEnabled",
    "false",
    "Offline, a token never seen before may charge.",
    key="AllowOfflineTxForUnknownId",
)
AUTH_CACHE_ENABLED = Variable(
    BOOLEAN,
    "AuthCacheCtrlr.Enabled",
    "true",
    "Remember what the CSMS says of tokens; switching keeps what is remembered.",
    key="AuthorizationCacheEnabled",
)

# Names of OCPP 2.0.1 that 1.6 has no key for.
MASTER_PASS_GROUP_ID = Variable(
    TEXT,
    "AuthCtrlr.MasterPassGroupId",
    "",
    "Tokens of this group end transactions of others and begin none; empty is no such group.",
    high=36,
)
DISABLE_REMOTE_AUTHORIZATION = Variable(
    BOOLEAN,
    "AuthCtrlr.DisableRemoteAuthorization",
    "false",
    "Never ask the CSMS about a token; only the local list and the cache decide.",
)
ADDITIONAL_INFO_ITEMS = Variable(
    INTEGER,
    "AuthCtrlr.AdditionalInfoItemsPerMessage",
    str(ADDITIONAL_INFO_ITEMS_MOST),
    "Pieces of additional information that can come with a token.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
SUPPORTED_ID_TOKEN_TYPES = Variable(
    MEMBERS,
    "AuthCtrlr.SupportedIdTokenTypes",
    ",".join(_TOKEN_TYPES),
    "Types of tokens that can be presented here or named in a remote start.",
    mutability=Mutability.READ_ONLY,
    values=_TOKEN_TYPES,
    constant=True,
    fact=True,
)
PNC_ENABLED = Variable(
    BOOLEAN,
    "ISO15118Ctrlr.PnCEnabled",
    "false",
    "Whether a contract that a vehicle shows lets it charge.",
)
CENTRAL_CONTRACT_VALIDATION = Variable(
    BOOLEAN,
    "ISO15118Ctrlr.CentralContractValidationAllowed",
    "true",
    "The CSMS gets the whole contract if the station cannot vouch for it.",
)
CONTRACT_VALIDATION_OFFLINE = Variable(
    BOOLEAN,
    "ISO15118Ctrlr.ContractValidationOffline",
    "true",
    "Offline, a contract that the station vouches for may charge as a token of its id would.",
)
AUTH_CACHE_AVAILABLE = Variable(
    BOOLEAN,
    "AuthCacheCtrlr.Available",
    "true",
    "The station has an authorization cache.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
AUTH_CACHE_LIFE_TIME = Variable(
    SECONDS,
    "AuthCacheCtrlr.LifeTime",
    "0",
    "How long a token is remembered after its last use, if the CSMS did not say; 0 is for ever.",
    low=0,
)
AUTH_CACHE_POLICY = Variable(
    choice(CachePolicy),
    "AuthCacheCtrlr.Policy",
    "LRU",
    "Which accepted token leaves a full cache first; those that are not accepted go before.",
    values=tuple(CachePolicy),
)
AUTH_CACHE_STORAGE = Variable(
    INTEGER,
    "AuthCacheCtrlr.Storage",
    None,
    "Bytes that the cache takes; its upper limit is all it may take.",
    mutability=Mutability.READ_ONLY,
    high=CACHE_BYTES_MOST,
    unit="B",
    fact=True,
)
AUTH_CACHE_DISABLE_POST_AUTHORIZE = Variable(
    BOOLEAN,
    "AuthCacheCtrlr.DisablePostAuthorize",
    "false",
    "Do not ask the CSMS again about a token that it did not accept before.",
)

LOCAL_LIST_AVAILABLE = Variable(
    BOOLEAN,
    "LocalAuthListCtrlr.Available",
    "true",
    "The station can keep a list of tokens that the CSMS sends.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
LOCAL_LIST_ENABLED = Variable(
    BOOLEAN,
    "LocalAuthListCtrlr.Enabled",
    "true",
    "Whether the local list counts and can be changed; switching keeps it.",
    key="LocalAuthListEnabled",
)
LOCAL_LIST_ENTRIES = Variable(
    INTEGER,
    "LocalAuthListCtrlr.Entries",
    None,
    "Tokens on the local list; the upper limit is all it can hold.",
    mutability=Mutability.READ_ONLY,
    high=LIST_ENTRIES_MOST,
    fact=True,
)
LOCAL_LIST_MAX_LENGTH = Variable(
    INTEGER,
    "LocalAuthListMaxLength",
    str(LIST_ENTRIES_MOST),
    "Tokens that the local list can hold.",
    key="LocalAuthListMaxLength",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
LOCAL_LIST_ITEMS_PER_MESSAGE = Variable(
    INTEGER,
    "LocalAuthListCtrlr.ItemsPerMessage",
    str(LIST_ITEMS_PER_MESSAGE),
    "Tokens that one SendLocalList may hold.",
    key="SendLocalListMaxLength",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
LOCAL_LIST_BYTES_PER_MESSAGE = Variable(
    INTEGER,
    "LocalAuthListCtrlr.BytesPerMessage",
    str(LIST_BYTES_PER_MESSAGE),
    "Bytes that one SendLocalList may have.",
    mutability=Mutability.READ_ONLY,
    unit="B",
    constant=True,
    fact=True,
)
LOCAL_LIST_STORAGE = Variable(
    INTEGER,
    "LocalAuthListCtrlr.Storage",
    None,
    "Bytes that the local list takes; its upper limit is all it may take.",
    mutability=Mutability.READ_ONLY,
    high=LIST_BYTES_MOST,
    unit="B",
    fact=True,
)
LOCAL_LIST_DISABLE_POST_AUTHORIZE = Variable(
    BOOLEAN,
    "LocalAuthListCtrlr.DisablePostAuthorize",
    "false",
    "Do not ask the CSMS about a token that the local list does not accept.",
)
LOCAL_LIST_SUPPORTS_EXPIRY = Variable(
    BOOLEAN,
    "LocalAuthListCtrlr.SupportsExpiryDateTime",
    "true",
    "A token on the local list counts until the time that the CSMS gave with it.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)

MAX_ENERGY_ON_INVALID_ID = Variable(
    INTEGER,
    "TxCtrlr.MaxEnergyOnInvalidId",
    "0",
    "Energy still given to a transaction that goes on after the CSMS refused its token.",
    key="MaxEnergyOnInvalidId",
    low=0,
    unit="Wh",
)
