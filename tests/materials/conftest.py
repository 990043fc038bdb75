"""A plant of one module with the site hamburg."""

from collections.abc import AsyncIterator

import pytest

from tests.materials import builders
from tests.materials.builders import q, unit_type
from tests.world import Plant


@pytest.fixture(scope="module")
async def store(plant: Plant) -> AsyncIterator[Plant]:
    """The plant with a site, its places and nothing in them; in the end the ledger is whole and nothing parked."""
    builders.begin()
    await builders.site(plant)
    yield plant
    assert await builders.check(plant) == []
    assert plant.parked() == []


@pytest.fixture(scope="module")
async def pallet(store: Plant) -> str:
    """A type of handling units."""
    return await unit_type(store, tare_weight=q(25, "KGM"), max_weight=q(1, "TNE"))
