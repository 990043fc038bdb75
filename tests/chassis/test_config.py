"""Configuration: sources in order, unknown and bad values named, secrets never shown (OPS-14, SEC-38)."""

from pathlib import Path
from typing import Any

import pytest

from services.chassis.config import ConfigInvalid, GatewayConfig, ServiceConfig

NEEDED = {
    "PLANTOPS_ISSUER": "https://issuer.test",
    "PLANTOPS_JWKS": "keys.json",
    "PLANTOPS_DATABASE_URL": "postgresql://app:hunter2-app@127.0.0.1/x",
    "PLANTOPS_RELAY_URL": "postgresql://relay:hunter2-relay@127.0.0.1/x",
    "PLANTOPS_NATS_URL": "nats://plantops:hunter2-nats@127.0.0.1:4222",
    "PLANTOPS_PAGE_TOKEN_KEY": "hunter2-pages",
}


def load(**environ: str) -> ServiceConfig:
    return ServiceConfig.load("materials", {**NEEDED, **{f"PLANTOPS_{key}": value for key, value in environ.items()}})


def faults(**environ: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        load(**environ)
    return str(caught.value).splitlines()


@pytest.mark.rule("OPS-14")
def test_environment_wins_over_file_and_secret_file_over_environment(tmp_path: Path) -> None:
    file = tmp_path / "plantops.toml"
    file.write_text(
        'pool_size = 3\nlog_level = "error"\nnats_monitor_url = "http://file"\n[materials]\npool_size = 4\n'
    )
    secret = tmp_path / "secret"
    secret.write_text("from-the-secret-file\n")
    assert load().pool_size == 8
    assert load(CONFIG=str(file)).pool_size == 4
    found = load(CONFIG=str(file), POOL_SIZE="5", MATERIALS_POOL_SIZE="6", MATERIALS_PAGE_TOKEN_KEY_FILE=str(secret))
    assert (found.pool_size, found.log_level, found.nats_monitor_url) == (6, "error", "http://file")
    assert found.page_token_key.get_secret_value() == "from-the-secret-file"
    assert load(POOL_SIZE="5", MAINTENANCE_POOL_SIZE="7").pool_size == 5


@pytest.mark.rule("OPS-14")
@pytest.mark.parametrize("place", ["environment", "file", "own section"])
def test_an_unknown_key_refuses_the_start(tmp_path: Path, place: str) -> None:
    file = tmp_path / "plantops.toml"
    file.write_text({"file": "pool_sise = 3\n", "own section": "[materials]\npool_sise = 3\n"}.get(place, ""))
    given = {"CONFIG": str(file)} if place != "environment" else {"POOL_SISE": "3"}
    (line,) = faults(**given)
    assert line.startswith("materials: pool_sise: ")


@pytest.mark.rule("OPS-14")
def test_every_bad_value_has_its_own_line() -> None:
    lines = faults(POOL_SIZE="1", DEFAULT_DEADLINE_SECONDS="0", LISTEN="here", ENVIRONMENT="staging", DRAIN_DELAY="x")
    assert sorted(line.split(": ")[1] for line in lines) == [
        "default_deadline_seconds", "drain_delay", "environment", "listen", "pool_size",
    ]  # fmt: skip
    assert all(line.startswith("materials: ") for line in lines)


@pytest.mark.rule("OPS-14")
def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        ServiceConfig.load("materials", {})
    named = {line.split(": ")[1] for line in str(caught.value).splitlines()}
    assert named == {"issuer", "jwks", "database_url", "relay_url", "nats_url", "page_token_key"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("pool_size = = 3")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for given, word in (
        ({"CONFIG": str(tmp_path / "none.toml")}, "PLANTOPS_CONFIG"),
        ({"CONFIG": str(broken)}, "PLANTOPS_CONFIG"),
        ({"CONFIG": str(binary)}, "PLANTOPS_CONFIG"),
        ({"NATS_URL_FILE": str(tmp_path / "none")}, "PLANTOPS_NATS_URL_FILE"),
        ({"NATS_URL_FILE": str(binary)}, "PLANTOPS_NATS_URL_FILE"),
    ):
        (line,) = faults(**given)
        assert word in line


def test_keys_for_all_may_belong_to_another_process() -> None:
    everything = {**NEEDED, "PLANTOPS_CORS_ORIGINS": '["https://x"]', "PLANTOPS_NATS_PORT": "4222"}
    assert ServiceConfig.load("materials", everything).pool_size == 8
    assert GatewayConfig.load("gateway", everything).cors_origins == ["https://x"]
    with pytest.raises(ConfigInvalid, match="gateway: pool_size"):
        GatewayConfig.load("gateway", {**everything, "PLANTOPS_GATEWAY_POOL_SIZE": "3"})


@pytest.mark.rule("SEC-38")
@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"PLANTOPS_POOL_SIZE": "1"},
        {"PLANTOPS_DATABASE_URL": "mysql://app:hunter2@127.0.0.1/x"},
        {"PLANTOPS_RELAY_URL": "postgresql://relay:hunter2@127.0.0.1:port/x"},
        {"PLANTOPS_NATS_URL": "plantops:hunter2@127.0.0.1"},
    ],
)
def test_secrets_are_never_shown(bad: dict[str, str]) -> None:
    environ = {**NEEDED, **bad}
    if not bad:
        found = ServiceConfig.load("materials", environ)
        shown: Any = [found.describe(), repr(found), str(found)]
        assert found.describe()["page_token_key"] == "(secret)"
    else:
        with pytest.raises(ConfigInvalid) as caught:
            ServiceConfig.load("materials", environ)
        shown = str(caught.value)
    assert "hunter2" not in str(shown)


@pytest.mark.rule("OPS-14")
def test_a_fault_says_what_to_do() -> None:
    said = {
        line.split(": ")[1]: line for line in faults(POOL_SISE="3", COLOUR="red", NATS_URL="4222", LISTEN="x:70000")
    }
    assert said == {
        "pool_sise": "materials: pool_sise: is no key of materials: did you mean pool_size?",
        "colour": "materials: colour: is no key of materials: take it out",
        "nats_url": "materials: nats_url: must have the form nats://host:4222, several separated by commas",
        "listen": "materials: listen: a port is at most 65535",
    }
    with pytest.raises(ConfigInvalid) as caught:
        ServiceConfig.load("materials", {**NEEDED, "PLANTOPS_ISSUER": "i", "PLANTOPS_PAGE_TOKEN_KEY": ""})
    assert str(caught.value) == "materials: page_token_key: Value should have at least 1 item after validation, not 0"
    with pytest.raises(ConfigInvalid) as caught:
        ServiceConfig.load("materials", {key: value for key, value in NEEDED.items() if key != "PLANTOPS_JWKS"})
    assert str(caught.value) == "materials: jwks: is missing: set PLANTOPS_MATERIALS_JWKS, or jwks in the file"
