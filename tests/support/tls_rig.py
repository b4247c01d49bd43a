"""What a server of a site shows, and what it sees of the station that connects."""

import ssl
from pathlib import Path
from typing import Any

from pki import Authority, key_pem, pem
from site_rig import STATION, Site, server
from websockets.asyncio.server import ServerConnection


def shows(context: ssl.SSLContext, folder: Path, authority: Authority, **certificate: Any) -> None:
    """Let a server show another certificate from now on."""
    shown, key = server(authority, **certificate)
    path = folder / f"server{shown.serial_number}.pem"
    path.write_text(pem(shown) + key_pem(key))
    context.load_cert_chain(path)


def line(site: Site) -> ServerConnection:
    """The connection of the station, as the CSMS sees it."""
    return site.csms._talk(STATION).connection
