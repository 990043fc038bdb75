"""Commands reach a plant that runs elsewhere by its services' addresses and a token that was given."""

import asyncio
from pathlib import Path

import pytest

from cli import __main__ as command
from cli.elsewhere import Elsewhere, Unreachable, plant_of
from cli.home import Home
from tests.world import CAST, Plant

PLACES = "maintenance=a:1,materials=b:2,procurement=c:3"


def test_the_folder_counts_when_nothing_is_given(tmp_path: Path) -> None:
    assert plant_of(tmp_path, {}) == Home(tmp_path)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"PLANTOPS_SERVICES": PLACES}, "PLANTOPS_TOKEN_FILE is missing"),
        ({"PLANTOPS_TOKEN_FILE": "x"}, "PLANTOPS_SERVICES is missing"),
        ({"PLANTOPS_SERVICES": "materials=b:2", "PLANTOPS_TOKEN_FILE": "x"}, "expected maintenance=host:port"),
        ({"PLANTOPS_SERVICES": PLACES.replace(":2", ""), "PLANTOPS_TOKEN_FILE": "x"}, "expected maintenance=host:port"),
    ],
)
def test_half_of_the_settings_is_refused(tmp_path: Path, environment: dict[str, str], says: str) -> None:
    with pytest.raises(Unreachable, match=says):
        plant_of(tmp_path, environment)


def test_a_token_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, says in (("none", "No such file"), ("empty", "is empty")):
        with pytest.raises(Unreachable, match=says):
            Elsewhere({}, tmp_path / name).token("people/opal")


async def test_check_and_repair_go_where_the_environment_says(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text(plant.issuer.token("people/opal", CAST["people/opal"]) + "\n")
    places = ",".join(f"{name}=127.0.0.1:{process.port}" for name, process in plant.processes.items())
    monkeypatch.setenv("PLANTOPS_SERVICES", places)
    monkeypatch.setenv("PLANTOPS_TOKEN_FILE", str(token))
    assert await asyncio.to_thread(command.main, ["check"]) == 0
    assert "no difference" in capsys.readouterr().out
    assert await asyncio.to_thread(command.main, ["reconcile"]) == 0
    assert "difference 0" in capsys.readouterr().out
    assert await asyncio.to_thread(command.main, ["dead-letters", "list"]) == 0
    assert capsys.readouterr().out == "no dead letter\n"
