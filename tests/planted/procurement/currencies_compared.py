"""Totals of two currencies are compared."""

from dataclasses import replace as changed
from typing import Any

from services.procurement.rules import source
from tests.planted.planting import replace

RULE = "PRC-5"


def plant() -> None:
    original = source.choose

    def mixed(candidates: Any, need: Any, day: Any, how: str) -> Any:
        same = [changed(one, terms=changed(one.terms, currency_code="EUR")) for one in candidates]
        return original(same, need, day, how)

    replace(source, "choose", mixed)
