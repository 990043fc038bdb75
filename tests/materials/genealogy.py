"""Traces, mass balances and recalls as people ask for them, and edges without production."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from plantops.materials.v1 import genealogy_pb2, lots_pb2

from tests.materials.builders import item, lot, stocked
from tests.world import Plant

pb = genealogy_pb2
End = pb.TraceEnd


class Traced:
    """All pages of a trace."""

    def __init__(self, pages: Sequence[Any]) -> None:
        self.pages = pages
        self.edges = [edge for page in pages for edge in page.edges]
        self.ends = [end for page in pages for end in page.ends]
        self.complete, self.node_count = pages[-1].complete, pages[-1].node_count

    @property
    def steps(self) -> list[tuple[str, str, int, bool]]:
        """(input, output, depth, certain way) of the edges."""
        return [(tail(e.input_lot), tail(e.output_lot), e.depth, e.certain_path) for e in self.edges]

    @property
    def parties(self) -> list[tuple[str, str, str, str, bool]]:
        """(kind, party, lot, quantity, certain) of the ends."""
        rows = [(End.Kind.Name(e.kind), e.party, tail(e.lot), e.quantity.value, e.certain) for e in self.ends]
        return sorted(rows)


def tail(name: str) -> str:
    """Last part of a name."""
    return name.rsplit("/", 1)[-1]


async def forward(plant: Plant, name: str, person: str = "vic", **given: Any) -> Traced:
    """A trace to customers and assets."""
    return Traced(await plant(person, pb.TraceForwardRequest(name=name, **given)))


async def backward(plant: Plant, name: str, person: str = "vic", **given: Any) -> Traced:
    """A trace to suppliers."""
    return Traced(await plant(person, pb.TraceBackwardRequest(name=name, **given)))


async def named_lots(plant: Plant, *ids: str) -> Mapping[str, str]:
    """Lots of a new item with these ids: id -> name."""
    name = await item(plant, tracking="LOT")
    return {one: await named_lot(plant, name, one) for one in ids}


async def named_lot(plant: Plant, item_name: str, lot_id: str) -> str:
    """A lot with an id."""
    made = lots_pb2.CreateLotRequest(parent=item_name, lot_id=lot_id, lot=lots_pb2.Lot(number=lot_id))
    return str((await plant("sam", made)).name)


async def wire(plant: Plant, lots: Mapping[str, str], *edges: str, days_ago: float = 1) -> str:
    """Edges by hand, "a>b" certain and "a?b" possible, of one movement; gives the movement."""
    first = next(iter(lots.values()))
    name = first.rsplit("/", 2)[0]
    movement = await stocked(plant, name, 1, lot=await lot(plant, name))
    at = datetime.now(UTC) - timedelta(days=days_ago)
    rows = []
    for edge in edges:
        before, _, after = edge.partition(">" if ">" in edge else "?")
        rows.append((movement.name, lots[before], lots[after], name, at, ">" in edge))
    with plant.look("materials") as connection:
        connection.cursor().executemany(
            "insert into genealogy_edge (movement, input_lot, output_lot, item, quantity, unit_code, effective_time,"
            " certain) values (%s, %s, %s, %s, 1, 'H87', %s, %s)", rows,
        )  # fmt: skip
    return str(movement.name)
