"""What is wrong with a record, a key or a container, and where."""

from meters.errors import MeterDataError


class OcmfError(MeterDataError):
    """A text that is no OCMF record, or content that must not be signed.

    ``position`` is the byte the reader stopped at, None where no single byte is to blame. Caught
    by a meter driver as any other nonsense from a meter, by the command line to print it.
    """

    def __init__(self, reason: str, *, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} (byte {position})")
        self.reason = reason
        self.position = position


class PublicKeyError(OcmfError):
    """A text that is no public key of any shape met in the field, or of the wrong curve."""


class SignatureFormError(OcmfError):
    """A signature that cannot be read as two numbers; says nothing about who signed."""


class ContainerError(OcmfError):
    """A file that is no container of records, or one that is refused as unsafe."""
