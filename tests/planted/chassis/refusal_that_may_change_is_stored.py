"""NOT_FOUND is stored as if it could not change by itself."""

from google.rpc import code_pb2

from services.chassis import command, idempotency
from tests.planted.planting import replace

RULE = "REL-62"


def plant() -> None:
    assert command.STORED_CODES is idempotency.STORED_CODES
    replace(idempotency, "STORED_CODES", frozenset({*idempotency.STORED_CODES, code_pb2.NOT_FOUND}))
