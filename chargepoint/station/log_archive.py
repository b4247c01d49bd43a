"""One file for support: log, settings, config, status, versions, with every secret masked."""

import io
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from chargepoint.store.security_log import LogEntry

STARS = "*****"
_SECRET_WORDS = ("password", "token", "secret", "authorizationkey", "idtag", "pin")


def write_archive(target: Path, files: Mapping[str, bytes], at: datetime) -> None:
    """Pack files into a tar.gz, all or nothing; to be called in a thread."""
    import tarfile

    partial = target.with_name(target.name + ".part")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with tarfile.open(partial, "w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(f"{target.name.removesuffix('.tar.gz')}/{name}")
                entry.size = len(content)
                entry.mtime = int(at.timestamp())
                entry.mode = 0o600
                archive.addfile(entry, io.BytesIO(content))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def as_json(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON can hold
    """For people: indented, what JSON does not know as its text."""
    return json.dumps(masked(value), indent=2, ensure_ascii=False, default=str).encode() + b"\n"


def as_lines(entries: Iterable[LogEntry]) -> bytes:
    """The security log, one JSON object per line, in order of time."""
    return b"".join(
        json.dumps(
            {"at": entry.at, "type": entry.type, "info": entry.info}, ensure_ascii=False
        ).encode()
        + b"\n"
        for entry in entries
    )


def masked(value: Any, key: str = "") -> Any:  # noqa: ANN401 - whatever JSON can hold
    """The value without secrets: what is named like one, and credentials inside addresses."""
    if any(word in key.casefold() for word in _SECRET_WORDS) and not isinstance(value, dict | list):
        return STARS if value else value
    if isinstance(value, dict):
        return {str(name): masked(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, key) for item in value]
    if isinstance(value, str) and "://" in value and "@" in value:
        return _without_credentials(value)
    return value


def _without_credentials(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return STARS
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{STARS}@{host}", parts.path, parts.query, ""))
