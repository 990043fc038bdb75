"""How a benchmark measures: baseline and candidate take turns, and only ratios within one round are believed.

A round runs both sides, one after the other, in changing order. Results are compared for equality before any time
is. The median of the per-round ratios is the figure; quartiles are printed beside it. A round in which other
processes used more than a quarter of the CPU is repeated, a bounded number of times; what stays disturbed is kept
and said (PROOF-6).
"""

import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

ROUNDS = 5
MOST_OTHERS = 0.25
"""Share of all CPU time that others may use in a round."""
REPEATS = 3
"""Rounds that may be repeated in one comparison."""
BUILD = Path(__file__).parents[2] / "build" / "bench"
_TICKS = os.sysconf("SC_CLK_TCK")


class ResultsDiffer(Exception):
    """Baseline and candidate did not do the same; their times mean nothing."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is held against: number in performance.md, and the bounds of the ratio or of the figure itself.

    `better` says whether a higher or a lower figure is better. Without `must` it is printed and not judged.
    """

    number: str
    title: str
    unit: str
    must: float | None = None
    aim: float | None = None
    better: Literal["higher", "lower"] = "higher"

    def reached(self, figure: float, bound: float | None) -> bool | None:
        """Whether a figure keeps a bound; None without one."""
        if bound is None:
            return None
        return figure >= bound if self.better == "higher" else figure <= bound


@dataclass(frozen=True, slots=True)
class Turn:
    """One side of one round: its figure, the CPU that an operation took, what it brought about, operations."""

    figure: float
    result: object = None
    operations: int = 1
    cpu_us: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)
    """Further figures of the same turn, for goals of their own (`also`)."""


@dataclass(frozen=True, slots=True)
class Round:
    """Both turns of a round and the share of the CPU that others used meanwhile."""

    baseline: Turn | None
    candidate: Turn
    others: float

    @property
    def ratio(self) -> float | None:
        """candidate / baseline; None without baseline."""
        return None if self.baseline is None else self.candidate.figure / self.baseline.figure

    @property
    def disturbed(self) -> bool:
        """Whether others used too much for the round to count."""
        return self.others > MOST_OTHERS


@dataclass(slots=True)
class Report:
    """What a comparison found."""

    goal: Goal
    rounds: list[Round]
    repeated: int = 0
    more: dict[str, float] = field(default_factory=dict)
    """Further figures, printed beside and not judged."""

    @property
    def values(self) -> list[float]:
        """What the goal is about: ratios, or the candidate's figures where there is no baseline."""
        return [one.candidate.figure if one.ratio is None else one.ratio for one in self.rounds]

    @property
    def value(self) -> float:
        """Median of the values."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile of the values."""
        return quartiles(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the goal's bound is kept; None for a figure that is not judged."""
        return self.goal.reached(self.value, self.goal.must)

    @property
    def disturbed(self) -> int:
        """Rounds in which others used too much and which could not be repeated any more."""
        return sum(one.disturbed for one in self.rounds)

    def document(self) -> dict[str, Any]:
        """The report for build/bench/<name>.json."""
        with_baseline = [one for one in self.rounds if one.baseline is not None]
        return {
            "goal": self.goal.number,
            "title": self.goal.title,
            "ratio": _short(self.value) if with_baseline else None,
            "must": self.goal.must,
            "aim": self.goal.aim,
            "holds": self.holds,
            "aim_holds": self.goal.reached(self.value, self.goal.aim),
            "unit": self.goal.unit,
            "baseline": _short(_median(one.baseline.figure for one in with_baseline if one.baseline is not None)),
            "candidate": _short(_median(one.candidate.figure for one in self.rounds)),
            "quartiles": [_short(value) for value in self.quartiles],
            "rounds": [
                {
                    "baseline": _short(one.baseline.figure) if one.baseline is not None else None,
                    "candidate": _short(one.candidate.figure),
                    "ratio": _short(one.ratio),
                    "operations": one.candidate.operations,
                    "others": round(one.others, 3),
                }
                for one in self.rounds
            ],
            "cpu_us": {
                "baseline": _short(_median(one.baseline.cpu_us for one in with_baseline if one.baseline is not None)),
                "candidate": _short(_median(one.candidate.cpu_us for one in self.rounds)),
            },
            "repeated": self.repeated,
            "disturbed": self.disturbed,
            **{name: _short(value) for name, value in self.more.items()},
        }


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Lower and upper quartile, the ends included; of one value both are the value."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent of all are not above (nearest rank)."""
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def _median(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


class Meter:
    """CPU that others than this process and its children used between `begin` and `share`."""

    def __init__(self) -> None:
        self._at = self._all = self._own = 0.0

    def begin(self) -> None:
        """Start to watch."""
        self._at, self._all, self._own = time.monotonic(), busy_seconds(), own_seconds()

    def share(self) -> float:
        """Share of all CPU time since `begin`, 0 to 1."""
        seconds = (time.monotonic() - self._at) * (os.cpu_count() or 1)
        used = (busy_seconds() - self._all) - (own_seconds() - self._own)
        return max(0.0, used / seconds) if seconds > 0 else 0.0


def busy_seconds() -> float:
    """CPU seconds that all processes of the machine have used, from /proc/stat."""
    user, nice, system, _, _, irq, soft = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + soft) / _TICKS


def cpu_seconds(pid: int) -> float:
    """CPU seconds of one process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def parent_of(pid: int) -> int:
    """The process that started another."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def own_seconds() -> float:
    """CPU seconds of this process and of all that it has started, directly or not."""
    return tree_seconds(os.getpid())


def tree_seconds(root: int) -> float:
    """CPU seconds of a process and of all that it has started, directly or not."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = parent_of(int(entry.name))
            except (OSError, IndexError):
                continue
            below.setdefault(parent, []).append(int(entry.name))
    total, waiting = 0.0, [root]
    while waiting:
        pid = waiting.pop()
        waiting += below.get(pid, [])
        try:
            total += cpu_seconds(pid)
        except OSError:
            continue
    return total


Side = Callable[[int], Awaitable[Turn]]
"""One side of a comparison: is given the number of the round."""


async def compare(
    goal: Goal,
    candidate: Side,
    baseline: Side | None = None,
    *,
    rounds: int = ROUNDS,
    repeats: int = REPEATS,
    meter: Meter | None = None,
) -> Report:
    """Let both sides take turns; ResultsDiffer when they do not bring about the same.

    Without baseline the candidate's own figure is held against the goal.
    """
    watch = meter or Meter()
    report = Report(goal, [])
    number = 0
    while len(report.rounds) < rounds:
        watch.begin()
        sides = [baseline, candidate] if number % 2 == 0 else [candidate, baseline]
        turns = {side: await side(number) for side in sides if side is not None}
        others = watch.share()
        number += 1
        mine, theirs = turns[candidate], turns[baseline] if baseline is not None else None
        if theirs is not None and mine.result != theirs.result:
            raise ResultsDiffer(f"{goal.number}: {theirs.result!r} became {mine.result!r}")
        found = Round(theirs, mine, others)
        if found.disturbed and report.repeated < repeats:
            report.repeated += 1
        else:
            report.rounds.append(found)
    return report


def also(report: Report, goal: Goal, key: str) -> Report:
    """What the same rounds say about another goal: the figure that each turn holds under a key."""

    def turned(turn: Turn) -> Turn:
        return replace(turn, figure=turn.more[key])

    rounds = [
        Round(turned(one.baseline) if one.baseline is not None else None, turned(one.candidate), one.others)
        for one in report.rounds
    ]
    return Report(goal, rounds, report.repeated)


def table(reports: Sequence[Report]) -> str:
    """The reports as people read them."""
    head = f"{'goal':<6} {'what':<46} {'baseline':>10} {'candidate':>10} {'figure':>9} {'quartiles':>15}"
    lines = [f"{head} {'must':>7} {'aim':>7}  holds    CPU us (base, cand)"]
    for report in reports:
        found, goal = report.document(), report.goal
        low, high = (f"{value:.3g}" for value in found["quartiles"])
        word = {None: "-", True: "yes", False: "NO"}[found["holds"]]
        word = "aim" if found["aim_holds"] and word == "yes" else word
        cpu = "  ".join(_shown(found["cpu_us"][side], "") for side in ("baseline", "candidate"))
        sign = "x" if found["ratio"] is not None else f" {goal.unit}"
        lines.append(
            f"{goal.number:<6} {goal.title:<46} {_shown(found['baseline'], ''):>10} "
            f"{_shown(found['candidate'], ''):>10} {_shown(report.value, sign):>9} {f'{low} .. {high}':>15} "
            f"{_bound(goal, goal.must):>7} {_bound(goal, goal.aim):>7}  {word:<8} {cpu}"
        )
        notes = [f"{name} {_shown(value, '')}" for name, value in report.more.items()]
        if report.repeated or report.disturbed:
            worst = max(one.others for one in report.rounds)
            notes.append(
                f"{report.repeated} rounds repeated, {report.disturbed} of {len(report.rounds)} counted although "
                f"others used more than {MOST_OTHERS:.0%} of the CPU (at most {worst:.0%})"
            )
        lines += [f"       {note}" for note in notes]
    return "\n".join(lines)


def _shown(value: float | None, sign: str) -> str:
    return "-" if value is None else f"{value:.3g}{sign}" if value < 1000 else f"{value:,.0f}{sign}"


def _bound(goal: Goal, bound: float | None) -> str:
    return "-" if bound is None else f"{'>=' if goal.better == 'higher' else '<='} {bound:g}"


def save(name: str, reports: Sequence[Report], folder: Path = BUILD) -> Path:
    """Write build/bench/<name>.json."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.json"
    target.write_text(json.dumps([report.document() for report in reports], indent=2) + "\n")
    return target
