"""The trigger that keeps audit records is dropped."""

from tests.planted.planting import execute

RULE = "SEC-46"


def plant() -> None:
    execute("sample", "drop trigger audit_append_only on audit")
