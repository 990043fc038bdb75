"""`make mutation`: change one thing at a time in a service's `rules/`; the pure tests of them must notice (PROOF-3).

    python -m tests.mutation [maintenance|materials|procurement]

The sources are copied to build/mutation and changed there by mutmut. Survivors are listed in build/mutation.json; the
run fails when fewer than 80 % are killed. What no pure test calls counts as survived.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "mutation"
LEAST = 80
"""Percent to be killed in each service."""
KILLED = frozenset({"killed", "timeout", "segfault", "caught by type check"})
CONFIGURATION = """
[tool.mutmut]
source_paths = ["services"]
only_mutate = ["services/{service}/rules/*.py"]
also_copy = ["cli", "gateway", "gen", "k8s", "protos", "docs"]
pytest_add_cli_args = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = ["tests/{service}/rules"]
"""


def prepare(service: str) -> None:
    """A copy of what git knows and of the compiled contract, with a configuration."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, FOLDER / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    shutil.copytree(ROOT / "gen", FOLDER / "gen", dirs_exist_ok=True)
    with (FOLDER / "pyproject.toml").open("a") as file:
        file.write(CONFIGURATION.format(service=service))


def mutate(service: str) -> dict[str, str]:
    """Changed place -> what became of it."""
    prepare(service)
    mutmut = [sys.executable, "-m", "mutmut"]
    environment = {**os.environ, "PLANTOPS_TEST_PROFILE": "noticing"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # each mutant's process would compile the tests anew
    ran = subprocess.run([*mutmut, "run"], cwd=FOLDER, env=environment, capture_output=True, text=True)
    said = subprocess.run(
        [*mutmut, "results", "--all", "true"], cwd=FOLDER, env=environment, capture_output=True, text=True
    )
    found = dict(line.strip().split(": ", 1) for line in said.stdout.splitlines() if ": " in line)
    if ran.returncode or not found:
        sys.exit(f"mutmut ended with {ran.returncode}: {(ran.stdout + ran.stderr)[-2000:]}")
    return found


def main() -> int:
    """Print the share of each file; 1 when a service has too many survivors."""
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("service", nargs="*", default=["maintenance", "materials", "procurement"])
    few = 0
    survivors: dict[str, str] = {}
    for service in parser.parse_args().service:
        found = mutate(service)
        files: dict[str, Counter[bool]] = {}
        for place, outcome in found.items():
            files.setdefault(place.rsplit(".", 1)[0], Counter())[outcome in KILLED] += 1
            if outcome not in KILLED:
                survivors[place] = outcome
        for file, counted in sorted(files.items()):
            print(f"{file:<48} {counted[True]:>5} of {counted.total():>5} killed")
        killed = sum(outcome in KILLED for outcome in found.values())
        share = 100 * killed / len(found)
        print(f"{service}: {killed} of {len(found)} killed, {share:.1f} % (must: {LEAST} %)")
        few += share < LEAST
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "mutation.json").write_text(json.dumps(survivors, indent=1, sort_keys=True))
    return 1 if few else 0


if __name__ == "__main__":
    sys.exit(main())
