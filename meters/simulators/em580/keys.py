"""The key of a simulated EM580: on one of two curves, or none."""

from meters.ocmf.curves import Curve
from meters.simulators import keys
from meters.simulators.em580.settings import KeyCurve


def new_secret(curve: KeyCurve, seed: str | None) -> str:
    """A private number in hex: the same for the same seed, random without; empty without curve."""
    if curve is KeyCurve.NONE:
        return ""
    return keys.new_secret(Curve(curve.value), seed, model="EM580")


class SigningKey(keys.SigningKey):
    """A private key on one of the two curves."""

    @classmethod
    def load(cls, curve: str, secret: str) -> "SigningKey | None":
        """The key of a private number; None for a meter without key."""
        return cls.of(Curve(curve), secret) if secret else None

    @property
    def type_code(self) -> int:
        """Register 0x24FF."""
        return 0 if self.curve is Curve.BRAINPOOL_P256R1 else 1
