"""The drill's parts, in order; what does not hold is a failure, every figure is kept for the report."""

import asyncio
import re
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli import backup as store_of
from cli.engines import EngineFailed, backup
from tests.drill.load import Command, Load
from tests.drill.plant import DrillFailed, Plant, plantops, size_of
from tests.drill.proof import Outcome, instant, outcome

WARM, BEHIND, LAST = 3.0, 5.0, 7.0
"""Seconds of load before the base backup, from it to the chosen instant, from there to the end."""
STREAMED_SECONDS = 5.0
"""What may be lost with the machine while the log streams to the archive."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What `plantops reconcile` says at its end."""

    missing: int
    unknown: int
    ahead: int

    @classmethod
    def of(cls, said: str) -> "Difference":
        """Read the last verdict of what it printed."""
        found = re.findall(r"difference: (\d+) missing, (\d+) received and never told, (\d+) resources", said)
        if not found:
            raise DrillFailed(f"plantops reconcile gave no verdict:\n{said[-2000:]}")
        return cls(*map(int, found[-1]))


class Drill:
    """One run on a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.failures: list[str] = []
        self.figures: dict[str, Any] = {"failures": self.failures}
        self.lines: list[str] = []
        self.plants: list[Plant] = []
        self.commands: list[Command] = []
        self.chosen = self.killed = 0.0

    async def run(self) -> None:
        """All parts."""
        await self._work_and_destroy()
        self._damage_is_found()
        end = self._restored("end", None)
        self._prove("everything, to the archive's end", end, self.killed, STREAMED_SECONDS)
        self._broker_is_lost(end)
        end.stop()
        self._one_database_is_older(end)
        end.stop()
        earlier = self._restored("instant", datetime.fromtimestamp(self.chosen, UTC))
        self._prove("everything, to a chosen instant", earlier, self.chosen, 0.0)
        await self._ask_again(earlier)
        earlier.stop()

    # --- before ---------------------------------------------------------------------------------------------

    async def _work_and_destroy(self) -> None:
        plant = self._plant("first")
        self.say(f"plant: ready with its sample data in {plant.start('--archive', str(self.store)):.0f} s")
        plant.tell("demo")
        load = Load(plant.folder, "drill")
        self.commands = load.commands
        await load.begin()
        began = time.time()
        await asyncio.sleep(WARM)
        load.check()
        first = time.time()
        said = await asyncio.to_thread(plant.tell, "backup", "create", "--to", str(self.store))
        second = time.time()
        if "successfully verified" not in said:
            self.fail(f"pg_verifybackup: {said}")
        await asyncio.sleep(BEHIND)
        load.check()
        self.chosen = plant.rows("materials", "select extract(epoch from clock_timestamp())::float8")[0][0]
        await asyncio.sleep(LAST)
        load.check()
        self.killed = plant.kill()
        await load.end()
        await asyncio.to_thread(plant.destroy)
        refused = [command for command in self.commands if command.outcome.startswith("refused")]
        if refused:
            self.fail(f"{len(refused)} commands were refused, such as {refused[0].told()}")
        known = [command for command in load.acknowledged if command.acknowledged is not None]
        meanwhile = [c for c in known if first <= c.acknowledged <= second]  # type: ignore[operator]
        self.figures["load"] = {
            "seconds": self.killed - began,
            "acknowledged": len(known),
            "unknown": sum(command.outcome == "unknown" for command in self.commands),
            "per_second": len(known) / (self.killed - began),
            "per_second_while_backed_up": len(meanwhile) / (second - first),
            "backup_seconds": second - first,
        }
        self.say(
            f"load: {len(known)} commands acknowledged in {self.killed - began:.0f} s "
            f"({len(known) / (self.killed - began):.0f}/s, {len(meanwhile) / (second - first):.0f}/s while the base "
            f"backup was taken), {self.figures['load']['unknown']} unknown at the kill"
        )
        base = store_of.bases(self.store)[0]
        archived = size_of(self.store / "wal")
        self.figures["sizes"] = {"base": base.size, "archive": archived, "verified": base.said}
        self.say(
            f"base backup: {store_of.megabytes(base.size)} in {second - first:.1f} s under load; "
            f"archive {store_of.megabytes(archived)}; pg_verifybackup: {base.said}"
        )
        self.say(
            f"destroyed at {instant(self.killed)}: kill -9 of all, databases and streams removed; "
            f"the chosen instant is {instant(self.chosen)}"
        )

    def _damage_is_found(self) -> None:
        """One flipped byte in a copy of the base backup, and a manifest that is not its own."""
        base = store_of.bases(self.store)[0]
        copy = self.folder / "damaged"
        shutil.copytree(base.data, copy, symlinks=True)
        victim = max((copy / "base").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
        with victim.open("r+b") as file:
            file.seek(victim.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 0x01]))
        try:
            backup.verify(copy)
            self.fail("pg_verifybackup did not notice a flipped byte")
        except EngineFailed as error:
            finding = str(error).replace(str(self.folder), "...")
            self.figures["damage"] = finding
            self.say(f"one byte of a copy flipped: {finding.split(': ', 1)[-1][:150]}")
        shutil.rmtree(copy)

    # --- restores -------------------------------------------------------------------------------------------

    def _restored(self, name: str, at: datetime | None) -> Plant:
        """Restore into a new folder, start it with an empty broker, wait until its books are compared."""
        plant = self._plant(name)
        words = ["backup", "restore", "--from", str(self.store), "--to", str(plant.folder)]
        began = time.monotonic()
        said = plantops(*words, *(["--time", at.isoformat()] if at is not None else []))
        restored = time.monotonic()
        plant.start("--empty")
        ready = time.monotonic()
        check = plant.tell("check")
        rest = time.monotonic()
        plant.tell("backup", "check")
        if "difference 0" not in plant.tell("reconcile"):
            self.fail(f"{name}: databases of one instant differ")
        self.figures[name] = {
            "restore_seconds": restored - began,
            "rto_seconds": ready - began,
            "at_rest_seconds": rest - began,
            "said": said,
        }
        told = {line.split(":")[0]: line.split()[1] for line in check.splitlines() if "events told" in line}
        self.figures[name]["events_told_again"] = {key: int(value) for key, value in told.items()}
        return plant

    def _prove(self, failure: str, plant: Plant, at: float, bound: float) -> None:
        """Every command acknowledged before the instant has its effect once; print what the failure cost."""
        found = outcome(plant, self.commands, at)
        figures = self.figures[plant.folder.name]
        cost = self._cost(found, at)
        figures |= {
            "failure": failure,
            "present": len(found.present),
            "lost": [command.told() for command in found.lost],
            "later": [command.told() for command in found.later],
            "unknown_present": found.unknown_present,
            "unknown_absent": found.unknown_absent,
            "rpo_seconds": cost,
        }
        if found.doubled:
            self.fail(f"{failure}: {len(found.doubled)} commands have more than one effect: {found.doubled[0].told()}")
        if found.unreserved:
            self.fail(f"{failure}: {len(found.unreserved)} approved orders without their one reservation")
        if found.lost and cost > bound:
            self.fail(f"{failure}: {len(found.lost)} commands acknowledged before the instant are lost, {cost:.3f} s")
        self.say(
            f"{failure}: RPO {cost:.3f} s, {len(found.lost)} of {len(found.present) + len(found.lost)} acknowledged "
            f"commands; RTO {figures['rto_seconds']:.1f} s (restore {figures['restore_seconds']:.1f} s), at rest after "
            f"{figures['at_rest_seconds']:.1f} s; {sum(figures['events_told_again'].values())} events told again"
        )
        self.say(
            f"  later than the instant and listed: {len(found.later)}; unknown to their callers: "
            f"{found.unknown_present} with effect, {found.unknown_absent} without; doubled: {len(found.doubled)}"
        )

    @staticmethod
    def _cost(found: Outcome, at: float) -> float:
        """Acknowledged work that is lost, in seconds before the instant."""
        return max((at - (command.acknowledged or at) for command in found.lost), default=0.0)

    def _broker_is_lost(self, plant: Plant) -> None:
        """All NATS volumes gone while the plant runs: the streams come back from the outboxes (REL-89)."""
        before = outcome(plant, self.commands, self.killed)
        began = time.monotonic()
        plant.lose_broker()
        while True:  # the plant's own watch starts the broker, then the streams can be made
            try:
                plant.tell("nats", "apply")
                break
            except DrillFailed:
                if time.monotonic() - began > 60:
                    raise
        applied = time.monotonic()
        check = plant.tell("check")
        after = outcome(plant, self.commands, self.killed)
        if len(after.present) != len(before.present) or after.doubled or after.unreserved:
            self.fail("the loss of the broker changed effects")
        told = sum(int(line.split()[1]) for line in check.splitlines() if "events told" in line)
        rest = time.monotonic()
        self.figures["broker"] = {"rto_seconds": applied - began, "at_rest_seconds": rest - began, "events": told}
        self.say(
            f"all NATS volumes: RPO 0, 0 commands; streams declared after {applied - began:.1f} s, "
            f"{told} events told again and at rest after {rest - began:.1f} s, difference 0"
        )

    def _one_database_is_older(self, plant: Plant) -> None:
        """Materials goes back to the chosen instant, the others and the broker stay (REL-89)."""
        at = datetime.fromtimestamp(self.chosen, UTC).isoformat()
        began = time.monotonic()
        said = plant.tell("backup", "restore-service", "materials", "--from", str(self.store), "--time", at)
        kept = said.split(" kept as database ", 1)[1].split()[0]
        plant.start("--empty")
        before = Difference.of(plant.tell("reconcile", "--dry-run", wrong=True))
        ready = time.monotonic()
        after = Difference.of(plant.tell("reconcile", "--rewind", "--reason", "drill: materials restored", wrong=True))
        rest = time.monotonic()
        plant.tell("check")
        lost = self._lost_events(plant, kept)
        found = outcome(plant, [c for c in self.commands if c.kind == "move"], self.chosen)
        others = outcome(plant, [c for c in self.commands if c.kind != "move"], self.killed)
        for wrong, text in (
            (not before.missing, "nothing was missing in the inbox of the older database"),
            (after.missing or after.ahead, f"reconcile left {after}"),
            (after.unknown != lost, f"{lost} received events were never told, {after.unknown} are listed"),
            (found.lost, f"{len(found.lost)} movements from before the instant are lost"),
            (others.lost or others.later, "the restore of one database took effects from another"),
            (found.doubled or others.doubled, "commands have more than one effect"),
            (others.unreserved, f"{len(others.unreserved)} approved orders without their one reservation"),
        ):
            if wrong:
                self.fail(f"one database: {text}")
        self.figures["one_database"] = {
            "rto_seconds": ready - began, "at_rest_seconds": rest - began, "before": before, "after": after,
            "later": [command.told() for command in found.later],
        }  # fmt: skip
        self.say(
            f"one database (materials) to the chosen instant: RTO {ready - began:.1f} s, reconciled after "
            f"{rest - began:.1f} s; {before.missing} events were missing in its inbox and are told again, "
            f"{before.ahead} resources rewound"
        )
        self.say(
            f"  {after.unknown} events that it told are known to others alone and listed; its own {len(found.later)} "
            f"later movements are listed; of the others' commands none is lost, none doubled"
        )

    @staticmethod
    def _lost_events(plant: Plant, kept: str) -> int:
        """Receptions, by the other services, of events that stand only in the database that was set aside."""
        query = "select event_id from outbox"
        lost = set(plant.rows(kept, query)) - set(plant.rows("materials", query))
        received = "select count(*) from inbox where consumer = %s and event_id = any(%s)"
        return sum(
            plant.rows(service, received, f"{service}-materials", [event_id for (event_id,) in lost])[0][0]
            for service in ("maintenance", "procurement")
        )

    async def _ask_again(self, plant: Plant) -> None:
        """Callers send what was lost, and what was not, with the same request ids: each has its effect once."""
        before = outcome(plant, self.commands, self.chosen)
        mine = [c for c in (*before.later, *before.present[-50:]) if c.kind in {"create", "require"}]
        again = Load(plant.folder, "again")
        refused = await again.repeat(mine)
        after = outcome(plant, self.commands, self.chosen)
        back = len(before.later) - len(after.later)
        if refused or after.doubled or back != sum(c.kind in {"create", "require"} for c in before.later):
            self.fail(f"sent again: {refused[:1]}, {len(after.doubled)} doubled, {back} of them back")
        plant.tell("check")
        self.figures["sent_again"] = {"commands": len(mine), "back": back}
        self.say(f"sent again with the same request ids: {len(mine)} commands, {back} effects came back, 0 doubled")

    # --- the rest -------------------------------------------------------------------------------------------

    def _plant(self, name: str) -> Plant:
        plant = Plant(self.folder / name)
        self.plants.append(plant)
        return plant

    def say(self, text: str) -> None:
        """A line of the report, printed at once."""
        self.lines.append(text)
        print(text, flush=True)

    def fail(self, text: str) -> None:
        """Something does not hold."""
        self.failures.append(text)
        print(f"DOES NOT HOLD: {text}", flush=True)

    def close(self, *, keep: bool) -> None:
        """End what still runs and remove what lies elsewhere."""
        for plant in self.plants:
            plant.stop()
            if not keep:
                plant.remove()

    def report(self, seconds: float) -> None:
        """The last line."""
        self.figures["seconds"] = seconds
        self.figures["report"] = self.lines
        holds = "everything holds" if not self.failures else f"{len(self.failures)} things do not hold"
        print(f"drill: {holds}; {seconds:.0f} s; build/drill/drill.json")
