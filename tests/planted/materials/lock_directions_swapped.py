"""A lock for what comes in stops what goes out."""

from tests.planted.planting import edit_function

RULE = "MAT-31"


def plant() -> None:
    edit_function("materials", "place_refusal", "'INBOUND' else 'OUTBOUND'", "'OUTBOUND' else 'INBOUND'")
