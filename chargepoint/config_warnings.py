"""What a config may say but should not be said unknowingly: told by the check and at the start."""

from collections.abc import Iterator

from chargepoint.config_model import StationConfig


def warnings(config: StationConfig) -> list[str]:
    """Everything in the config that gives up a protection, each as a path and a sentence."""
    return [*_local(config), *_firmware(config), *_transfers(config)]


def _local(config: StationConfig) -> Iterator[str]:
    local = config.local
    if local is None:
        return
    if local.exposed:
        yield (
            f"local.listen: {local.listen} can be reached from other machines, without"
            " encryption: whoever listens on that network can read the token"
        )
    if local.drive_real_hardware:
        yield (
            "local.drive_real_hardware: whoever has the token can present tokens, raise faults and"
            " cut the network"
        )


def _firmware(config: StationConfig) -> Iterator[str]:
    if config.firmware is not None and config.firmware.allow_unsigned:
        yield "firmware.allow_unsigned: whoever speaks for the CSMS can install any program"


def _transfers(config: StationConfig) -> Iterator[str]:
    for text in config.transfers.local_addresses:
        yield (
            f"transfers.local_addresses: whoever speaks for the CSMS can send requests to {text}"
            " through the station"
        )
