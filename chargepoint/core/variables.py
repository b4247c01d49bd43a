"""The one table of all settings: 2.0.1 variables and 1.6 keys are two views of its rows.

A setting is added by one expression in a module ``variables_*`` of its subject; it then appears in
GetVariables, GetConfiguration, reports and the local interface by itself. Import rows and their
types from here: the modules below are separate only because one would be too long.
"""

from chargepoint.core import variables_model
from chargepoint.core.variables_authorization import *  # noqa: F403 - a row is named in one place
from chargepoint.core.variables_charging import *  # noqa: F403
from chargepoint.core.variables_csms import *  # noqa: F403
from chargepoint.core.variables_display import *  # noqa: F403
from chargepoint.core.variables_kinds import *  # noqa: F403
from chargepoint.core.variables_maintenance import *  # noqa: F403
from chargepoint.core.variables_model import *  # noqa: F403
from chargepoint.core.variables_monitoring import *  # noqa: F403
from chargepoint.core.variables_parts import *  # noqa: F403
from chargepoint.core.variables_reservation import *  # noqa: F403
from chargepoint.core.variables_sampling import *  # noqa: F403
from chargepoint.core.variables_security import *  # noqa: F403
from chargepoint.core.variables_smart import *  # noqa: F403
from chargepoint.core.variables_station import *  # noqa: F403

TABLE: tuple[variables_model.AnyVariable, ...] = tuple(
    row for row in list(globals().values()) if isinstance(row, variables_model.Variable)
)
