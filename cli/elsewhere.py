"""A plant that does not run here: its services by address and a token from its own identity provider.

    PLANTOPS_SERVICES=maintenance=maintenance:50051,materials=materials:50051,procurement=procurement:50051
    PLANTOPS_TOKEN_FILE=/run/secrets/token

With both set, the commands that ask and repair (`check`, `reconcile`, `dead-letters`, `outbox`) go there instead of
to the plant's folder, in a pod of the cluster for instance.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.home import SERVICES, Addresses, Home

ADDRESSES, TOKEN_FILE = "PLANTOPS_SERVICES", "PLANTOPS_TOKEN_FILE"


class Unreachable(Exception):
    """The settings do not say where the plant is; the text names the setting and the rule."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where the services are, and the file with the access token, read anew for each call."""

    services: Mapping[str, str]
    token_file: Path

    def addresses(self) -> Addresses:
        """Addresses of the services; no gateway and no engines are known."""
        return Addresses("", self.services, "", "", "", {})

    def token(self, person: str) -> str:
        """The token that was given, whoever is named."""
        try:
            found = self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unreachable(f"{TOKEN_FILE}: {error}") from None
        if not found:
            raise Unreachable(f"{TOKEN_FILE}: {self.token_file} is empty")
        return found


def plant_of(folder: Path, environ: Mapping[str, str] | None = None) -> Home | Elsewhere:
    """The plant that the environment names, else the one of a folder; Unreachable for half of the settings."""
    given = os.environ if environ is None else environ
    places, token_file = given.get(ADDRESSES, ""), given.get(TOKEN_FILE, "")
    if not places and not token_file:
        return Home(folder)
    if not places or not token_file:
        raise Unreachable(
            f"{ADDRESSES} and {TOKEN_FILE} belong together; {ADDRESSES if token_file else TOKEN_FILE} is missing"
        )
    services = dict(part.strip().partition("=")[::2] for part in places.split(","))
    if sorted(services) != sorted(SERVICES) or not all(":" in address for address in services.values()):
        raise Unreachable(f"{ADDRESSES}: expected {','.join(f'{name}=host:port' for name in SERVICES)}")
    return Elsewhere(services, Path(token_file))
