"""Commands on a service's database: what they need, and what they say when it is not there."""

from pathlib import Path

import pytest

from cli import databases
from cli.__main__ import main
from cli.databases import DatabaseUrls, UrlUnfit
from services.chassis.config import ConfigInvalid, secret_of


def urls(service: str, host: str = "db", password: str = "p%2Fw") -> DatabaseUrls:
    made = {login: f"postgresql://{service}_{login}:{password}@{host}:5432/{service}" for login in databases.LOGINS}
    return DatabaseUrls(**made)


@pytest.mark.rule("OPS-15")
def test_passwords_of_the_roles_are_those_of_the_addresses() -> None:
    found = databases.passwords_of("materials", urls("materials"))
    assert found == {f"materials_{login}": "p/w" for login in databases.LOGINS}


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql://materials_relay:x@db/materials",
        "postgresql://materials_app@db/materials",
        "postgresql://materials_app:x@db/maintenance",
    ],
)
def test_an_address_of_another_role_or_database_is_refused(wrong: str) -> None:
    good = urls("materials")
    with pytest.raises(
        UrlUnfit, match="address of app must be postgresql://materials_app:PASSWORD@HOST:5432/materials"
    ):
        databases.passwords_of("materials", DatabaseUrls(migrator=good.migrator, app=wrong, relay=good.relay))


@pytest.mark.rule("OPS-14")
def test_one_secret_is_read_without_the_rest_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://x\n")
    environ = {"PLANTOPS_MIGRATOR_URL_FILE": str(tmp_path / "url"), "PLANTOPS_GATEWAY_LISTEN": "x"}
    assert secret_of("materials", "migrator_url", environ) == "postgresql://x"
    environ = {"PLANTOPS_MATERIALS_MIGRATOR_URL": "postgresql://own", "PLANTOPS_MIGRATOR_URL": "postgresql://all"}
    assert secret_of("materials", "migrator_url", environ) == "postgresql://own"
    with pytest.raises(ConfigInvalid, match="materials: migrator_url: is missing: set PLANTOPS_MATERIALS_MIGRATOR_URL"):
        secret_of("materials", "migrator_url", {})


def test_a_database_that_does_not_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "materials"]) == 2
    assert "migrator_url: is missing" in capsys.readouterr().err
    away = urls("materials", "127.0.0.1:1/materials?ignored=")
    monkeypatch.setenv("PLANTOPS_MATERIALS_MIGRATOR_URL", "postgresql://materials_migrator:x@127.0.0.1:1/materials")
    assert main(["migrate", "materials"]) == 1
    assert "plantops: materials: " in capsys.readouterr().err
    monkeypatch.setenv("PLANTOPS_MATERIALS_DATABASE_URL", urls("materials").app)
    monkeypatch.setenv("PLANTOPS_MATERIALS_RELAY_URL", urls("materials").relay)
    superuser = tmp_path / "superuser"
    superuser.write_text("postgresql://postgres:x@127.0.0.1:1/*")
    assert main(["database", "apply", "materials", "--superuser-url-file", str(superuser)]) == 1
    assert "plantops: materials: " in capsys.readouterr().err
    monkeypatch.setenv("PLANTOPS_MATERIALS_RELAY_URL", away.app)
    assert main(["database", "apply", "materials", "--superuser-url-file", str(superuser)]) == 2
    assert "the address of relay must be" in capsys.readouterr().err
