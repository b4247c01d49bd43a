"""Meters as data: one YAML file per meter type, read by the driver ``generic_modbus``.

A new register meter is one file here, or anywhere else. ``eastron_sdm630_v2.yaml`` explains every
key; ``meters.profiles.reading`` says what is checked.
"""

from meters.profiles.catalog import find as find
from meters.profiles.catalog import load as load
from meters.profiles.catalog import profile_names as profile_names
from meters.profiles.model import Identification as Identification
from meters.profiles.model import IdentityKind as IdentityKind
from meters.profiles.model import IdentityRegister as IdentityRegister
from meters.profiles.model import LineDefaults as LineDefaults
from meters.profiles.model import Profile as Profile
from meters.profiles.model import ProfileError as ProfileError
