"""Users of the broker: what the generated configuration allows, and that it is complete."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from cli import nats_users
from cli.__main__ import main
from services.chassis import bus

SERVICES = sorted(bus.received())


def may_publish(user: str, subject: str) -> bool:
    """Whether a permission covers a subject; tokens are matched one by one, `>` matches the rest."""

    def covers(pattern: str) -> bool:
        wanted, given = pattern.split("."), subject.split(".")
        for position, token in enumerate(wanted):
            if token == ">":
                return len(given) > position
            if position >= len(given) or not fnmatchcase(given[position], token):
                return False
        return len(wanted) == len(given)

    return any(covers(pattern) for pattern in nats_users.permissions(user)["publish"]["allow"])


@pytest.mark.rule("SEC-41", "SEC-42")
@pytest.mark.parametrize("user", SERVICES)
def test_a_service_may_do_its_own_and_nothing_else(user: str) -> None:
    for service in SERVICES:
        assert may_publish(user, f"plantops.{service}.v1.SiteChanged.hamburg.x") == (service == user)
    for stream, consumer in bus.wanted_consumers():
        own = consumer.startswith(f"{user}-")
        assert may_publish(user, f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}") == own
        assert may_publish(user, f"$JS.ACK.{stream}.{consumer}.1.2.3.4.5") == own
        for forbidden in ("CREATE", "DURABLE.CREATE", "DELETE"):
            assert not may_publish(user, f"$JS.API.CONSUMER.{forbidden}.{stream}.{consumer}")
    for stream in bus.wanted_streams():
        for forbidden in ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.GET", "MSG.DELETE"):
            assert not may_publish(user, f"$JS.API.STREAM.{forbidden}.{stream}")
        assert not may_publish(user, f"$JS.API.DIRECT.GET.{stream}")
        assert may_publish(nats_users.ADMINISTRATOR, f"$JS.API.STREAM.CREATE.{stream}")
    subscribe = nats_users.permissions(user)["subscribe"]["allow"]
    assert all(user in subject for subject in subscribe)


def test_the_command_writes_what_a_server_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "passwords.json"
    path.write_text(json.dumps({user: f"secret-{user}" for user in nats_users.users()}))
    assert main(["nats", "users", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("accounts: {")
    assert out.endswith('system_account: "SYS"\n')
    for user in nats_users.users():
        assert f"secret-{user}" in out


def test_a_missing_password_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "passwords.json"
    path.write_text(json.dumps({user: "x" for user in nats_users.users() if user != "materials"}))
    assert main(["nats", "users", str(path)]) == 2
    assert "the password of 'materials' is missing" in capsys.readouterr().err
    path.write_text("{")
    assert main(["nats", "users", str(path)]) == 2
