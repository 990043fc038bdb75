"""What fault runs showed, as a table and as build/faults/report.json."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.plan import KINDS
from tests.faults.seed_run import Outcome

FOLDER = Path(__file__).parents[2] / "build" / "faults"

MISSING: Mapping[str, str] = {
    "I7": "matched invoices: no such part yet",
    "saga.between_steps, saga.in_compensation": "saga table: no such part yet",
    "sync.mid_batch": "offline queue of the gateway: no such part yet",
    "audit.mid_chain": "hash chain of the audit: no such part yet",
    "migration.mid_backfill": "no migration has a backfill yet",
    "planted: compensation not idempotent": "compensation: no such part yet",
    "F15": "power loss cannot be shown by a kill; the configuration is asserted (REL-20)",
}
"""What section 6 of the reliability design asks for and nothing here can show yet."""


@dataclass(frozen=True, slots=True)
class PlantedRow:
    """A planted bug and whether a run noticed it."""

    name: str
    caught: bool
    by: str
    seconds: float


def line(outcome: Outcome) -> str:
    """One run in one line."""
    commands, absorbed = outcome.commands, outcome.absorbed
    return (
        f"seed {outcome.plan.seed:<5} {'+'.join(outcome.plan.mix):<14} {len(outcome.happened):>3} faults  "
        f"{commands.get('sent', 0):>4} sent {commands.get('acknowledged', 0):>4} ok {commands.get('refused', 0):>3} no "
        f"{commands.get('unknown', 0):>2} ?  absorbed {absorbed.get('broker', 0)}/{absorbed.get('inbox', 0)}/"
        f"{absorbed.get('idempotency', 0)}  rest {outcome.converged:>4.1f} s  {outcome.seconds:>5.1f} s  "
        f"{'ok' if outcome.good else 'FAILED'}"
    )


def summary(outcomes: Sequence[Outcome], planted: Sequence[PlantedRow], more: Mapping[str, Any]) -> dict[str, Any]:
    """All figures of a whole run."""
    happened = [row for outcome in outcomes for row in outcome.happened]
    by_kind: dict[str, Any] = {}
    for kind, title in KINDS.items():
        rows = [row for row in happened if row.fault.kind == kind]
        done = sorted(row.recovered for row in rows if not row.not_run)
        by_kind[kind] = {"what": title, "injected": len(done), "recovery": _quantiles(done)}
        refused = sorted({row.not_run for row in rows if row.not_run})
        if refused:
            by_kind[kind]["not run"] = refused
    findings = [text for outcome in outcomes for text in outcome.findings]
    return {
        "machine": f"{os.cpu_count()} cores with a load of {os.getloadavg()[2]:.0f}, {platform.machine()}, "
        f"Python {platform.python_version()}",
        "seeds": [outcome.plan.seed for outcome in outcomes],
        "failed seeds": [outcome.plan.seed for outcome in outcomes if not outcome.good],
        "faults": by_kind,
        "commands": _sums(outcome.commands for outcome in outcomes),
        "lost": sum(
            "lost" in text or "acknowledged: 0 effects" in text or "has not heard" in text for text in findings
        ),
        "doubled": sum(("effects" in text and "0 effects" not in text) or "is no answer" in text for text in findings),
        "invariant violations": sum(text.startswith(("I", "while faults")) for text in findings),
        "findings": findings,
        "duplicates absorbed": _sums(outcome.absorbed for outcome in outcomes),
        "longest unavailability": round(max((outcome.unavailable for outcome in outcomes), default=0), 2),
        "largest outbox age": round(max((outcome.outbox_age for outcome in outcomes), default=0), 2),
        "convergence": _quantiles(sorted(outcome.converged for outcome in outcomes)),
        "answers INTERNAL": sum(len(outcome.internal) for outcome in outcomes),
        "checks while faults happened": sum(outcome.cheap_checks for outcome in outcomes),
        "planted": {row.name: row.by if row.caught else "SURVIVED" for row in planted},
        "planted bugs caught": f"{sum(row.caught for row in planted)} of {len(planted)}",
        "seconds": round(sum(outcome.seconds for outcome in outcomes) + sum(row.seconds for row in planted), 1),
        "left out": MISSING,
        **more,
    }


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    commands, absorbed = figures["commands"], figures["duplicates absorbed"]
    lines = ["", f"{'fault':<58} {'injected':>8}   recovery p50 / p95 / max"]
    for kind, row in figures["faults"].items():
        times = row["recovery"]
        shown = f"{times['p50']:.1f} / {times['p95']:.1f} / {times['max']:.1f} s" if row["injected"] else "-"
        lines.append(f"{kind:<4} {row['what']:<53} {row['injected']:>8}   {shown}")
        lines += [f"     not run: {why}" for why in row.get("not run", ())]
    rest = figures["convergence"]
    lines += [
        "",
        f"commands     {commands.get('sent', 0)} sent, {commands.get('acknowledged', 0)} acknowledged, "
        f"{commands.get('refused', 0)} refused, {commands.get('unknown', 0)} unknown at the end",
        f"lost         {figures['lost']}",
        f"doubled      {figures['doubled']}",
        f"invariants   {figures['invariant violations']} violations",
        f"absorbed     {absorbed.get('broker', 0)} by the broker, {absorbed.get('inbox', 0)} by the inbox, "
        f"{absorbed.get('idempotency', 0)} by idempotency",
        f"longest      {figures['longest unavailability']} s until a command was answered; "
        f"outbox at most {figures['largest outbox age']} s old",
        f"at rest      p50 {rest['p50']:.1f}, p95 {rest['p95']:.1f}, max {rest['max']:.1f} s after the last fault",
        f"seeds        {len(figures['seeds'])}, of them failed: {figures['failed seeds'] or 'none'}",
        f"machine      {figures['machine']}",
    ]
    return "\n".join(lines)


def write(figures: Mapping[str, Any]) -> Path:
    """Keep the figures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "report.json"
    path.write_text(json.dumps(figures, indent=2, default=str) + "\n")
    return path


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {"p50": 0.0, "p95": 0.0, "max": 0.0}
    return {
        "p50": round(statistics.median(values), 2),
        "p95": round(values[min(len(values) - 1, int(len(values) * 0.95))], 2),
        "max": round(values[-1], 2),
    }


def _sums(many: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in many:
        for key, value in one.items():
            found[key] = found.get(key, 0) + value
    return found
