"""How much of an alternate covers a demand, and which alternates stand in for what an item lacks (MAT-10, MAT-89)."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from services.materials.rules import decisions
from services.materials.rules.allocation import Candidate, Demand, Key, OrderKey, Plan, Rules, order, plan

ZERO = Decimal(0)


class Why(StrEnum):
    """Why an alternate is passed over."""

    POLICY_REFUSES = "POLICY_REFUSES"
    LOT_IS_ASKED = "LOT_IS_ASKED"
    OTHER_DIRECTION = "OTHER_DIRECTION"
    NOT_VALID_ON_THE_DAY = "NOT_VALID_ON_THE_DAY"
    NOT_IN_USE = "NOT_IN_USE"
    GIVEN_BACK = "GIVEN_BACK"
    NOT_NEEDED = "NOT_NEEDED"
    NOT_ENOUGH_STOCK = "NOT_ENOUGH_STOCK"


@dataclass(frozen=True, slots=True)
class Ratio:
    """1 of the item = numerator/denominator of the alternate, in base units, each on the grid of its item."""

    numerator: int
    denominator: int
    step: Decimal
    covered_step: Decimal

    def takes(self, demanded: Decimal) -> Decimal:
        """The least of the alternate that covers so much."""
        exact = Fraction(demanded) * self.numerator / self.denominator
        return math.ceil(exact / Fraction(self.step)) * self.step

    def covers(self, amount: Decimal) -> Decimal:
        """The most that so much of the alternate covers."""
        whole = math.floor(Fraction(amount) / Fraction(self.step)) * Fraction(self.step)
        exact = whole * self.denominator / self.numerator
        return math.floor(exact / Fraction(self.covered_step)) * self.covered_step


@dataclass(frozen=True, slots=True)
class Offer:
    """An alternate of an item. `turned`: the alternate names the item, and not the item the alternate."""

    item: str
    unit_code: str
    ratio: Ratio
    both_ways: bool = False
    turned: bool = False
    in_use: bool = True
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """What a demand lacks of its item; `given_back` are alternates that stood in for it and do so no more."""

    demand: Demand
    demand_kind: str = ""
    refused: bool = False
    given_back: Collection[str] = ()


@dataclass(slots=True)
class Stock:
    """Candidates of an alternate and what its policy says."""

    candidates: list[Candidate] = field(default_factory=list)
    rules: Rules = field(default_factory=Rules)


@dataclass(slots=True)
class Cover:
    """What an alternate does for a demand: `covered` of it, by what the plan takes; else why it does nothing."""

    offer: Offer
    covered: Decimal = ZERO
    plan: Plan | None = None
    why: Why | None = None

    @property
    def taken(self) -> Decimal:
        """How much of the alternate."""
        return sum((amount for _, amount in self.plan.taken), ZERO) if self.plan is not None else ZERO


def refusal(offer: Offer, need: Need) -> Why | None:
    """Why an alternate may not stand in for a demand."""
    if need.refused:
        return Why.POLICY_REFUSES
    if need.demand.lot:
        return Why.LOT_IS_ASKED
    if offer.turned and not offer.both_ways:
        return Why.OTHER_DIRECTION
    if (offer.first or date.min) > need.demand.day or need.demand.day > (offer.last or date.max):
        return Why.NOT_VALID_ON_THE_DAY
    if not offer.in_use:
        return Why.NOT_IN_USE
    return Why.GIVEN_BACK if offer.item in need.given_back else None


def fit(offer: Offer, need: Need, lacking: Decimal, stock: Stock) -> Cover:
    """As much as the stock covers, and not more of the alternate than covers that; `free` keeps what is left."""
    life = need.demand.life_days
    demand = replace(
        need.demand, unit_code=offer.unit_code,
        life_days=stock.rules.minimum_lives.get(need.demand_kind) if life is None else life,
    )  # fmt: skip
    wanted = offer.ratio.takes(lacking)
    while True:
        tried = plan([replace(row) for row in stock.candidates], replace(demand, needed=wanted), stock.rules)
        got = sum((amount for _, amount in tried.taken), ZERO)
        covered = lacking if got >= offer.ratio.takes(lacking) else offer.ratio.covers(got)
        exact = offer.ratio.takes(covered)
        if exact >= got:
            break
        wanted = exact
    found = plan(stock.candidates, replace(demand, needed=wanted), stock.rules)
    return Cover(offer, covered, found, None if covered > 0 else Why.NOT_ENOUGH_STOCK)


def run(needs: Iterable[Need], offers: Sequence[Offer], stocks: Mapping[str, Stock]) -> list[list[Cover]]:
    """Each demand takes of its alternates in their order what those before it left."""
    found = []
    for need in needs:
        lacking, covers = need.demand.needed, []
        for offer in offers:
            why = refusal(offer, need) or (Why.NOT_NEEDED if lacking <= 0 else None)
            cover = Cover(offer, why=why) if why else fit(offer, need, lacking, stocks.get(offer.item, Stock()))
            lacking -= cover.covered
            covers.append(cover)
        found.append(covers)
    return found


def record(
    needs: Sequence[Need], offers: Sequence[Offer], stocks: Mapping[str, Stock], before: str
) -> tuple[list[list[Cover]], dict[str, Any], dict[str, Any]]:
    """Decide, and give what comes of it with inputs and outcome to be kept; `before` took the item itself."""
    free = {row.balance: row.free for stock in stocks.values() for row in stock.candidates}
    found = run(needs, offers, stocks)
    taken = {row.balance for covers in found for each in covers if each.plan for row, _ in each.plan.taken}
    kept: dict[str, Any] = {}
    listed = set(taken)
    for offer in offers:
        stock = stocks.get(offer.item, Stock())
        others = [row for row in stock.candidates if row.balance not in taken]
        others = order(others, needs[0].demand, stock.rules.order)[: decisions.LISTED]
        listed |= {row.balance for row in others}
        rows = [replace(row, free=free[row.balance]) for row in stock.candidates if row.balance in listed]
        kept[offer.item] = decisions.inputs([], rows, stock.rules)
    for covers in found:
        for each in covers:
            if each.plan is not None:
                each.plan.passed = [row for row in each.plan.passed if row[0].balance in listed]
    inputs = {
        "before": before,
        "needs": [
            decisions.plain_row(need)
            | {"demand": decisions.plain_row(need.demand), "given_back": list(need.given_back)}
            for need in needs
        ],
        "offers": [decisions.plain_row(offer) | {"ratio": decisions.plain_row(offer.ratio)} for offer in offers],
        "stocks": kept,
    }
    return found, inputs, outcome(needs, found, before)


def outcome(needs: Iterable[Need], found: Iterable[Sequence[Cover]], before: str) -> dict[str, Any]:
    """What each demand takes of which alternate, and why others and their stock are passed over."""
    return {
        "before": before,
        "demands": [
            {"reservation": need.demand.reservation, "alternates": [_told(cover) for cover in covers]}
            for need, covers in zip(needs, found, strict=True)
        ],
    }


def _told(cover: Cover) -> dict[str, Any]:
    made = decisions.outcome([cover.plan])["demands"][0] if cover.plan is not None else {}
    return {
        "item": cover.offer.item, "covers": decisions.plain(cover.covered), "quantity": decisions.plain(cover.taken),
        "unit_code": cover.offer.unit_code, "why": cover.why.value if cover.why else "",
        "taken": made.get("taken", []), "passed_over": made.get("passed_over", []),
    }  # fmt: skip


def replay(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of recorded inputs."""
    needs = [
        Need(decisions.read_row(Demand, row["demand"]), row["demand_kind"], row["refused"], row["given_back"])
        for row in recorded["needs"]
    ]
    offers = [
        replace(decisions.read_row(Offer, row), ratio=decisions.read_row(Ratio, row["ratio"]))
        for row in recorded["offers"]
    ]
    stocks = {}
    for item, kept in recorded["stocks"].items():
        said = dict(kept["rules"])
        said["order"] = tuple(OrderKey(Key(each["key"]), each["descending"]) for each in said["order"])
        stocks[item] = Stock([decisions.read_row(Candidate, row) for row in kept["candidates"]], Rules(**said))
    return outcome(needs, run(needs, offers, stocks), recorded["before"])


def words(found: Mapping[str, Any], unit_code: str) -> list[str]:
    """The outcome in sentences."""
    lines = [f"{found['before']} took the item itself"] if found["before"] else []
    for row in found["demands"]:
        for each in row["alternates"]:
            reason = f" of {each['item']}: {each['why'].replace('_', ' ').lower()}"
            lines.append(
                f"{row['reservation']} takes none{reason}" if each["why"] else
                f"{row['reservation']} takes {each['quantity']} {each['unit_code']} of {each['item']} "
                f"for {each['covers']} {unit_code}"
            )  # fmt: skip
            lines += [f"{each['item']} at {got['location']} {got['lot']}".strip() for got in each["taken"]]
            lines += [
                f"{each['item']} at {over['location']} {over['lot']}".strip()
                + f" is passed over: {over['why'].replace('_', ' ').lower()}"
                for over in each["passed_over"]
            ]
    return lines
