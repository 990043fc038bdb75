"""An allocation as it was decided: its inputs, what came out, and the same from the same inputs (MAT-89)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from services.materials.rules.allocation import Candidate, Demand, Key, OrderKey, Plan, Rules, order, plan

LISTED = 50
"""Candidates that were passed over are recorded up to so many; those that were taken all are."""


def run(demands: Iterable[Demand], candidates: Iterable[Candidate], rules: Rules) -> list[Plan]:
    """Each demand takes what those before it left."""
    known = list(candidates)
    return [plan(known, demand, rules) for demand in demands]


def record(
    demands: Sequence[Demand], candidates: Sequence[Candidate], rules: Rules
) -> tuple[list[Plan], dict[str, Any], dict[str, Any]]:
    """Decide, and give the plans with inputs and outcome to be kept; those left out took no part in it."""
    free = {row.balance: row.free for row in candidates}
    plans = run(demands, candidates, rules)
    taken = {row.balance for found in plans for row, _ in found.taken}
    others = order([row for row in candidates if row.balance not in taken], demands[0], rules.order)
    listed = taken | {row.balance for row in others[:LISTED]}
    for found in plans:
        found.passed = [each for each in found.passed if each[0].balance in listed]
    recorded = inputs(
        demands, [replace(row, free=free[row.balance]) for row in candidates if row.balance in listed], rules
    )
    return plans, recorded, outcome(plans)


def inputs(demands: Sequence[Demand], candidates: Sequence[Candidate], rules: Rules) -> dict[str, Any]:
    """All that the outcome depends on, as plain values."""
    return {
        "rules": {**plain_row(rules), "order": [plain_row(each) for each in rules.order]},
        "demands": [plain_row(row) for row in demands],
        "candidates": [plain_row(row) for row in sorted(candidates, key=lambda row: row.balance)],
    }


def outcome(plans: Iterable[Plan]) -> dict[str, Any]:
    """What each demand takes, and why the rest was passed over."""
    return {
        "demands": [
            {
                "reservation": found.demand.reservation,
                "taken": [
                    {"balance": row.balance, "location": row.location, "lot": row.lot, "quantity": plain(amount)}
                    for row, amount in found.taken
                ],
                "passed_over": [
                    {"balance": row.balance, "location": row.location, "lot": row.lot, "why": why.value}
                    for row, why in found.passed
                ],
            }
            for found in plans
        ]
    }


def replay(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of recorded inputs."""
    given = dict(recorded["rules"])
    given["order"] = tuple(OrderKey(Key(each["key"]), each["descending"]) for each in given["order"])
    demands = [read_row(Demand, row) for row in recorded["demands"]]
    candidates = [read_row(Candidate, row) for row in recorded["candidates"]]
    return outcome(run(demands, candidates, Rules(**given)))


def words(found: Mapping[str, Any], unit_code: str) -> list[str]:
    """The outcome in sentences."""
    lines = []
    for row in found["demands"]:
        lines += [
            f"{row['reservation']} takes {taken['quantity']} {unit_code} at {taken['location']} {taken['lot']}".strip()
            for taken in row["taken"]
        ]
        lines += [
            f"{row['reservation']} passes over {over['location']} {over['lot']}".strip()
            + f": {over['why'].replace('_', ' ').lower()}"
            for over in row["passed_over"]
        ]
    return lines


def plain(value: Decimal) -> str:
    """Canonical decimal text."""
    return format(value.normalize(), "f") if value else "0"


def plain_row(row: Any) -> dict[str, Any]:
    """A row as plain values."""
    return {name: _value(value) for name, value in asdict(row).items()}


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, date) else value


def read_row(kind: Any, row: Mapping[str, Any]) -> Any:
    """A row of plain values."""
    made: dict[str, Any] = {}
    for known in fields(kind):
        value, name = row[known.name], str(known.type)
        if isinstance(value, str) and ("Decimal" in name):
            value = Decimal(value)
        elif isinstance(value, str) and ("datetime.datetime" in name):
            value = datetime.fromisoformat(value)
        elif isinstance(value, str) and ("date" in name):
            value = date.fromisoformat(value)
        made[known.name] = value
    return kind(**made)
