"""`python -m k8s.dev_secrets`: the secrets of the development overlay, made anew at each call, as manifests to apply.

They are written to build/k8s/dev-secrets.yaml and stand nowhere in the repository. Production has a store of its
own (k8s/components/external-secrets) with the same names and keys.
"""

import json
import secrets
import sys
import tempfile
from pathlib import Path

import yaml

from cli import databases, nats_users
from cli.home import write_private
from gateway import issuer

NAMESPACE = "plantops"
NAMES: dict[str, tuple[str, ...]] = {
    **{
        f"{service}-{part}": keys
        for service in databases.SERVICES
        for part, keys in {
            "database": ("database-url", "relay-url"),
            "migrator": ("migrator-url",),
            "nats": ("nats-url",),
            "page-tokens": ("page-token-key",),
            "db-superuser": ("uri", "password"),
        }.items()
    },
    "nats-admin": ("nats-url",),
    "nats-auth": ("auth.conf",),
    "dev-issuer": ("issuer.pem", "jwks.json"),
}
"""Secret -> its keys."""


def values() -> dict[str, dict[str, str]]:
    """Secret -> key -> value, with new passwords and a new issuer."""
    found: dict[str, dict[str, str]] = {}
    brokers = {user: secrets.token_urlsafe(24) for user in nats_users.users()}
    for service in databases.SERVICES:
        root = secrets.token_urlsafe(24)
        host = f"{service}-db-rw"
        superuser = f"postgresql://postgres:{root}@{host}:5432/postgres"
        passwords = {f"{service}_{login}": secrets.token_urlsafe(24) for login in databases.LOGINS}
        urls = databases.urls(superuser, service, passwords)
        found |= {
            f"{service}-database": {"database-url": urls.app, "relay-url": urls.relay},
            f"{service}-migrator": {"migrator-url": urls.migrator},
            f"{service}-nats": {"nats-url": f"nats://{service}:{brokers[service]}@nats:4222"},
            f"{service}-page-tokens": {"page-token-key": secrets.token_urlsafe(32)},
            f"{service}-db-superuser": {"uri": superuser, "password": root},
        }
    administrator = nats_users.ADMINISTRATOR
    found["nats-admin"] = {"nats-url": f"nats://{administrator}:{brokers[administrator]}@nats:4222"}
    found["nats-auth"] = {"auth.conf": nats_users.authorization(brokers)}
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "issuer.pem"
        issuer.make_key(key)
        public = json.dumps(issuer.public_keys(issuer.read_key(key)))
        found["dev-issuer"] = {"issuer.pem": key.read_text(), "jwks.json": public}
    return found


def manifests(given: dict[str, dict[str, str]]) -> str:
    """Secrets as the API takes them."""
    return yaml.safe_dump_all(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "plantops"}},
            "type": "Opaque",
            "stringData": content,
        }
        for name, content in given.items()
    )


def main() -> int:
    """Write the file and say where it is."""
    root = Path(__file__).parents[1]
    path = root / "build" / "k8s" / "dev-secrets.yaml"
    write_private(path, manifests(values()))
    print(f"k8s: {path.relative_to(root)} is made: apply it once, before the overlay")
    return 0


if __name__ == "__main__":
    sys.exit(main())
