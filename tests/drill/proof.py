"""What became of each command, counted in the databases of a restored plant."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.drill.load import Command
from tests.drill.plant import Plant

_EFFECTS = {
    "create": ("maintenance", "select title, count(*) from work_order where title = any(%s) group by 1"),
    "approve": (
        "maintenance",
        "select title || ' approved', count(*) from work_order "
        "where title || ' approved' = any(%s) and approver = 'people/ada' group by 1",
    ),
    "move": ("materials", "select reason_code, count(*) from movement where reason_code = any(%s) group by 1"),
    "require": ("procurement", "select reason, count(*) from requisition where reason = any(%s) group by 1"),
}
"""Kind of command -> how often each mark has its effect."""


@dataclass
class Outcome:
    """Commands by what was found of them."""

    present: list[Command] = field(default_factory=list)
    lost: list[Command] = field(default_factory=list)
    """Acknowledged before the instant, without effect."""
    later: list[Command] = field(default_factory=list)
    """Acknowledged after the instant, without effect: to be listed."""
    doubled: list[Command] = field(default_factory=list)
    unknown_present: int = 0
    unknown_absent: int = 0
    unreserved: list[str] = field(default_factory=list)
    """Work orders whose approval is there and whose part is not reserved exactly once."""


def outcome(plant: Plant, commands: Sequence[Command], at: float) -> Outcome:
    """Count the effects; `at` = the restore instant in seconds of the epoch, on the machine's one clock."""
    counts: dict[str, int] = {}
    for kind, (service, query) in _EFFECTS.items():
        marks = [command.mark for command in commands if command.kind == kind]
        counts |= {str(mark): int(count) for mark, count in plant.rows(service, query, marks)}
    found = Outcome()
    for command in commands:
        count = counts.get(command.mark, 0)
        if count > 1:
            found.doubled.append(command)
        if command.outcome == "acknowledged" and command.acknowledged is not None:
            if count:
                found.present.append(command)
            elif command.acknowledged <= at:
                found.lost.append(command)
            else:
                found.later.append(command)
        elif command.outcome == "unknown":
            found.unknown_present += count > 0
            found.unknown_absent += count == 0
        elif count:
            found.doubled.append(command)  # refused, and yet there
    found.unreserved = _unreserved(plant, commands)
    return found


def _unreserved(plant: Plant, commands: Sequence[Command]) -> list[str]:
    """The effect across services: each approved order has its part reserved once."""
    titles = [command.mark for command in commands if command.kind == "create"]
    approved = plant.rows("maintenance", "select name from work_order where title = any(%s) and approver <> ''", titles)
    counts = dict(
        plant.rows(
            "materials",
            "select work_order, count(*) from reservation where work_order = any(%s) group by 1",
            [name for (name,) in approved],
        )
    )
    return [str(name) for (name,) in approved if counts.get(name) != 1]


def instant(at: float) -> str:
    """An instant for people."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S.%f")[:-3]
