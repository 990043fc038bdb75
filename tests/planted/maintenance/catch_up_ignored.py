"""What was missed is made up for in one order, whatever the policy says."""

from types import SimpleNamespace

from services.maintenance.model import generation
from tests.planted.planting import replace

RULE = "MNT-125"


def plant() -> None:
    replace(generation, "CatchUp", SimpleNamespace(DROP=None, ALL=None), everywhere=False)
