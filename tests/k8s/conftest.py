"""The overlays, rendered once for all tests of a worker."""

import copy
from pathlib import Path

import pytest

from k8s.checks.__main__ import OVERLAYS, variant
from k8s.checks.manifests import Manifests, render


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Overlay -> rendered text; `prod-all` is production with all optional components."""
    folders = {**OVERLAYS, "prod-all": variant(tmp_path_factory.mktemp("k8s") / "prod-all")}
    return {name: render(Path(folder)) for name, folder in folders.items()}


@pytest.fixture(scope="session")
def parsed(texts: dict[str, str]) -> dict[str, Manifests]:
    """Overlay -> documents, not to be changed."""
    return {name: Manifests.read(name, text) for name, text in texts.items()}


@pytest.fixture
def prod(parsed: dict[str, Manifests]) -> Manifests:
    """Production, to be broken."""
    return Manifests("prod", copy.deepcopy(parsed["prod"].documents))


@pytest.fixture
def dev(parsed: dict[str, Manifests]) -> Manifests:
    """Development, to be broken."""
    return Manifests("dev", copy.deepcopy(parsed["dev"].documents))


@pytest.fixture
def everything(parsed: dict[str, Manifests]) -> Manifests:
    """Production with all optional components, to be broken."""
    return Manifests("prod-all", copy.deepcopy(parsed["prod-all"].documents))
