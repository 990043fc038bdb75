"""What another site sent becomes one layer of today."""

from tests.planted.planting import edit_function

RULE = "MAT-183"


def plant() -> None:
    edit_function("materials", "put_layers", "f.kind = 'TRANSFER_RECEIVE'", "f.kind = 'NEVER'")
