"""The measuring itself, with given times: ratios, quartiles, repeated rounds, equality before times (PROOF-6)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.load import measure
from tests.load.measure import (
    Goal,
    Meter,
    Report,
    ResultsDiffer,
    Round,
    Side,
    Turn,
    also,
    compare,
    percentile,
    quartiles,
)

FASTER = Goal("G11", "relay", "events/s", must=5, aim=10)
CHEAPER = Goal("G8", "cpu", "us", must=2, aim=1.5, better="lower")


class Calm(Meter):
    """Others use what the test says, round by round."""

    def __init__(self, *shares: float) -> None:
        super().__init__()
        self.shares: Iterator[float] = iter(shares)

    def share(self) -> float:
        return next(self.shares, 0.0)


def giving(*figures: float, result: object = "same", log: list[str] | None = None, name: str = "") -> Side:
    left = iter(figures)

    async def side(number: int) -> Turn:
        if log is not None:
            log.append(f"{name}{number}")
        return Turn(next(left), result=result, operations=7, cpu_us=50)

    return side


async def test_the_figure_is_the_median_of_the_ratios_and_not_the_ratio_of_medians() -> None:
    report = await compare(
        FASTER, giving(60, 10, 70, 90, 20), giving(10, 1, 10, 10, 4), meter=Calm()
    )  # ratios 6, 10, 7, 9, 5
    assert report.values == [6, 10, 7, 9, 5]
    assert report.value == 7
    assert report.quartiles == (6, 9)
    assert (report.holds, report.goal.reached(report.value, report.goal.aim)) == (True, False)


async def test_sides_take_turns_and_the_order_changes() -> None:
    log: list[str] = []
    await compare(
        FASTER,
        giving(*[1] * 3, log=log, name="c"),
        giving(*[1] * 3, log=log, name="b"),
        rounds=3,
        meter=Calm(),
    )
    assert log == ["b0", "c0", "c1", "b1", "b2", "c2"]


async def test_a_disturbed_round_is_repeated_and_does_not_count() -> None:
    report = await compare(FASTER, giving(100, 6, 6), giving(1, 1, 1), rounds=2, meter=Calm(0.3, 0.25, 0.1))
    assert (report.values, report.repeated, report.disturbed) == ([6, 6], 1, 0)


async def test_on_a_machine_that_stays_busy_the_rounds_count_and_it_is_said() -> None:
    report = await compare(
        FASTER, giving(9, 9, 6, 6), giving(1, 1, 1, 1), rounds=2, repeats=2, meter=Calm(0.9, 0.9, 0.9, 0.9)
    )
    assert (report.values, report.repeated, report.disturbed) == ([6, 6], 2, 2)
    assert "2 rounds repeated, 2 of 2 counted although others used more than 25% of the CPU (at most 90%)" in (
        measure.table([report])
    )


async def test_results_are_compared_before_times() -> None:
    with pytest.raises(ResultsDiffer, match="'same' became 'other'"):
        await compare(FASTER, giving(100, result="other"), giving(1), meter=Calm())


async def test_without_a_baseline_the_figure_itself_is_judged() -> None:
    goal = Goal("G16", "event to effect", "ms", must=150, aim=50, better="lower")
    report = await compare(goal, giving(160, 40, 45), rounds=3, meter=Calm())
    assert (report.value, report.holds) == (45, True)
    assert report.document()["ratio"] is None
    assert report.document()["candidate"] == 45


def test_quartiles_and_percentiles() -> None:
    assert quartiles([1, 2, 3, 4, 5]) == (2, 4)
    assert quartiles([7]) == (7, 7)
    assert [percentile(list(range(1, 101)), percent) for percent in (50, 99, 100)] == [50, 99, 100]
    assert percentile([3], 99) == 3


@pytest.mark.parametrize(
    ("goal", "ratio", "holds", "aim"),
    [
        (FASTER, 4.99, False, False), (FASTER, 5, True, False), (FASTER, 10, True, True),
        (CHEAPER, 2.01, False, False), (CHEAPER, 2, True, False), (CHEAPER, 1.5, True, True),
        (Goal("-", "context", "us"), 99, None, None),
    ],
)  # fmt: skip
def test_a_bound_is_kept_up_to_itself(goal: Goal, ratio: float, holds: bool | None, aim: bool | None) -> None:
    report = Report(goal, [Round(Turn(1), Turn(ratio), 0)])
    assert (report.holds, report.document()["aim_holds"]) == (holds, aim)


def test_the_file_is_a_list_of_objects_with_the_agreed_keys(tmp_path: Path) -> None:
    report = Report(FASTER, [Round(Turn(2, cpu_us=400), Turn(12, operations=7, cpu_us=50), 0.125)])
    report.more["p99"] = 3.14159
    (found,) = json.loads(measure.save("relay", [report], tmp_path).read_text())
    assert {"goal", "ratio", "must", "aim", "holds", "baseline", "candidate", "rounds", "cpu_us"} <= set(found)
    assert (found["goal"], found["ratio"], found["must"], found["aim"], found["holds"]) == ("G11", 6, 5, 10, True)
    assert found["cpu_us"] == {"baseline": 400, "candidate": 50}
    assert found["rounds"] == [{"baseline": 2, "candidate": 12, "ratio": 6, "operations": 7, "others": 0.125}]
    assert found["p99"] == 3.142


def test_the_cpu_of_a_child_counts_as_ours_and_not_as_others() -> None:
    before, all_before = measure.own_seconds(), measure.busy_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(6_000_000))"], check=True)
    used = measure.own_seconds() - before
    assert used >= 0.05
    assert measure.busy_seconds() - all_before >= used / 2
    assert measure.cpu_seconds(os.getpid()) > 0


@pytest.mark.rule("PROOF-6")
async def test_the_same_rounds_speak_of_another_goal() -> None:
    async def mine(number: int) -> Turn:
        return Turn(10, more={"p99": 3})

    async def theirs(number: int) -> Turn:
        return Turn(20, more={"p99": 2})

    report = await compare(FASTER, mine, theirs, rounds=3, meter=Calm())
    slower = also(report, CHEAPER, "p99")
    assert (report.value, slower.value) == (0.5, 1.5)
    assert (report.holds, slower.holds) == (False, True)
