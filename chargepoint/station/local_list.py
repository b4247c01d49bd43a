"""The local authorization list as the CSMS keeps it: its version, its updates."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from chargepoint.core.local_list import Listed, check_update
from chargepoint.core.variables import LOCAL_LIST_ENABLED
from chargepoint.errors import Refused, StoreError
from chargepoint.station.device_model import DeviceModel
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

NONE: Final = 0  # the version of no list


class LocalList:
    """The list of tokens that the CSMS sends; who may charge is decided elsewhere.

    ``changed`` is called after each update.
    """

    def __init__(self, store: Store, model: DeviceModel) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._store = store
        self._model = model

    @property
    def enabled(self) -> bool:
        """Whether the list counts and may be changed; while it is not, it is kept."""
        return self._model[LOCAL_LIST_ENABLED]

    def version(self) -> int:
        """The version of the list; 0 if none was ever sent or it is switched off.

        Raises:
            StoreError: the disk does not say.
        """
        return self._store.local_list.version() if self.enabled else NONE

    def entries(self) -> int:
        """How many tokens are on it, whether it counts or not.

        Raises:
            StoreError: the disk does not say.
        """
        return self._store.local_list.entries()

    def update(self, version: int, entries: Sequence[Listed], *, full: bool) -> None:
        """Replace the list or change it; it is kept as a whole or not at all.

        Raises:
            Outdated: the changes are not newer than the list.
            Refused: the list is switched off, too long, contradicts itself or cannot be stored.
        """
        if not self.enabled:
            raise Refused("the local list is switched off", reason="NotEnabled")
        try:
            check_update(version, entries, full=full, ours=self.version())
            self._store.local_list.apply(version, entries, full=full)
        except StoreError as error:
            log.warning("local list not changed: %s", error)
            raise Refused("the list could not be stored", reason="InternalError") from error
        log.info("local list: version %d", version)
        self.changed()
