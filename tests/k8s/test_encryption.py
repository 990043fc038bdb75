"""What the manifests set for encrypted connections is what the drivers heed, on real engines."""

import datetime
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from cli.engines import Engines
from cli.engines.nats import _program
from cli.engines.ports import free_port
from k8s.checks.manifests import Manifests
from services.chassis import bus, db

AUTHORITY = "ca.crt"


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, issuer: str, *, ca: bool = False
) -> bytes:
    """A certificate for a host name, or of an authority."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority's certificate, and a server's certificate and key."""
    folder = tmp_path_factory.mktemp("tls")
    root, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (folder / AUTHORITY).write_bytes(certificate("plantops", root, root, "plantops", ca=True))
    (folder / "tls.crt").write_bytes(certificate("localhost", server, root, "plantops"))
    (folder / "tls.key").write_bytes(
        server.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder


@pytest.fixture
def broker(authority: Path, tmp_path: Path) -> Iterator[str]:
    """nats-server that speaks TLS; its address."""
    port = free_port()
    settings = {
        "listen": f"127.0.0.1:{port}",
        "jetstream": {"store_dir": str(tmp_path / "data")},
        "tls": {"cert_file": str(authority / "tls.crt"), "key_file": str(authority / "tls.key")},
    }
    (tmp_path / "nats.json").write_text(json.dumps(settings))
    with (tmp_path / "nats.log").open("wb") as log:
        process = subprocess.Popen([_program(), "-c", str(tmp_path / "nats.json")], stdout=log, stderr=log)
    try:
        yield f"tls://localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.rule("OPS-24")
async def test_clients_of_the_broker_trust_the_authority_of_the_manifests(
    broker: str, authority: Path, monkeypatch: pytest.MonkeyPatch, parsed: dict[str, Manifests]
) -> None:
    for workload in parsed["prod"].workloads:
        if workload.labels["app.kubernetes.io/component"] in ("service", "bootstrap"):
            variables = parsed["prod"].environment(workload.containers[0])
            assert variables["SSL_CERT_FILE"].endswith(f"/{AUTHORITY}")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / AUTHORITY))
    trusting = await bus.connect(broker, "plantops-nats", wait=30)
    assert await bus.apply(trusting)
    await trusting.close()
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises((bus.NatsError, OSError, TimeoutError)):
        await bus.connect(broker, "plantops-nats", wait=1)


@pytest.mark.rule("OPS-29")
async def test_no_driver_speaks_to_a_database_that_does_not_encrypt(
    engines: Engines, authority: Path, monkeypatch: pytest.MonkeyPatch, parsed: dict[str, Manifests]
) -> None:
    for workload in parsed["prod"].workloads:
        component = workload.labels["app.kubernetes.io/component"]
        if component in ("service", "migration"):
            for container in workload.every_container:
                variables = parsed["prod"].environment(container)
                assert (variables["PGSSLMODE"], variables["PGSSLROOTCERT"]) == (
                    "verify-full",
                    "/etc/plantops/database-ca/ca.crt",
                )
    url = engines.postgres_url
    connection = await asyncpg.connect(url)
    await connection.close()
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(authority / AUTHORITY))
    with pytest.raises(ConnectionError, match="SSL"):
        await asyncpg.connect(url)
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        psycopg.connect(url)
    pool = db.engine(url, pool_size=2, application="test")
    with pytest.raises(ConnectionError, match="SSL"):
        async with pool.connect() as pooled:
            await pooled.execute(text("select 1"))
    await pool.dispose()
