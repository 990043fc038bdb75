"""The state of a plant as one hash per table: what a replay, a rebuild or a resubmission must not change (I10)."""

import hashlib
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

TECHNICAL = frozenset(
    {
        "alembic_version", "allowed_transition", "consumer_position", "idempotency", "inbox", "job_run", "relay_lease",
        "ledger_head", "ledger_proof", "ledger_seal", "relay_position", "replay_request", "waiting_event",
    }
)  # fmt: skip
"""Tables that say how the work goes on, not what it is about."""


def state(connections: Mapping[str, psycopg.Connection[Any]]) -> dict[str, str]:
    """Hash of each table, by service and name; the order of rows does not count."""
    found: dict[str, str] = {}
    for service, connection in connections.items():
        names = connection.execute(
            "select relname from pg_class where relkind in ('r', 'p') and not relispartition "
            "and relnamespace = 'public'::regnamespace order by 1"
        ).fetchall()
        for (name,) in names:
            if name not in TECHNICAL:
                query = sql.SQL("select t::text from {} t order by 1").format(sql.Identifier(name))
                found[f"{service}.{name}"] = _digest(connection.execute(query))
    return found


def rebuilt(materials: psycopg.Connection[Any]) -> tuple[str, str]:
    """Hash of the balances as they stand, and as they are when they are built anew from the ledger."""
    stand = "select name, on_hand from balance where on_hand <> 0 order by 1"
    anew = "select balance, sum(quantity) from movement_entry group by 1 having sum(quantity) <> 0 order by 1"
    return _digest(materials.execute(stand)), _digest(materials.execute(anew))


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Tables that differ."""
    return [
        f"I10 {name} has changed"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _digest(rows: Any) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(row).encode())
    return digest.hexdigest()
