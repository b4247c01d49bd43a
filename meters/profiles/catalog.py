"""From the name of a profile to its file."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from meters.profiles.model import Profile, ProfileError
from meters.profiles.reading import read_profile

FOLDER: Final = Path(__file__).parent
ENDINGS: Final = frozenset({".yaml", ".yml"})


def profile_names() -> tuple[str, ...]:
    """The profiles that come along, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def find(profile: str | Path) -> Path:
    """The file of a profile: its path as given, or that of one that comes along.

    A name without ending means one that comes along, whatever folder a config put before it.

    Raises:
        ProfileError: there is none; the message lists those that come along.
    """
    path = Path(profile)
    if path.suffix in ENDINGS:
        if path.is_file():
            return path
        raise ProfileError(f"{path}: no such file")
    if path.name in profile_names():
        return FOLDER / f"{path.name}.yaml"
    known = ", ".join(profile_names())
    raise ProfileError(f"no profile {path.name!r}; known are {known}, or the path of a .yaml file")


def load(profile: str | Path) -> Profile:
    """The checked profile of that name or path.

    Raises:
        ProfileError: there is none, or all that is wrong with it.
    """
    path = find(profile)
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {error.strerror}") from error
    return _read(path, changed)


@lru_cache(maxsize=32)
def _read(path: Path, _changed: int) -> Profile:
    return read_profile(path)
