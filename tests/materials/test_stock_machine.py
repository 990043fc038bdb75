"""Ledger, claims, holds, handling units and counts in one machine: any course of them, beside a model in plain Python.

The model knows how much of each lot lies where, who asked for how much, what is held. What the service allocates is
its own choice; the model knows how much that has to be: nobody waits while usable stock is free.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from plantops.materials.v1 import counts_pb2, handling_units_pb2, reservations_pb2

from tests.materials import builders as make
from tests.materials.builders import SITE, at, fresh, q
from tests.materials.claims import demand
from tests.materials.counting import booked, counted_places, lines_of, twice
from tests.materials.holds import hold, release
from tests.materials.test_invariants import broken
from tests.plant import Refused
from tests.world import Plant

DEEP = os.environ.get("PLANTOPS_TEST_PROFILE") == "deep"
KINDS = (
    "comes",
    "moves",
    "moves",
    "asks",
    "hands_out",
    "hands_out",
    "gives_up",
    "holds",
    "lets_go",
    "packs",
    "packs",
    "carries",
    "counts",
    "counts",
    "counts",
    "counts",
)
COVERED = {
    "comes": {""}, "moves": {"", "NOT_ENOUGH_STOCK"}, "hands out": {""}, "gives up": {""}, "lets go": {""},
    "packs": {""}, "carries": {""}, "counts": {""},
}  # fmt: skip
"""What the courses have to come by."""
Key = tuple[str, str, str]
"""Lot, place and handling unit."""


class Stock(RuleBasedStateMachine):
    """One item with two lots, two places, a box that stands at one of them."""

    plant: ClassVar[Plant]
    loop: ClassVar[asyncio.AbstractEventLoop]
    courses: ClassVar[dict[str, set[str]]] = {}
    turn: ClassVar[int] = 0

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(60)

    def attempt(self, name: str, what: Coroutine[Any, Any, Any], *expected: str) -> str:
        """Do something; "" or the reason of the refusal, which has to be what the model says."""
        try:
            self.do(what)
            found = ""
        except Refused as refused:
            found = refused.reason
        assert found in expected, f"{name}: {found} instead of {expected}"
        self.courses.setdefault(name, set()).add(found)
        return found

    @initialize()
    def begin(self) -> None:
        self.stock: dict[Key, int] = {}
        self.claims: dict[str, list[int]] = {}  # requested, issued, released
        self.held: dict[str, str] = {}
        self.count = ""
        self.places = [fresh("place"), fresh("place")]
        self.do(self.made())

    async def made(self) -> None:
        self.item = await make.item(self.plant, tracking="LOT", standard_cost=make.eur(1))
        self.lots = [await make.lot(self.plant, self.item) for _ in range(2)]
        for place in self.places:
            await make.place(self.plant, place)
        kind = await make.unit_type(self.plant)
        (box,) = await make.handling_units(self.plant, kind, 1, self.places[0])
        self.box, self.stands = box.name, self.places[0]
        for lot in self.lots:
            await make.stocked(self.plant, self.item, 20, self.places[0], lot=lot)
            self.add((lot, self.places[0], ""), 20)
        for amount in (4, 7):
            await self.asked(amount)

    def add(self, key: Key, change: int) -> None:
        self.stock[key] = self.stock.get(key, 0) + change
        if not self.stock[key]:
            del self.stock[key]

    def rows(self, query: str, *values: Any) -> list[Any]:
        return self.plant.rows("materials", query, *values)

    def free(self, key: Key) -> int:
        """What is there and not claimed."""
        rows = self.rows(
            "select reserved from balance where lot = %s and location = %s and handling_unit = %s and not virtual"
            " and status = 'UNRESTRICTED'",
            key[0], at(key[1]), key[2],
        )  # fmt: skip
        return self.stock.get(key, 0) - (int(rows[0][0]) if rows else 0)

    # --- what may happen --------------------------------------------------------------------------------------

    @rule(kind=st.integers(0, len(KINDS) - 1), which=st.integers(0, 9), amount=st.integers(1, 6))
    def step(self, kind: int, which: int, amount: int) -> None:
        """One rule for all, so that every course has a bit of everything."""
        getattr(self, KINDS[(kind + self.turn) % len(KINDS)])(which, amount)

    def comes(self, which: int, amount: int) -> None:
        name, where = self.lots[which % 2], self.places[amount % 2]
        self.attempt("comes", make.stocked(self.plant, self.item, amount, where, lot=name), "")
        self.add((name, where, ""), amount)

    def moves(self, which: int, amount: int) -> None:
        name, here, there = self.lots[which % 2], self.places[which // 7], self.places[1 - which // 7]
        wanted = "" if amount <= self.free((name, here, "")) else "NOT_ENOUGH_STOCK"
        expected = {wanted} if name not in self.held else {"LOT_ON_HOLD", "NOT_ENOUGH_STOCK"}
        moved = make.movement("MOVE", self.item, amount, lot=name, from_location=at(here), to_location=at(there))
        if not self.attempt("moves", make.post(self.plant, moved), *expected):
            self.add((name, here, ""), -amount)
            self.add((name, there, ""), amount)

    def asks(self, which: int, amount: int) -> None:
        self.do(self.asked(amount))

    async def asked(self, amount: int) -> None:
        request = reservations_pb2.BatchReserveRequest(parent=SITE, requests=[demand(self.item, amount)])
        (outcome,) = (await self.plant("sam", request)).outcomes
        assert make.reason(outcome) == ""
        self.claims[outcome.reservation.name] = [amount, 0, 0]

    def hands_out(self, which: int, amount: int) -> None:
        if not self.claims:
            return
        name = sorted(self.claims)[which % len(self.claims)]
        rows = self.rows(
            "select b.lot, b.location, b.handling_unit, a.quantity from allocation a"
            " join balance b on b.name = a.balance where a.reservation = %s order by 1, 2, 3", name,
        )  # fmt: skip
        if not rows or len({row[:2] for row in rows}) < len(rows):
            return
        lot, where, unit, quantity = rows[amount % len(rows)]
        amount = min(amount, int(quantity))
        request = reservations_pb2.IssueReservationRequest(name=name, quantity=q(amount), location=where, lot=lot)
        self.attempt("hands out", self.plant("sam", request), "")
        self.add((lot, where.rsplit("/", 1)[-1], unit), -amount)
        self.claims[name][1] += amount

    def gives_up(self, which: int, amount: int) -> None:
        if not self.claims:
            return
        name = sorted(self.claims)[which % len(self.claims)]
        requested, issued, released = self.claims[name]
        wanted = "" if requested > issued + released else "TRANSITION_NOT_ALLOWED"
        request = reservations_pb2.ReleaseReservationRequest(name=name, reason="not needed")
        if not self.attempt("gives up", self.plant("sam", request), wanted):
            self.claims[name][2] = requested - issued

    def holds(self, which: int, amount: int) -> None:
        name = self.lots[which % 2]
        if name not in self.held and not self.count:
            self.held[name] = self.do(hold(self.plant, lot=name)).name

    def lets_go(self, which: int, amount: int) -> None:
        """A hold ends; where there is none one begins, so that most courses come by both."""
        if self.held:
            _, name = self.held.popitem()
            self.attempt("lets go", release(self.plant, name), "")
        else:
            self.holds(which, amount)

    def packs(self, which: int, amount: int) -> None:
        name = self.lots[which % 2]
        if name in self.held:
            return
        loose = (name, self.stands, "")
        wanted = "" if amount <= self.stock.get(loose, 0) else "NOT_ENOUGH_STOCK"
        request = handling_units_pb2.PackHandlingUnitRequest(
            name=self.box, contents=[make.packed(self.item, amount, lot=name)]
        )
        if not self.attempt("packs", self.plant("sam", request), wanted):
            self.add(loose, -amount)
            self.add((name, self.stands, self.box), amount)

    def carries(self, which: int, amount: int) -> None:
        there = next(place for place in self.places if place != self.stands)
        inside = {key: amount for key, amount in self.stock.items() if key[2] == self.box}
        wanted = "LOT_ON_HOLD" if any(lot in self.held for lot, _, _ in inside) else ""
        request = handling_units_pb2.MoveHandlingUnitRequest(name=self.box, location=at(there))
        if not self.attempt("carries", self.plant("sam", request), wanted):
            for (lot, here, unit), amount in inside.items():
                self.add((lot, here, unit), -amount)
                self.add((lot, there, unit), amount)
            self.stands = there

    def counts(self, which: int, amount: int) -> None:
        """A count begins; the next time all is counted as it lies there then, but for the first line.

        That is the difference, and nothing that was moved meanwhile is.
        """
        where = self.places[which % 2]
        if self.count:
            self.do(self.counted(amount - 3))
            self.count = ""
            self.courses.setdefault("counts", set()).add("")
        elif not self.held and any(key[1] == where for key in self.stock):
            self.count = self.do(counted_places(self.plant, where)).name

    async def counted(self, change: int) -> None:
        entries: list[Any] = []
        changes: list[tuple[Key, int]] = []
        for line in await lines_of(self.plant, self.count):
            key = (line.lot, line.location.rsplit("/", 1)[-1], line.handling_unit)
            there = self.stock.get(key, 0)
            if key[2] and key[1] != self.stands:  # the box was carried away: nothing of it is here
                found = there
            else:
                found, change = max(there + change, 0), 0
            entries.append(counts_pb2.RecordCountRequest(line=line.name, counted=q(found), request_id=str(uuid4())))
            changes.append((key, found - there))
        lines = await twice(self.plant, self.count, *entries)
        for line in await booked(self.plant, self.count, *(line.name for line in lines)):
            assert line.state == counts_pb2.CountLine.POSTED
        for key, difference in changes:
            self.add(key, difference)

    # --- what holds after each step -----------------------------------------------------------------------------

    @invariant()
    def stock_is_where_the_model_says(self) -> None:
        rows = self.rows(
            "select lot, location, handling_unit, sum(on_hand) from balance where item = %s and not virtual"
            " group by 1, 2, 3 having sum(on_hand) <> 0",
            self.item,
        )
        assert {(lot, where.rsplit("/", 1)[-1], unit): int(there) for lot, where, unit, there in rows} == self.stock

    @invariant()
    def nothing_gets_lost_and_balances_are_what_the_ledger_says(self) -> None:
        """Over all places, those outside of the plant too, each lot sums to nothing (MAT-40)."""
        rows = self.rows(
            """with mine as (select * from balance where item = %s),
                 told as (select balance, sum(quantity) as total from movement_entry where item = %s group by 1),
                 claimed as (select balance, sum(quantity) as total from allocation group by 1)
               select lot, sum(on_hand), null from mine group by 1 having sum(on_hand) <> 0
               union all
               select coalesce(name, balance), on_hand, total from mine full join told on balance = name
               where on_hand is distinct from total
               union all
               select name, reserved, total from mine left join claimed on balance = name
               where reserved <> coalesce(total, 0)""",
            self.item, self.item,
        )  # fmt: skip
        assert rows == []

    @invariant()
    def nobody_waits_while_usable_stock_is_free(self) -> None:
        rows = self.rows(
            "select name, requested, issued, released, allocated from reservation where item = %s", self.item
        )
        assert {row[0]: [int(value) for value in row[1:4]] for row in rows} == self.claims
        wanted = sum(requested - issued - released for requested, issued, released in self.claims.values())
        usable = sum(amount for (lot, _, _), amount in self.stock.items() if lot not in self.held)
        assert sum(row[4] for row in rows) == min(wanted, usable)

    def teardown(self) -> None:
        assert broken(self.plant) == []


@pytest.mark.rule("MAT-40")
@pytest.mark.rule("MAT-80")
@pytest.mark.rule("MAT-77")
@pytest.mark.rule("MAT-146")
async def test_any_course_of_moves_claims_holds_units_and_counts_is_as_the_model_says(store: Plant) -> None:
    Stock.plant, Stock.loop, Stock.courses = store, asyncio.get_running_loop(), {}
    given = settings(
        max_examples=30 if DEEP else 3, stateful_step_count=50 if DEEP else 30, deadline=None, derandomize=not DEEP,
        suppress_health_check=list(HealthCheck), database=None,
    )  # fmt: skip
    for turn in range(0, 5 * len(KINDS), 5):
        Stock.turn = turn
        await asyncio.to_thread(run_state_machine_as_test, Stock, settings=given)
        lacking = {name for name, least in COVERED.items() if not least <= Stock.courses.get(name, set())}
        if not lacking and not DEEP:
            break
    assert not lacking, f"no course came by {lacking}: {Stock.courses}"
