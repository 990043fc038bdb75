"""Check codes on the labels of places (MAT-34): `L-`, six signs, and a check character by ISO 7064 MOD 37,36.

A code says nothing about its place, so that nobody knows it who has not scanned the label.
"""

SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PREFIX = "L-"
LENGTH = 6
COUNT = len(SIGNS) ** LENGTH
"""How many codes there are."""


def check_character(text: str) -> str:
    """The character that ISO 7064 MOD 37,36 (a hybrid system) puts behind digits and capital letters.

    P starts at 36; each character gives S = (P + its value) mod 36, with 36 in place of 0, and P = 2 S mod 37. The
    check character is the one that brings the last P to 1 mod 36. ValueError for any other sign.
    """
    product = 36
    for sign in text:
        product = ((product + SIGNS.index(sign)) % 36 or 36) * 2 % 37
    return SIGNS[(1 - product) % 36]


def code(number: int) -> str:
    """The code of a number below COUNT."""
    if not 0 <= number < COUNT:
        raise ValueError(f"{number} is not between 0 and {COUNT - 1}")
    text = ""
    for _ in range(LENGTH):
        number, rest = divmod(number, 36)
        text = SIGNS[rest] + text
    return PREFIX + text + check_character(text)


def misread(text: str) -> bool:
    """Whether it has the form of such a code with another check character than it must have."""
    body = text.removeprefix(PREFIX)
    return (
        text.startswith(PREFIX)
        and len(body) == LENGTH + 1
        and all(sign in SIGNS for sign in body)
        and check_character(body[:-1]) != body[-1]
    )
