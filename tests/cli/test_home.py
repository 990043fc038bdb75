"""A plant's folder keeps its secrets private and says where the plant runs."""

import stat
from pathlib import Path

import pytest

from cli.home import Addresses, Home, NotRunning


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "plant")
    first = home.secrets()
    assert home.secrets() == first
    assert len(set(first.values())) == len(first)
    mode = (tmp_path / "plant" / "secrets.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_plant_that_does_not_run_is_one_clear_sentence(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(NotRunning, match="no plant runs on"):
        home.addresses()
    at = Addresses(
        "http://127.0.0.1:1", {"maintenance": "127.0.0.1:2"}, "postgresql://x", "nats://y", "", {"gateway": 3}
    )
    home.save(at)
    assert home.addresses() == at
    home.forget()
    with pytest.raises(NotRunning):
        home.addresses()
