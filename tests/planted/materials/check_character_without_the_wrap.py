"""The check character takes 0 where the standard takes 36."""

from services.materials.rules import check_codes
from tests.planted.planting import replace

RULE = "MAT-34"


def plant() -> None:
    def check_character(text: str) -> str:
        product = 36
        for sign in text:
            product = (product + check_codes.SIGNS.index(sign)) % 36 * 2 % 37
        return check_codes.SIGNS[(1 - product) % 36]

    replace(check_codes, "check_character", check_character)
